//! The network's answers as pictures, to be measured and looked at.

use burn::{module::Module, tensor::Device};
use context_encoder_data::pixel;
use context_encoder_inpaint::{Fill, InpaintError};
use context_encoder_mask::Mask;
use context_encoder_model::FeatureModel;
use image::RgbImage;

use crate::recipe::Asked;

/// Pictures in one pass of the network.
const BATCH: usize = 16;

/// Answers on pictures of the network's size. What was asked of the network comes from its prediction, everything else
/// stays as it is.
pub(crate) struct Reconstructor {
    model: FeatureModel,
    asked: Asked,
    device: Device,
}

impl Reconstructor {
    pub(crate) fn new(model: &FeatureModel, asked: Asked, device: &Device) -> Self {
        Self { model: model.valid(), asked, device: device.clone().without_autodiff() }
    }

    fn answer(&self, pictures: &[RgbImage], masks: &[Mask]) -> Vec<RgbImage> {
        let hidden = pixel::masks_to_tensor(masks, &self.device);
        let predicted = self.model.forward(pixel::images_to_tensor(pictures, &self.device), hidden);
        let mut answers = pixel::tensor_to_images(predicted);
        if self.asked == Asked::Hidden {
            for (answer, (truth, mask)) in answers.iter_mut().zip(pictures.iter().zip(masks)) {
                for (x, y, pixel) in answer.enumerate_pixels_mut().filter(|(x, y, _)| !mask.is_hidden(*x, *y))
                {
                    *pixel = *truth.get_pixel(x, y);
                }
            }
        }
        answers
    }
}

impl Fill for Reconstructor {
    fn name(&self) -> &str {
        "context encoder"
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        Ok(self.answer(std::slice::from_ref(picture), std::slice::from_ref(mask)).swap_remove(0))
    }

    fn fill_all(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<RgbImage>, InpaintError> {
        let batches = pictures.chunks(BATCH).zip(masks.chunks(BATCH));
        Ok(batches.flat_map(|(pictures, masks)| self.answer(pictures, masks)).collect())
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_model::FeatureModelConfig;
    use image::Rgb;

    use super::*;

    #[test]
    fn what_is_not_asked_stays_bit_for_bit() {
        let device = Device::flex();
        let model = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&device).expect("valid");
        let picture = RgbImage::from_fn(99, 99, |x, y| Rgb([x as u8, y as u8, 200]));
        let mask = Mask::from_fn(99, 99, |x, y| x < 30 && y > 50);
        let answer =
            |asked| Reconstructor::new(&model, asked, &device).fill(&picture, &mask).expect("usable");
        let (hidden, whole) = (answer(Asked::Hidden), answer(Asked::Everything));
        for (x, y, pixel) in hidden.enumerate_pixels() {
            let expected = if mask.is_hidden(x, y) { &whole } else { &picture };
            assert_eq!(pixel, expected.get_pixel(x, y));
        }
        assert_ne!(whole.get_pixel(60, 10), picture.get_pixel(60, 10));
        let many = Reconstructor::new(&model, Asked::Everything, &device);
        let all = many.fill_all(&vec![picture.clone(); 17], &vec![mask.clone(); 17]).expect("usable");
        assert!(all.len() == 17 && all[16] == whole);
    }
}
