//! Cropping and resizing an image in one step.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use rand::{Rng, RngExt};

/// A rectangle of an image, in fractional pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CropBox {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl CropBox {
    /// All of the image.
    pub(crate) fn whole((width, height): (u32, u32)) -> Self {
        Self { left: 0.0, top: 0.0, width: f64::from(width), height: f64::from(height) }
    }

    /// Where a random square of `size` pixels of an image resized to shorter side `resize` lies in the image
    /// before resizing.
    pub(crate) fn random(source: (u32, u32), resize: u32, size: u32, rng: &mut dyn Rng) -> Self {
        let (width, height) = resized(source, resize);
        let (column, row) = (rng.random_range(0..=width - size), rng.random_range(0..=height - size));
        let (left, width) = interval(column, size, width, source.0);
        let (top, height) = interval(row, size, height, source.1);
        Self { left, top, width, height }
    }
}

/// The size of an image whose shorter side becomes `resize`; the longer one is rounded to whole pixels.
pub(crate) fn resized((width, height): (u32, u32), resize: u32) -> (u32, u32) {
    let longer = |long: u32, short: u32| {
        let exact = f64::from(long) * f64::from(resize) / f64::from(short);
        (exact.round() as u32).max(resize)
    };
    if width < height { (resize, longer(height, width)) } else { (longer(width, height), resize) }
}

/// Start and length, in source pixels, of `length` pixels from `start` on a side of `resized` that was
/// `source`.
fn interval(start: u32, length: u32, resized: u32, source: u32) -> (f64, f64) {
    let scale = f64::from(source) / f64::from(resized);
    let first = f64::from(start) * scale;
    // Rounding must not push the far end out of the image.
    (first, (f64::from(length) * scale).min(f64::from(source) - first))
}

/// The pixels inside `part`, resampled to `size`; copied where `part` is whole pixels of that size already.
///
/// Resampling straight from the source is the same as resizing all of it and then cropping, because the
/// filter also reads the neighbours outside the box; it computes only what is kept.
pub(crate) fn resample(image: &RgbImage, part: &CropBox, size: (u32, u32)) -> RgbImage {
    let mut resampled = RgbImage::new(size.0, size.1);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
        part.left,
        part.top,
        part.width,
        part.height,
    );
    let (width, height) = image.dimensions();
    let source = ImageRef::new(width, height, image.as_raw(), PixelType::U8x3)
        .expect("an image's buffer has the length that its size says");
    let mut target = Image::from_slice_u8(size.0, size.1, &mut resampled, PixelType::U8x3)
        .expect("a new image's buffer has the length that its size says");
    Resizer::new().resize(&source, &mut target, &options).expect("the box lies inside the image");
    resampled
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;
    use crate::{Purpose, rng_for};

    /// An image without symmetry and with detail at every scale.
    fn image(width: u32, height: u32) -> RgbImage {
        let mut rng = rng_for(5, Purpose::Image, 0, 0);
        RgbImage::from_fn(width, height, |x, y| {
            let wave = (f64::from(x) / 9.0).sin() + (f64::from(y) / 23.0).cos();
            let noise = rng.random_range(0..40);
            Rgb([(x % 256) as u8, (60.0 * wave + 128.0) as u8, (y % 200) as u8 + noise])
        })
    }

    /// Resizes all of the image, then crops: the reference.
    fn two_steps(image: &RgbImage, resize: u32, size: u32, rng: &mut dyn Rng) -> RgbImage {
        let (width, height) = resized(image.dimensions(), resize);
        let mut all = Image::new(width, height, PixelType::U8x3);
        let source = ImageRef::new(image.width(), image.height(), image, PixelType::U8x3).expect("size");
        let bilinear = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Resizer::new().resize(&source, &mut all, &bilinear).expect("resize");
        let all = RgbImage::from_raw(width, height, all.into_vec()).expect("size");
        let (x, y) = (rng.random_range(0..=width - size), rng.random_range(0..=height - size));
        image::imageops::crop_imm(&all, x, y, size, size).to_image()
    }

    #[test]
    fn one_step_gives_the_image_of_two_steps() {
        for (width, height) in [(700, 400), (400, 701), (350, 350), (97, 130), (1500, 361)] {
            let image = image(width, height);
            for draw in 0..8 {
                let rng = || rng_for(3, Purpose::Crop, 0, draw);
                let part = CropBox::random(image.dimensions(), 350, 128, &mut rng());
                let one = resample(&image, &part, (128, 128));
                let two = two_steps(&image, 350, 128, &mut rng());
                let worst = one.iter().zip(two.iter()).map(|(a, b)| a.abs_diff(*b)).max();
                // Both round to bytes twice, from coefficients that differ in the last bits.
                assert!(worst <= Some(1), "{width}x{height}, draw {draw}: off by {worst:?}");
            }
        }
    }

    #[test]
    fn resampling_uses_a_triangle_filter() {
        // Halving: weights 1/8, 3/8, 3/8, 1/8 inside, cut off and normalised to 3/7, 3/7, 1/7 at the border.
        let row = [0, 80, 160, 240];
        let image = RgbImage::from_fn(4, 4, |x, _| Rgb([row[x as usize]; 3]));
        let half = resample(&image, &CropBox::whole((4, 4)), (2, 2));
        let left = (3.0 * 0.0 + 3.0 * 80.0 + 160.0_f64) / 7.0;
        assert_eq!(half.get_pixel(0, 0).0, [left.round() as u8; 3]);
        assert_eq!(half.get_pixel(1, 1).0, [(240.0 - left).round() as u8; 3]);
    }

    #[test]
    fn an_image_of_the_right_size_is_left_alone() {
        let image = image(128, 128);
        assert_eq!(resample(&image, &CropBox::whole((128, 128)), (128, 128)), image);
    }

    proptest! {
        #[test]
        fn crop_boxes_stay_inside_the_image(
            width in 1..20_000_u32,
            height in 1..20_000_u32,
            (resize, size) in (1..2_000_u32).prop_flat_map(|resize| (Just(resize), 1..=resize)),
            draw: u64,
        ) {
            let part = CropBox::random((width, height), resize, size, &mut rng_for(draw, Purpose::Crop, 0, 0));
            prop_assert!(part.left >= 0.0 && part.top >= 0.0);
            prop_assert!(part.width > 0.0 && part.height > 0.0);
            prop_assert!(part.left + part.width <= f64::from(width));
            prop_assert!(part.top + part.height <= f64::from(height));
        }

        #[test]
        fn the_shorter_side_is_resized_exactly(width in 1..20_000_u32, height in 1..20_000_u32) {
            let (new_width, new_height) = resized((width, height), 350);
            prop_assert_eq!(new_width.min(new_height), 350);
            let stretch = f64::from(new_width) / f64::from(width) * f64::from(height) / f64::from(new_height);
            prop_assert!((stretch - 1.0).abs() <= 0.5 / 350.0 + 1e-9, "distorted by {}", stretch);
        }
    }
}
