//! A picture and a mask in, a filled picture out.

use std::{fmt, path::Path};

use burn::{module::Module, tensor::Device};
use context_encoder_data::pixel::{images_to_tensor, masks_to_tensor, tensor_to_images};
use context_encoder_mask::{Mask, central_square};
use context_encoder_model::{Model, Prediction, Predictor};
use image::RgbImage;

use crate::{EvalError, Fill, fill::check};

/// Pictures that go through the network at once.
const BATCH: usize = 16;

/// Fills pictures with a trained context encoder.
///
/// Pictures are square and of the network's own size; a network for the centre takes holes inside the
/// central square, one for whole pictures takes any hole. Only hidden pixels change.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_eval::{Fill, Inpainter, Protocol};
/// use context_encoder_model::ModelConfig;
/// use image::RgbImage;
///
/// let device = Device::flex();
/// # let path = std::env::temp_dir().join("context-encoder-doc-inpainter.safetensors");
/// # ModelConfig::default().with_size(64).with_width(4).init(&device)?.save(&path)?;
/// let inpainter = Inpainter::load(&path, &device)?;
/// let picture = RgbImage::new(64, 64);
/// let filled = inpainter.fill(&picture, &Protocol::Hidden.mask(64))?;
/// assert_eq!(filled.get_pixel(0, 0), picture.get_pixel(0, 0)); // visible
/// # std::fs::remove_file(path).expect("just written");
/// # Ok::<(), context_encoder_eval::EvalError>(())
/// ```
pub struct Inpainter {
    model: Model,
    /// The same network, laid out for inference.
    predictor: Predictor,
    device: Device,
    name: String,
}

impl Inpainter {
    /// Reads a weights file.
    ///
    /// # Errors
    /// [`EvalError::Model`] when it cannot be read or does not hold a network.
    pub fn load(weights: impl AsRef<Path>, device: &Device) -> Result<Self, EvalError> {
        // Without autodiff batch norm uses its running statistics.
        let device = device.clone().without_autodiff();
        Ok(Self::new(&Model::load(weights, &device)?, &device))
    }

    /// Takes a network that is in memory. A network in training is turned to inference first.
    pub fn new(model: &Model, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let model = model.valid().to_device(&device);
        Self { predictor: model.prepare(), model, device, name: "context encoder".to_owned() }
    }

    /// Sets the name in tables.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Side of the pictures that the network takes, pixels.
    pub fn side(&self) -> u32 {
        self.model.config().size as u32
    }

    /// Whether the network can fill this hole in this picture.
    fn accept(&self, picture: &RgbImage, mask: &Mask) -> Result<(), EvalError> {
        let (side, (width, height)) = (self.side(), picture.dimensions());
        if (width, height) != (side, side) {
            return Err(EvalError::PictureSize { width, height, side });
        }
        check(picture, mask)?;
        if self.model.config().prediction == Prediction::Centre {
            let centre = central_square(side, side);
            let pixels = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
            let outside = pixels.into_iter().find(|&(x, y)| mask.is_hidden(x, y) && !centre.contains(x, y));
            if let Some((x, y)) = outside {
                return Err(EvalError::HoleOutsideCentre { x, y, from: centre.x, to: centre.right() });
            }
        }
        Ok(())
    }

    /// One pass through the network.
    fn fill_batch(&self, pictures: &[RgbImage], masks: &[Mask]) -> Vec<RgbImage> {
        let images = images_to_tensor(pictures, &self.device);
        let hidden = masks_to_tensor(masks, &self.device);
        let prediction = self.predictor.forward(images.clone(), hidden.clone());
        let predicted = tensor_to_images(self.model.paste(images, hidden, prediction));
        // Visible pixels are copied from the picture itself, so that they are equal bit for bit.
        let keep_visible = |((mut filled, picture), mask): ((RgbImage, &RgbImage), &Mask)| {
            for (x, y, pixel) in filled.enumerate_pixels_mut() {
                if !mask.is_hidden(x, y) {
                    *pixel = *picture.get_pixel(x, y);
                }
            }
            filled
        };
        predicted.into_iter().zip(pictures).zip(masks).map(keep_visible).collect()
    }
}

