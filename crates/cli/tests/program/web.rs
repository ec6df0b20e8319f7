//! `web`: the page's files, and filling over HTTP.

use std::{
    fs,
    io::{BufRead, BufReader, Cursor, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    thread,
};

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

use crate::{ends_with, fails_with, folder_with_weights, program};

/// The program as a server; it ends with the value.
struct Server {
    child: Child,
    host: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = program(folder, "web --port 0 --quiet --weights model.safetensors");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("standard output");
        BufReader::new(out).read_line(&mut line).expect("an address");
        let host =
            line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/')).expect("an address");
        Self { host: host.to_owned(), child }
    }

    /// Sends a request with lines of headers; status, headers and body of the answer.
    fn send(&self, request: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).expect("a connection");
        let length = body.len();
        let head =
            format!("{request} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).expect("text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head, answer[end + 4..].to_vec())
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        self.send(&format!("GET {path}"), &format!("Host: {}\r\n", self.host), b"")
    }

    /// Sends a form of files and texts: name of the field, name of the file, content.
    fn post(&self, fields: &[(&str, Option<&str>, &[u8])]) -> (u16, Vec<u8>) {
        let mut body = Vec::new();
        for (name, file, content) in fields {
            let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
            let head = format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
            body.extend([head.as_bytes(), content, b"\r\n"].concat());
        }
        body.extend(b"--frontier--\r\n");
        let headers =
            format!("Host: {}\r\nContent-Type: multipart/form-data; boundary=frontier\r\n", self.host);
        let (status, _, body) = self.send("POST /fill", &headers, &body);
        (status, body)
    }

    /// Sends a form that is refused with 400; why.
    fn refuses(&self, fields: &[(&str, Option<&str>, &[u8])]) -> String {
        let (status, body) = self.post(fields);
        let text = String::from_utf8(body).expect("text");
        assert_eq!(status, 400, "{text}");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

#[test]
fn endpoint_fills_as_inpaint_does() {
    let folder = folder_with_weights();
    let folder = folder.path();
    RgbImage::from_fn(64, 64, |x, y| Rgb([(x * x / 16) as u8, (y * 3) as u8, 90]))
        .save(folder.join("a.png"))
        .expect("saved");
    ends_with(0, folder, "inpaint a.png --mask mask.png -o a-filled.png --weights model.safetensors");
    ends_with(0, folder, "inpaint a.png --mask mask.png -o a-filled.jpg --weights model.safetensors");
    let read = |name: &str| fs::read(folder.join(name)).expect("a file");
    let (photo, mask) = (read("a.png"), read("mask.png"));
    let server = Server::start(folder);
    let files = [("photo", Some("a.png"), &photo[..]), ("mask", Some("mask.png"), &mask)];
    assert!(server.post(&files) == (200, read("a-filled.png")));
    let [photo, mask] = files;
    assert!(server.post(&[photo, mask, ("format", None, b"jpeg")]) == (200, read("a-filled.jpg")));
}

#[test]
fn progress_is_told_while_a_photograph_is_filled() {
    let folder = folder_with_weights();
    let encoded = |image: DynamicImage| {
        let mut png = Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).expect("encoded");
        png.into_inner()
    };
    let photo = RgbImage::from_fn(500, 400, |x, y| Rgb([(x * y / 16) as u8, (x * x / 64) as u8, 90]));
    let hole = GrayImage::from_fn(500, 400, |x, y| Luma([if x.abs_diff(250) + y < 150 { 255 } else { 0 }]));
    let (photo, mask) = (encoded(photo.into()), encoded(hole.into()));
    let fields = [
        ("photo", Some("a.png"), &photo[..]),
        ("mask", Some("mask.png"), &mask[..]),
        ("progress", None, b"one"),
    ];
    let server = Server::start(folder.path());
    assert_eq!(server.get("/progress/one").0, 404);
    let named = [fields[0], fields[1], ("progress", None, b"my photo")];
    assert!(server.refuses(&named).contains("not `my photo`"));
    let told = thread::scope(|scope| {
        let filled = scope.spawn(|| server.post(&fields));
        let mut told: Vec<f32> = Vec::new();
        while !filled.is_finished() {
            let (status, _, body) = server.get("/progress/one");
            if status == 200 {
                let text = String::from_utf8(body).expect("text");
                told.push(text.trim().parse().expect("a fraction"));
            }
        }
        assert_eq!(filled.join().expect("an answer").0, 200);
        told
    });
    let is_between = |&fraction: &f32| 0.0 < fraction && fraction < 1.0;
    assert!(told.is_sorted() && told.iter().any(is_between), "{told:?}");
    assert_eq!(server.get("/progress/one").0, 404);
}

