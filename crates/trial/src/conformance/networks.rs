//! Whole networks, forward and backward.

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use context_encoder_model::{
    BottleneckConfig, Discriminator, FeatureModelConfig, InitialFill, Model, ModelConfig, Prediction, Preset,
};

use super::{
    Answers, Part, Scale,
    answer::{Answer, FORWARD, GRADIENT, GRADIENT_OF_WIDE},
    noise::{central, noise},
};
use crate::TrialError;

/// Pictures in a batch: enough for batch norm at the dense bottleneck's one position.
const BATCH: usize = 8;

/// Side of the feature network's pictures.
const FEATURE_SIDE: usize = 227;

/// The compact network and the authors'.
pub(super) fn configs(scale: Scale) -> [ModelConfig; 2] {
    let [compact, authors] = [Preset::Recommended, Preset::Authors].map(ModelConfig::preset);
    match scale {
        Scale::Small => [
            compact.with_size(64).with_width(16),
            authors.with_size(64).with_width(16).with_bottleneck(BottleneckConfig::Dense(100)),
        ],
        Scale::Full => [compact, authors],
    }
}

/// Makes weights so many times larger. Fresh ones are so small that, without a batch's own statistics, an answer has
/// values of a millionth, where nothing but the rounding of tanh near zero would be compared.
struct Louder(f64);

impl ModuleMapper for Louder {
    fn map_float<const D: usize>(&mut self, weight: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let louder = |weight: Tensor<D>| if D > 1 { weight.mul_scalar(self.0) } else { weight };
        weight.map(louder)
    }
}

impl Louder {
    /// For networks of this scale: the wider they are, the more a layer adds up.
    fn of(scale: Scale) -> Self {
        Self(if scale == Scale::Full { 2.0 } else { 3.0 })
    }
}

pub(super) fn parts(scale: Scale) -> Vec<Part> {
    let [compact, dense] = configs(scale);
    let whole = compact.clone().with_prediction(Prediction::Whole).with_fill(InitialFill::Smooth);
    let features = FeatureModelConfig::alexnet();
    let features = if scale == Scale::Full { features } else { features.with_width(8) };
    let critic = compact.clone();
    vec![
        Part::new("network, channel-wise", move |device| network(&compact, scale, device)),
        Part::new("network, dense", move |device| network(&dense, scale, device)),
        Part::new("network, whole and smooth", move |device| network(&whole, scale, device)),
        Part::new("discriminator", move |device| discriminator(&critic, scale, device)),
        Part::new("feature network", move |device| feature_network(&features, device)),
    ]
}

/// What the gradients of a network may be apart.
fn bound_of_gradients(scale: Scale) -> f64 {
    if scale == Scale::Full { GRADIENT_OF_WIDE } else { GRADIENT }
}

/// Features and prediction in inference, as it is and prepared; prediction and all gradients in training.
fn network(config: &ModelConfig, scale: Scale, device: &Device) -> Answers {
    let plain = device.clone().without_autodiff();
    let side = config.size;
    let feed = |device: &Device| (noise([BATCH, 3, side, side], 1, device), central(BATCH, side, 4, device));
    let model = config.init(&plain)?.map(&mut Louder::of(scale));
    let (images, masks) = feed(&plain);
    let features = model.encode(config.fill.hide(images.clone(), masks.clone()));
    let predicted = model.forward(images.clone(), masks.clone());
    let prepared = model.prepare().forward(images, masks);

    let learning = plain.autodiff();
    let model = config.init(&learning)?;
    let (images, masks) = feed(&learning);
    let (y, gradients) = learned(&model, images, masks);
    Ok(vec![
        Answer::forward("features", features)?,
        Answer::forward("prediction", predicted)?,
        Answer::forward("prediction, prepared", prepared)?,
        Answer::forward("prediction, training", y)?,
        Answer::gradients(bound_of_gradients(scale), &gradients, &model)?,
        Answer::weights(FORWARD, &model.valid())?,
    ])
}

/// The prediction in training, and all gradients of its mean square from noise.
fn learned(model: &Model, images: Tensor<4>, masks: Tensor<4>) -> (Tensor<4>, GradientsParams) {
    let y = model.forward(images, masks);
    let loss = (y.clone() - noise(y.dims(), 2, &y.device())).square().mean();
    (y, GradientsParams::from_grads(loss.backward(), model))
}

/// Logits of two batches at once, their gradients, and those of the patches.
fn discriminator(config: &ModelConfig, scale: Scale, device: &Device) -> Answers {
    let device = device.clone().autodiff();
    let critic = Discriminator::new(config, 0, &device)?;
    let side = config.predicted_side();
    let [real, fake] = [1, 2].map(|seed| noise([BATCH, 3, side, side], seed, &device).require_grad());
    let [on_real, on_fake] = critic.forward_each([real.clone(), fake.clone()]);
    let loss = context_encoder_loss::discriminator_loss(on_real.clone(), on_fake.clone()).total;
    let gradients = loss.backward();
    let slope = |patches: &Tensor<4>| {
        patches.grad(&gradients).ok_or_else(|| TrialError::Unreadable("a gradient is missing".to_owned()))
    };
    let patches = Answer::new("gradients of patches", bound_of_gradients(scale))
        .with("true patches", slope(&real)?)?
        .with("predictions", slope(&fake)?)?;
    let gradients = GradientsParams::from_grads(gradients, &critic);
    Ok(vec![
        Answer::forward("logits", Tensor::cat(vec![on_real, on_fake], 0))?,
        patches,
        Answer::gradients(bound_of_gradients(scale), &gradients, &critic)?,
    ])
}

/// Prediction in inference, and the encoder's gradients. The rest of the network learns behind dropout, whose draws
/// differ from device to device; its layers are among the operations.
fn feature_network(config: &FeatureModelConfig, device: &Device) -> Answers {
    let plain = device.clone().without_autodiff();
    let model = config.init(&plain)?;
    let picture = |device: &Device| noise([2, 3, FEATURE_SIDE, FEATURE_SIDE], 1, device);
    let predicted = model.forward(picture(&plain), central(2, FEATURE_SIDE, 0, &plain));

    let learning = plain.autodiff();
    let model = config.init(&learning)?;
    let features = model.features(picture(&learning));
    let loss = (features.clone() * noise(features.dims(), 2, &learning)).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    Ok(vec![
        Answer::forward("features", features)?,
        Answer::forward("prediction", predicted)?,
        Answer::gradients(GRADIENT, &gradients, &model)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::{super::check::Verdict, *};

    /// The reason for [`GRADIENT_OF_WIDE`]: the same device, the same operations, and pictures that differ by a millionth.
    #[test]
    fn a_last_bit_moves_gradients_of_wide_networks() {
        let device = Device::flex().autodiff();
        let gradients = |scale, factor: f32| {
            let [config, _] = configs(scale);
            let model = config.init(&device).expect("a network");
            let side = config.size;
            let images = noise([BATCH, 3, side, side], 1, &device).mul_scalar(factor);
            let (_, gradients) = learned(&model, images, central(BATCH, side, 4, &device));
            Answer::gradients(GRADIENT, &gradients, &model).expect("readable")
        };
        let apart = |scale| match gradients(scale, 1.0 + 1e-6).against(&gradients(scale, 1.0)) {
            Verdict::Apart { apart, .. } => apart,
            other => panic!("{other:?}"),
        };
        let [small, full] = [Scale::Small, Scale::Full].map(apart);
        assert!(small < GRADIENT && full > GRADIENT && full < GRADIENT_OF_WIDE, "{small:.1e}, {full:.1e}");
    }
}
