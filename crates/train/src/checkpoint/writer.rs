//! Writing a checkpoint.

use std::{
    fs::{self, File},
    path::Path,
};

use burn::{
    module::Module,
    store::{
        ModuleSnapshot,
        burn_pack::{DType, Tensor, Writer},
    },
};
use context_encoder_files::persist;

use super::{Header, optimizer_name, previous, unusable};
use crate::{TrainError, loss_scale::LossScale, optimized_model::OptimizedModel};

/// Collects the tensors of a checkpoint and writes it.
pub struct CheckpointWriter<'a> {
    step: u64,
    path: &'a Path,
    tensors: Vec<Tensor>,
    optimizer_tensors: Vec<usize>,
    loss_scales: Vec<LossScale>,
}

impl<'a> CheckpointWriter<'a> {
    pub(crate) fn new(path: &'a Path, step: u64) -> Self {
        Self { step, path, tensors: Vec::new(), optimizer_tensors: Vec::new(), loss_scales: Vec::new() }
    }

    /// Adds a model and its optimizer's state under `name`.
    pub(crate) fn model<M: Module>(
        &mut self,
        name: &str,
        model: &OptimizedModel<M>,
    ) -> Result<(), TrainError> {
        self.network(name, &model.network.valid())?;
        self.loss_scales.extend(model.loss_scale);
        let record = model.optimizer().to_record();
        self.optimizer_tensors.push(record.len());
        let bytes = record.into_bytes().map_err(|error| failed(self.path, &error))?;
        let length = bytes.len();
        self.tensors.push(Tensor::new(optimizer_name(name), DType::U8, vec![length], None, bytes));
        Ok(())
    }

    /// Adds a network's tensors under `name`.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] when a weight is NaN or infinite.
    pub(crate) fn network<M: Module>(&mut self, name: &str, network: &M) -> Result<(), TrainError> {
        for mut tensor in network.collect(None, None, false) {
            let bytes = tensor.to_bytes().map_err(|error| failed(self.path, &error))?;
            if !all_finite(&bytes) {
                let what = format!("the weight `{name}.{}`", tensor.name);
                return Err(TrainError::NotFinite { what, step: self.step });
            }
            tensor.name = format!("{name}.{}", tensor.name);
            self.tensors.push(tensor);
        }
        Ok(())
    }

    /// Writes to a temporary file; then the old checkpoint becomes [`previous`], and the new one takes its
    /// place.
    ///
    /// The old one is kept because a step's loss depends on the weights before it: weights that the last step
    /// threw out of range show only in the next loss.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when writing fails; the old file is then as it was.
    pub(crate) fn finish(self, key: &str, mut header: Header) -> Result<(), TrainError> {
        let Self { path, tensors, optimizer_tensors, loss_scales, .. } = self;
        (header.optimizer_tensors, header.loss_scales) = (optimizer_tensors, loss_scales);
        let header = serde_json::to_string(&header).map_err(|error| failed(path, &error))?;
        let newest = path.with_extension("next.bpk");
        Writer::new(tensors)
            .with_metadata(key, &header)
            .auto_extension(false)
            .write_to_file(&newest)
            .map_err(|error| failed(path, &error))?;
        // Everything that can fail on a full or broken disk comes before the old file gives up its name.
        let newest_file = File::options().write(true).open(&newest);
        newest_file.and_then(|file| file.sync_all()).map_err(|error| failed(path, &error))?;
        if path.exists() {
            fs::rename(path, previous(path)).map_err(|error| failed(path, &error))?;
        }
        persist(&newest, path).map_err(|error| failed(path, &error))
    }
}

/// Whether no 32-bit number is NaN or infinite.
fn all_finite(bytes: &[u8]) -> bool {
    bytes.as_chunks::<4>().0.iter().all(|&chunk| f32::from_le_bytes(chunk).is_finite())
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> TrainError {
    unusable(path, format!("it cannot be written ({error}); the old one is kept"))
}
