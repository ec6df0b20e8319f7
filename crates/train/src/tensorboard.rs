//! Event files for TensorBoard.
//!
//! The crates for it on the registry are old (`tensorboard-rs`) or bring more than is written here
//! (`tfrecord`). The format is small: records of length, checksums (CRC-32C) and a protocol buffer.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use image::ImageReader;
use prost::{Message, Oneof};

use crate::{Plan, Progress, StepRecord, Throughput, Validation};

/// Writes a run's losses, scores and samples as event files that TensorBoard reads: a [`Progress`] to be
/// reported to beside another one, as a pair.
///
/// | tags | what |
/// |---|---|
/// | `loss/generator`, ... | every step's losses, names as the columns of `log.csv` |
/// | `validation/psnr`, ... | scores as in `validation.csv`; `validation/psnr_harmonic` and the like of fills without a network |
/// | `speed/images_per_second`, `speed/data_wait` | at every reading of the device |
/// | `samples` | image grids: input, filled, truth |
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_train::{Run, TensorBoard, TrainConfig};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("run");
/// let mut config = TrainConfig::from_toml("steps = 2\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2")?;
/// config.model = config.model.with_size(64).with_width(2);
/// let mut progress = ((), TensorBoard::new(folder.join("tensorboard")));
/// Run::start(config, &folder, &Device::flex())?.train(&mut progress)?;
/// assert!(progress.1.error().is_none());
/// assert_eq!(std::fs::read_dir(folder.join("tensorboard"))?.count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TensorBoard {
    folder: PathBuf,
    file: Option<File>,
    error: Option<io::Error>,
    step: u64,
}

impl TensorBoard {
    /// Writes into a folder, which is made when a run begins. Each start and each resumption of a run is a
    /// file of its own, as TensorBoard expects it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), file: None, error: None, step: 0 }
    }

    /// Why nothing was written from some point on, if so: a run goes on without its event files.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    fn open(&mut self, first_step: u64) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        // TensorBoard knows its files by this name and reads them in alphabetical order.
        let seconds = since_1970().as_secs();
        let name = format!("events.out.tfevents.{seconds:010}.context-encoder.{}", process::id());
        self.file = Some(File::create(self.folder.join(name))?);
        self.append(0, What::FileVersion("brain.Event:2".to_owned()))?;
        if first_step > 0 {
            // What was written from here on belongs to a run that went on from an earlier checkpoint.
            self.append(first_step + 1, What::SessionLog(SessionLog { status: SessionLog::START }))?;
        }
        Ok(())
    }

    /// Writes if nothing has failed before.
    fn attempt(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.error.is_none()
            && let Err(error) = write(self)
        {
            self.error = Some(error);
        }
    }

    fn append(&mut self, step: u64, what: What) -> io::Result<()> {
        let event = Event { wall_time: since_1970().as_secs_f64(), step: step as i64, what: Some(what) };
        let record = record(&event.encode_to_vec());
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&record))
    }

    fn append_scalars(&mut self, step: u64, values: Vec<(String, f32)>) -> io::Result<()> {
        let values = values.into_iter().map(|(tag, value)| Value { tag, value: Some(Data::Scalar(value)) });
        self.append(step, What::Summary(Summary { values: values.collect() }))
    }

    fn append_samples(&mut self, path: &Path) -> io::Result<()> {
        let (width, height) = ImageReader::open(path)?.into_dimensions().map_err(io::Error::other)?;
        let image =
            Image { height: height as i32, width: width as i32, colorspace: 3, encoded: fs::read(path)? };
        let value = Value { tag: "samples".to_owned(), value: Some(Data::Image(image)) };
        self.append(self.step, What::Summary(Summary { values: vec![value] }))
    }
}

