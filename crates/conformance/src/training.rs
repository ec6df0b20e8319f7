//! Training: one step, ten steps, a run resumed from its checkpoint.

use std::error::Error;

use burn::tensor::{Device, Tensor};
use context_encoder_data::InpaintingBatch;
use context_encoder_loss::Objective;
use context_encoder_model::{Model, ModelConfig, Precision};
use context_encoder_train::{InpaintingTrainer, Losses, Run, RunSettings, TrainConfig};

use crate::{
    check::{Bound, Output},
    networks::configs,
    part::{Outputs, Part, Scale, central_masks, noise},
};

/// Pictures in a batch.
const BATCH: usize = 8;

/// Steps of the longer training.
const STEPS: usize = 10;

/// Learning rate of the longer training, a twentieth of the paper's.
const LOW_LR: f64 = 1e-4;

pub(crate) fn parts(scale: Scale) -> Vec<Part> {
    let [compact, dense] = configs(scale);
    let [longer, half_precision] = [compact.clone(), compact.clone()];
    vec![
        Part::new("training, channel-wise", move |device| two_steps(&compact, device)),
        Part::new("training, dense", move |device| two_steps(&dense, device)),
        Part::new("training in 16 bits", move |device| in_16_bits(&half_precision, device)),
        Part::new("ten steps of training", move |device| ten_steps(&longer, device)),
        Part::new("a checkpoint", checkpoint),
    ]
}

/// The losses of generator and discriminator in a first step, and in a second.
fn two_steps(model: &ModelConfig, device: &Device) -> Outputs {
    let config = TrainConfig { model: model.clone(), ..TrainConfig::default() };
    let losses = losses(&config, 2, device)?;
    Ok(vec![
        output("losses of the first step", Bound::Forward, &losses[0]),
        output("losses of the second step", Bound::AfterSteps, &losses[1]),
    ])
}

/// The losses of one step in `f16` and `bf16`; in 32 bits where a device does not support the type. With
/// `f16` of reconstruction alone: the discriminator's first step may overflow and is skipped then, which
/// changes its logits for the prediction.
fn in_16_bits(model: &ModelConfig, device: &Device) -> Outputs {
    let compute = |([what, otherwise], precision, objective): ([&'static str; 2], Precision, Objective)| {
        let (what, precision) = match device.supports_dtype(precision.dtype()) {
            true => (what, precision),
            false => (otherwise, Precision::F32),
        };
        let mut config = TrainConfig { model: model.clone(), objective, ..TrainConfig::default() };
        config.run.precision = precision;
        Ok(output(what, Bound::In16Bits, &losses(&config, 1, device)?[0]))
    };
    let parts = [
        (["losses, f16", "losses, f32 for f16"], Precision::F16, Objective::Reconstruction),
        (["losses, bf16", "losses, f32 for bf16"], Precision::Bf16, Objective::joint()),
    ];
    parts.into_iter().map(compute).collect()
}

/// Reconstruction alone: adversarial training follows its own path on each device, as the comment on
/// `Bound::AfterSteps` explains.
fn ten_steps(model: &ModelConfig, device: &Device) -> Outputs {
    let config = TrainConfig {
        model: model.clone(),
        objective: Objective::Reconstruction,
        generator_lr: LOW_LR,
        ..TrainConfig::default()
    };
    let losses = losses(&config, STEPS, device)?;
    let totals = losses.into_iter().flatten().map(|(_, loss)| loss).collect();
    Ok(vec![Output::new("losses", Bound::AfterSteps).with_values("total", totals)])
}

/// A run of three steps, stopped and resumed after the second, minus one that was never stopped: nothing.
fn checkpoint(device: &Device) -> Outputs {
    let folder = tempfile::tempdir()?;
    let run = |name: &str, steps| {
        let mut config = TrainConfig::default();
        config.run = RunSettings {
            steps,
            batch_size: 4,
            workers: 0,
            samples_every: 0,
            validation_pictures: 2,
            ..config.run
        };
        config.model = config.model.with_size(64).with_width(4);
        Run::start(config, folder.path().join(name), device)
    };
    run("stopped", 2)?.train(&mut ())?;
    let resumed =
        Run::<TrainConfig>::resume(folder.path().join("stopped"), device)?.with_steps(3).train(&mut ())?;
    let uninterrupted = run("uninterrupted", 3)?.train(&mut ())?;
    let [resumed, uninterrupted] = [resumed.weights, uninterrupted.weights]
        .map(|path| Output::weights(Bound::Exact, &Model::load(path, &device.clone().without_autodiff())?));
    Ok(vec![resumed?.minus(&uninterrupted?)])
}

/// The optimized losses of a step, by name.
type NamedLosses = Vec<(&'static str, f32)>;

/// A step's losses, each compared by itself.
fn output(what: &'static str, bound: Bound, step: &NamedLosses) -> Output {
    step.iter().fold(Output::new(what, bound), |output, (name, loss)| output.with_values(*name, vec![*loss]))
}

/// All losses of each step.
fn losses(config: &TrainConfig, steps: usize, device: &Device) -> Result<Vec<NamedLosses>, Box<dyn Error>> {
    let device = device.clone().autodiff();
    let side = config.model.size;
    let batch = InpaintingBatch {
        images: noise([BATCH, 3, side, side], 1, &device),
        masks: central_masks(BATCH, side, 4, &device),
        names: Vec::new(),
    };
    let mut trainer = InpaintingTrainer::new(config, &device)?;
    let mut losses = Vec::new();
    for _ in 0..steps {
        let (next, Losses { generator, discriminator }) = trainer.step(&batch);
        trainer = next;
        let terms = [
            ("discriminator", discriminator.map(|terms| terms.total)),
            ("reconstruction", generator.reconstruction),
            ("adversarial", generator.adversarial),
            ("total", Some(generator.total)),
        ];
        let value = |(name, term): (_, Option<Tensor<1>>)| Some((name, term?.into_scalar::<f32>()));
        losses.push(terms.into_iter().filter_map(value).collect());
    }
    Ok(losses)
}
