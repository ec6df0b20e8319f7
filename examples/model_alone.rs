//! The network alone, from tensors to tensors, without image files and mask generators.
//!
//!     cargo run --release --example model_alone
//!
//! Data: none. Time: a second. Expect: the shapes of inputs and outputs, and `prediction inside [-1, 1]`.

use std::{io::Write, process::ExitCode};

use burn::tensor::Tensor;
use context_encoder::{Model, ModelConfig, device, model::Prediction};

fn main() -> ExitCode {
    if let Err(error) = predict() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn predict() -> Result<(), Box<dyn std::error::Error>> {
    let device = device("cpu")?;
    // Or `Model::load("model.safetensors", &device)?`
    let config = ModelConfig::default().with_size(64).with_width(16).with_prediction(Prediction::Whole);
    let model: Model = config.init(&device)?;

    // Two pictures with values in [-1, 1], and their masks: 1 = hidden.
    let pictures = Tensor::<4>::full([2, 3, 64, 64], 0.3, &device);
    let masks = Tensor::<4>::zeros([2, 1, 64, 64], &device).slice_fill([0..2, 0..1, 10..40, 20..44], 1.0);
    let prediction = model.predictor().forward(pictures.clone(), masks.clone()); // [2, 3, 64, 64]
    let filled = model.paste(pictures.clone(), masks, prediction.clone()); // [2, 3, 64, 64]

    let mut out = std::io::stdout().lock();
    writeln!(out, "pictures {:?}, prediction {:?}", pictures.dims(), prediction.dims())?;
    writeln!(out, "filled {:?}, visible pixels as they were", filled.dims())?;
    let largest = prediction.abs().max().into_scalar::<f32>();
    writeln!(out, "prediction {} [-1, 1]", if largest <= 1.0 { "inside" } else { "outside" })?;
    Ok(())
}
