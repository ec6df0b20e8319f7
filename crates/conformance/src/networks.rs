//! Whole networks: forward and backward, through a weights file, and filling a picture.

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use context_encoder_inpaint::{Blend, Inpainter, Refine};
use context_encoder_loss::DiscriminatorLoss;
use context_encoder_mask::Mask;
use context_encoder_model::{
    BottleneckConfig, Discriminator, FeatureModelConfig, InitialFill, Model, ModelConfig, Prediction, Preset,
};
use context_encoder_ops::without_kinks;
use image::{Rgb, RgbImage};

use crate::{
    check::{Bound, Output},
    part::{Outputs, Part, Scale, central_masks, noise},
};

/// Pictures in a batch: enough for batch norm at the dense bottleneck's one position.
const BATCH: usize = 8;

/// Side of the feature network's pictures.
const FEATURE_SIDE: usize = 227;

/// The compact network and the authors'.
pub(crate) fn configs(scale: Scale) -> [ModelConfig; 2] {
    let [compact, authors] = [Preset::Recommended, Preset::Authors].map(ModelConfig::preset);
    match scale {
        Scale::Small => [
            compact.with_size(64).with_width(16),
            authors.with_size(64).with_width(16).with_bottleneck(BottleneckConfig::Dense(100)),
        ],
        Scale::Full => [compact, authors],
    }
}

/// Multiplies weights. Fresh ones are so small that, without a batch's own statistics, outputs are of the
/// order of a millionth, where nothing but the rounding of tanh near zero would be compared.
struct ScaleWeights(f64);

impl ModuleMapper for ScaleWeights {
    fn map_float<const D: usize>(&mut self, weight: Param<Tensor<D>>) -> Param<Tensor<D>> {
        weight.map(|weight: Tensor<D>| if D > 1 { weight.mul_scalar(self.0) } else { weight })
    }
}

impl ScaleWeights {
    /// For networks of this scale: the wider they are, the more a layer adds up.
    fn of(scale: Scale) -> Self {
        Self(if scale == Scale::Full { 2.0 } else { 3.0 })
    }
}

pub(crate) fn parts(scale: Scale) -> Vec<Part> {
    let [compact, dense] = configs(scale);
    let whole_and_smooth =
        |config: ModelConfig| config.with_prediction(Prediction::Whole).with_fill(InitialFill::Smooth);
    let whole = whole_and_smooth(compact.clone());
    let photo = ModelConfig::preset(Preset::Photo);
    let photo = if scale == Scale::Full { photo } else { photo.with_size(64).with_width(16) };
    let features = FeatureModelConfig::alexnet();
    let features = if scale == Scale::Full { features } else { features.with_width(8) };
    let discriminated = compact.clone();
    let filling = ModelConfig::default().with_size(64).with_width(8);
    let filling_whole = whole_and_smooth(filling.clone());
    vec![
        Part::new("network, channel-wise", move |device| network(&compact, scale, device)),
        Part::new("network, dense", move |device| network(&dense, scale, device)),
        Part::new("network, whole and smooth", move |device| network(&whole, scale, device)),
        Part::new("network, photo", move |device| network(&photo, scale, device)),
        Part::new("discriminator", move |device| discriminator(&discriminated, device)),
        Part::new("feature network", move |device| feature_network(&features, device)),
        Part::new("weights in a file", weights_in_file),
        Part::new("inpainter, centre", move |device| fill(&filling, device)),
        Part::new("inpainter, whole", move |device| fill(&filling_whole, device)),
    ]
}

/// Features and prediction in inference, by the model and by its predictor; prediction in training; all
/// gradients, without kinks.
fn network(config: &ModelConfig, scale: Scale, device: &Device) -> Outputs {
    let plain = device.clone().without_autodiff();
    let side = config.size;
    let inputs =
        |device: &Device| (noise([BATCH, 3, side, side], 1, device), central_masks(BATCH, side, 4, device));
    let model = config.init(&plain)?.map(&mut ScaleWeights::of(scale));
    let (images, masks) = inputs(&plain);
    let features = model.encode(config.input(images.clone(), masks.clone()));
    let predicted = model.forward(images.clone(), masks.clone());
    let predictor = model.predictor();
    // Often enough that a card records it, on other pictures than are compared.
    for _ in 0..4 {
        predictor.forward(images.clone() * 0.5, masks.clone());
    }
    let prepared = predictor.forward(images, masks);

    let autodiff = plain.autodiff();
    let model = config.init(&autodiff)?;
    let (images, masks) = inputs(&autodiff);
    let y = model.forward(images.clone(), masks.clone());
    let statistics = Output::weights(Bound::Forward, &model.valid())?;
    let gradients = without_kinks(|| backward(&model, images, masks));
    Ok(vec![
        Output::forward("features", features)?,
        Output::forward("prediction", predicted)?,
        Output::forward("prediction, prepared", prepared)?,
        Output::forward("prediction, training", y)?,
        Output::gradients(&gradients, &model)?,
        statistics,
    ])
}

