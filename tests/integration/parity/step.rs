//! Two training steps: losses, gradients, Adam's updates and running statistics.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Gradients, Tensor},
};
use context_encoder_loss::{DiscriminatorLoss, LossMask, Objective, Reconstruction};
use context_encoder_model::{Discriminator, Model};

use super::{BATCH, assert_close, expected, fixture, generators, masks, named, pictures, stored, thinned};

/// Learning rates of generator and discriminator (method, section 5).
const RATES: [f64; 2] = [2e-3, 2e-4];

/// Batch norm's momentum: the share of a new batch in its running statistics.
const MOMENTUM: f32 = 0.1;

/// Losses are of order 1 and differ by up to 7e-7, rounding to 32 bits; as in `forward`, ten times that.
const LOSS_TOLERANCE: f32 = 1e-5;

/// Of a tensor's largest gradient, since a small one may be a difference of large numbers. Rounding
/// makes 1.7e-6 of it.
const GRADIENT_TOLERANCE: f32 = 2e-5;

/// Steps are of the size of the learning rates, 2e-3 and 2e-4. Weights near 1 are known to 1.2e-7, and
/// that is the largest difference.
const WEIGHT_TOLERANCE: f32 = 5e-7;

/// Running statistics are of order 1 and differ by up to 3e-7.
const STATISTIC_TOLERANCE: f32 = 1e-5;

type Tensors = BTreeMap<String, Vec<f32>>;

/// Everything that a step computes, under the fixtures' names.
#[derive(Default)]
struct Trace {
    losses: Tensors,
    gradients: Tensors,
    weights: Tensors,
}

struct Trainer {
    model: Model,
    critic: Discriminator,
    model_adam: ModuleOptimizer,
    critic_adam: ModuleOptimizer,
    device: Device,
}

impl Trainer {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let generator = &generators()[2];
        let adam = || AdamConfig::new().with_beta_1(0.5).with_beta_2(0.999).with_epsilon(1e-8).init();
        Self {
            model: Model::load_pytorch(generator.file(), &generator.config, &device).expect("weights"),
            critic: Discriminator::load_pytorch(fixture("discriminator.pth"), &generator.config, &device)
                .expect("weights"),
            model_adam: adam(),
            critic_adam: adam(),
            device,
        }
    }

    /// Discriminator first, on a detached prediction; then the generator against the updated one.
    fn step(self, number: usize) -> (Self, Trace) {
        let Self { model, critic, mut model_adam, mut critic_adam, device } = self;
        let mut trace = Trace::default();
        let (images, masks) = (pictures(BATCH, 64, 50 * (number - 1), &device), masks(BATCH, 64, &device));
        let truth = model.target(images.clone());
        let prediction = model.forward(images, masks.clone());

        let real = critic.forward(truth.clone());
        let fake = critic.forward(prediction.clone().detach());
        let loss = DiscriminatorLoss::from_logits(real, fake);
        let grads = loss.total.clone().backward();
        trace.gradients.extend(owned("discriminator", gradients(&critic, &grads)));
        let grads = GradientsParams::from_grads(grads, &critic);
        let critic = critic_adam.step(RATES[1], critic, grads);

        let region = LossMask::Overlapping(model.target(masks));
        let joint = Objective::joint().generator_loss(
            &Reconstruction::default(),
            prediction,
            truth,
            region,
            |fake| critic.forward(fake),
        );
        let grads = joint.total.clone().backward();
        trace.gradients.extend(owned("generator", gradients(&model, &grads)));
        let grads = GradientsParams::from_grads(grads, &model);
        let model = model_adam.step(RATES[0], model, grads);

        for (name, value) in [
            ("real", Some(loss.real)),
            ("fake", Some(loss.fake)),
            ("discriminator", Some(loss.total)),
            ("reconstruction", joint.reconstruction),
            ("adversarial", joint.adversarial),
            ("generator", Some(joint.total)),
        ] {
            trace.losses.insert(name.to_owned(), stored(value.expect("every term of the joint loss")));
        }
        trace.weights = weights(&model, &critic);
        (Self { model, critic, model_adam, critic_adam, device }, trace)
    }
}

/// Networks leave training (`valid`) before they are read: on autodiff devices Burn holds back the last
/// update of the running statistics until the next one.
fn weights(model: &Model, critic: &Discriminator) -> Tensors {
    owned("generator", named(&model.valid())).chain(owned("discriminator", named(&critic.valid()))).collect()
}

