//! Networks in the formats of Torch 7 and Caffe against PyTorch: `tests/parity/make_foreign.py` writes them.

use std::fs;

use burn::tensor::Device;
use context_encoder_model::{
    BottleneckConfig, FeatureEncoder, FeatureModelConfig, InitialFill, Model, ModelConfig, ModelError,
    Prediction,
};

use super::{assert_close as close, expected, fixture, masks, pictures, stored};

/// As for the PyTorch files (`forward.rs`); AlexNet's answers reach 21.
const TOLERANCE: f32 = 2e-5;

fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    let apart = actual.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let largest = expected.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    eprintln!("| {what} | {largest:.1} | {apart:.1e} |"); // docs/checkpoints.md
    close(what, actual, expected, tolerance);
}

#[test]
fn torch7_networks_answer_as_in_pytorch_and_say_what_they_are() {
    let (expected, device) = (expected("expected_foreign.safetensors"), Device::flex());
    let authors = ModelConfig::default().with_size(64).with_fill(InitialFill::Authors);
    let centre = authors.clone().with_width(3).with_bottleneck(BottleneckConfig::Dense(7));
    let whole = authors.with_width(2).with_bottleneck(BottleneckConfig::Dense(5));
    for (name, config) in
        [("authors_centre", centre), ("authors_whole_old", whole.with_prediction(Prediction::Whole))]
    {
        let model = Model::load_torch7(fixture(&format!("{name}.t7")), &device).expect("a network");
        assert_eq!(model.config(), &config);
        let answer = model.forward(pictures(2, 64, 0, &device), masks(2, 64, &device));
        assert_close(name, &stored(answer), &expected[name], TOLERANCE);
    }
}

#[test]
fn caffes_alexnet_answers_as_in_pytorch() {
    let (expected, device) = (expected("expected_foreign.safetensors"), Device::flex());
    let alexnet = FeatureModelConfig::alexnet().with_width(4);
    for (name, config) in [("alexnet", alexnet), ("alexnet_old", FeatureModelConfig::modern().with_width(4))]
    {
        let file = fixture(&format!("{name}.caffemodel"));
        let (encoder, left_out) = FeatureEncoder::load_caffe(file, None, &device).expect("a network");
        assert_eq!((encoder.config(), &left_out[..]), (&config, &["fc6".to_owned()][..]));
        let answer = encoder.forward(pictures(1, 227, 0, &device));
        assert_close(name, &stored(answer), &expected[name], TOLERANCE * 20.0);
    }
}

/// Every cut is an error, and no changed byte a panic.
#[test]
fn damaged_files_are_errors() {
    let (folder, device) = (tempfile::tempdir().expect("folder"), Device::flex());
    let path = folder.path().join("damaged");
    for name in ["authors_centre.t7", "authors_whole_old.t7", "alexnet.caffemodel", "alexnet_old.caffemodel"]
    {
        let whole = fs::read(fixture(name)).expect("a committed fixture");
        let load = |bytes: &[u8]| -> Result<(), ModelError> {
            fs::write(&path, bytes).expect("written");
            if name.ends_with("t7") {
                Model::load_torch7(&path, &device).map(drop)
            } else {
                FeatureEncoder::load_caffe(&path, None, &device).map(drop)
            }
        };
        for length in (0..whole.len() - 200).step_by(whole.len() / 40) {
            assert!(load(&whole[..length]).is_err(), "{name}, {length} bytes");
        }
        for place in (0..2000).step_by(13).chain((2000..whole.len()).step_by(whole.len() / 40)) {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x85;
            let _ = load(&bytes);
        }
    }
    // Each says what it is given instead.
    let error = |result: Result<(), ModelError>| result.expect_err("another format").to_string();
    let text = error(Model::load_torch7(fixture("alexnet.caffemodel"), &device).map(drop));
    assert!(text.contains("no binary file of Torch 7"), "{text}");
    let text = error(FeatureEncoder::load_caffe(fixture("authors_centre.t7"), None, &device).map(drop));
    assert!(text.contains("no file of Caffe"), "{text}");
}
