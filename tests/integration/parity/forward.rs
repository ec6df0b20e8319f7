//! What the networks answer.

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_loss::{LossMask, Reconstruction};
use context_encoder_model::{Discriminator, FeatureModel, Model, ModelConfig};

use super::{BATCH, assert_close, expected, fixture, generators, masks, pictures, stored};

/// Answers are of order 1, come out of about ten layers of sums over up to a thousand products, and
/// differ by up to 2.2e-6 on the CPU: rounding to 32 bits. Ten times that leaves room for other orders
/// of summation. What is wrong shows: a batch-norm epsilon of 2e-5 for 1e-5 already moves answers more.
const TOLERANCE: f32 = 2e-5;

/// Devices, and the name that the fixtures give to what batch norm does there: on autodiff devices it
/// uses the statistics of the batch.
fn modes() -> [(&'static str, Device); 2] {
    [("eval", Device::flex()), ("train", Device::flex().autodiff())]
}

#[test]
fn generators_answer_as_in_pytorch() {
    let expected = expected("expected_forward.safetensors");
    for generator in generators() {
        for (mode, device) in modes() {
            let size = generator.config.size;
            let model = Model::load_pytorch(generator.file(), &generator.config, &device).expect("weights");
            let answer = model.forward(pictures(BATCH, size, 0, &device), masks(BATCH, size, &device));
            let what = format!("generator_{}.{mode}", generator.name);
            assert_close(&what, &stored(answer), &expected[&what], TOLERANCE);
        }
    }
}

#[test]
fn the_discriminator_answers_as_in_pytorch() {
    let expected = expected("expected_forward.safetensors");
    let config = ModelConfig::default().with_size(64).with_width(4);
    for (mode, device) in modes() {
        let critic = Discriminator::load_pytorch(fixture("discriminator.pth"), &config, &device);
        let centres = pictures(BATCH, 64, 0, &device).slice([0..BATCH, 0..3, 16..48, 16..48]);
        let what = format!("discriminator.{mode}");
        let logits = critic.expect("weights").forward(centres);
        assert_close(&what, &stored(logits), &expected[&what], TOLERANCE);
    }
}

/// Skip connections and the mask as an input; noise beside the dense code, none in evaluation; a
/// discriminator that sees the context.
#[test]
fn options_answer_as_in_pytorch() {
    let expected = expected("expected_forward.safetensors");
    let file = |name: &str| fixture(&format!("option_{name}.safetensors"));
    for (mode, device) in modes() {
        let (images, masks) = (pictures(BATCH, 64, 0, &device), masks(BATCH, 64, &device));
        for name in ["any_shape", "noise"] {
            let model = Model::load(file(name), &device).expect("weights");
            let noise: Vec<f32> = (0..24).map(|i| ((i * 37 + 11) % 101) as f32 / 50.5 - 1.0).collect();
            let noise = Tensor::from_data(TensorData::new(noise, [BATCH, 6]), &device);
            let noise = (name == "noise" && mode == "train").then_some(noise);
            let input = model.config().input(images.clone(), masks.clone());
            let what = format!("option_{name}.{mode}");
            let answer = model.predict_in_training(input, noise, 1);
            assert_close(&what, &stored(answer), &expected[&what], TOLERANCE);
        }
        let critic = Discriminator::load(file("conditional"), &device).expect("weights");
        let config = ModelConfig::default().with_size(64).with_width(4).with_conditional(true);
        let centres = images.clone().slice([0..BATCH, 0..3, 16..48, 16..48]);
        let seen = config.discriminator_input(centres, || config.input(images, masks));
        let what = format!("option_conditional.{mode}");
        assert_close(&what, &stored(critic.forward(seen)), &expected[&what], TOLERANCE);
    }
}

/// With local response normalisation, groups and max pooling, and with none of them. Their dropout is
/// random on autodiff devices, so whole answers are compared in evaluation, features in both modes.
#[test]
fn feature_networks_answer_as_in_pytorch() {
    let expected = expected("expected_forward.safetensors");
    for (name, size) in [("feature_alexnet", 227), ("feature_pool_free", 227), ("feature_alexnet_131", 131)] {
        for (mode, device) in modes() {
            let model =
                FeatureModel::load(fixture(&format!("{name}.safetensors")), &device).expect("weights");
            let (images, masks) = (pictures(1, size, 0, &device), masks(1, size, &device));
            let seen = model.config().fill.apply_mask(images.clone(), masks.clone());
            let features = stored(model.features(seen));
            let what = format!("{name}.features");
            assert_close(&format!("{what} ({mode})"), &features, &expected[&what], TOLERANCE);
            if mode == "eval" {
                let what = format!("{name}.eval");
                let answer = model.forward(images, masks);
                assert_close(&what, &stored(answer), &expected[&what], TOLERANCE);
            }
        }
    }
}

/// The loss of whole pictures, where hidden pixels alone count.
#[test]
fn masked_reconstruction_is_measured_as_in_pytorch() {
    let expected = expected("expected_forward.safetensors");
    let device = Device::flex();
    let generator = &generators()[3];
    let model = Model::load_pytorch(generator.file(), &generator.config, &device).expect("weights");
    let (images, masks) = (pictures(BATCH, 64, 0, &device), masks(BATCH, 64, &device));
    let answer = model.forward(images.clone(), masks.clone());
    let loss = Reconstruction::default().forward(answer, images, LossMask::Hidden(masks));
    let what = "generator_channel_wise_whole.reconstruction";
    assert_close(what, &stored(loss), &expected[what], TOLERANCE);
}
