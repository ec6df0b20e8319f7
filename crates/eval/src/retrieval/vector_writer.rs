//! Writing a file of vectors, which may stop at any time and go on later.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use burn::tensor::{DType, TensorData};
use context_encoder_files::persist;
use context_encoder_model::Precision;

use super::vector_file::{Format, HEADER_BYTES, Header, VectorFile, names_of};
use crate::EvalError;

/// Numbers that a row may have.
const MAX_LENGTH: usize = 1 << 24;

/// Writes a [`VectorFile`] row by row.
///
/// Until it is finished, rows are in `FILE.partial` and their names in `FILE.partial.names`. What a stopped
/// program left there is continued, if it was made in the same way; a row that was cut short is written
/// again.
///
/// ```
/// use context_encoder_eval::retrieval::VectorWriter;
/// use context_encoder_model::Precision;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("vectors.npy");
/// let mut writer = VectorWriter::open(&path, Precision::F32, "heights and widths", "a house")?;
/// writer.append(&["door.png".into()], &[vec![2.0, 0.9]])?;
/// drop(writer); // such as when the program is stopped
///
/// let mut writer = VectorWriter::open(&path, Precision::F32, "heights and widths", "a house")?;
/// assert_eq!(writer.names(), ["door.png"]);
/// writer.append(&["window.png".into()], &[vec![1.2, 1.0]])?;
/// assert_eq!(writer.finish()?.names(), ["door.png", "window.png"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VectorWriter {
    path: PathBuf,
    format: Format,
    /// Its `length` is 0 until there is a row; `rows` is set at the end.
    header: Header,
    /// How and of what the rows are made, in one line: what was made otherwise is not continued.
    provenance: String,
    rows: File,
    /// A line with the provenance, one with the length of rows, and one for each name.
    journal: File,
    names: Vec<String>,
}

impl VectorWriter {
    /// Begins a file, or goes on with what a stopped program left of it. `about` says in one line how the
    /// vectors come about, `source` of what they are, such as a folder; a file is continued only when
    /// both are as before.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when the name's ending is no format, what was left was made in another way, or
    /// a file cannot be written.
    pub fn open(
        path: impl AsRef<Path>,
        precision: Precision,
        about: &str,
        source: &str,
    ) -> Result<Self, EvalError> {
        let path = path.as_ref();
        let open = || -> io::Result<Self> {
            let format = match path.extension().unwrap_or_default().to_string_lossy().as_ref() {
                "safetensors" => Format::Safetensors,
                "npy" => Format::Npy,
                _ => return Err(io::Error::other("its name must end in .safetensors or .npy")),
            };
            let dtype = match precision {
                Precision::F32 => DType::F32,
                Precision::F16 => DType::F16,
                other => {
                    return Err(io::Error::other(format!("vectors are stored as f32 or f16, not {other}")));
                }
            };
            let about = about.replace('\n', " ");
            let provenance =
                format!("{format:?}, {dtype:?}, {about}, of {source}").replace(['\n', '\r'], " ");
            // A header with numbers as long as they may become, to refuse a long description now.
            let mut header =
                Header { rows: u32::MAX as usize, length: MAX_LENGTH, dtype, about: Some(about) };
            header.to_bytes(format)?;
            header.length = 0;
            let partial = partial_of(path);
            let both = |path: &Path| {
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
            };
            let (rows, journal) = (both(&partial)?, both(&names_of(&partial))?);
            let mut writer =
                Self { path: path.to_owned(), format, header, provenance, rows, journal, names: Vec::new() };
            writer.continue_partial(&fs::read(names_of(&partial))?)?;
            Ok(writer)
        };
        open().map_err(|error| EvalError::Vectors { path: path.to_owned(), reason: error.to_string() })
    }

    /// What the rows so far describe.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds rows and the names of what they describe.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when rows differ in length, a name is no single line, or a file cannot be
    /// written.
    pub fn append(&mut self, names: &[String], rows: &[Vec<f32>]) -> Result<(), EvalError> {
        self.write_rows(names, rows).map_err(|error| self.refusal(&error))
    }

    /// Puts the file and its names in their places.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when there is no row, or a file cannot be written.
    pub fn finish(mut self) -> Result<VectorFile, EvalError> {
        self.write_header_and_rename().map_err(|error| self.refusal(&error))?;
        VectorFile::open(&self.path)
    }

