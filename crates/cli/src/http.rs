//! HTTP/1.1 as far as `web` needs it: one request a connection.
//!
//! tiny_http allocates whatever length a request announces, and waits for it without end; larger servers
//! bring an asynchronous runtime along.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use httparse::EMPTY_HEADER;
use miette::{Report, miette};

/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest request line with its headers, bytes.
const MAX_HEAD: u64 = 64 << 10;

const MAX_HEADERS: usize = 128;

/// So much is still read after an answer that did not wait for the request's end, bytes.
const MAX_REST: u64 = 1 << 30;

/// Why a request is not answered: an HTTP status, and the reason in words.
pub struct Refusal(pub u16, pub Report);

/// A request whose body is still to be read.
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    headers: Vec<(String, String)>,
    connection: BufReader<TcpStream>,
}

impl Request {
    /// Reads all but the body.
    pub fn read(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut connection = BufReader::new(stream);
        let mut lines = connection.by_ref().take(MAX_HEAD);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if lines.read_until(b'\n', &mut head)? == 0 {
                break;
            }
        }
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        if !request.parse(&head).is_ok_and(|status| status.is_complete()) {
            let answer = b"HTTP/1.1 400 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            connection.get_mut().write_all(answer)?;
            return Err(ErrorKind::InvalidData.into());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            headers: request
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
            connection,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// The body, which must say its length and have no more than `most` bytes.
    pub fn body(&mut self, most: u64) -> Result<Vec<u8>, Refusal> {
        let length = match self.header("Transfer-Encoding") {
            None => self.header("Content-Length").and_then(|length| length.parse().ok()),
            Some(_) => None,
        };
        let length: u64 = length
            .ok_or_else(|| Refusal(411, miette!("the request must say its length in Content-Length")))?;
        if length > most {
            return Err(Refusal(
                413,
                miette!("the request is longer than {most} bytes; scale the photograph down"),
            ));
        }
        let mut body = Vec::new();
        self.read_body(length, &mut body)
            .map_err(|error| Refusal(400, miette!("the request broke off: {error}")))?;
        Ok(body)
    }

    fn read_body(&mut self, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
        if self.header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.connection.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        self.connection.by_ref().take(length).read_to_end(body)?;
        if (body.len() as u64) < length { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Answers, and ends the connection.
    pub fn respond(mut self, status: u16, media_type: &str, content: &[u8]) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 {status} \r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            content.len()
        );
        let stream = self.connection.get_mut();
        stream.write_all(head.as_bytes())?;
        if self.method != "HEAD" {
            stream.write_all(content)?;
        }
        stream.shutdown(Shutdown::Write)?;
        // Who still sends would lose the answer if the connection were closed at once.
        io::copy(&mut self.connection.take(MAX_REST), &mut io::sink())?;
        Ok(())
    }
}
