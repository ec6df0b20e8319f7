//! Encoders: their device and data-dependent initialisation.

use burn::{module::Module, tensor::Device};
use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::FeatureEncoder;
use image::RgbImage;

use crate::images::resize;

/// Most images used by [`data_dependent_init`].
const MAX_IMAGES: usize = 64;

/// [Data-dependent initialisation](FeatureEncoder::data_dependent_init) of an encoder by up to 64 images,
/// evenly spaced among those given and resized to squares of its size. Without images the encoder stays as it
/// is.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_model::FeatureModelConfig;
/// use image::RgbImage;
///
/// let encoder = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&Device::flex())?.into_encoder();
/// let images = [RgbImage::from_fn(120, 90, |x, y| image::Rgb([(x * y % 256) as u8; 3]))];
/// let encoder = context_encoder_transfer::data_dependent_init(encoder, images.iter());
/// assert_eq!(encoder.config().size, 99);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
pub fn data_dependent_init<'a>(
    encoder: FeatureEncoder,
    images: impl ExactSizeIterator<Item = &'a RgbImage>,
) -> FeatureEncoder {
    let side = encoder.config().size as u32;
    let (count, used) = (images.len(), images.len().min(MAX_IMAGES));
    let chosen: Vec<usize> = (0..used).map(|number| number * count / used).collect();
    let squares: Vec<RgbImage> = images
        .enumerate()
        .filter(|(number, _)| chosen.binary_search(number).is_ok())
        .map(|(_, image)| resize(image, side, side))
        .collect();
    if squares.is_empty() {
        return encoder;
    }
    let images = images_to_tensor(&squares, &device_of(&encoder));
    encoder.data_dependent_init(images)
}

/// The device that a module lives on.
pub(crate) fn device_of(module: &impl Module) -> Device {
    module.devices().into_iter().next().unwrap_or_default()
}
