//! Forms that browsers and curl send: multipart/form-data (RFC 7578), in memory.
//!
//! Crates for it (multer, form-data, multiparty) turn on features of `bytes`, which Burn is built on too: the
//! program would need a build of Burn of its own.

use memchr::memmem;
use miette::{Result, miette};

/// One field of a form: text, or a file with its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: String,
    pub file_name: Option<String>,
    pub content: &'a [u8],
}

/// The fields of a request's body, in their order; `content_type` is the request's header.
pub fn read_form<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Field<'a>>> {
    let broken = || miette!("the form is broken or was cut off; send it again");
    let boundary = boundary(content_type).ok_or_else(|| {
        miette!("send a form (multipart/form-data), as `curl -F photo=@photo.jpg -F mask=@mask.png` does")
    })?;
    // Each field stands between two of these; the first needs no line break before it.
    let delimiter = format!("\r\n--{boundary}");
    let delimiter = memmem::Finder::new(&delimiter);
    let first = &delimiter.needle()[2..];
    let mut rest = match body.strip_prefix(first) {
        Some(rest) => rest,
        None => split(body, &delimiter).ok_or_else(broken)?.1,
    };
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let (head, body) = split(rest, &memmem::Finder::new("\r\n\r\n")).ok_or_else(broken)?;
        let (content, after) = split(body, &delimiter).ok_or_else(broken)?;
        let head = String::from_utf8_lossy(head);
        let disposition = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let disposition = disposition.ok_or_else(broken)?;
        let name = parameter(disposition, "name").ok_or_else(broken)?;
        fields.push(Field { name, file_name: parameter(disposition, "filename"), content });
        rest = after;
    }
    Ok(fields)
}

/// What is before and after the first occurrence.
fn split<'a>(bytes: &'a [u8], at: &memmem::Finder<'_>) -> Option<(&'a [u8], &'a [u8])> {
    let start = at.find(bytes)?;
    Some((&bytes[..start], &bytes[start + at.needle().len()..]))
}

fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    let is_boundary = |name: &str| name.trim().eq_ignore_ascii_case("boundary");
    let mut parameters = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| is_boundary(name))?;
    let value = value.trim().trim_matches('"');
    (kind.trim().eq_ignore_ascii_case("multipart/form-data") && !value.is_empty()).then_some(value)
}

/// A quoted parameter of a field's header. Browsers write quotes in it as `%22`, curl with a backslash.
fn parameter(header: &str, name: &str) -> Option<String> {
    let start = format!(" {name}=\"");
    let (_, value) = header.split_once(&start)?;
    let mut text = String::new();
    let mut characters = value.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text.replace("%22", "\"")),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    fn field<'a>(name: &str, file_name: Option<&str>, content: &'a [u8]) -> Field<'a> {
        Field { name: name.to_owned(), file_name: file_name.map(str::to_owned), content }
    }

    #[test]
    fn fields_come_back_byte_for_byte() {
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a; b.png\"\r\n\
            Content-Type: image/png\r\n\r\n\x89PNG\r\n\r\n--xy\0\xff\r\n--xyz\r\n\
            content-disposition: form-data; name=\"format\"\r\n\r\n\r\n--xyz--\r\n";
        let photo = || field("photo", Some("a; b.png"), b"\x89PNG\r\n\r\n--xy\0\xff");
        for content_type in [TYPE, "Multipart/Form-Data; charset=utf-8; Boundary=\"xyz\""] {
            let fields = read_form(content_type, body).expect("a form");
            assert_eq!(fields, [photo(), field("format", None, b"")]);
        }
        assert_eq!(read_form(TYPE, &[b"before\r\n", &body[..]].concat()).expect("a form").len(), 2);
        assert_eq!(read_form(TYPE, b"--xyz--").expect("a form"), []);
    }

    #[test]
    fn quotes_in_file_names_are_read_as_browsers_and_curl_write_them() {
        for written in ["a%22b.png", "a\\\"b.png"] {
            let header = format!(" form-data; name=\"photo\"; filename=\"{written}\"");
            assert_eq!(parameter(&header, "filename").as_deref(), Some("a\"b.png"));
            assert_eq!(parameter(&header, "name").as_deref(), Some("photo"));
        }
    }

    #[test]
    fn what_is_no_form_or_cut_off_is_an_error() {
        for content_type in ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=xyz"] {
            let error = read_form(content_type, b"--xyz--").expect_err("no form").to_string();
            assert!(error.contains("curl -F"), "{error}");
        }
        let whole = b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--xyz--";
        assert!(read_form(TYPE, whole).is_ok());
        for length in 0..whole.len() - 2 {
            assert!(read_form(TYPE, &whole[..length]).is_err(), "{length}");
        }
        assert!(read_form(TYPE, b"--xyz\r\nContent-Type: a\r\n\r\nb\r\n--xyz--").is_err());
    }
}
