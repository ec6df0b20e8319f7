//! `web`: a page to fill photographs on, and the HTTP endpoint behind it.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use clap::Args;
use context_encoder::{files::Photograph, mask::Mask};
use image::ImageFormat;
use miette::{IntoDiagnostic, Report, Result, WrapErr, miette};
use serde_json::json;

use super::inpaint::fill;
use crate::{
    console::{Console, ExitStatus, error_chain},
    device::DeviceArgs,
    form::{Field, read_form},
    http::{Refusal, Request},
    mask_input::MaskInput,
    panics::catch_file_panic,
    weights::WeightsArgs,
};

/// The longest request that is read, bytes: a photograph of 100 megapixels and its mask, hardly compressed.
const MAX_REQUEST: u64 = 512 << 20;

/// Requests that are read and answered at a time. Photographs are filled one after the other, each by all
/// threads.
const CONNECTIONS: usize = 64;

/// The page's files: path, media type, content.
const FILES: [(&str, &str, &[u8]); 6] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../../page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_bytes!("../../page/style.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_bytes!("../../page/page.js")),
    ("/engine.js", "text/javascript; charset=utf-8", include_bytes!("../../page/engine.js")),
    ("/icon.svg", "image/svg+xml", include_bytes!("../../page/icon.svg")),
    ("/example.jpg", "image/jpeg", include_bytes!("../../page/example.jpg")),
];

/// Fill photographs on a page in the browser, or over HTTP, on this machine only, until Ctrl+C.
///
/// `POST /fill` takes a form (multipart/form-data) with the files `photo` and `mask`, white where it is to be
/// filled, and answers with the filled photograph as PNG, or as the field `format` says: png or jpeg. While
/// it fills, `GET /progress/NAME` says which fraction is done, NAME being the field `progress`.
#[derive(Args)]
pub struct Web {
    /// Port to listen at; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8128)]
    port: u16,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Web {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let inpainter = self.weights.inpainter(&self.device.open(console)?)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot listen at port {}; name another with --port", self.port))?;
        let host = listener.local_addr().into_diagnostic()?.to_string();
        let address = format!("http://{host}/");
        console.result(&address);
        console.record(&json!({ "event": "listening", "address": address }));
        console.note("fills photographs there until Ctrl+C");
        if self.open
            && let Err(error) = open::that_detached(&address)
        {
            console.note(format_args!("no browser could be opened ({error}); open {address} yourself"));
        }
        let (tasks, waiting) = channel();
        let server = Server { host, tasks, progress: Progress::default() };
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    loop {
                        match listener.accept().and_then(|(stream, _)| Request::read(stream)) {
                            Ok(request) => server.answer(request, console),
                            // Too many files may be open.
                            Err(_) => thread::sleep(Duration::from_millis(20)),
                        }
                    }
                });
            }
            // On one thread, since devices keep memory for each.
            for Task { mut photo, mask, name, filled } in waiting {
                let (inpainter, progress) = (inpainter.clone(), server.progress.clone());
                let inpainter = inpainter.with_progress(move |fraction| progress.set(&name, fraction));
                // Who waited may have gone.
                let _ = filled.send(catch_file_panic(|| {
                    fill(&inpainter, &mut photo, &mask)?;
                    Ok(photo)
                }));
            }
        });
        Ok(ExitStatus::Complete)
    }
}

/// A photograph that is to be filled, and where it goes then.
struct Task {
    photo: Photograph,
    mask: MaskInput,
    /// Who asks for its progress; nobody when empty.
    name: String,
    filled: Sender<Result<Photograph>>,
}

/// A wrong form, photograph or mask.
impl From<Report> for Refusal {
    fn from(report: Report) -> Self {
        Self(400, report)
    }
}

