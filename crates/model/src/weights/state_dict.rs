//! Loads named tensors into a network, all of them or none.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Module,
    store::{
        BurnToPyTorchAdapter, ChainAdapter, FloatCastAdapter, ModuleSnapshot, PyTorchToBurnAdapter,
        burn_pack::Tensor as NamedTensor,
    },
    tensor::DType,
};

use crate::ModelError;

/// Fills every parameter of `module` from `tensors`, which carry PyTorch's names for the module's paths
/// (`encoder.stages.0.conv.weight`). Half-precision tensors widen to 32 bits.
///
/// # Errors
/// [`ModelError::Mismatch`] names every missing, unused and misshapen tensor; `module` is then untouched.
/// [`ModelError::NotWeights`] when a tensor cannot be read or holds a value that is not finite.
pub(super) fn load_state_dict<M: Module>(
    module: &mut M,
    tensors: Vec<NamedTensor>,
    path: &Path,
) -> Result<(), ModelError> {
    check_names_and_shapes(module, &tensors, path)?;
    let adapter = ChainAdapter::new(PyTorchToBurnAdapter, FloatCastAdapter::to(DType::F32));
    let result = module.apply(tensors, None, Some(Box::new(adapter)), true);
    if let Some(error) = result.errors.first() {
        let reason = format!("{error}; the file is damaged, fetch it again");
        return Err(ModelError::NotWeights { path: path.to_owned(), reason });
    }
    match not_finite(module) {
        Some(name) => {
            let reason =
                format!("`{name}` holds values that are not finite; the file is damaged, fetch it again");
            Err(ModelError::NotWeights { path: path.to_owned(), reason })
        }
        None => Ok(()),
    }
}

/// The first tensor of a module with a value that is infinite or NaN.
fn not_finite<M: Module>(module: &M) -> Option<String> {
    let finite =
        |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().all(|&value| f32::from_le_bytes(value).is_finite());
    let tensors = module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
    tensors
        .into_iter()
        .find(|tensor| !tensor.to_bytes().is_ok_and(|bytes| finite(&bytes)))
        .map(|tensor| tensor.name)
}

/// Refuses `tensors` that do not fill `module` exactly.
fn check_names_and_shapes<M: Module>(
    module: &M,
    tensors: &[NamedTensor],
    path: &Path,
) -> Result<(), ModelError> {
    let wanted: BTreeMap<String, Vec<usize>> = module
        .collect(None, Some(Box::new(BurnToPyTorchAdapter)), true)
        .into_iter()
        .map(|tensor| (tensor.name, tensor.shape.to_vec()))
        .collect();
    let (mut unused, mut misshapen) = (Vec::new(), Vec::new());
    for tensor in tensors {
        let shape = tensor.shape.to_vec();
        match wanted.get(&tensor.name) {
            None => unused.push(tensor.name.clone()),
            Some(expected) if *expected != shape => {
                misshapen.push((tensor.name.clone(), format!("{expected:?}"), format!("{shape:?}")));
            }
            Some(_) if !tensor.dtype.is_float() => {
                misshapen.push((tensor.name.clone(), "float".into(), format!("{:?}", tensor.dtype)));
            }
            Some(_) => {}
        }
    }
    let missing: Vec<String> =
        wanted.into_keys().filter(|name| !tensors.iter().any(|tensor| tensor.name == *name)).collect();
    if missing.is_empty() && unused.is_empty() && misshapen.is_empty() {
        return Ok(());
    }
    Err(ModelError::Mismatch { path: path.to_owned(), missing, unused, misshapen })
}
