//! Weights and checkpoints through files.

use burn::tensor::Device;
use context_encoder_model::{Model, ModelConfig};
use context_encoder_train::{Run, TrainConfig};

use super::{
    Answers, Part,
    answer::{Answer, EXACT},
};
use crate::TrialError;

/// Side and width of the network in the files.
const SIDE: usize = 64;
const WIDTH: usize = 4;

pub(super) fn parts() -> Vec<Part> {
    vec![Part::new("weights in a file", weights), Part::new("a checkpoint", checkpoint)]
}

/// Weights are the same numbers on every device, and come back from a file as they went.
fn weights(device: &Device) -> Answers {
    let folder = tempfile::tempdir()?;
    let device = device.clone().without_autodiff();
    let path = folder.path().join("model.safetensors");
    ModelConfig::default().with_size(SIDE).with_width(WIDTH).init(&device)?.save(&path)?;
    let model = Model::load(&path, &device)?;
    Ok(vec![Answer::weights(EXACT, &model)?])
}

/// A run of three steps, stopped and resumed after the second, less one that went through: nothing.
fn checkpoint(device: &Device) -> Answers {
    let folder = tempfile::tempdir()?;
    let run = |name: &str, steps| -> Result<Run, TrialError> {
        let mut config = TrainConfig {
            steps,
            batch_size: 4,
            workers: 0,
            sheet_every: 0,
            validation_pictures: 2,
            ..TrainConfig::default()
        };
        config.model = config.model.with_size(SIDE).with_width(WIDTH);
        Ok(Run::start(config, folder.path().join(name), device)?)
    };
    run("stopped", 2)?.train(&mut ())?;
    let resumed = Run::resume(folder.path().join("stopped"), device)?.with_steps(3).train(&mut ())?;
    let through = run("through", 3)?.train(&mut ())?;
    let [resumed, through] = [resumed.weights, through.weights]
        .map(|path| Answer::weights(EXACT, &Model::load(path, &device.clone().without_autodiff())?));
    Ok(vec![resumed?.less(&through?)])
}