impl Fill for Inpainter {
    fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// [`EvalError::PictureSize`] and [`EvalError::HoleOutsideCentre`] beside those of every fill.
    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, EvalError> {
        self.accept(picture, mask)?;
        let filled = self.fill_batch(std::slice::from_ref(picture), std::slice::from_ref(mask));
        Ok(filled.into_iter().next().unwrap_or_else(|| picture.clone()))
    }

    fn fill_all(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<RgbImage>, EvalError> {
        for (picture, mask) in pictures.iter().zip(masks) {
            self.accept(picture, mask)?;
        }
        let batches = pictures.chunks(BATCH).zip(masks.chunks(BATCH));
        Ok(batches.flat_map(|(pictures, masks)| self.fill_batch(pictures, masks)).collect())
    }
}

impl fmt::Debug for Inpainter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inpainter")
            .field("config", self.model.config())
            .field("device", &self.device)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_model::ModelConfig;
    use image::Rgb;

    use super::*;
    use crate::Protocol;

    fn picture(shift: u32) -> RgbImage {
        RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3 + shift) as u8, (y * 4) as u8, (x ^ y) as u8]))
    }

    fn inpainter(prediction: Prediction) -> Inpainter {
        let device = Device::flex();
        let config = ModelConfig::default().with_size(64).with_width(2).with_prediction(prediction);
        Inpainter::new(&config.init(&device).expect("valid"), &device)
    }

    #[test]
    fn hidden_pixels_change_and_visible_ones_do_not() {
        let corner = Mask::from_fn(64, 64, |x, y| x < 20 && y < 9);
        for (prediction, mask) in
            [(Prediction::Centre, Protocol::Paper.mask(64)), (Prediction::Whole, corner)]
        {
            let filled = inpainter(prediction).fill(&picture(0), &mask).expect("usable");
            let changed = filled.enumerate_pixels().filter(|(x, y, p)| *p != picture(0).get_pixel(*x, *y));
            let (mut inside, mut outside) = (0, 0);
            for (x, y, _) in changed {
                *(if mask.is_hidden(x, y) { &mut inside } else { &mut outside }) += 1;
            }
            assert_eq!(outside, 0);
            assert!(inside * 10 > mask.hidden_count() * 9, "{inside} of {}", mask.hidden_count());
        }
    }

    #[test]
    fn many_pictures_come_out_as_one_by_one() {
        let inpainter = inpainter(Prediction::Centre);
        let pictures: Vec<RgbImage> = (0..BATCH as u32 + 3).map(picture).collect();
        let masks = vec![Protocol::Hidden.mask(64); pictures.len()];
        let together = inpainter.fill_all(&pictures, &masks).expect("usable");
        assert_eq!(together.len(), pictures.len());
        for (together, picture) in together.iter().zip(&pictures) {
            let alone = inpainter.fill(picture, &masks[0]).expect("usable");
            // sums may be taken in another order in a batch: one step of 255 at most
            let apart = together.iter().zip(alone.iter()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1));
        }
    }

    #[test]
    fn a_network_in_training_is_turned_to_inference() {
        let device = Device::flex().autodiff();
        let config = ModelConfig::default().with_size(64).with_width(2);
        let training = Inpainter::new(&config.init(&device).expect("valid"), &device);
        let mask = Protocol::Hidden.mask(64);
        let expected = inpainter(Prediction::Centre).fill(&picture(0), &mask).expect("usable");
        assert_eq!(training.fill(&picture(0), &mask).expect("usable"), expected);
    }

    #[test]
    fn what_cannot_be_filled_is_refused_in_words() {
        let inpainter = inpainter(Prediction::Centre);
        let error =
            |picture: &RgbImage, mask: &Mask| inpainter.fill(picture, mask).expect_err("refused").to_string();
        let large = RgbImage::new(80, 64);
        assert!(
            error(&large, &Protocol::Hidden.mask(80))
                .contains("the picture is 80x64, the network takes 64x64")
        );
        let corner = Mask::from_fn(64, 64, |x, y| x == 3 && y == 40);
        assert!(error(&picture(0), &corner).contains("reaches pixel (3, 40)"));
    }
}
