//! Networks, losses and optimiser steps against PyTorch.
//!
//! `tests/parity/make_fixtures.py` writes the fixtures; its head says how. Inputs are not stored: the
//! formulas of [`pictures`] and [`masks`] are repeated here.

mod foreign;
mod forward;
mod loading;
mod onnx;
mod scores;
mod step;

use std::{collections::BTreeMap, fs, path::PathBuf};

use burn::{
    module::Module,
    store::{BurnToPyTorchAdapter, ModuleSnapshot},
    tensor::{DType, Device, Tensor, TensorData},
};
use context_encoder_model::{BottleneckConfig, InitialFill, ModelConfig, Prediction};
use safetensors::SafeTensors;

/// Longer outputs are thinned in the fixtures, as in the script.
const WHOLE_UP_TO: usize = 600;

/// Of a thinned output every 29th value is there, as in the script.
const STRIDE: usize = 29;

/// Pictures in a batch.
const BATCH: usize = 4;

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "parity", "fixtures", name].iter().collect()
}

/// All tensors of a fixture, flat, by name.
fn expected(name: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(fixture(name)).expect("a committed fixture");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    file.iter().map(|(name, tensor)| (name.to_owned(), floats(tensor.data()))).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "{} bytes are no 32-bit floats", bytes.len());
    words.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

/// `[batch, 3, side, side]`: value `i` is `((37 i + 11 + offset) mod 101) / 50.5 - 1`.
fn pictures(batch: usize, side: usize, offset: usize, device: &Device) -> Tensor<4> {
    let values: Vec<f32> =
        (0..batch * 3 * side * side).map(|i| ((i * 37 + 11 + offset) % 101) as f32 / 50.5 - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [batch, 3, side, side]), device)
}

/// `[batch, 1, side, side]`, 1 = hidden: an uneven rectangle within the central square, another one in
/// each picture.
fn masks(batch: usize, side: usize, device: &Device) -> Tensor<4> {
    let (quarter, three) = (side / 4, 3 * side / 4);
    (0..batch).fold(Tensor::zeros([batch, 1, side, side], device), |masks, n| {
        let rows = quarter + 2 + n..three - 4 - 2 * n;
        let columns = quarter + 3 + 2 * n..three - 2 - n;
        masks.slice_fill([n..n + 1, 0..1, rows, columns], 1.0)
    })
}

/// A tensor's values as the script stores them: flat, thinned when long.
fn stored<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    thinned(tensor.into_data().try_to_vec().expect("f32"))
}

fn thinned(values: Vec<f32>) -> Vec<f32> {
    if values.len() > WHOLE_UP_TO { values.into_iter().step_by(STRIDE).collect() } else { values }
}

/// Every tensor of a network, flat, under PyTorch's names on this project's paths.
fn named<M: Module>(network: &M) -> BTreeMap<String, Vec<f32>> {
    network
        .collect(None, Some(Box::new(BurnToPyTorchAdapter)), true)
        .into_iter()
        .map(|tensor| {
            assert_eq!(tensor.dtype, DType::F32, "{}", tensor.name);
            let bytes = tensor.to_bytes().expect("values on the CPU");
            (tensor.name, floats(&bytes))
        })
        .collect()
}

/// Panics unless every value is within `tolerance` of the expected one. NaN is within nothing.
fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= tolerance,
            "{what}, value {i}: {actual} is not {expected} within {tolerance}"
        );
    }
}

/// A generator of the fixtures and the file that holds its weights.
struct Generator {
    name: &'static str,
    config: ModelConfig,
}

impl Generator {
    fn file(&self) -> PathBuf {
        fixture(&format!("netg_{}.pth", self.name))
    }
}

/// Each file is of another kind: a plain state dict, one of data-parallel training (`module.`), one
/// under `state_dict` beside an epoch, one in PyTorch's format before 1.6, one in half precision.
fn generators() -> [Generator; 5] {
    let small = ModelConfig::default().with_size(64).with_width(4);
    let dense = small.clone().with_bottleneck(BottleneckConfig::Dense(10)).with_fill(InitialFill::Authors);
    let dense_whole = dense.clone().with_prediction(Prediction::Whole);
    let whole = small.clone().with_prediction(Prediction::Whole);
    let large = small.clone().with_size(128).with_width(2);
    [
        Generator { name: "dense_centre", config: dense },
        Generator { name: "dense_whole", config: dense_whole },
        Generator { name: "channel_wise_centre", config: small },
        Generator { name: "channel_wise_whole", config: whole },
        Generator { name: "channel_wise_centre_128", config: large },
    ]
}
