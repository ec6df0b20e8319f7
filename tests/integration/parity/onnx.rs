//! What onnxruntime computes from our ONNX files against our own networks.
//!
//! `tests/parity/make_onnx.py` runs the files that this test writes into the folder `ONNX_FILES`, and records
//! their hashes with the answers: a file that has changed since is noticed here, without Python.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::{Device, Tensor};
use context_encoder_model::{FeatureEncoder, FeatureLayer, Model, OnnxInput};
use safetensors::SafeTensors;

use super::{BATCH, assert_close, expected, fixture, generators, masks, pictures, stored};

/// Of the largest value, or of 1. Both compute in 32 bits; the smooth fill's relaxation multiplies rounding
/// by up to ten.
const TOLERANCE: f32 = 1e-5;

/// FNV-1a, as in the script.
fn hash(bytes: &[u8]) -> String {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Hashes of the files that onnxruntime has run.
fn hashes() -> std::collections::HashMap<String, String> {
    let bytes = fs::read(fixture("expected_onnx.safetensors")).expect("a committed fixture");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    metadata.metadata().clone().expect("hashes")
}

/// Our own answers by name of file and output. Files are written into `folder`.
fn answers(folder: &Path) -> BTreeMap<String, Tensor<4>> {
    let device = Device::flex();
    let mut answers = BTreeMap::new();
    let mut add_model = |name: &str, model: &Model| {
        for (kind, input) in [("masked", OnnxInput::ImageAndMask), ("filled", OnnxInput::Filled)] {
            model.save_onnx(input, folder.join(format!("{name}.{kind}.onnx"))).expect("written");
            let size = model.config().size;
            let answer = model.forward(pictures(BATCH, size, 0, &device), masks(BATCH, size, &device));
            answers.insert(format!("{name}.{kind}/prediction"), answer);
        }
    };
    for generator in generators() {
        let model = Model::load_pytorch(generator.file(), &generator.config, &device).expect("weights");
        add_model(generator.name, &model);
    }
    for name in ["option_any_shape", "option_noise"] {
        add_model(name, &Model::load(fixture(&format!("{name}.safetensors")), &device).expect("weights"));
    }
    let shipped = [env!("CARGO_MANIFEST_DIR"), "weights", "photo-128.safetensors"];
    add_model(
        "photo-128",
        &Model::load(shipped.iter().collect::<std::path::PathBuf>(), &device).expect("weights"),
    );
    for (name, size) in [("feature_alexnet", 227), ("feature_pool_free", 227), ("feature_alexnet_131", 131)] {
        let encoder =
            FeatureEncoder::load(fixture(&format!("{name}.safetensors")), &device).expect("weights");
        encoder.save_onnx(folder.join(format!("{name}.onnx"))).expect("written");
        for (layer, map) in FeatureLayer::ALL.into_iter().zip(encoder.maps(pictures(1, size, 0, &device))) {
            answers.insert(format!("{name}/{layer}"), map);
        }
    }
    answers
}

#[test]
fn onnxruntime_computes_from_our_files_what_we_compute() {
    let wanted = std::env::var_os("ONNX_FILES");
    let temporary = tempfile::tempdir().expect("folder");
    let folder = wanted.as_ref().map_or(temporary.path(), Path::new);
    let answers = answers(folder);
    if wanted.is_some() {
        return; // the script writes the fixture now
    }
    let hashes = hashes();
    for entry in fs::read_dir(folder).expect("folder") {
        let file = entry.expect("an entry").path();
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let now = hash(&fs::read(&file).expect("there"));
        assert_eq!(hashes.get(&name), Some(&now), "{name} has changed: run tests/parity/make_onnx.py");
    }
    let expected = expected("expected_onnx.safetensors");
    assert_eq!(expected.len(), answers.len());
    for (what, answer) in answers {
        let answer = stored(answer);
        let apart = answer.iter().zip(&expected[&what]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let largest = answer.iter().fold(1.0, |largest, value| value.abs().max(largest));
        eprintln!("| {what} | {largest:.1} | {apart:.1e} |"); // docs/checkpoints.md
        assert_close(&what, &answer, &expected[&what], TOLERANCE * largest);
    }
}
