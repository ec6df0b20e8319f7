//! An encoder initialized to the pictures that it will see.

use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::FeatureEncoder;
use image::RgbImage;

use crate::{classify::device_of, resize};

/// Pictures that an encoder is rescaled by, at most.
pub const MAX_IMAGES: usize = 64;

/// An encoder [rescaled](FeatureEncoder::data_dependent_init) to pictures: to [`MAX_IMAGES`] of them at equal distances,
/// squeezed into squares of its size. Without pictures it stays as it is.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_model::FeatureModelConfig;
/// use image::RgbImage;
///
/// let encoder = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&Device::flex())?.into_encoder();
/// let pictures = [RgbImage::from_fn(120, 90, |x, y| image::Rgb([(x * y % 256) as u8; 3]))];
/// let initialized = context_encoder_transfer::data_dependent_init(encoder, pictures.iter());
/// assert_eq!(initialized.config().size, 99);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
pub fn data_dependent_init<'a>(
    encoder: FeatureEncoder,
    pictures: impl ExactSizeIterator<Item = &'a RgbImage>,
) -> FeatureEncoder {
    let side = encoder.config().size as u32;
    let (all, some) = (pictures.len(), pictures.len().min(MAX_IMAGES));
    let chosen: Vec<usize> = (0..some).map(|number| number * all / some).collect();
    let squares: Vec<RgbImage> = pictures
        .enumerate()
        .filter(|(number, _)| chosen.binary_search(number).is_ok())
        .map(|(_, picture)| resize::resize(picture, side, side))
        .collect();
    if squares.is_empty() {
        return encoder;
    }
    let pictures = images_to_tensor(&squares, &device_of(&encoder));
    encoder.data_dependent_init(pictures)
}
