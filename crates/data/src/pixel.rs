//! The one place that knows the ranges of pixels.
//!
//! | where | type | range |
//! |---|---|---|
//! | files, images, samples | `u8`, interleaved RGB | `[0, 255]` |
//! | 16-bit images | `u16`, interleaved RGB | `[0, 65535]` |
//! | tensors: batches, networks, losses | `f32`, planar `[N,3,H,W]` | `[-1, 1]` |
//! | masks | `f32`, `[N,1,H,W]` | 1 = hidden, 0 = visible |

use burn::tensor::{Device, Tensor};
use context_encoder_mask::Mask;
use context_encoder_ops::tensor_of_bytes;
use image::{Rgb, RgbImage};

/// Red, green, blue.
const CHANNELS: usize = 3;

/// An 8-bit value as networks take it: `2 v / 255 - 1`, in `[-1, 1]`.
#[must_use]
pub fn from_u8(value: u8) -> f32 {
    2.0 * f32::from(value) / 255.0 - 1.0
}

/// A network's output as 8 bits: `255 (v + 1) / 2`, rounded to the nearest, clamped to `[0, 255]`; NaN gives
/// 0.
#[must_use]
pub fn to_u8(value: f32) -> u8 {
    // `as` truncates and clamps; NaN becomes 0.
    ((value + 1.0) * 127.5).round() as u8
}

/// A 16-bit value as networks take it: `2 v / 65535 - 1`, in `[-1, 1]`.
#[must_use]
pub fn from_u16(value: u16) -> f32 {
    2.0 * f32::from(value) / 65_535.0 - 1.0
}

/// A network's output as 16 bits: `65535 (v + 1) / 2`, rounded to the nearest, clamped to `[0, 65535]`; NaN
/// gives 0.
#[must_use]
pub fn to_u16(value: f32) -> u16 {
    ((value + 1.0) * 32_767.5).round() as u16
}

/// Images of one size as a tensor `[N,3,H,W]` in `[-1, 1]`.
///
/// # Panics
/// When there is no image, or when their sizes differ.
///
/// # Examples
/// ```
/// use burn::tensor::Device;
/// use context_encoder_data::pixel::{images_to_tensor, tensor_to_images};
///
/// let image = image::RgbImage::from_fn(5, 4, |x, y| image::Rgb([x as u8, y as u8, 200]));
/// let tensor = images_to_tensor(&[image.clone()], &Device::flex());
/// assert_eq!(tensor.dims(), [1, 3, 4, 5]);
/// assert_eq!(tensor_to_images(tensor), [image]);
/// ```
#[must_use]
pub fn images_to_tensor(images: &[RgbImage], device: &Device) -> Tensor<4> {
    stack_images(images.iter(), device)
}

/// A tensor `[N,3,H,W]` in `[-1, 1]` as `N` images. Values outside the range are clamped.
///
/// Reads the tensor back from its device and so waits for it.
///
/// # Panics
/// When the tensor does not have three channels, or cannot be read from its device.
#[must_use]
pub fn tensor_to_images(images: Tensor<4>) -> Vec<RgbImage> {
    let [batch, channels, height, width] = images.dims();
    assert_eq!(channels, CHANNELS, "images have {CHANNELS} channels, this tensor has {channels}");
    let values = match images.try_into_vec_as::<f32>() {
        Ok(values) => values,
        Err(error) => panic!("cannot read images from their device: {error}"),
    };
    let pixels = width * height;
    (0..batch)
        .map(|image| {
            let planes = &values[image * CHANNELS * pixels..][..CHANNELS * pixels];
            RgbImage::from_fn(width as u32, height as u32, |x, y| {
                let at = y as usize * width + x as usize;
                Rgb([0, 1, 2].map(|channel| to_u8(planes[channel * pixels + at])))
            })
        })
        .collect()
}

/// Masks of one size as a tensor `[N,1,H,W]`: 1 = hidden, 0 = visible.
///
/// # Panics
/// When there is no mask, or when their sizes differ.
///
/// # Examples
/// ```
/// use burn::tensor::Device;
/// use context_encoder_data::pixel::masks_to_tensor;
/// use context_encoder_mask::Mask;
///
/// let mask = Mask::from_fn(4, 2, |x, _| x == 3);
/// let tensor = masks_to_tensor(&[mask], &Device::flex());
/// assert_eq!(tensor.dims(), [1, 1, 2, 4]);
/// assert_eq!(tensor.sum().into_scalar::<f32>(), 2.0);
/// ```
#[must_use]
pub fn masks_to_tensor(masks: &[Mask], device: &Device) -> Tensor<4> {
    stack_masks(masks.iter(), device)
}