#[test]
fn errors_are_in_words_and_name_the_file() {
    let folder = folder_with_weights();
    let server = Server::start(folder.path());
    let mut png = Cursor::new(Vec::new());
    GrayImage::from_pixel(48, 64, Luma([90])).write_to(&mut png, ImageFormat::Png).expect("encoded");
    let narrow = ("photo", Some("narrow.png"), &png.get_ref()[..]);
    let mask = fs::read(folder.path().join("mask.png")).expect("a file");
    let mask = ("mask", Some("hole.png"), &mask[..]);
    for (fields, reason) in [
        (&[narrow, mask][..], "hole.png is 64x64 but the picture is 48x64"),
        (&[narrow], "no file `mask`"),
        (&[], "no file `photo`"),
        (&[("photo", Some("notes.txt"), b"once upon a time"), mask], "notes.txt"),
        (&[narrow, ("mask", None, narrow.2)], "the mask mask hides nothing"),
        (&[narrow, mask, ("format", None, b"gif")], "choose png or jpeg"),
        (&[("image", None, b"")], "no field `image`; send `photo`"),
    ] {
        let text = server.refuses(fields);
        assert!(text.contains(reason), "{text}");
    }
    let (status, _, body) = server.send("POST /fill", "Content-Type: text/plain\r\n", b"a");
    assert!(status == 400 && String::from_utf8_lossy(&body).contains("curl -F"), "{status}");
    let (status, ..) = server.send("POST /fill", "Content-Length: 9999999999\r\n", b"");
    assert_eq!(status, 413);
    // It allocates no more than is sent, and goes on.
    for (headers, expected) in [
        (format!("Content-Length: {}\r\n", 1_u64 << 62), 413),
        (format!("Content-Length: {}\r\nOrigin: null\r\n", 1_u64 << 62), 403),
        (format!("Content-Length: {}0\r\n", u64::MAX), 411),
        ("Transfer-Encoding: chunked\r\n".to_owned(), 411),
    ] {
        assert_eq!(server.send("POST /fill", &headers, b"").0, expected, "{headers}");
        assert_eq!(server.get("/").0, 200);
    }
    assert_eq!(server.get("/fill").0, 405);
    assert_eq!(server.get("/secret").0, 404);
}

#[test]
fn who_sends_nothing_stops_nobody() {
    let folder = folder_with_weights();
    let server = Server::start(folder.path());
    let stalled: Vec<_> = (0..20)
        .map(|at| {
            let mut stream = TcpStream::connect(&server.host).expect("a connection");
            let head =
                ["", "GET / HTTP/1.1\r\n", "POST /fill HTTP/1.1\r\nContent-Length: 99999\r\n\r\n"][at % 3];
            stream.write_all(head.as_bytes()).expect("sent");
            stream
        })
        .collect();
    assert_eq!(server.get("/").0, 200);
    assert_eq!(server.send("GET /", "Connection: upgrade\r\nUpgrade: a\r\n", b"").0, 200);
    // It says when it is ready to read, as curl asks for long forms.
    let mut stream = TcpStream::connect(&server.host).expect("a connection");
    let head = "POST /fill HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).expect("a line");
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    drop(stalled);
}

#[test]
fn pages_of_other_sites_cannot_use_it() {
    let folder = folder_with_weights();
    let server = Server::start(folder.path());
    let port = server.host.rsplit(':').next().expect("a port");
    for (headers, expected) in [
        (format!("Host: {}\r\nOrigin: http://{}\r\n", server.host, server.host), 200),
        (format!("Host: localhost:{port}\r\n"), 200),
        (format!("Host: {}\r\nOrigin: https://example.org\r\n", server.host), 403),
        (format!("Host: {}\r\nOrigin: null\r\n", server.host), 403),
        (format!("Host: example.org:{port}\r\n"), 403),
    ] {
        assert_eq!(server.send("GET /", &headers, b"").0, expected, "{headers}");
    }
}

#[test]
fn page_asks_for_nothing_that_is_not_served() {
    let folder = folder_with_weights();
    let server = Server::start(folder.path());
    let (status, head, page) = server.get("/");
    assert!(status == 200 && head.contains("text/html"), "{head}");
    let page = String::from_utf8(page).expect("text");
    let links = page.split(['"', '\'']).collect::<Vec<_>>();
    let links = links.windows(2).filter(|pair| pair[0].ends_with("href=") || pair[0].ends_with("src="));
    let links: Vec<&str> = links.map(|pair| pair[1]).collect();
    assert!(links.len() >= 3, "{links:?}");
    for file in links.into_iter().chain(["engine.js", "example.jpg"]) {
        assert_eq!(server.get(&format!("/{file}")).0, 200, "{file}");
    }
    // A second server finds the port taken.
    let port = server.host.rsplit(':').next().expect("a port");
    let error = fails_with(1, folder.path(), &format!("web --port {port} --weights model.safetensors"));
    assert!(error.contains("name another with --port"), "{error}");
}
