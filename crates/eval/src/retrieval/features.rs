//! What an encoder has learned to see.

use burn::{module::Module, tensor::Device};
use context_encoder_data::pixel::{images_to_tensor, masks_to_tensor};
use context_encoder_mask::Mask;
use context_encoder_model::Model;
use image::RgbImage;

use super::Descriptor;
use crate::{EvalError, fill::check_visible};

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
    /// [`EvalError::DescribedSize`] for pictures that are not of the network's size, [`EvalError::MaskSize`] and
    /// [`EvalError::NothingVisible`]; nothing need be hidden.
    fn describe(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<Vec<f32>>, EvalError> {
        let side = self.side();
        for (picture, mask) in pictures.iter().zip(masks) {
            let (width, height) = picture.dimensions();
            if (width, height) != (side, side) {
                return Err(EvalError::DescribedSize { width, height, side });
            }
            check_visible(picture.dimensions(), mask)?;
        }
        let mut all = Vec::with_capacity(pictures.len());
        for (pictures, masks) in pictures.chunks(BATCH).zip(masks.chunks(BATCH)) {
            let images = images_to_tensor(pictures, &self.device);
            let hidden = masks_to_tensor(masks, &self.device);
            let map = self.model.encode(self.model.config().fill.hide(images, hidden)); // [batch, m, 4, 4]
            let [batch, channels, height, width] = map.dims();
            let values: Vec<f32> = map.into_data().try_to_vec().unwrap_or_default();
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
