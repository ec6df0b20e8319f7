//! Pictures of several sizes in one tensor.

use burn::tensor::{Device, Tensor};
use context_encoder_data::pixel::images_to_tensor;
use image::{Rgb, RgbImage, imageops};

/// What stands around pictures: ImageNet's mean color, close to 0 for the network.
const PADDING: Rgb<u8> = Rgb([123, 117, 104]);

/// Pictures on canvases of one size, each with its upper left corner at (`left`, `top`).
pub(crate) fn pad_to(
    pictures: &[&RgbImage],
    [left, top]: [u32; 2],
    [width, height]: [u32; 2],
    device: &Device,
) -> Tensor<4> {
    let place = |picture: &&RgbImage| {
        let mut canvas = RgbImage::from_pixel(width, height, PADDING);
        imageops::replace(&mut canvas, *picture, i64::from(left), i64::from(top));
        canvas
    };
    images_to_tensor(&pictures.iter().map(place).collect::<Vec<_>>(), device)
}

/// The largest width and the largest height.
pub(crate) fn max_size(pictures: &[&RgbImage]) -> [u32; 2] {
    pictures
        .iter()
        .fold([0, 0], |[width, height], picture| [width.max(picture.width()), height.max(picture.height())])
}