impl Progress for TensorBoard {
    fn begin(&mut self, plan: &Plan) {
        self.step = plan.first_step;
        self.attempt(|board| board.open(plan.first_step));
    }

    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput) {
        self.step = throughput.step;
        self.attempt(|board| {
            for record in records {
                let losses = record.terms().map(|(name, value)| (format!("loss/{name}"), value));
                board.append_scalars(record.step, losses.collect())?;
            }
            let Some(last) = records.last() else { return Ok(()) };
            let speed = throughput.images_per_second() as f32;
            let values = [("images_per_second", speed), ("data_wait", last.data_wait)];
            let values = values.map(|(name, value)| (format!("speed/{name}"), value));
            board.append_scalars(last.step, values.into())
        });
    }

    fn validated(&mut self, validation: &Validation) {
        self.attempt(|board| {
            let scores = &validation.network;
            let mut values: Vec<(String, f64)> = [
                ("l1", scores.l1),
                ("l2", scores.l2),
                ("psnr", scores.psnr),
                ("ssim", scores.ssim),
                ("sharpness", scores.sharpness),
            ]
            .map(|(name, value)| (format!("validation/{name}"), value))
            .into();
            for (name, scores) in &validation.baselines {
                values.push((format!("validation/psnr_{}", name.replace(' ', "_")), scores.psnr));
            }
            let values = values.into_iter().map(|(tag, value)| (tag, value as f32)).collect();
            board.append_scalars(validation.step, values)
        });
    }

    fn written(&mut self, file: &Path) {
        if file.extension().is_some_and(|ending| ending == "png") {
            self.attempt(|board| board.append_samples(file));
        }
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A record as TensorFlow frames it: length, its checksum, data, their checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c::crc32c(bytes)).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// TensorFlow's mask of a checksum, so that the checksum of data that hold checksums is none of them.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

// Of `event.proto` and `summary.proto` the fields that are written.

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl SessionLog {
    const START: i32 = 1;
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Data", tags = "2, 4")]
    value: Option<Data>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Data {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "4")]
    Image(Image),
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// Channels.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    /// PNG.
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{Run, TrainConfig};

    /// Length, its checksum and the message, byte for byte.
    #[test]
    fn records_are_framed_as_tensorflows() {
        let what = Some(What::FileVersion("brain.Event:2".to_owned()));
        let event = Event { wall_time: 0.0, step: 0, what };
        let expected = [
            &[15, 0, 0, 0, 0, 0, 0, 0][..],
            &masked(crc32c::crc32c(&[15, 0, 0, 0, 0, 0, 0, 0])).to_le_bytes(),
            b"\x1a\x0dbrain.Event:2",
        ]
        .concat();
        assert!(record(&event.encode_to_vec()).starts_with(&expected));
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked(0), 0xa282_ead8);
    }

    /// The events of a file; every checksum is checked.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).expect("there");
        let mut rest = &bytes[..];
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("eight")) as usize;
            let data = &rest[12..12 + length];
            assert_eq!(record(data), rest[..16 + length]);
            events.push(Event::decode(data).expect("an event"));
            rest = &rest[16 + length..];
        }
        events
    }

    /// Steps of a tag's values.
    fn steps(events: &[Event], tag: &str) -> Vec<i64> {
        let has = |event: &&Event| match &event.what {
            Some(What::Summary(summary)) => summary.values.iter().any(|value| value.tag == tag),
            _ => false,
        };
        events.iter().filter(has).map(|event| event.step).collect()
    }

    #[test]
    fn a_run_and_its_resumption_are_files_of_losses_scores_and_samples() {
        let folder = tempfile::tempdir().expect("folder");
        let run = folder.path().join("run");
        let text = "steps = 2\nbatch_size = 2\nworkers = 0\nvalidation_pictures = 2\nsamples_every = 2";
        let mut config = TrainConfig::from_toml(text).expect("readable");
        config.model = config.model.with_size(64).with_width(2);
        let files = [folder.path().join("first"), folder.path().join("second")].map(|events| {
            let mut progress = ((), TensorBoard::new(&events));
            let started = match Run::<TrainConfig>::is_in(&run) {
                false => Run::start(config.clone(), &run, &Device::flex()).expect("new"),
                true => Run::resume(&run, &Device::flex()).expect("resumed").with_steps(3),
            };
            started.train(&mut progress).expect("trained");
            assert!(progress.1.error().is_none());
            let mut files =
                fs::read_dir(events).expect("folder").map(|entry| entry.expect("an entry").path());
            read(&files.next().expect("a file"))
        });
        let [first, second] = files;
        assert_eq!(first[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        assert_eq!(steps(&first, "loss/generator"), [1, 2]);
        assert_eq!(steps(&first, "validation/psnr"), [2]);
        assert_eq!(steps(&first, "validation/psnr_harmonic"), [2]);
        assert_eq!(steps(&first, "samples"), [0, 2]);
        assert_eq!(second[1].what, Some(What::SessionLog(SessionLog { status: SessionLog::START })));
        assert_eq!((second[1].step, steps(&second, "loss/generator")), (3, vec![3]));
    }

    #[test]
    fn a_folder_that_cannot_be_made_stops_the_events_and_not_the_run() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let mut board = TensorBoard::new(file.join("tensorboard"));
        board.attempt(|board| board.open(0));
        assert!(board.error().is_some());
        board.attempt(|_| unreachable!("nothing is written after a failure"));
    }
}