    fn refusal(&self, error: &io::Error) -> EvalError {
        EvalError::Vectors { path: self.path.clone(), reason: error.to_string() }
    }

    /// Takes up what the journal says is there.
    fn continue_partial(&mut self, journal: &[u8]) -> io::Result<()> {
        let partial = partial_of(&self.path);
        let damaged =
            || io::Error::other(format!("{} is damaged; remove it and its .names", partial.display()));
        // The last line may be cut short, also within a letter.
        let complete = journal.iter().rposition(|&byte| byte == b'\n').map_or(&[][..], |end| &journal[..end]);
        let mut lines = std::str::from_utf8(complete).map_err(|_| damaged())?.split('\n');
        let before = lines.next().unwrap_or_default();
        let Some(length) = lines.next() else {
            return self.begin(); // no row yet
        };
        if before != self.provenance {
            return Err(io::Error::other(format!(
                "{} was made in another way ({before}, now {}); finish it in that way, or remove it and its .names",
                partial.display(),
                self.provenance
            )));
        }
        let length = length.parse().ok().filter(|length| (1..=MAX_LENGTH).contains(length));
        self.header.length = length.ok_or_else(damaged)?;
        let row = self.header.row_bytes() as u64;
        let whole = self.rows.metadata()?.len().saturating_sub(HEADER_BYTES as u64) / row;
        self.names = lines.take(whole as usize).map(str::to_owned).collect();
        // Both files end with the last row that is whole in both.
        let head = format!("{}\n{}\n", self.provenance, self.header.length);
        let kept = head.len() + self.names.iter().map(|name| name.len() + 1).sum::<usize>();
        self.journal.set_len(kept as u64)?;
        self.journal.seek(SeekFrom::End(0))?;
        self.rows.set_len(HEADER_BYTES as u64 + self.names.len() as u64 * row)?;
        self.rows.seek(SeekFrom::End(0))?;
        Ok(())
    }

    /// Empties what is there.
    fn begin(&mut self) -> io::Result<()> {
        self.journal.set_len(0)?;
        self.journal.rewind()?;
        self.rows.set_len(HEADER_BYTES as u64)?;
        self.rows.seek(SeekFrom::End(0))?;
        writeln!(self.journal, "{}", self.provenance)
    }

    fn write_rows(&mut self, names: &[String], rows: &[Vec<f32>]) -> io::Result<()> {
        assert_eq!(names.len(), rows.len(), "every row has a name");
        let Some(first) = rows.first() else { return Ok(()) };
        let refuse = |reason: String| Err(io::Error::other(reason));
        let length = if self.header.length == 0 { first.len() } else { self.header.length };
        if !(1..=MAX_LENGTH).contains(&length) {
            return refuse(format!("rows have {length} numbers; 1 to {MAX_LENGTH} are possible"));
        }
        if let Some(name) = names.iter().find(|name| name.contains(['\n', '\r'])) {
            return refuse(format!("the name {name:?} is not one line; rename the file"));
        }
        if let Some(other) = rows.iter().find(|row| row.len() != length) {
            return refuse(format!("one row has {length} numbers, another {}", other.len()));
        }
        let data = TensorData::new(rows.concat(), [rows.len(), length]).convert_dtype(self.header.dtype);
        if let Some(place) = data.iter::<f32>().position(|value| !value.is_finite()) {
            return refuse(format!(
                "the row of {} has a number that {:?} cannot hold; look at the weights, or store f32",
                names[place / length],
                self.header.dtype
            ));
        }
        let mut lines = if self.header.length == 0 { format!("{length}\n") } else { String::new() };
        names.iter().for_each(|name| lines.extend([name.as_str(), "\n"]));
        self.header.length = length;
        // Rows first: a name stands for a row that is there.
        self.rows.write_all(data.as_bytes())?;
        self.journal.write_all(lines.as_bytes())?;
        self.names.extend_from_slice(names);
        Ok(())
    }

