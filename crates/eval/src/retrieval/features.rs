//! What an encoder has learned to see.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use context_encoder_data::pixel::{images_to_tensor, masks_to_tensor};
use context_encoder_mask::Mask;
use context_encoder_model::{FeatureEncoder, FeatureLayer, InitialFill, Model};
use image::RgbImage;

use super::{Descriptor, check_leaves_something_visible};
use crate::EvalError;

/// Pictures that go through the network at once.
const BATCH: usize = 16;

/// The encoder's features of a picture with a hole: `8 width x 4 x 4` numbers, 8192 at width 64.
#[derive(Debug)]
pub struct ContextFeatures {
    model: Model,
    device: Device,
}

impl ContextFeatures {
    /// Takes a network; one in training is turned to inference.
    pub fn new(model: &Model, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self { model: model.valid().to_device(&device), device }
    }

    /// Side of the pictures that the network takes, pixels.
    pub fn side(&self) -> u32 {
        self.model.config().size as u32
    }
}

impl Descriptor for ContextFeatures {
    fn name(&self) -> &str {
        "context features"
    }

    /// # Errors
    /// [`EvalError::DescribedSize`] for pictures that are not of the network's size,
    /// [`InpaintError::MaskSize`] and
    /// [`InpaintError::NothingVisible`](context_encoder_inpaint::InpaintError::NothingVisible); nothing need
    /// be hidden.
    fn describe(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<Vec<f32>>, EvalError> {
        let fill = self.model.config().fill;
        maps(pictures, masks, self.side(), fill, &self.device, |x| self.model.encode(x)) // [batch, m, 4, 4]
    }
}

/// One layer's map of a feature-learning network (paper, section 5.2): for pool5 at width 64 and 227 pixels
/// `256 x 6 x 6` numbers.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_eval::retrieval::{Descriptor, LayerFeatures};
/// use context_encoder_mask::Mask;
/// use context_encoder_model::{FeatureLayer, FeatureModelConfig};
///
/// let device = Device::flex();
/// let model = FeatureModelConfig::alexnet().with_size(99).with_width(4).init(&device)?;
/// let features = LayerFeatures::new(model.encoder(), FeatureLayer::Pool5, &device);
/// let picture = image::RgbImage::new(99, 99);
/// assert_eq!(features.describe(&[picture], &[Mask::visible(99, 99)])?[0].len(), 16 * 2 * 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LayerFeatures {
    encoder: FeatureEncoder,
    layer: FeatureLayer,
    device: Device,
}

impl LayerFeatures {
    /// Takes an encoder; one in training is turned to inference.
    pub fn new(encoder: &FeatureEncoder, layer: FeatureLayer, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self { encoder: encoder.valid().to_device(&device), layer, device }
    }

    /// Side of the pictures that the network was trained on, pixels.
    pub fn side(&self) -> u32 {
        self.encoder.config().size as u32
    }
}

impl Descriptor for LayerFeatures {
    fn name(&self) -> &str {
        self.layer.name()
    }

    /// # Errors
    /// As for [`ContextFeatures`].
    fn describe(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<Vec<f32>>, EvalError> {
        let fill = self.encoder.config().fill;
        maps(pictures, masks, self.side(), fill, &self.device, |x| self.encoder.map_at(x, self.layer))
    }
}

/// What a network makes of pictures whose hidden part holds the fill, flat: channel, row, column.
fn maps(
    pictures: &[RgbImage],
    masks: &[Mask],
    side: u32,
    fill: InitialFill,
    device: &Device,
    encode: impl Fn(Tensor<4>) -> Tensor<4>,
) -> Result<Vec<Vec<f32>>, EvalError> {
    for (picture, mask) in pictures.iter().zip(masks) {
        let (width, height) = picture.dimensions();
        if (width, height) != (side, side) {
            return Err(EvalError::DescribedSize { width, height, side });
        }
        check_leaves_something_visible(picture.dimensions(), mask)?;
    }
    let mut all = Vec::with_capacity(pictures.len());
    for (pictures, masks) in pictures.chunks(BATCH).zip(masks.chunks(BATCH)) {
        let (images, hidden) = (images_to_tensor(pictures, device), masks_to_tensor(masks, device));
        let map = encode(fill.apply_mask(images, hidden)); // [batch, channels, height, width]
        let [batch, channels, height, width] = map.dims();
        let values: Vec<f32> = map.into_data().try_to_vec().unwrap_or_default();
        assert_eq!(values.len(), batch * channels * height * width, "features are of 32 bits");
        all.extend(values.chunks_exact(channels * height * width).map(<[f32]>::to_vec));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use context_encoder_model::ModelConfig;
    use image::Rgb;

    use super::*;
    use crate::Protocol;

    #[test]
    fn a_layers_features_are_the_encoders_map() {
        let device = Device::flex();
        let config = context_encoder_model::FeatureModelConfig::alexnet().with_size(99).with_width(4);
        let model = config.init(&device).expect("valid");
        let picture = RgbImage::from_fn(99, 99, |x, y| Rgb([(x * 2) as u8, (y * 2) as u8, (x ^ y) as u8]));
        let images = images_to_tensor(std::slice::from_ref(&picture), &device);
        for layer in FeatureLayer::ALL {
            let expected = model.encoder().map_at(images.clone(), layer).into_data().try_to_vec::<f32>();
            let features = LayerFeatures::new(model.encoder(), layer, &device);
            let found = features.describe(std::slice::from_ref(&picture), &[Mask::visible(99, 99)]);
            assert_eq!(found.expect("usable"), [expected.expect("f32")], "{layer}");
        }
    }

    #[test]
    fn what_is_hidden_has_no_influence_and_what_surrounds_it_has() {
        let device = Device::flex();
        let model = ModelConfig::default().with_size(64).with_width(2).init(&device).expect("valid");
        let features = ContextFeatures::new(&model, &device);
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
