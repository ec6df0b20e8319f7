//! What can go wrong with networks that come from outside the program.

use std::{fmt, path::PathBuf};

/// An error of this crate. Wrong tensor shapes are the caller's bug and panic instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A configuration that no network can be built from.
    #[error("the model configuration cannot be built: {message}")]
    Config {
        /// The field, its value, and what to choose.
        message: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file that holds no weights that this crate can read.
    #[error("{} is no usable weights file: {reason}", path.display())]
    NotWeights {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A network whose weights mean something else in PyTorch's public ports.
    #[error("{} was not written: {reason}; keep this network in this library's own files", path.display())]
    NotForPorts {
        /// The file.
        path: PathBuf,
        /// What the ports do not do.
        reason: &'static str,
    },
    /// A number that the chosen precision cannot hold.
    #[error("{} was not written: a weight of size {value} is beyond f16's 65504; choose bf16 or f32", path.display())]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// The largest weight, without its sign.
        value: f32,
    },
    /// Weights of another architecture.
    #[error("{} does not fit the network: {mismatch}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Every tensor that does not fit, by name.
        mismatch: Mismatch,
    },
}

/// Every tensor that keeps a weights file from fitting a network, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Tensors that the network needs and the file lacks.
    pub missing: Vec<String>,
    /// Tensors in the file that the network has no place for.
    pub unused: Vec<String>,
    /// Tensors of another shape or kind: name, what the network has, what the file has.
    pub misshapen: Vec<(String, String, String)>,
}

impl Mismatch {
    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misshapen: Vec<String> = self
            .misshapen
            .iter()
            .map(|(name, network, file)| format!("{name} (network {network}, file {file})"))
            .collect();
        let groups = [("missing", &self.missing), ("unused", &self.unused), ("misshapen", &misshapen)];
        let parts: Vec<String> = groups
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, names)| format!("{} {kind}: {}", names.len(), names.join(", ")))
            .collect();
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_names_every_tensor() {
        let mismatch = Mismatch {
            missing: vec!["a.weight".into()],
            unused: vec!["b.weight".into(), "c.weight".into()],
            misshapen: vec![("d.weight".into(), "[2, 3]".into(), "[3, 2]".into())],
        };
        assert_eq!(
            mismatch.to_string(),
            "1 missing: a.weight; 2 unused: b.weight, c.weight; 1 misshapen: d.weight (network [2, 3], file [3, 2])"
        );
        assert!(Mismatch::default().is_empty() && !mismatch.is_empty());
    }
}
