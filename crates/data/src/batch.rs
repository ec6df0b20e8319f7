//! A training sample on the host, and a batch of them as tensors on a device.

use burn::tensor::{Device, Tensor};
use context_encoder_mask::Mask;
use image::RgbImage;

use crate::pixel;

/// One image and its mask (1 = hidden).
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The image's name in its dataset, for reports.
    pub name: String,
    /// The square that the network learns from, 8-bit RGB.
    pub image: RgbImage,
    /// What is hidden, of the same size.
    pub mask: Mask,
}

/// A batch as networks and losses take it.
#[derive(Debug, Clone)]
pub struct InpaintingBatch {
    /// Complete images, nothing hidden yet: `[N,3,S,S]`, RGB in `[-1, 1]`.
    pub images: Tensor<4>,
    /// What is hidden: `[N,1,S,S]`, 1 = hidden, 0 = visible.
    pub masks: Tensor<4>,
    /// The names of the `N` images.
    pub names: Vec<String>,
}

impl InpaintingBatch {
    /// Moves samples to a device.
    ///
    /// # Panics
    /// When there is no sample, or when images and masks are not all of one size.
    ///
    /// # Examples
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_data::{InpaintingBatch, Sample};
    /// use context_encoder_mask::Mask;
    ///
    /// let sample = Sample {
    ///     name: "white".to_owned(),
    ///     image: image::RgbImage::from_pixel(8, 8, image::Rgb([255; 3])),
    ///     mask: Mask::from_fn(8, 8, |x, _| x < 4),
    /// };
    /// let batch = InpaintingBatch::from_samples(&[sample], &Device::flex());
    /// assert_eq!(batch.images.dims(), [1, 3, 8, 8]);
    /// assert_eq!(batch.masks.dims(), [1, 1, 8, 8]);
    /// assert_eq!(batch.masks.mean().into_scalar::<f32>(), 0.5);
    /// ```
    #[must_use]
    pub fn from_samples(samples: &[Sample], device: &Device) -> Self {
        for Sample { name, image, mask } in samples {
            let (image, mask) = (image.dimensions(), (mask.width(), mask.height()));
            assert!(image == mask, "{name}: the image is {image:?}, its mask {mask:?}");
        }
        Self {
            images: pixel::stack_images(samples.iter().map(|sample| &sample.image), device),
            masks: pixel::stack_masks(samples.iter().map(|sample| &sample.mask), device),
            names: samples.iter().map(|sample| sample.name.clone()).collect(),
        }
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let [images, ..] = self.images.dims();
        images
    }

    /// Never true: a tensor needs at least one image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn sample(name: &str, value: u8, mask: Mask) -> Sample {
        Sample { name: name.to_owned(), image: RgbImage::from_pixel(2, 2, Rgb([value; 3])), mask }
    }

    #[test]
    fn images_masks_and_names_keep_their_order() {
        let samples = [
            sample("black", 0, Mask::from_fn(2, 2, |_, _| true)),
            sample("white", 255, Mask::from_fn(2, 2, |x, y| x == 0 && y == 1)),
        ];
        let batch = InpaintingBatch::from_samples(&samples, &Device::flex());
        assert_eq!(batch.names, ["black", "white"]);
        let images = batch.images.into_data();
        assert_eq!(images.as_slice::<f32>().expect("f32"), [[-1.0; 12], [1.0; 12]].concat());
        let masks = batch.masks.into_data();
        assert_eq!(masks.as_slice::<f32>().expect("f32"), [1., 1., 1., 1., 0., 0., 1., 0.]);
    }

    #[test]
    #[should_panic(expected = "odd: the image is (2, 2), its mask (3, 2)")]
    fn mask_of_another_size_panics() {
        let odd = sample("odd", 1, Mask::from_fn(3, 2, |_, _| false));
        let _ = InpaintingBatch::from_samples(&[odd], &Device::flex());
    }
}