    fn write_header_and_rename(&mut self) -> io::Result<()> {
        if self.names.is_empty() {
            return Err(io::Error::other("there is nothing to write: no picture could be described"));
        }
        self.header.rows = self.names.len();
        self.rows.rewind()?;
        self.rows.write_all(&self.header.to_bytes(self.format)?)?;
        let partial = partial_of(&self.path);
        let listed = partial.with_added_extension("list");
        fs::write(&listed, self.names.iter().fold(String::new(), |text, name| text + name + "\n"))?;
        // Stopped in between, rows are without names, which is seen, and never under those of an older file.
        match fs::remove_file(names_of(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        persist(&partial, &self.path)?;
        persist(&listed, &names_of(&self.path))?;
        fs::remove_file(names_of(&partial))
    }
}

/// Where the rows are until the file is finished.
fn partial_of(path: &Path) -> PathBuf {
    path.with_added_extension("partial")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("picture {number} \u{e9}")).collect() // letters of two bytes
    }

    fn rows(range: std::ops::Range<usize>) -> Vec<Vec<f32>> {
        range.map(|number| vec![number as f32, 0.5, -1.0]).collect()
    }

    #[test]
    fn interrupted_file_is_continued_to_the_same_bytes() {
        let folder = tempfile::tempdir().expect("folder");
        let whole = folder.path().join("whole.safetensors");
        let mut writer = VectorWriter::open(&whole, Precision::F32, "x", "here").expect("new");
        writer.append(&names(0..6), &rows(0..6)).expect("written");
        writer.finish().expect("finished");

        let path = folder.path().join("cut.safetensors");
        let mut writer = VectorWriter::open(&path, Precision::F32, "x", "here").expect("new");
        writer.append(&names(0..4), &rows(0..4)).expect("written");
        drop(writer);
        let partial = partial_of(&path);
        let cut = |path: &Path, by: u64| {
            let file = OpenOptions::new().write(true).open(path).expect("there");
            file.set_len(file.metadata().expect("there").len() - by).expect("cut");
        };
        cut(&partial, 5); // in the middle of the fourth row
        let mut writer = VectorWriter::open(&path, Precision::F32, "x", "here").expect("left");
        assert_eq!(writer.names(), names(0..3));
        writer.append(&names(3..5), &rows(3..5)).expect("written");
        drop(writer);
        cut(&names_of(&partial), 2); // in the middle of the last letter of the fifth name
        let mut writer = VectorWriter::open(&path, Precision::F32, "x", "here").expect("left");
        assert_eq!(writer.names(), names(0..4));
        writer.append(&names(4..6), &rows(4..6)).expect("written");
        writer.finish().expect("finished");
        assert_eq!(fs::read(&path).expect("there"), fs::read(&whole).expect("there"));
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 4);
    }

    #[test]
    fn unusable_rows_and_rows_made_in_another_way_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let open = |name: &str, precision, about: &str, source: &str| {
            VectorWriter::open(folder.path().join(name), precision, about, source)
        };
        let refused = |result: Result<(), EvalError>, reason: &str| {
            let error = result.expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        };
        let mut writer = open("a.npy", Precision::F32, "one way", "here").expect("new");
        writer.append(&names(0..1), &rows(0..1)).expect("written");
        refused(writer.append(&names(0..1), &[vec![1.0]]), "one row has 3 numbers, another 1");
        refused(writer.append(&["a\nb".into()], &rows(0..1)), "not one line");
        drop(writer);
        for (precision, source) in [(Precision::F16, "here"), (Precision::F32, "there")] {
            refused(open("a.npy", precision, "one way", source).map(drop), "was made in another way");
        }
        let mut half = open("half.npy", Precision::F16, "", "here").expect("new");
        for (row, reason) in
            [(vec![1e6], "cannot hold"), (vec![f32::NAN], "cannot hold"), (vec![], "0 numbers")]
        {
            refused(half.append(&names(0..1), &[row]), reason);
        }
        // Nothing was written, so it may begin in another way.
        drop(half);
        open("half.npy", Precision::F32, "other", "there").expect("empty");
        refused(open("a.txt", Precision::F32, "", "here").map(drop), ".safetensors or .npy");
        refused(open("a.safetensors", Precision::F32, &"x".repeat(5000), "here").map(drop), "too long");
        let empty = open("b.npy", Precision::F32, "", "here").expect("new");
        refused(empty.finish().map(drop), "nothing to write");
    }
}
