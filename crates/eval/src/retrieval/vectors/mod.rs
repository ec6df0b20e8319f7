//! Vectors in a file: written row by row, read and searched block by block.

mod format;
mod writer;

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor, TensorData};

pub use format::VectorFormat;
pub use writer::VectorWriter;

use super::{Neighbour, Search};
use crate::EvalError;
use format::{Header, Layout};

/// Bytes of the file that are in memory at once.
const BLOCK: usize = 64 << 20;

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
    layout: Layout,
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
        let layout = Layout::read(&path).map_err(refuse)?;
        if layout.header.length == 0 {
            return Err(refuse("its rows are empty; write it again".to_owned()));
        }
        let there = fs::metadata(&path).map_err(|error| refuse(error.to_string()))?.len();
        if there < layout.end() {
            return Err(refuse(format!(
                "it is cut short: {} rows need {} bytes, {there} are there; write it again",
                layout.header.rows,
                layout.end()
            )));
        }
        let beside = names_of(&path);
        let text = fs::read_to_string(&beside)
            .map_err(|error| refuse(format!("its names in {} cannot be read: {error}", beside.display())))?;
        let names: Vec<String> = text.split_terminator('\n').map(str::to_owned).collect();
        if names.len() != layout.header.rows {
            return Err(refuse(format!(
                "it has {} rows, but {} has {} names; the two do not belong together",
                layout.header.rows,
                beside.display(),
                names.len()
            )));
        }
        Ok(Self { path, layout, names })
    }

    /// What each row describes.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Numbers in a row.
    #[must_use]
    pub fn length(&self) -> usize {
        self.layout.header.length
    }

    /// How the vectors came about, as their writer said; npy files do not say it.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.layout.header.about.as_deref()
    }

    /// For each query the `count` nearest rows, as [`Search`] finds them; `shown` is told the rows done after
    /// each block.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when the queries are of another length or the file cannot be read.
    pub fn nearest(
        &self,
        queries: &[Vec<f32>],
        count: usize,
        device: &Device,
        mut shown: impl FnMut(usize),
    ) -> Result<Vec<Vec<Neighbour>>, EvalError> {
        let refuse = |reason: String| EvalError::Vectors { path: self.path.clone(), reason };
        if let Some(query) = queries.iter().find(|query| query.len() != self.length()) {
            return Err(refuse(format!(
                "its rows have {} numbers, the queries {}; they must come from the same description",
                self.length(),
                query.len()
            )));
        }
        let mut search = Search::new(queries, count, device);
        let mut done = 0;
        self.blocks((queries.len() * size_of::<f32>()).max(1), |block| {
            done += block.shape()[0];
            search.take(Tensor::from_data(block.convert::<f32>(), device));
            shown(done);
        })
        .map_err(|error| refuse(error.to_string()))?;
        Ok(search.finish())
    }

    /// All rows.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when the file cannot be read.
    pub fn read(&self) -> Result<Vec<Vec<f32>>, EvalError> {
        let mut all = Vec::with_capacity(self.names.len());
        self.blocks(1, |block| {
            let values: Vec<f32> = block.convert::<f32>().try_to_vec().unwrap_or_default();
            all.extend(values.chunks_exact(self.length()).map(<[f32]>::to_vec));
        })
        .map_err(|error| EvalError::Vectors { path: self.path.clone(), reason: error.to_string() })?;
        Ok(all)
    }

    /// Reads the rows, a block at a time: `[rows, length]` as stored.
    ///
    /// Each row also leads to `wide` bytes of something else.
    fn blocks(&self, wide: usize, mut take: impl FnMut(TensorData)) -> io::Result<()> {
        let Header { rows, length, dtype, .. } = self.layout.header;
        let row_bytes = length * dtype.size();
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.layout.begin))?;
        let in_block = (BLOCK / row_bytes.max(wide)).max(1);
        let mut done = 0;
        while done < rows {
            let here = in_block.min(rows - done);
            let mut bytes = vec![0; here * row_bytes];
            file.read_exact(&mut bytes)?;
            take(TensorData::from_bytes_vec(bytes, [here, length], dtype));
            done += here;
        }
        Ok(())
    }
}

/// Where a file's names are.
fn names_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".names");
    name.into()
}

/// What numbers may be stored as.
const STORED: [DType; 2] = [DType::F32, DType::F16];

#[cfg(test)]
mod tests {
    use context_encoder_model::Precision;

    use super::*;
    use crate::retrieval::Index;

    fn vector(row: usize) -> Vec<f32> {
        (0..24).map(|column| ((row * 24 + column) * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
    }

    #[test]
    fn a_file_finds_what_memory_finds_and_comes_back_as_written() {
        let folder = tempfile::tempdir().expect("folder");
        let rows: Vec<Vec<f32>> = (0..70).map(vector).collect();
        let queries: Vec<Vec<f32>> = (100..103).map(vector).collect();
        let expected = Index::new(rows.clone(), &Device::flex()).nearest(&queries, 5);
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
            let about = file.about().map(str::to_owned);
            assert_eq!(about.as_deref(), name.ends_with("safetensors").then_some("by hand"));
            for (read, row) in file.read().expect("readable").iter().zip(&rows) {
                assert!(read.iter().zip(row).all(|(a, b)| (a - b).abs() <= tolerance), "{name}");
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
    fn what_is_no_vector_file_says_what_it_lacks() {
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
