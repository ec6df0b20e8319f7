//! Writing a file of vectors, which may stop at any time and go on later.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use burn::tensor::{DType, TensorData};
use context_encoder_files::persist;
use context_encoder_model::Precision;

use super::{
    VectorFile, VectorFormat,
    format::{BEGIN, Header},
    names_of,
};
use crate::EvalError;

/// Numbers that a row may have.
const LONGEST: usize = 1 << 24;

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
/// assert_eq!(writer.finish()?.read()?, [[2.0, 0.9], [1.2, 1.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VectorWriter {
    path: PathBuf,
    format: VectorFormat,
    dtype: DType,
    about: String,
    /// How and of what the rows are made, in one line: what was made otherwise is not continued.
    how: String,
    rows: File,
    journal: File,
    names: Vec<String>,
    /// Numbers in a row; 0 until there is one.
    length: usize,
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
        let path = path.as_ref().to_owned();
        let refuse = |reason: String| EvalError::Vectors { path: path.clone(), reason };
        let format = VectorFormat::of(&path)?;
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
            other => return Err(refuse(format!("vectors are stored as f32 or f16, not {other}"))),
        };
        let about = about.replace('\n', " ");
        let header = Header { rows: usize::MAX, length: usize::MAX, dtype, about: Some(about.clone()) };
        if header.bytes(format).is_none() {
            return Err(refuse("the description of how they come about is too long".to_owned()));
        }
        let open = || -> io::Result<(File, File, Vec<u8>)> {
            let partial = partial_of(&path);
            let both = |path: &Path| {
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
            };
            let journal = match fs::read(names_of(&partial)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                read => read?,
            };
            Ok((both(&partial)?, both(&names_of(&partial))?, journal))
        };
        let (rows, journal, before) = open().map_err(|error| refuse(error.to_string()))?;
        let how = format!("{format:?}, {dtype:?}, {about}, of {source}").replace(['\n', '\r'], " ");
        let mut writer =
            Self { path, format, dtype, about, how, rows, journal, names: Vec::new(), length: 0 };
        writer.go_on(&before).map_err(|reason| writer.refusal(reason))?;
        Ok(writer)
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
        self.add(names, rows).map_err(|reason| self.refusal(reason))
    }

    /// Puts the file and its names in their places.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when there is no row, or a file cannot be written.
    pub fn finish(mut self) -> Result<VectorFile, EvalError> {
        if self.names.is_empty() {
            return Err(self.refusal("there is nothing to write: no picture could be described".to_owned()));
        }
        self.close().map_err(|error| self.refusal(error.to_string()))?;
        VectorFile::open(&self.path)
    }

    fn refusal(&self, reason: String) -> EvalError {
        EvalError::Vectors { path: self.path.clone(), reason }
    }

    /// Takes up what the journal says is there: a line on how, a line for the row's length and one for each
    /// name.
    fn go_on(&mut self, journal: &[u8]) -> Result<(), String> {
        let text = |error: io::Error| error.to_string();
        // The last line may be cut short, also within a letter.
        let complete = journal.iter().rposition(|&byte| byte == b'\n').map_or(&[][..], |end| &journal[..end]);
        let partial = partial_of(&self.path);
        let complete = std::str::from_utf8(complete)
            .map_err(|_| format!("{} is damaged; remove it and its .names", partial.display()))?;
        let mut lines = complete.split('\n');
        let before = lines.next().unwrap_or_default();
        let Some(length) = lines.next() else {
            return self.begin().map_err(text); // no row yet
        };
        if before != self.how {
            return Err(format!(
                "{} was made in another way ({before}, now {}); finish it in that way, or remove it and its .names",
                partial.display(),
                self.how
            ));
        }
        let length = length.parse().ok().filter(|length| (1..=LONGEST).contains(length));
        self.length =
            length.ok_or_else(|| format!("{} is damaged; remove it and its .names", partial.display()))?;
        let row = (self.length * self.dtype.size()) as u64;
        let whole = self.rows.metadata().map_err(text)?.len().saturating_sub(BEGIN) / row;
        self.names = lines.take(whole as usize).map(str::to_owned).collect();
        // Both files end with the last row that is whole in both.
        let head = format!("{}\n{}\n", self.how, self.length);
        let kept = head.len() + self.names.iter().map(|name| name.len() + 1).sum::<usize>();
        self.journal.set_len(kept as u64).map_err(text)?;
        self.journal.seek(SeekFrom::End(0)).map_err(text)?;
        self.rows.set_len(BEGIN + self.names.len() as u64 * row).map_err(text)?;
        self.rows.seek(SeekFrom::End(0)).map_err(text)?;
        Ok(())
    }

    /// Empties what is there.
    fn begin(&mut self) -> io::Result<()> {
        self.journal.set_len(0)?;
        self.journal.rewind()?;
        self.rows.set_len(BEGIN)?;
        self.rows.seek(SeekFrom::End(0))?;
        writeln!(self.journal, "{}", self.how)
    }

    fn add(&mut self, names: &[String], rows: &[Vec<f32>]) -> Result<(), String> {
        assert_eq!(names.len(), rows.len(), "every row has a name");
        let Some(first) = rows.first() else { return Ok(()) };
        let length = if self.length == 0 { first.len() } else { self.length };
        if !(1..=LONGEST).contains(&length) {
            return Err(format!("rows have {length} numbers; 1 to {LONGEST} are possible"));
        }
        if let Some(name) = names.iter().find(|name| name.contains(['\n', '\r'])) {
            return Err(format!("the name {name:?} is not one line; rename the file"));
        }
        if let Some(other) = rows.iter().find(|row| row.len() != length) {
            return Err(format!("one row has {length} numbers, another {}", other.len()));
        }
        let data = TensorData::new(rows.concat(), [rows.len(), length]).convert_dtype(self.dtype);
        if let Some(place) = data.iter::<f32>().position(|value| !value.is_finite()) {
            return Err(format!(
                "the row of {} has a number that {:?} cannot hold; look at the weights, or store f32",
                names[place / length],
                self.dtype
            ));
        }
        let mut lines = if self.length == 0 { format!("{length}\n") } else { String::new() };
        names.iter().for_each(|name| lines.extend([name.as_str(), "\n"]));
        self.length = length;
        // Rows first: a name stands for a row that is there.
        self.rows
            .write_all(data.as_bytes())
            .and_then(|()| self.journal.write_all(lines.as_bytes()))
            .map_err(|error| error.to_string())?;
        self.names.extend_from_slice(names);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let Self { path, format, dtype, about, rows, names, length, .. } = self;
        let header = Header { rows: names.len(), length: *length, dtype: *dtype, about: Some(about.clone()) };
        let header = header.bytes(*format).ok_or(io::ErrorKind::InvalidData)?;
        rows.rewind()?;
        rows.write_all(&header)?;
        let partial = partial_of(path);
        let listed = partial.with_added_extension("list");
        fs::write(&listed, names.iter().fold(String::new(), |text, name| text + name + "\n"))?;
        // Stopped in between, rows are without names, which is seen, and never under those of an older file.
        match fs::remove_file(names_of(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        persist(&partial, path)?;
        persist(&listed, &names_of(path))?;
        fs::remove_file(names_of(&partial))
    }
}

/// Where the rows are until the file is finished.
fn partial_of(path: &Path) -> PathBuf {
    path.with_added_extension(OsStr::new("partial"))
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
    fn a_row_cut_short_is_written_again_and_the_file_is_the_same() {
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
    fn what_was_made_in_another_way_is_not_continued() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.npy");
        let mut writer = VectorWriter::open(&path, Precision::F32, "one way", "here").expect("new");
        writer.append(&names(0..1), &rows(0..1)).expect("written");
        let error = writer.append(&names(0..1), &[vec![1.0]]).expect_err("shorter").to_string();
        assert!(error.contains("one row has 3 numbers, another 1"), "{error}");
        let error = writer.append(&["a\nb".into()], &rows(0..1)).expect_err("two lines").to_string();
        assert!(error.contains("not one line"), "{error}");
        drop(writer);
        let error =
            VectorWriter::open(&path, Precision::F16, "one way", "here").expect_err("another").to_string();
        assert!(error.contains("was made in another way"), "{error}");
        let error =
            VectorWriter::open(&path, Precision::F32, "one way", "there").expect_err("another").to_string();
        assert!(error.contains("was made in another way"), "{error}");
        let mut half =
            VectorWriter::open(folder.path().join("half.npy"), Precision::F16, "", "here").expect("new");
        for (row, reason) in
            [(vec![1e6], "cannot hold"), (vec![f32::NAN], "cannot hold"), (vec![], "0 numbers")]
        {
            let error = half.append(&names(0..1), &[row]).expect_err("unusable").to_string();
            assert!(error.contains(reason), "{error}");
        }
        // Nothing was written, so it may begin in another way.
        drop(half);
        VectorWriter::open(folder.path().join("half.npy"), Precision::F32, "other", "there").expect("empty");
        assert!(VectorWriter::open(folder.path().join("a.txt"), Precision::F32, "", "here").is_err());
        let empty = VectorWriter::open(folder.path().join("b.npy"), Precision::F32, "", "here").expect("new");
        assert!(empty.finish().expect_err("empty").to_string().contains("nothing to write"));
    }
}
