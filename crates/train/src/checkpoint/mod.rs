//! Checkpoints: one file, complete or absent, with everything that a resumed run needs.
//!
//! It is a burnpack: each network's tensors under its name with the identities that optimizer state is keyed
//! by, each optimizer's own burnpack as bytes under `optimizer.`, and the [`Header`] as text. See
//! `docs/checkpoints.md`.

mod folder;
mod header;
mod reader;
mod writer;

pub(crate) use folder::RunFolder;
pub(crate) use header::Header;
pub use reader::CheckpointReader;
pub use writer::CheckpointWriter;
