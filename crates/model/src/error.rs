//! What can go wrong with networks that come from outside the program.

use std::path::PathBuf;

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
    /// Weights that the file format asked for cannot hold.
    #[error("{} was not written: {reason}", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What the format lacks and what to do.
        reason: String,
    },
    /// Weights of another architecture.
    #[error("{} does not fit the network: {}", path.display(), list(missing, unused, misshapen))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Tensors that the network needs and the file lacks.
        missing: Vec<String>,
        /// Tensors in the file that the network has no place for.
        unused: Vec<String>,
        /// Tensors of another shape or type: name, what the network has, what the file has.
        misshapen: Vec<(String, String, String)>,
    },
}

impl ModelError {
    /// Renames the tensors of a mismatch, from a module's names to those in the file.
    pub(crate) fn rename_tensors(mut self, rename: impl Fn(&str) -> String) -> Self {
        if let Self::Mismatch { missing, unused, misshapen, .. } = &mut self {
            let misshapen = misshapen.iter_mut().map(|(name, _, _)| name);
            for name in missing.iter_mut().chain(unused).chain(misshapen) {
                *name = rename(name);
            }
        }
        self
    }
}

/// Every tensor of a mismatch, by name.
fn list(missing: &[String], unused: &[String], misshapen: &[(String, String, String)]) -> String {
    let misshapen: Vec<String> = misshapen
        .iter()
        .map(|(name, network, file)| format!("{name} (network {network}, file {file})"))
        .collect();
    let groups = [("missing", missing), ("unused", unused), ("misshapen", &misshapen)];
    let groups = groups.iter().filter(|(_, names)| !names.is_empty());
    let groups: Vec<String> =
        groups.map(|(kind, names)| format!("{} {kind}: {}", names.len(), names.join(", "))).collect();
    groups.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_names_every_tensor() {
        let mismatch = ModelError::Mismatch {
            path: "w.safetensors".into(),
            missing: vec!["a.weight".into()],
            unused: vec!["b.weight".into(), "c.weight".into()],
            misshapen: vec![("d.weight".into(), "[2, 3]".into(), "[3, 2]".into())],
        };
        assert_eq!(
            mismatch.rename_tensors(|name| format!("x.{name}")).to_string(),
            "w.safetensors does not fit the network: 1 missing: x.a.weight; 2 unused: x.b.weight, x.c.weight; \
             1 misshapen: x.d.weight (network [2, 3], file [3, 2])"
        );
    }
}