/// All gradients of the prediction's mean squared difference from noise, in training.
fn backward(model: &Model, images: Tensor<4>, masks: Tensor<4>) -> GradientsParams {
    let y = model.forward(images, masks);
    let loss = (y.clone() - noise(y.dims(), 2, &y.device())).square().mean();
    GradientsParams::from_grads(loss.backward(), model)
}

/// Logits of two batches at once; without kinks, the gradients of weights and those of the patches.
fn discriminator(config: &ModelConfig, device: &Device) -> Outputs {
    let device = device.clone().autodiff();
    let discriminator = Discriminator::new(config, 0, &device)?;
    let side = config.predicted_side();
    let [real, fake] = [1, 2].map(|seed| noise([BATCH, 3, side, side], seed, &device).require_grad());
    let logits = || discriminator.forward_each([real.clone(), fake.clone()], 1);
    let all_logits = Output::forward("logits", Tensor::cat(logits().into(), 0))?;
    let gradients = without_kinks(|| {
        let [real_logits, fake_logits] = logits();
        DiscriminatorLoss::from_logits(real_logits, fake_logits).total.backward()
    });
    let patches = Output::new("gradients of patches", Bound::Gradients)
        .with_gradient("true patches", &real, &gradients)?
        .with_gradient("predictions", &fake, &gradients)?;
    let gradients = GradientsParams::from_grads(gradients, &discriminator);
    Ok(vec![all_logits, patches, Output::gradients(&gradients, &discriminator)?])
}

/// Features, prediction in inference, and the encoder's gradients without the kinks of its activations. The
/// rest of the network learns behind dropout, whose draws differ from device to device; its layers are among
/// the operations.
fn feature_network(config: &FeatureModelConfig, device: &Device) -> Outputs {
    let plain = device.clone().without_autodiff();
    let model = config.init(&plain)?;
    let pictures = |device: &Device| noise([2, 3, FEATURE_SIDE, FEATURE_SIDE], 1, device);
    let predicted = model.forward(pictures(&plain), central_masks(2, FEATURE_SIDE, 0, &plain));

    let autodiff = plain.autodiff();
    let model = config.init(&autodiff)?;
    let features = model.features(pictures(&autodiff));
    let gradients = without_kinks(|| {
        let features = model.features(pictures(&autodiff));
        (features.clone() * noise(features.dims(), 2, &autodiff)).sum().backward()
    });
    let gradients = GradientsParams::from_grads(gradients, &model);
    Ok(vec![
        Output::forward("features", features)?,
        Output::forward("prediction", predicted)?,
        Output::gradients(&gradients, &model)?,
    ])
}

/// Weights are the same numbers on every device, and come back from a file as they went.
fn weights_in_file(device: &Device) -> Outputs {
    let folder = tempfile::tempdir()?;
    let device = device.clone().without_autodiff();
    let path = folder.path().join("model.safetensors");
    ModelConfig::default().with_size(64).with_width(4).init(&device)?.save(&path)?;
    Ok(vec![Output::weights(Bound::Exact, &Model::load(&path, &device)?)?])
}

/// Bytes of a picture with two holes, one of them at its border, each way of blending.
fn fill(config: &ModelConfig, device: &Device) -> Outputs {
    let device = device.clone().without_autodiff();
    let picture = RgbImage::from_fn(150, 110, |x, y| Rgb([x as u8, 2 * y as u8, 255 - (x * y / 70) as u8]));
    let mask = Mask::from_fn(150, 110, |x, y| x.abs_diff(60) + y.abs_diff(50) < 25 || (x > 140 && y > 90));
    let mut bytes = Output::new("bytes", Bound::OneLevel);
    for blend in [Blend::None, Blend::Poisson] {
        let network = config.init(&device)?;
        let inpainter = Inpainter::new(&network, &device).with_blend(blend).with_refine(Refine::None);
        let filled = inpainter.fill(&picture, &mask)?;
        let values = filled.as_raw().iter().map(|&byte| f32::from(byte)).collect();
        bytes = bytes.with_values(format!("{blend:?}"), values);
    }
    Ok(vec![bytes])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Arithmetic, Verdict};

    /// The reason for gradients without kinks: the same device, the same operations, and pictures that differ
    /// by a millionth.
    #[test]
    fn a_last_bit_moves_gradients_of_wide_networks_by_their_kinks() {
        let device = Device::flex().autodiff();
        let [_, config] = [Scale::Small, Scale::Full].map(|scale| configs(scale)[0].clone());
        let model = config.init(&device).expect("a network");
        let gradients = |factor: f32| {
            let side = config.size;
            let images = noise([BATCH, 3, side, side], 1, &device).mul_scalar(factor);
            let gradients = backward(&model, images, central_masks(BATCH, side, 4, &device));
            Output::gradients(&gradients, &model).expect("readable")
        };
        let difference = || match gradients(1.0 + 1e-6).compare(&gradients(1.0), Arithmetic::F32) {
            Verdict::Compared { difference, .. } => difference,
            other => panic!("{other:?}"),
        };
        let bound = Bound::Gradients.of(Arithmetic::F32);
        let (kinks, smooth) = (difference(), without_kinks(difference));
        assert!(kinks > bound && smooth < bound, "{kinks:.1e}, {smooth:.1e}");
    }
}
