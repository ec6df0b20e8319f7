//! Resizing, and batches of images of different sizes.

use burn::tensor::{Device, Tensor};
use context_encoder_data::pixel::images_to_tensor;
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::{Rgb, RgbImage, imageops};

/// The value of padding: ImageNet's mean color, close to 0 for the network.
const PADDING: Rgb<u8> = Rgb([123, 117, 104]);

/// An image resized to a shorter side of `side` pixels, bilinear with antialiasing; and the scale factor.
pub(crate) fn resize_shorter_side(image: &RgbImage, side: u32) -> (RgbImage, f32) {
    let (width, height) = image.dimensions();
    let factor = side as f32 / width.min(height) as f32;
    let scaled = |length: u32| ((length as f32 * factor).round() as u32).max(side);
    (resize(image, scaled(width), scaled(height)), factor)
}

/// An image resized without regard to its aspect ratio.
pub(crate) fn resize(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    if image.dimensions() == (width, height) {
        return image.clone();
    }
    let mut resized = RgbImage::new(width, height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)
        .expect("an image's buffer has the length that its size says");
    let mut target = Image::from_slice_u8(width, height, &mut resized, PixelType::U8x3)
        .expect("a new image's buffer has the length that its size says");
    Resizer::new().resize(&source, &mut target, &options).expect("both images have pixels of one type");
    resized
}

/// Images padded to one size and stacked, `[batch, 3, height, width]` in `[-1, 1]`, each with its upper left
/// corner at (`left`, `top`).
pub(crate) fn pad_and_stack(
    images: &[&RgbImage],
    [left, top]: [u32; 2],
    [width, height]: [u32; 2],
    device: &Device,
) -> Tensor<4> {
    let pad = |image: &&RgbImage| {
        let mut padded = RgbImage::from_pixel(width, height, PADDING);
        imageops::replace(&mut padded, *image, i64::from(left), i64::from(top));
        padded
    };
    images_to_tensor(&images.iter().map(pad).collect::<Vec<_>>(), device)
}

/// The largest width and the largest height.
pub(crate) fn max_size(images: &[&RgbImage]) -> [u32; 2] {
    images
        .iter()
        .fold([0, 0], |[width, height], image| [width.max(image.width()), height.max(image.height())])
}
