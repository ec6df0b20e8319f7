//! Vectors in a file, safetensors or npy: a header of fixed length, so that rows can be written before their
//! number is known, then the rows, which are read and searched block by block.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use super::{Neighbour, Search};
use crate::EvalError;

/// Bytes before the rows in the files that are written here. Both formats let a header be padded with spaces.
pub(super) const HEADER_BYTES: usize = 4096;

/// The largest safetensors header that is read.
const MAX_HEADER_BYTES: u64 = 100 << 20;

/// Bytes of the file that are in memory at once.
const BLOCK_BYTES: usize = 64 << 20;

/// Name of the tensor, and key of the description, in safetensors files.
const TENSOR: &str = "features";
const ABOUT: &str = "about";

/// A file of vectors, one row each, and the names of what they describe.
///
/// safetensors (a tensor `features` of shape `[rows, length]`) or npy (an array of that shape), of 32 or 16
/// bits, whoever wrote it. The names are in a text file beside it, one a line: `FILE.names`.
///
/// Searching reads it in blocks of at most 64 MiB, of which a few copies are in memory while they are
/// compared; it does not grow with the number of rows.
#[derive(Clone, Debug)]
pub struct VectorFile {
    path: PathBuf,
    header: Header,
    /// The first byte of the rows.
    begin: u64,
    names: Vec<String>,
}

impl VectorFile {
    /// Opens a file; reads its header and its names.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when it is none, is cut short, or has no names beside it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref().to_owned();
        let refuse = |reason: String| EvalError::Vectors { path: path.clone(), reason };
        let (header, begin) = Header::read(&path).map_err(|error| refuse(error.to_string()))?;
        let (rows, length) = (header.rows, header.length);
        if length == 0 {
            return Err(refuse("its rows are empty; write it again".to_owned()));
        }
        let end = begin.saturating_add(header.row_bytes().saturating_mul(rows) as u64);
        let there = fs::metadata(&path).map_err(|error| refuse(error.to_string()))?.len();
        if there < end {
            return Err(refuse(format!(
                "it is cut short: {rows} rows need {end} bytes, {there} are there; write it again"
            )));
        }
        let beside = names_of(&path);
        let text = fs::read_to_string(&beside)
            .map_err(|error| refuse(format!("its names in {} cannot be read: {error}", beside.display())))?;
        let names: Vec<String> = text.split_terminator('\n').map(str::to_owned).collect();
        if names.len() != rows {
            return Err(refuse(format!(
                "it has {rows} rows, but {} has {} names; the two do not belong together",
                beside.display(),
                names.len()
            )));
        }
        Ok(Self { path, header, begin, names })
    }

    /// What each row describes.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Numbers in a row.
    #[must_use]
    pub fn length(&self) -> usize {
        self.header.length
    }

    /// How the vectors came about, as their writer said; npy files do not say it.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.header.about.as_deref()
    }

    /// For each query the `count` nearest rows, as [`Search`] finds them; `progress` is told the rows done
    /// after each block.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when the queries are of another length or the file cannot be read.
    pub fn nearest(
        &self,
        queries: &[Vec<f32>],
        count: usize,
        device: &Device,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<Neighbour>>, EvalError> {
        if let Some(query) = queries.iter().find(|query| query.len() != self.length()) {
            return Err(self.refusal(format!(
                "its rows have {} numbers, the queries {}; they must come from the same description",
                self.length(),
                query.len()
            )));
        }
        let mut search = Search::new(queries, count, device);
        let Header { rows, length, dtype, .. } = self.header;
        let row_bytes = self.header.row_bytes();
        // Each row also leads to a similarity for each query.
        let block = (BLOCK_BYTES / row_bytes.max(size_of::<f32>() * queries.len())).max(1);
        let mut read = || -> io::Result<()> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.begin))?;
            for first in (0..rows).step_by(block) {
                let count = block.min(rows - first);
                let mut bytes = vec![0; count * row_bytes];
                file.read_exact(&mut bytes)?;
                let data = TensorData::from_bytes_vec(bytes, [count, length], dtype).convert::<f32>();
                search.take(Tensor::from_data(data, device));
                progress(first + count);
            }
            Ok(())
        };
        read().map_err(|error| self.refusal(error.to_string()))?;
        Ok(search.finish())
    }

    fn refusal(&self, reason: String) -> EvalError {
        EvalError::Vectors { path: self.path.clone(), reason }
    }
}

/// The text file with a file's names.
pub(super) fn names_of(path: &Path) -> PathBuf {
    path.with_added_extension("names")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The format of weights; its header tells how the vectors came about.
    Safetensors,
    /// NumPy's format for one array.
    Npy,
}

/// What a header tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) rows: usize,
    /// Numbers in a row.
    pub(super) length: usize,
    /// F32 or F16.
    pub(super) dtype: DType,
    /// How the vectors came about.
    pub(super) about: Option<String>,
}

impl Header {
    pub(super) fn row_bytes(&self) -> usize {
        self.length.saturating_mul(self.dtype.size())
    }

