//! Reading a checkpoint.

use std::path::Path;

use burn::{
    module::Module,
    optim::{ModuleOptimizer, OptimizerRecord},
    store::{
        ModuleSnapshot,
        burn_pack::{Bytes, Tensor},
    },
};

use super::{Header, damaged, optimizer_name, unusable};
use crate::{TrainError, loss_scale::LossScale, optimized_model::OptimizedModel};

/// Hands out the tensors of a checkpoint.
pub struct CheckpointReader<'a> {
    path: &'a Path,
    step: u64,
    tensors: Vec<Tensor>,
    /// Tensors of each optimizer, in the order of the models.
    optimizer_tensors: std::vec::IntoIter<usize>,
    /// Loss scale of each model that has one, in the same order.
    loss_scales: std::vec::IntoIter<LossScale>,
}

impl<'a> CheckpointReader<'a> {
    /// Opens a checkpoint whose header has this key.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be read, [`TrainError::Checkpoint`] when it is damaged or of another
    /// kind.
    pub(crate) fn open(path: &'a Path, key: &str) -> Result<(Self, Header), TrainError> {
        let (reader, header) = Header::open(path, key)?;
        let tensors = reader.into_tensors().map_err(|error| damaged(path, &error))?;
        let optimizer_tensors = header.optimizer_tensors.clone().into_iter();
        let loss_scales = header.loss_scales.clone().into_iter();
        Ok((Self { path, step: header.step, tensors, optimizer_tensors, loss_scales }, header))
    }

    /// Steps done.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// Takes a model's tensors and its optimizer's state into the model.
    pub(crate) fn model<M: Module>(
        &mut self,
        name: &str,
        mut model: OptimizedModel<M>,
    ) -> Result<OptimizedModel<M>, TrainError> {
        self.network(name, &mut model.network)?;
        let refuse = |reason: String| unusable(self.path, reason);
        let place = self.tensors.iter().position(|tensor| tensor.name == optimizer_name(name));
        let optimizer = place.map(|index| self.tensors.remove(index));
        let bytes = optimizer
            .ok_or_else(|| refuse(format!("the {name}'s optimizer is missing")))?
            .into_bytes()
            .map_err(|error| refuse(format!("the {name}'s optimizer is damaged ({error})")))?;
        model.loss_scale = model.loss_scale.map(|scale| self.loss_scales.next().unwrap_or(scale));
        if model.loss_scale.is_some_and(|scale| !scale.is_usable()) {
            return Err(refuse(format!("the {name}'s loss scale is unusable")));
        }
        let count = self.optimizer_tensors.next();
        let optimizer = restore_optimizer(model.optimizer(), bytes)
            .filter(|optimizer| Some(optimizer.to_record().len()) == count)
            .ok_or_else(|| refuse(format!("the {name}'s optimizer did not come back whole")))?;
        model.set_optimizer(optimizer);
        Ok(model)
    }

    /// Takes a network's tensors into the network.
    pub(crate) fn network<M: Module>(&mut self, name: &str, network: &mut M) -> Result<(), TrainError> {
        let mut own = Vec::new();
        for mut tensor in std::mem::take(&mut self.tensors) {
            match tensor.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
                Some(rest) => {
                    tensor.name = rest.to_owned();
                    own.push(tensor);
                }
                None => self.tensors.push(tensor),
            }
        }
        let result = network.apply(own, None, None, false);
        let misfits = result.missing.iter().map(|(name, _)| name).chain(&result.unused).cloned();
        let misfits: Vec<String> = misfits.chain(result.errors.iter().map(ToString::to_string)).collect();
        if misfits.is_empty() {
            return Ok(());
        }
        Err(unusable(self.path, format!("these tensors of the {name} do not fit: {}", misfits.join(", "))))
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<(), TrainError> {
        match self.tensors.first() {
            Some(tensor) => {
                Err(unusable(self.path, format!("it holds `{}`, for which there is no place", tensor.name)))
            }
            None => Ok(()),
        }
    }
}

/// Burn skips silently what it cannot match, so the caller counts what came back.
fn restore_optimizer(optimizer: ModuleOptimizer, bytes: Bytes) -> Option<ModuleOptimizer> {
    OptimizerRecord::from_bytes(bytes).ok().map(|record| optimizer.load_record(record))
}
