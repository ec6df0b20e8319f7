//! What an encoder has learned to see.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use context_encoder_data::pixel::{images_to_tensor, masks_to_tensor};
use context_encoder_mask::Mask;
use context_encoder_model::{FeatureEncoder, FeatureLayer, Model};
use image::RgbImage;

use super::{Descriptor, check_leaves_something_visible};
use crate::EvalError;

/// Pictures that go through the network at once.
const BATCH: usize = 16;

/// What an encoder makes of a picture with a hole: one map of features, flat.
///
/// Of a [`Model`] that is `8 width x 4 x 4` numbers, 8192 at width 64; of a layer of a feature-learning
/// network (paper, section 5.2) the layer's map: for pool5 at width 64 and 227 pixels `256 x 6 x 6` numbers.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_eval::retrieval::{Descriptor, EncoderFeatures};
/// use context_encoder_mask::Mask;
/// use context_encoder_model::{FeatureLayer, FeatureModelConfig};
///
/// let device = Device::flex();
/// let model = FeatureModelConfig::alexnet().with_size(99).with_width(4).init(&device)?;
/// let features = EncoderFeatures::of_layer(model.encoder(), FeatureLayer::Pool5, &device);
/// let picture = image::RgbImage::new(99, 99);
/// assert_eq!(features.describe(&[picture], &[Mask::visible(99, 99)])?[0].len(), 16 * 2 * 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EncoderFeatures {
    network: Network,
    device: Device,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one; its weights are on the heap either way")]
enum Network {
    Inpainting(Model),
    Layer(FeatureEncoder, FeatureLayer),
}

impl EncoderFeatures {
    /// Takes an inpainting network; one in training is turned to inference.
    pub fn new(model: &Model, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self { network: Network::Inpainting(model.valid().to_device(&device)), device }
    }

    /// Takes one layer of a feature-learning network; one in training is turned to inference.
    pub fn of_layer(encoder: &FeatureEncoder, layer: FeatureLayer, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self { network: Network::Layer(encoder.valid().to_device(&device), layer), device }
    }

    /// Side of the pictures that the network takes, pixels.
    pub fn side(&self) -> u32 {
        match &self.network {
            Network::Inpainting(model) => model.config().size as u32,
            Network::Layer(encoder, _) => encoder.config().size as u32,
        }
    }

    /// `[batch, 3, side, side]` and `[batch, 1, side, side]` to `[batch, channels, height, width]`.
    fn maps(&self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        match &self.network {
            Network::Inpainting(model) => model.encode(model.config().input(images, masks)),
            Network::Layer(encoder, layer) => {
                encoder.map_at(encoder.config().fill.apply_mask(images, masks), *layer)
            }
        }
    }
}

impl Descriptor for EncoderFeatures {
    fn name(&self) -> &str {
        match &self.network {
            Network::Inpainting(_) => "context features",
            Network::Layer(_, layer) => layer.name(),
        }
    }

    /// # Errors
    /// [`EvalError::DescribedSize`] for pictures that are not of the network's size,
    /// [`MaskSize`](context_encoder_inpaint::InpaintError::MaskSize) and
    /// [`NothingVisible`](context_encoder_inpaint::InpaintError::NothingVisible); nothing need be hidden.
    fn describe(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<Vec<f32>>, EvalError> {
        let side = self.side();
        for (picture, mask) in pictures.iter().zip(masks) {
            let (width, height) = picture.dimensions();
            if (width, height) != (side, side) {
                return Err(EvalError::DescribedSize { width, height, side });
            }
            check_leaves_something_visible(picture.dimensions(), mask)?;
        }
        let mut all = Vec::with_capacity(pictures.len());
        for (pictures, masks) in pictures.chunks(BATCH).zip(masks.chunks(BATCH)) {
            let images = images_to_tensor(pictures, &self.device);
            let maps = self.maps(images, masks_to_tensor(masks, &self.device));
            let [batch, channels, height, width] = maps.dims();
            let values: Vec<f32> = maps.into_data().try_to_vec().unwrap_or_default();
            assert_eq!(values.len(), batch * channels * height * width, "features are of 32 bits");
            all.extend(values.chunks_exact(channels * height * width).map(<[f32]>::to_vec));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_model::ModelConfig;
    use image::Rgb;

    use super::*;
    use crate::Protocol;

    #[test]
    fn layer_features_are_the_encoders_map() {
        let device = Device::flex();
        let config = context_encoder_model::FeatureModelConfig::alexnet().with_size(99).with_width(4);
        let model = config.init(&device).expect("valid");
        let picture = RgbImage::from_fn(99, 99, |x, y| Rgb([(x * 2) as u8, (y * 2) as u8, (x ^ y) as u8]));
        let images = images_to_tensor(std::slice::from_ref(&picture), &device);
        for layer in FeatureLayer::ALL {
            let expected = model.encoder().map_at(images.clone(), layer).into_data().try_to_vec::<f32>();
            let features = EncoderFeatures::of_layer(model.encoder(), layer, &device);
            let found = features.describe(std::slice::from_ref(&picture), &[Mask::visible(99, 99)]);
            assert_eq!(found.expect("usable"), [expected.expect("f32")], "{layer}");
        }
    }

    #[test]
    fn hidden_pixels_have_no_influence() {
        let device = Device::flex();
        let model = ModelConfig::default().with_size(64).with_width(2).init(&device).expect("valid");
        let features = EncoderFeatures::new(&model, &device);
        let picture = |centre: u8, around: u8| {
            RgbImage::from_fn(64, 64, |x, y| {
                let inside = (16..48).contains(&x) && (16..48).contains(&y);
                Rgb([if inside { centre } else { around + (x * y % 50) as u8 }; 3])
            })
        };
        let pictures = [picture(0, 10), picture(255, 10), picture(0, 90)];
        let found = features.describe(&pictures, &vec![Protocol::Hidden.mask(64); 3]).expect("usable");
        assert_eq!(found[0].len(), 16 * 4 * 4);
        assert_eq!(found[0], found[1]);
        assert_ne!(found[0], found[2]);
    }
}
