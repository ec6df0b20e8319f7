//! Pictures at the size in which they are kept.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::RgbImage;

/// A picture whose shorter side is `side` pixels, bilinear with antialiasing; and by how much it was scaled.
pub(crate) fn to_shorter_side(picture: &RgbImage, side: u32) -> (RgbImage, f32) {
    let (width, height) = picture.dimensions();
    let factor = side as f32 / width.min(height) as f32;
    let scaled = |length: u32| ((length as f32 * factor).round() as u32).max(side);
    (resize(picture, scaled(width), scaled(height)), factor)
}

/// A picture squeezed into other sides.
pub(crate) fn resize(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    if picture.dimensions() == (width, height) {
        return picture.clone();
    }
    let mut resized = RgbImage::new(width, height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3)
        .expect("a picture's buffer has the length that its size says");
    let mut target = Image::from_slice_u8(width, height, &mut resized, PixelType::U8x3)
        .expect("a new picture's buffer has the length that its size says");
    Resizer::new().resize(&source, &mut target, &options).expect("both pictures have pixels of one kind");
    resized
}