/// [`images_to_tensor`] over borrowed images.
pub(crate) fn stack_images<'a>(
    images: impl ExactSizeIterator<Item = &'a RgbImage> + Clone,
    device: &Device,
) -> Tensor<4> {
    let (width, height) = common_size("image", images.clone().map(RgbImage::dimensions));
    let value_of = std::array::from_fn(|byte| from_u8(byte as u8));
    tensor_of_bytes(images.map(RgbImage::as_raw), [height, width, CHANNELS], &value_of, device)
}

/// [`masks_to_tensor`] over borrowed masks.
pub(crate) fn stack_masks<'a>(
    masks: impl ExactSizeIterator<Item = &'a Mask> + Clone,
    device: &Device,
) -> Tensor<4> {
    let (width, height) = common_size("mask", masks.clone().map(|mask| (mask.width(), mask.height())));
    let bytes = masks.map(|mask| mask.hidden().iter().map(|&hidden| u8::from(hidden)).collect::<Vec<_>>());
    let value_of = std::array::from_fn(|byte| byte as f32);
    tensor_of_bytes(bytes, [height, width, 1], &value_of, device)
}

fn common_size(what: &str, mut sizes: impl Iterator<Item = (u32, u32)>) -> (usize, usize) {
    let Some((width, height)) = sizes.next() else { panic!("a tensor needs at least one {what}") };
    for (other_width, other_height) in sizes {
        assert!(
            (other_width, other_height) == (width, height),
            "each {what} must be {width}x{height} like the first, one is {other_width}x{other_height}",
        );
    }
    (width as usize, height as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_u8_round_trips() {
        for value in 0..=255 {
            assert_eq!(to_u8(from_u8(value)), value);
        }
    }

    #[test]
    fn every_u16_round_trips() {
        for value in 0..=u16::MAX {
            assert_eq!(to_u16(from_u16(value)), value);
        }
        assert_eq!([-7.0, f32::NAN, 7.0].map(to_u16), [0, 0, 65_535]);
    }

    #[test]
    fn values_round_to_the_nearest_and_are_clamped() {
        // (-0.5 + 1) * 127.5 = 63.75; (0 + 1) * 127.5 = 127.5, and halves go up
        assert_eq!(to_u8(-0.5), 64);
        assert_eq!(to_u8(0.0), 128);
        assert_eq!([-7.0, f32::NEG_INFINITY, f32::NAN].map(to_u8), [0, 0, 0]);
        assert_eq!([1.01, f32::INFINITY].map(to_u8), [255, 255]);
        assert!((from_u8(51) - -0.6).abs() < 1e-6, "2 * 51 / 255 - 1");
    }

    #[test]
    fn channels_become_planes_row_by_row() {
        let mut image = RgbImage::new(2, 2);
        image.put_pixel(1, 0, Rgb([255, 0, 51]));
        image.put_pixel(0, 1, Rgb([0, 255, 0]));
        let values = images_to_tensor(&[image], &Device::flex()).into_data();
        let planes = [
            [-1.0, 1.0, -1.0, -1.0], // red
            [-1.0, -1.0, 1.0, -1.0], // green
            [-1.0, 2.0 * 51.0 / 255.0 - 1.0, -1.0, -1.0],
        ];
        assert_eq!(values.as_slice::<f32>().expect("f32"), planes.concat());
    }

    #[test]
    fn hidden_pixels_are_one() {
        let masks = [Mask::from_fn(3, 2, |x, y| x == 2 && y == 0), Mask::from_fn(3, 2, |_, y| y == 1)];
        let values = masks_to_tensor(&masks, &Device::flex()).into_data();
        let expected = [0., 0., 1., 0., 0., 0., /* second mask */ 0., 0., 0., 1., 1., 1.];
        assert_eq!(values.as_slice::<f32>().expect("f32"), expected);
    }

    #[test]
    #[should_panic(expected = "each image must be 3x2 like the first, one is 2x3")]
    fn images_of_two_sizes_panic() {
        let _ = images_to_tensor(&[RgbImage::new(3, 2), RgbImage::new(2, 3)], &Device::flex());
    }

    #[test]
    #[should_panic(expected = "images have 3 channels, this tensor has 1")]
    fn tensor_of_one_channel_panics() {
        let _ = tensor_to_images(Tensor::zeros([1, 1, 2, 2], &Device::flex()));
    }

    proptest! {
        #[test]
        fn any_value_gives_the_nearest_u8(value in -1.0_f32..=1.0) {
            let back = from_u8(to_u8(value));
            prop_assert!((back - value).abs() <= 1.0 / 255.0 + 1e-6);
        }
    }
}
