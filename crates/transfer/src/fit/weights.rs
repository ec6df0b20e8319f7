//! Heads in safetensors files, encoder included, under PyTorch's names.

use std::path::Path;

use burn::{
    module::Module,
    store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore},
};
use context_encoder_model::ModelError;

use crate::TransferError;

/// Writes a head with its encoder, aside first and then renamed.
///
/// # Errors
/// [`TransferError::Io`] when the file cannot be written.
pub fn save_head<H: Module>(head: &H, path: &Path) -> Result<(), TransferError> {
    let mut store = SafetensorsStore::from_file(path)
        .overwrite(true)
        .skip_enum_variants(true)
        .with_to_adapter(BurnToPyTorchAdapter);
    let failed = TransferError::io("write", path);
    head.valid().save_into(&mut store).map_err(|error| failed(std::io::Error::other(error.to_string())))
}

/// Reads the weights of a head of the same kind from a file that [`save_head`] wrote.
///
/// # Errors
/// [`TransferError::Model`] when the file is absent, no safetensors file, or of another head.
pub fn load_head<H: Module>(mut head: H, path: &Path) -> Result<H, TransferError> {
    let mut store =
        SafetensorsStore::from_file(path).skip_enum_variants(true).with_from_adapter(PyTorchToBurnAdapter);
    let unusable = |reason: String| ModelError::NotWeights { path: path.to_owned(), reason };
    head.load_from(&mut store).map_err(|error| unusable(error.to_string()))?;
    Ok(head)
}