/// What a request is answered with: a media type and the content.
type Answer = Result<(&'static str, Vec<u8>), Refusal>;

/// What all requests share.
struct Server {
    host: String,
    tasks: Sender<Task>,
    progress: Progress,
}

impl Server {
    fn answer(&self, mut request: Request, console: &Console) {
        let answer = self.respond(&mut request);
        console.detail(format_args!(
            "{} {} {}",
            answer.as_ref().map_or_else(|refusal| refusal.0, |_| 200),
            request.method,
            request.path
        ));
        let (status, media_type, content) = match answer {
            Ok((media_type, content)) => (200, media_type, content),
            Err(Refusal(status, report)) => {
                let help = report.help().map(|help| format!("; {help}")).unwrap_or_default();
                (
                    status,
                    "text/plain; charset=utf-8",
                    format!("{}{help}\n", error_chain(&report)).into_bytes(),
                )
            }
        };
        // Who asked may have gone.
        let _ = request.respond(status, media_type, &content);
    }

    fn respond(&self, request: &mut Request) -> Answer {
        let host = &self.host;
        if !is_from_here(request, host) {
            return Err(Refusal(403, miette!("only pages of this program may use it; open http://{host}/")));
        }
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        match (request.method.as_str(), path.as_str()) {
            ("POST", "/fill") => self.fill_form(request),
            (_, "/fill") => Err(Refusal(405, miette!("send a photograph and its mask with POST"))),
            ("GET" | "HEAD", _) => {
                if let Some(fraction) =
                    path.strip_prefix("/progress/").and_then(|name| self.progress.get(name))
                {
                    return Ok(("text/plain", format!("{fraction}\n").into_bytes()));
                }
                let file = FILES.iter().find(|(name, ..)| *name == path);
                let &(_, media_type, content) = file.ok_or_else(|| {
                    Refusal(404, miette!("there is no {path}; the page is at / and the endpoint at /fill"))
                })?;
                Ok((media_type, content.to_vec()))
            }
            _ => Err(Refusal(405, miette!("{path} is only read, with GET"))),
        }
    }

    /// The answer to a form with a photograph and a mask.
    fn fill_form(&self, request: &mut Request) -> Answer {
        let body = request.body(MAX_REQUEST)?;
        let form = Form::read(request.header("Content-Type").unwrap_or_default(), &body)?;
        let format = form.format()?;
        let name = form.progress()?;
        let _known = self.progress.begin(&name);
        let (photo, mask) = catch_file_panic(|| {
            let photo = form.photo()?;
            let mask = form.mask(&photo)?;
            Ok((photo, mask))
        })?;
        let bytes = catch_file_panic(|| {
            let (filled, answer) = channel();
            // If nobody takes it, nothing comes back.
            let _ = self.tasks.send(Task { photo, mask, name, filled });
            answer.recv().into_diagnostic()??.to_bytes(format).into_diagnostic()
        })
        .map_err(|report| Refusal(500, report))?;
        Ok((format.to_mime_type(), bytes))
    }
}

/// How much is done of what is being filled, by the names that were given for it.
#[derive(Clone, Default)]
struct Progress(Arc<Mutex<HashMap<String, f32>>>);

impl Progress {
    /// Knows the name until what is returned is dropped.
    fn begin(&self, name: &str) -> impl Drop + use<> {
        struct Known(Progress, String);
        impl Drop for Known {
            fn drop(&mut self) {
                self.0.fractions().remove(&self.1);
            }
        }
        if !name.is_empty() {
            self.fractions().insert(name.to_owned(), 0.0);
        }
        Known(self.clone(), name.to_owned())
    }

    fn set(&self, name: &str, fraction: f32) {
        if let Some(known) = self.fractions().get_mut(name) {
            *known = fraction;
        }
    }

    fn get(&self, name: &str) -> Option<f32> {
        self.fractions().get(name).copied()
    }

    fn fractions(&self) -> MutexGuard<'_, HashMap<String, f32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request is meant for this server and not sent by another site's page: browsers name the page in
/// `Origin` and the address they were told in `Host`.
fn is_from_here(request: &Request, host: &str) -> bool {
    request.header("Host").is_none_or(|name| is_here(name, host))
        && request
            .header("Origin")
            .is_none_or(|origin| origin.strip_prefix("http://").is_some_and(|name| is_here(name, host)))
}

/// Whether a name with its port, which browsers leave out where it is HTTP's own, is `host`'s.
fn is_here(name: &str, host: &str) -> bool {
    let with_port = |name| str::split_once(name, ':').unwrap_or((name, "80"));
    let ((name, port), (address, here)) = (with_port(name), with_port(host));
    port == here && (name == address || name == "localhost")
}

/// What is sent to be filled: the fields of a form.
#[derive(Default)]
struct Form<'a> {
    photo: Option<Field<'a>>,
    mask: Option<Field<'a>>,
    format: Option<String>,
    progress: Option<String>,
}

impl<'a> Form<'a> {
    fn read(content_type: &str, body: &'a [u8]) -> Result<Self> {
        let mut form = Self::default();
        let text = |field: &Field<'_>| String::from_utf8_lossy(field.content).trim().to_owned();
        for field in read_form(content_type, body)? {
            match field.name.as_str() {
                "photo" => form.photo = Some(field),
                "mask" => form.mask = Some(field),
                "format" => form.format = Some(text(&field).to_lowercase()),
                "progress" => form.progress = Some(text(&field)),
                other => {
                    return Err(miette!(
                        "there is no field `{other}`; send `photo`, `mask` and, if wanted, `format` and `progress`"
                    ));
                }
            }
        }
        Ok(form)
    }

    fn format(&self) -> Result<ImageFormat> {
        match self.format.as_deref() {
            None | Some("png") => Ok(ImageFormat::Png),
            Some("jpeg" | "jpg") => Ok(ImageFormat::Jpeg),
            Some(other) => Err(miette!("the format `{other}` is not written here; choose png or jpeg")),
        }
    }

    /// The name that its progress is asked by; empty without one.
    fn progress(&self) -> Result<String> {
        let name = self.progress.clone().unwrap_or_default();
        if name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_') {
            return Ok(name);
        }
        Err(miette!("`progress` takes a name of letters from a to z, digits, `-` and `_`, not `{name}`"))
    }

    fn photo(&self) -> Result<Photograph> {
        let photo = self.photo.as_ref().ok_or_else(|| missing("photo"))?;
        Photograph::from_named_bytes(photo.content, file_name(photo)).into_diagnostic()
    }

    fn mask(&self, photo: &Photograph) -> Result<MaskInput> {
        let mask = self.mask.as_ref().ok_or_else(|| missing("mask"))?;
        let mask = Mask::from_bytes(mask.content, file_name(mask), Some(photo.dimensions()));
        mask.map(MaskInput::Binary).into_diagnostic()
    }
}

/// The name of a field's file for messages.
fn file_name<'a>(field: &'a Field<'_>) -> &'a str {
    field.file_name.as_deref().unwrap_or(&field.name)
}

fn missing(field: &str) -> Report {
    miette!("the form has no file `{field}`; send the photograph as `photo` and its mask as `mask`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_of_http_may_be_left_out() {
        for name in ["127.0.0.1", "127.0.0.1:80", "localhost", "localhost:80"] {
            assert!(is_here(name, "127.0.0.1:80"), "{name}");
            assert!(!is_here(name, "127.0.0.1:8128"), "{name}");
        }
        assert!(!is_here("example.org", "127.0.0.1:80") && is_here("localhost:8128", "127.0.0.1:8128"));
    }
}
