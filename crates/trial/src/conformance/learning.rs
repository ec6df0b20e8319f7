//! Training: one step, and ten.

use burn::tensor::{Device, Tensor};
use context_encoder_data::InpaintingBatch;
use context_encoder_loss::Objective;
use context_encoder_model::{ModelConfig, Precision};
use context_encoder_train::{Learner, StepTerms, TrainConfig};

use super::{
    Answers, Part, Scale,
    answer::{Answer, FORWARD},
    networks::configs,
    noise::{central, noise},
};
use crate::TrialError;

/// Pictures in a batch.
const BATCH: usize = 8;

/// Steps of the longer training.
const STEPS: usize = 10;

/// Learning rate of the longer training, a twentieth of the paper's.
const GENTLE_RATE: f64 = 1e-4;

/// Losses after Adam has moved weights. Its first steps move each weight by the rate, in the direction of its gradient's
/// sign, however small that gradient is; where two devices round a gradient near zero to different signs, weights part
/// by twice the rate. So losses may be further apart than what led to them.
const AFTER_STEPS: f64 = 2e-3;

/// Losses of layers that multiply in 16 bits: 2^-8 is what `bf16` rounds a number by at most, and of many numbers the
/// errors of both signs are added up.
const IN_16_BITS: f64 = 2e-2;

pub(super) fn parts(scale: Scale) -> Vec<Part> {
    let [compact, dense] = configs(scale);
    let [longer, short] = [compact.clone(), compact.clone()];
    vec![
        Part::new("training, channel-wise", move |device| two_steps(&compact, device)),
        Part::new("training, dense", move |device| two_steps(&dense, device)),
        Part::new("training in 16 bits", move |device| in_16_bits(&short, device)),
        Part::new("ten steps of training", move |device| ten_steps(&longer, device)),
    ]
}

/// The joint loss and the discriminator's in a first step, and what they are in a second.
fn two_steps(model: &ModelConfig, device: &Device) -> Answers {
    let config = TrainConfig { model: model.clone(), ..TrainConfig::default() };
    let losses = losses(&config, 2, device)?;
    Ok(vec![
        judged("losses of the first step", FORWARD, &losses[0]),
        judged("losses of the second step", AFTER_STEPS, &losses[1]),
    ])
}

/// The losses of one step with layers that multiply in `f16` and `bf16`; in 32 bits where a device has no such numbers. With
/// `f16` of reconstruction alone: the discriminator's first step may overflow, and is left out then, by which the
/// judgement of the prediction becomes another.
fn in_16_bits(model: &ModelConfig, device: &Device) -> Answers {
    let answer = |([what, otherwise], precision, objective): ([&'static str; 2], Precision, Objective)| {
        let (what, precision) = match device.supports_dtype(precision.dtype()) {
            true => (what, precision),
            false => (otherwise, Precision::F32),
        };
        let config = TrainConfig { model: model.clone(), precision, objective, ..TrainConfig::default() };
        Ok(judged(what, IN_16_BITS, &losses(&config, 1, device)?[0]))
    };
    let parts = [
        (["losses, f16", "losses, f32 for f16"], Precision::F16, Objective::Reconstruction),
        (["losses, bf16", "losses, f32 for bf16"], Precision::Bf16, Objective::joint()),
    ];
    parts.into_iter().map(answer).collect()
}

/// Reconstruction alone: a game of two follows its own path on each device, as the comment on `AFTER_STEPS` explains.
fn ten_steps(model: &ModelConfig, device: &Device) -> Answers {
    let config = TrainConfig {
        model: model.clone(),
        objective: Objective::Reconstruction,
        generator_rate: GENTLE_RATE,
        ..TrainConfig::default()
    };
    let losses = losses(&config, STEPS, device)?;
    let totals = losses.into_iter().flatten().map(|(_, loss)| loss).collect();
    Ok(vec![Answer::new("losses", AFTER_STEPS).with_values("total", totals)])
}

/// What a step optimises, by name.
type Losses = Vec<(&'static str, f32)>;

/// A step's losses, each by itself.
fn judged(what: &'static str, bound: f64, step: &Losses) -> Answer {
    step.iter().fold(Answer::new(what, bound), |answer, (name, loss)| answer.with_values(*name, vec![*loss]))
}

/// All terms of each step.
fn losses(config: &TrainConfig, steps: usize, device: &Device) -> Result<Vec<Losses>, TrialError> {
    let device = device.clone().autodiff();
    let side = config.model.size;
    let batch = InpaintingBatch {
        images: noise([BATCH, 3, side, side], 1, &device),
        masks: central(BATCH, side, 4, &device),
        names: Vec::new(),
    };
    let mut learner = Learner::new(config, &device)?;
    let mut losses = Vec::new();
    for _ in 0..steps {
        let (next, StepTerms { generator, discriminator }) = learner.step(&batch);
        learner = next;
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