/// Puts the owner's name before the names of its tensors, as in the fixtures.
fn owned(owner: &str, tensors: Tensors) -> impl Iterator<Item = (String, Vec<f32>)> {
    tensors.into_iter().map(move |(name, values)| (format!("{owner}.{name}"), values))
}

/// The gradient of every trained parameter, by name.
fn gradients<M: Module>(network: &M, grads: &Gradients) -> Tensors {
    let mut in_place = named(&network.clone().map(&mut ToGradients(grads)));
    in_place.retain(|name, _| !is_statistic(name));
    in_place
}

/// Replaces every parameter by its gradient. Running statistics have none and stay.
struct ToGradients<'a>(&'a Gradients);

impl ModuleMapper for ToGradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match param.val().grad(self.0) {
            Some(gradient) => Param::initialized(param.id, gradient),
            None => param,
        }
    }
}

fn is_statistic(name: &str) -> bool {
    name.contains(".running_")
}

/// The fixture's tensors under a prefix such as `gradient.`, without it.
fn under<'a>(expected: &'a Tensors, prefix: &str) -> BTreeMap<&'a str, &'a Vec<f32>> {
    expected.iter().filter_map(|(name, values)| Some((name.strip_prefix(prefix)?, values))).collect()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

#[test]
fn losses_and_gradients_are_pytorchs() {
    let expected = expected("expected_step.safetensors");
    let (trainer, first) = Trainer::new().step(1);
    let (_, second) = trainer.step(2);
    for (prefix, trace) in [("loss1.", &first), ("loss2.", &second)] {
        let losses = under(&expected, prefix);
        assert_eq!(losses.len(), 6);
        for (name, expected) in losses {
            assert_close(&format!("{prefix}{name}"), &trace.losses[name], expected, LOSS_TOLERANCE);
        }
    }
    let gradients = under(&expected, "gradient.");
    assert!(gradients.keys().copied().eq(first.gradients.keys().map(String::as_str)), "same names");
    for (name, expected) in gradients {
        let tolerance = GRADIENT_TOLERANCE * largest(expected);
        assert!(tolerance > 0.0, "{name} has a gradient");
        assert_close(name, &first.gradients[name], expected, tolerance);
    }
}

/// Adam's first update is `rate * g / (|g| + eps)`, whatever its betas; the second depends on them.
#[test]
fn weights_after_each_step_are_pytorchs() {
    let expected = expected("expected_step.safetensors");
    let trainer = Trainer::new();
    let initial = weights(&trainer.model, &trainer.critic);
    let (trainer, first) = trainer.step(1);
    let (_, second) = trainer.step(2);
    for (step, trace) in [(1, &first), (2, &second)] {
        let after = under(&expected, if step == 1 { "after1." } else { "after2." });
        assert!(after.keys().copied().eq(trace.weights.keys().map(String::as_str)), "same names");
        for (name, expected) in after {
            let what = format!("{name} after step {step}");
            let actual = thinned(trace.weights[name].clone());
            if is_statistic(name) {
                let actual = as_in_pytorch(name, actual, &initial[name], step);
                assert_close(&what, &actual, expected, STATISTIC_TOLERANCE);
            } else {
                assert_close(&what, &actual, expected, WEIGHT_TOLERANCE);
            }
        }
    }
}

/// Burn's running variance takes up the batch's variance divided by `n`, PyTorch's divided by `n - 1`.
/// After `k` updates the initial value has a share of `0.9^k` in both, and what the batches added
/// differs by `n / (n - 1)`. Running means agree as they are.
fn as_in_pytorch(name: &str, actual: Vec<f32>, initial: &[f32], step: usize) -> Vec<f32> {
    if name.ends_with("running_mean") {
        return actual;
    }
    let (side, updates) = batch_norm_input(name);
    let kept = (1.0 - MOMENTUM).powi((updates * step) as i32);
    let n = (BATCH * side * side) as f32;
    let converted = actual.iter().zip(initial).map(|(now, first)| {
        let added = now - kept * first;
        kept * first + added * n / (n - 1.0)
    });
    converted.collect()
}

/// Side of the maps that a batch norm sees, and how often a step updates it: the discriminator judges
/// true patches, predictions, and predictions again for the generator.
fn batch_norm_input(name: &str) -> (usize, usize) {
    let stage = || -> u32 {
        let (_, rest) = name.split_once("stages.").expect("a stage");
        rest.split('.').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    if name.starts_with("discriminator.") {
        (32 >> (stage() + 1), 3)
    } else if name.starts_with("generator.encoder.") {
        (64 >> (stage() + 1), 1)
    } else if name.starts_with("generator.decoder.") {
        (8 << stage(), 1)
    } else {
        (4, 1)
    }
}