    /// The bytes before the rows, [`HEADER_BYTES`] of them.
    pub(super) fn to_bytes(&self, format: Format) -> io::Result<Vec<u8>> {
        let (rows, length) = (self.rows, self.length);
        let (mut bytes, last) = match format {
            Format::Safetensors => {
                let info = TensorInfo {
                    dtype: if self.dtype == DType::F16 { Dtype::F16 } else { Dtype::F32 },
                    shape: vec![rows, length],
                    data_offsets: (0, rows * self.row_bytes()),
                };
                let about = HashMap::from([(ABOUT.to_owned(), self.about.clone().unwrap_or_default())]);
                let header = Metadata::new(Some(about), vec![(TENSOR.to_owned(), info)]);
                let mut bytes = (HEADER_BYTES as u64 - 8).to_le_bytes().to_vec();
                serde_json::to_writer(&mut bytes, &header.map_err(io::Error::other)?)?;
                (bytes, b' ')
            }
            Format::Npy => {
                let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
                bytes.extend((HEADER_BYTES as u16 - 10).to_le_bytes());
                let kind = self.dtype.size();
                bytes.extend(
                    format!("{{'descr': '<f{kind}', 'fortran_order': False, 'shape': ({rows}, {length}), }}")
                        .bytes(),
                );
                (bytes, b'\n')
            }
        };
        if bytes.len() >= HEADER_BYTES {
            return Err(io::Error::other("the description of how they come about is too long"));
        }
        bytes.resize(HEADER_BYTES - 1, b' ');
        bytes.push(last);
        Ok(bytes)
    }

    /// Reads a file's header, whoever wrote it, and where the rows begin.
    fn read(path: &Path) -> io::Result<(Self, u64)> {
        let mut file = File::open(path)?;
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(|_| unknown_format())?;
        if start.starts_with(b"\x93NUMPY") {
            Self::read_npy(&mut file, start[6])
        } else {
            Self::read_safetensors(&mut file, u64::from_le_bytes(start))
        }
    }

    fn read_safetensors(file: &mut File, length: u64) -> io::Result<(Self, u64)> {
        if length > MAX_HEADER_BYTES {
            return Err(unknown_format());
        }
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|_| unknown_format())?;
        let tensor = metadata
            .info(TENSOR)
            .ok_or_else(|| io::Error::other(format!("it holds no tensor `{TENSOR}`")))?;
        let dtype = match tensor.dtype {
            Dtype::F32 => Some(DType::F32),
            Dtype::F16 => Some(DType::F16),
            _ => None,
        };
        let (&[rows, row_length], Some(dtype)) = (&tensor.shape[..], dtype) else {
            return Err(io::Error::other(format!(
                "`{TENSOR}` holds {:?} of shape {:?}; rows of 32-bit or 16-bit numbers are needed",
                tensor.dtype, tensor.shape
            )));
        };
        let about = metadata.metadata().as_ref().and_then(|about| about.get(ABOUT)).cloned();
        let begin = 8 + length + tensor.data_offsets.0 as u64;
        Ok((Self { rows, length: row_length, dtype, about }, begin))
    }

    /// The header is a Python dictionary of three entries; a parser of Python for it (npyz) would bring a
    /// parser generator to everybody who measures pictures.
    fn read_npy(file: &mut File, version: u8) -> io::Result<(Self, u64)> {
        // Version 1 has 2 bytes of length, later ones 4.
        let mut length = [0; 4];
        let width = if version == 1 { 2 } else { 4 };
        file.read_exact(&mut length[..width]).map_err(|_| io::Error::other("its header is cut short"))?;
        let mut bytes = Vec::new();
        file.by_ref().take(u32::from_le_bytes(length).into()).read_to_end(&mut bytes)?;
        let text: String = String::from_utf8_lossy(&bytes).split_whitespace().collect();
        let entry = |key: &str| text.split_once(&format!("'{key}':")).map_or("", |(_, value)| value);
        let is_stored_as = |dtype: &DType| entry("descr").starts_with(&format!("'<f{}'", dtype.size()));
        let dtype = [DType::F32, DType::F16].into_iter().find(is_stored_as);
        let sides = entry("shape").strip_prefix('(').and_then(|shape| shape.split_once(')'));
        let sides = sides.and_then(|(sides, _)| sides.split_once(','));
        let sides = sides.and_then(|(rows, length)| Some((rows.parse().ok()?, length.parse().ok()?)));
        match (sides, dtype, entry("fortran_order").starts_with("False")) {
            (Some((rows, length)), Some(dtype), true) => {
                Ok((Self { rows, length, dtype, about: None }, file.stream_position()?))
            }
            _ => Err(io::Error::other(format!(
                "it says {:?}; rows of 32-bit or 16-bit numbers (<f4, <f2) in C order are needed",
                text.chars().take(200).collect::<String>()
            ))),
        }
    }
}

fn unknown_format() -> io::Error {
    io::Error::other("it is neither safetensors nor npy")
}

