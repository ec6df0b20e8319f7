//! What stands before the rows: a header of fixed length, so that rows can be written before their number is
//! known.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek},
    path::Path,
    str::FromStr,
};

use burn::tensor::DType;
use safetensors::{Dtype, tensor::Metadata};
use serde_json::json;

use super::STORED;
use crate::EvalError;

/// Where the rows begin in the files that are written here. Both formats let a header be padded with spaces.
pub(super) const BEGIN: u64 = 4096;

/// The largest safetensors header that is read.
const LARGEST_HEADER: u64 = 100 << 20;

/// Letters of a header that an error shows.
const SHOWN: usize = 200;

/// Name of the tensor in safetensors files.
const TENSOR: &str = "features";

/// Key of the description in safetensors files.
const ABOUT: &str = "about";

/// A file format for vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorFormat {
    /// The format of weights, with a header that tells how the vectors came about.
    Safetensors,
    /// NumPy's format for one array.
    Npy,
}

impl VectorFormat {
    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// [`EvalError::Vectors`] when its name ends in neither `.safetensors` nor `.npy`.
    pub fn of(path: &Path) -> Result<Self, EvalError> {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        ending.parse().map_err(|()| EvalError::Vectors {
            path: path.to_owned(),
            reason: "its name must end in .safetensors or .npy".to_owned(),
        })
    }
}

impl FromStr for VectorFormat {
    type Err = ();

    fn from_str(ending: &str) -> Result<Self, ()> {
        match ending {
            "safetensors" => Ok(Self::Safetensors),
            "npy" => Ok(Self::Npy),
            _ => Err(()),
        }
    }
}

/// What a header tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) rows: usize,
    /// Numbers in a row.
    pub(super) length: usize,
    pub(super) dtype: DType,
    /// How the vectors came about.
    pub(super) about: Option<String>,
}

impl Header {
    /// The bytes before the rows, [`BEGIN`] of them; `None` when the description is too long for that.
    pub(super) fn bytes(&self, format: VectorFormat) -> Option<Vec<u8>> {
        let begin = BEGIN as usize;
        let mut bytes = Vec::with_capacity(begin);
        let end = match format {
            VectorFormat::Safetensors => {
                let data = self.rows.saturating_mul(self.length).saturating_mul(self.dtype.size());
                let dtype = if self.dtype == DType::F16 { "F16" } else { "F32" };
                let tensor = json!({
                    "dtype": dtype, "shape": [self.rows, self.length], "data_offsets": [0, data],
                });
                let about = BTreeMap::from([(ABOUT, self.about.as_deref().unwrap_or_default())]);
                bytes.extend((BEGIN - 8).to_le_bytes());
                bytes.extend(json!({ "__metadata__": about, TENSOR: tensor }).to_string().bytes());
                b' '
            }
            VectorFormat::Npy => {
                let bits = self.dtype.size();
                let (rows, length) = (self.rows, self.length);
                bytes.extend(b"\x93NUMPY\x01\x00");
                bytes.extend((begin as u16 - 10).to_le_bytes());
                bytes.extend(
                    format!("{{'descr': '<f{bits}', 'fortran_order': False, 'shape': ({rows}, {length}), }}")
                        .bytes(),
                );
                b'\n'
            }
        };
        (bytes.len() < begin).then(|| {
            bytes.resize(begin - 1, b' ');
            bytes.push(end);
            bytes
        })
    }
}

/// Where the rows are in a file.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) header: Header,
    /// Their first byte.
    pub(super) begin: u64,
}

impl Layout {
    /// The byte behind the last row.
    pub(super) fn end(&self) -> u64 {
        let Header { rows, length, dtype, .. } = &self.header;
        let bytes = rows.saturating_mul(*length).saturating_mul(dtype.size());
        self.begin.saturating_add(bytes as u64)
    }

    /// Reads a file's header, whoever wrote it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        let mut file = File::open(path).map_err(text)?;
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(|_| "it is neither safetensors nor npy".to_owned())?;
        file.rewind().map_err(text)?;
        if start.starts_with(b"\x93NUMPY") {
            Self::npy(&mut file)
        } else {
            Self::safetensors(&mut file, start)
        }
    }

    /// The header is a Python dictionary of three entries; a parser of Python for it (npyz) would bring a
    /// parser generator to everybody who fills a picture.
    fn npy(file: &mut File) -> Result<Self, String> {
        let cut = |_| "its header is cut short".to_owned();
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(cut)?;
        let length = if start[6] == 1 {
            let mut length = [0; 2];
            file.read_exact(&mut length).map_err(cut)?;
            u64::from(u16::from_le_bytes(length))
        } else {
            let mut length = [0; 4];
            file.read_exact(&mut length).map_err(cut)?;
            u64::from(u32::from_le_bytes(length))
        };
        let mut bytes = Vec::new();
        file.by_ref().take(length).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let begin = file.stream_position().map_err(|error| error.to_string())?;
        let text: String = String::from_utf8_lossy(&bytes).split_whitespace().collect();
        let entry = |key: &str| text.split_once(&format!("'{key}':")).map_or("", |(_, value)| value);
        let is_stored_as = |dtype: &DType| entry("descr").starts_with(&format!("'<f{}'", dtype.size()));
        let dtype = STORED.into_iter().find(is_stored_as);
        let sides = entry("shape").strip_prefix('(').and_then(|shape| shape.split_once(')'));
        let sides = sides.and_then(|(sides, _)| sides.split_once(','));
        let sides = sides.and_then(|(rows, length)| Some((rows.parse().ok()?, length.parse().ok()?)));
        match (sides, dtype, entry("fortran_order").starts_with("False")) {
            (Some((rows, length)), Some(dtype), true) => {
                Ok(Self { header: Header { rows, length, dtype, about: None }, begin })
            }
            _ => Err(format!(
                "it says {:?}; rows of 32-bit or 16-bit numbers (<f4, <f2) in C order are needed",
                text.chars().take(SHOWN).collect::<String>()
            )),
        }
    }

    fn safetensors(file: &mut File, start: [u8; 8]) -> Result<Self, String> {
        let none = || "it is neither safetensors nor npy".to_owned();
        let length = u64::from_le_bytes(start);
        if length > LARGEST_HEADER {
            return Err(none());
        }
        let begin = length + 8;
        let mut bytes = Vec::new();
        file.take(begin).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if (bytes.len() as u64) < begin {
            return Err(none());
        }
        let metadata: Metadata = serde_json::from_slice(&bytes[8..]).map_err(|_| none())?;
        let tensor = metadata.info(TENSOR).ok_or_else(|| format!("it holds no tensor `{TENSOR}`"))?;
        let dtype = match tensor.dtype {
            Dtype::F32 => Some(DType::F32),
            Dtype::F16 => Some(DType::F16),
            _ => None,
        };
        match (&tensor.shape[..], dtype) {
            (&[rows, length], Some(dtype)) => {
                let about = metadata.metadata().as_ref().and_then(|about| about.get(ABOUT)).cloned();
                let begin = begin + tensor.data_offsets.0 as u64;
                Ok(Self { header: Header { rows, length, dtype, about }, begin })
            }
            _ => Err(format!(
                "`{TENSOR}` holds {:?} of shape {:?}; rows of 32-bit or 16-bit numbers are needed",
                tensor.dtype, tensor.shape
            )),
        }
    }
}
