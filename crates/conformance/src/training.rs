//! Training: one step, ten steps, recorded steps, a run resumed from its checkpoint.

use std::error::Error;

use burn::tensor::{Device, Tensor};
use context_encoder_data::InpaintingBatch;
use context_encoder_loss::Objective;
use context_encoder_model::{FeatureModelConfig, Model, ModelConfig, Precision};
use context_encoder_train::{
    FeatureTrainer, InpaintingTrainer, Losses, Pretext, PretrainConfig, Run, RunSettings, TrainConfig,
    TrainError, TrainStep,
};

use crate::{
    check::{Bound, Output},
    networks::configs,
    part::{Outputs, Part, Scale, central_masks, noise},
};

/// Pictures in a batch.
const BATCH: usize = 8;

/// Random numbers that a network takes beside the pictures.
const NOISE: usize = 10;

/// Steps of the longer training.
const STEPS: usize = 10;

/// Learning rate of the longer training, a twentieth of the paper's.
const LOW_LR: f64 = 1e-4;

pub(crate) fn parts(scale: Scale) -> Vec<Part> {
    let [compact, dense] = configs(scale);
    let [longer, recorded, half_precision] = [compact.clone(), compact.clone(), compact.clone()];
    let noisy = dense.clone().with_noise(NOISE);
    let features = FeatureModelConfig::alexnet();
    let features = if scale == Scale::Full { features } else { features.with_width(8).with_size(99) };
    let normalized = FeatureModelConfig { batch_norm: true, ..features.clone() };
    vec![
        Part::new("training, channel-wise", move |device| two_steps(&compact, device)),
        Part::new("training, dense", move |device| two_steps(&dense, device)),
        Part::new("training in 16 bits", move |device| in_16_bits(&half_precision, device)),
        Part::new("ten steps of training", move |device| ten_steps(&longer, device)),
        Part::new("recorded steps", move |device| recorded_steps(&recorded, device)),
        Part::new("recorded steps, with noise", move |device| recorded_steps(&noisy, device)),
        Part::new("recorded pretraining", move |device| {
            recorded_pretraining(&features, Pretext::Autoencoder, device)
        }),
        Part::new("recorded pretraining, batch norm", move |device| {
            recorded_pretraining(&normalized, Pretext::Context, device)
        }),
        Part::new("a checkpoint", checkpoint),
    ]
}

/// The losses of generator and discriminator in a first step, and in a second.
fn two_steps(model: &ModelConfig, device: &Device) -> Outputs {
    let config = TrainConfig { model: model.clone(), ..TrainConfig::default() };
    let (_, losses) = losses(trainer(&config, device)?, 2, device)?;
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
        Ok(output(what, Bound::In16Bits, &losses(trainer(&config, device)?, 1, device)?.1[0]))
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
    let (_, losses) = losses(trainer(&config, device)?.recording_steps(), STEPS, device)?;
    let totals = losses.into_iter().flatten().map(|(_, loss)| loss).collect();
    Ok(vec![Output::new("losses", Bound::AfterSteps).with_values("total", totals)])
}

/// Steps of inpainting, recorded and computed one by one.
fn recorded_steps(model: &ModelConfig, device: &Device) -> Outputs {
    let config = TrainConfig { model: model.clone(), ..TrainConfig::default() };
    let trained = |trainer: InpaintingTrainer| {
        let (trainer, losses) = losses(trainer, STEPS, device)?;
        Ok::<_, Box<dyn Error>>(Trained {
            weights: Output::weights(Bound::Exact, trainer.model())?,
            losses,
            is_replaying: trainer.is_replaying(),
            failed: trainer.recording_failed().map(str::to_owned),
        })
    };
    let usual = trained(trainer(&config, device)?)?;
    compare_recorded(trained(trainer(&config, device)?.recording_steps())?, usual)
}

/// The same of pretraining.
fn recorded_pretraining(model: &FeatureModelConfig, pretext: Pretext, device: &Device) -> Outputs {
    let config = PretrainConfig { model: model.clone(), pretext, ..PretrainConfig::default() };
    let trainer = || FeatureTrainer::new(&config, &device.clone().autodiff());
    let trained = |trainer: FeatureTrainer| {
        let (trainer, losses) = losses_of(trainer, model.size, STEPS, device)?;
        Ok::<_, Box<dyn Error>>(Trained {
            weights: Output::weights(Bound::Exact, trainer.model())?,
            losses,
            is_replaying: trainer.is_replaying(),
            failed: trainer.recording_failed().map(str::to_owned),
        })
    };
    let usual = trained(trainer()?)?;
    compare_recorded(trained(trainer()?.recording_steps())?, usual)
}

/// What is there after some steps.
struct Trained {
    weights: Output,
    losses: Vec<NamedLosses>,
    is_replaying: bool,
    failed: Option<String>,
}

/// Steps of which the later ones are replayed, minus the same computed one by one: nothing.
fn compare_recorded(recorded: Trained, usual: Trained) -> Outputs {
    if let Some(reason) = recorded.failed {
        return Err(format!("a step could not be recorded: {reason}").into());
    }
    let what = if recorded.is_replaying { "weights, replayed" } else { "weights, nothing recorded" };
    let values = |losses: Vec<NamedLosses>| losses.into_iter().flatten().map(|(_, loss)| loss);
    // A device may add up a loss in another order each time, which its gradients do not depend on.
    let ratios = values(recorded.losses).zip(values(usual.losses)).map(|(recorded, usual)| recorded / usual);
    let ratios = ratios.collect();
    Ok(vec![
        recorded.weights.minus(&usual.weights).named(what),
        Output::new("losses over computed ones", Bound::Sums).with_values("all", ratios),
    ])
}

/// A run that is stopped and resumed before its last step, when steps are replayed, minus one that was never
/// stopped: nothing.
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
    run("stopped", STEPS as u64 - 1)?.train(&mut ())?;
    let resumed = Run::<TrainConfig>::resume(folder.path().join("stopped"), device)?
        .with_steps(STEPS as u64)
        .train(&mut ())?;
    let uninterrupted = run("uninterrupted", STEPS as u64)?.train(&mut ())?;
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

/// A trainer at its start.
fn trainer(config: &TrainConfig, device: &Device) -> Result<InpaintingTrainer, TrainError> {
    InpaintingTrainer::new(config, &device.clone().autodiff())
}

/// All losses of each step, on two batches in turn.
fn losses(
    trainer: InpaintingTrainer,
    steps: usize,
    device: &Device,
) -> Result<(InpaintingTrainer, Vec<NamedLosses>), Box<dyn Error>> {
    let side = trainer.model().config().size;
    losses_of(trainer, side, steps, device)
}

/// The same for pictures of this side.
fn losses_of<T: TrainStep<Batch = InpaintingBatch, Losses = Losses>>(
    mut trainer: T,
    side: usize,
    steps: usize,
    device: &Device,
) -> Result<(T, Vec<NamedLosses>), Box<dyn Error>> {
    let device = device.clone().autodiff();
    let batches = [1, 2].map(|seed| InpaintingBatch {
        images: noise([BATCH, 3, side, side], seed, &device),
        masks: central_masks(BATCH, side, 4, &device),
        names: Vec::new(),
    });
    let mut losses = Vec::new();
    for step in 0..steps {
        let (next, Losses { generator, discriminator }) = trainer.step(batches[step % 2].clone());
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
    Ok((trainer, losses))
}