#[cfg(test)]
mod tests {
    use context_encoder_model::Precision;
    use safetensors::SafeTensors;

    use super::*;
    use crate::retrieval::VectorWriter;

    fn vector(row: usize) -> Vec<f32> {
        (0..24).map(|column| ((row * 24 + column) * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
    }

    #[test]
    fn rows_round_trip_and_are_searched_as_in_memory() {
        let folder = tempfile::tempdir().expect("folder");
        let rows: Vec<Vec<f32>> = (0..70).map(vector).collect();
        let queries: Vec<Vec<f32>> = (100..103).map(vector).collect();
        let mut search = Search::new(&queries, 5, &Device::flex());
        search.take_rows(&rows);
        let expected = search.finish();
        for (name, precision, tolerance) in [
            ("a.safetensors", Precision::F32, 0.0),
            ("a.npy", Precision::F32, 0.0),
            ("b.safetensors", Precision::F16, 5e-4),
            ("b.npy", Precision::F16, 5e-4),
        ] {
            let path = folder.path().join(name);
            let mut writer = VectorWriter::open(&path, precision, "by hand", "here").expect("new");
            for (number, rows) in rows.chunks(32).enumerate() {
                let names: Vec<String> = (0..rows.len()).map(|row| format!("{number}/{row}")).collect();
                writer.append(&names, rows).expect("written");
            }
            let file = writer.finish().expect("finished");
            assert_eq!((file.names().len(), file.length(), file.names()[33].as_str()), (70, 24, "1/1"));
            let bytes = fs::read(&path).expect("written");
            let data = if name.ends_with("safetensors") {
                assert_eq!(file.about(), Some("by hand"));
                let tensors = SafeTensors::deserialize(&bytes).expect("a plain safetensors file");
                tensors.tensor(TENSOR).expect("features").data().to_vec()
            } else {
                bytes[HEADER_BYTES..].to_vec()
            };
            let data = TensorData::from_bytes_vec(data, [70 * 24], file.header.dtype).convert::<f32>();
            for (read, written) in data.iter::<f32>().zip(rows.iter().flatten()) {
                assert!((read - written).abs() <= tolerance, "{name}");
            }
            let found = file.nearest(&queries, 5, &Device::flex(), |_| ()).expect("readable");
            if tolerance == 0.0 {
                assert_eq!(found, expected, "{name}");
            }
            let nearest =
                |found: &[Vec<Neighbour>]| found.iter().map(|found| found[0].index).collect::<Vec<_>>();
            assert_eq!(nearest(&found), nearest(&expected), "{name}");
        }
        let left = fs::read_dir(folder.path()).expect("folder").count();
        assert_eq!(left, 8, "a file and its names each, nothing else");
    }

    #[test]
    fn headers_of_other_writers_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let safetensors = br#"{"other":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"features":{"data_offsets":[4,12],"dtype":"F32","shape":[1,2]}}"#;
        let python = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n";
        let safetensors = [&(safetensors.len() as u64).to_le_bytes()[..], safetensors, &[0; 4]].concat();
        let npy_2 = [b"\x93NUMPY\x02\x00", &(python.len() as u32).to_le_bytes()[..], python].concat();
        for (name, header) in [("a.safetensors", safetensors), ("b.npy", npy_2)] {
            let path = folder.path().join(name);
            let row = [3.0_f32, 4.0].map(f32::to_le_bytes).concat();
            fs::write(&path, [header, row].concat()).expect("written");
            fs::write(names_of(&path), "one\n").expect("written");
            let file = VectorFile::open(&path).expect(name);
            let found = file.nearest(&[vec![4.0, 3.0]], 1, &Device::flex(), |_| ()).expect("readable");
            assert!((found[0][0].similarity - 0.96).abs() < 1e-6 && file.about().is_none(), "{name}");
        }
    }

    #[test]
    fn unusable_files_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.safetensors");
        let mut writer = VectorWriter::open(&path, Precision::F32, "", "here").expect("new");
        writer.append(&["one".into(), "two".into()], &[vector(0), vector(1)]).expect("written");
        let file = writer.finish().expect("finished");
        let refusal = |path: &Path| VectorFile::open(path).expect_err("unusable").to_string();

        let error = file.nearest(&[vec![1.0; 5]], 1, &Device::flex(), |_| ()).expect_err("short").to_string();
        assert!(error.contains("its rows have 24 numbers, the queries 5"), "{error}");
        fs::write(names_of(&path), "one\n").expect("written");
        assert!(refusal(&path).contains("has 1 names"));
        fs::remove_file(names_of(&path)).expect("removed");
        assert!(refusal(&path).contains("its names in"));
        let bytes = fs::read(&path).expect("there");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
        assert!(refusal(&path).contains("it is cut short"));
        fs::write(&path, "text").expect("written");
        assert!(refusal(&path).contains("neither safetensors nor npy"), "{}", refusal(&path));
        assert!(refusal(&folder.path().join("none.npy")).contains("none.npy"));
    }
}
