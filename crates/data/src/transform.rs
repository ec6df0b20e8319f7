//! From an image of any size to the square that a network sees.

use context_encoder_mask::MIN_SIDE;
use image::RgbImage;
use image::imageops::flip_horizontal_in_place;
use rand::{Rng, RngExt};

use crate::DataError;
use crate::crop::{CropBox, resample, resized};

/// How many times larger than needed an image is from which on [`Transform::prepare`] shrinks it. Shrinking
/// from twice the size takes a fifth of the time that decoding took, shrinking from less takes more.
const SHRINK_FROM: u32 = 2;

/// How an image of any size becomes a square of `size` pixels a side.
///
/// Resampling is bilinear with antialiasing: a triangle filter, widened by the scale when the image shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// For training: the shorter side resized to `resize`, a random square of `size`, flipped left to right
    /// with probability 1/2. An image whose shorter side is below `resize` is enlarged.
    RandomCrop {
        /// The shorter side after resizing, in pixels (paper's code: 350).
        resize: u32,
        /// The side of the square, in pixels, at most `resize`.
        size: u32,
    },
    /// For training with more variety: [`RandomCrop`](Self::RandomCrop) with a resized side drawn anew for
    /// each image (scale jitter), and with color jitter.
    ScaleJitter {
        /// The least shorter side after resizing, in pixels, at least `size`: at `size` the square is as
        /// large as fits.
        min_resize: u32,
        /// The largest shorter side after resizing, in pixels.
        max_resize: u32,
        /// The side of the square, in pixels.
        size: u32,
        /// Strength `p` of the color jitter, 0 to 50 percent: contrast within `1 +- p/100`, gains of red,
        /// green and blue within `1 +- p/400`, brightness within `p/2` of 255 levels.
        color: u8,
    },
    /// For evaluation: the whole image squeezed into the square. Nothing is random.
    Resize {
        /// The side of the square, in pixels.
        size: u32,
    },
}

impl Transform {
    /// Training as in the paper's code: shorter side to 350, a random square of 128.
    #[must_use]
    pub const fn training() -> Self {
        Self::RandomCrop { resize: 350, size: 128 }
    }

    /// The side of the square that comes out, in pixels.
    #[must_use]
    pub const fn size(&self) -> u32 {
        match *self {
            Self::RandomCrop { size, .. } | Self::ScaleJitter { size, .. } | Self::Resize { size } => size,
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`DataError::Settings`] when `size` is below [`MIN_SIDE`], for which masks are drawn, or above
    /// `resize`.
    pub fn validate(&self) -> Result<(), DataError> {
        let reason = match *self {
            _ if self.size() < MIN_SIDE => {
                let size = self.size();
                format!(
                    "the transform's `size` is {size}, it must be at least {MIN_SIDE}; the usual one is 128"
                )
            }
            Self::RandomCrop { resize, size } if size > resize => {
                format!(
                    "a crop of `size` {size} does not fit into a picture resized to {resize}: raise `resize`"
                )
            }
            Self::ScaleJitter { min_resize, max_resize, size, .. }
                if min_resize < size || max_resize < min_resize =>
            {
                format!(
                    "shorter sides from {min_resize} to {max_resize} for squares of {size}: they must be in rising order"
                )
            }
            Self::ScaleJitter { color, .. } if color > ColorJitter::MAX_PERCENT => {
                format!("colors vary by {color} percent; write 0 to {}", ColorJitter::MAX_PERCENT)
            }
            _ => return Ok(()),
        };
        Err(DataError::Settings { reason })
    }

    /// `size` x `size` pixels out of `image`: [`prepare`](Self::prepare), then [`crop`](Self::crop).
    ///
    /// # Panics
    /// When the image has no pixels, or `size` is above `resize`.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Purpose, Transform, rng_for};
    ///
    /// let image = image::RgbImage::from_pixel(700, 400, image::Rgb([9, 8, 7]));
    /// let crop = Transform::training().apply(&image, &mut rng_for(1, Purpose::Crop, 0, 0));
    /// assert_eq!(crop, image::RgbImage::from_pixel(128, 128, image::Rgb([9, 8, 7])));
    /// ```
    #[must_use]
    pub fn apply(&self, image: &RgbImage, rng: &mut dyn Rng) -> RgbImage {
        match self.shrunk(image.dimensions()) {
            Some(size) => self.crop(&shrink(image, size), rng),
            None => self.crop(image, rng),
        }
    }

    /// The deterministic part, whose result is worth caching from epoch to epoch.
    ///
    /// [`Resize`](Self::Resize) makes its square here, unless that has more pixels than the image. The others
    /// resize here what is at least twice as large as they need, and leave other images as they are:
    /// cropping straight out of those takes less time than resizing all of them. The result is never
    /// larger than `image`.
    ///
    /// # Panics
    /// When the image has no pixels.
    #[must_use]
    pub fn prepare(&self, image: RgbImage) -> RgbImage {
        match self.shrunk(image.dimensions()) {
            Some(size) => shrink(&image, size),
            None => image,
        }
    }

    /// The random part: a square out of a [prepared](Self::prepare) image.
    ///
    /// [`Resize`](Self::Resize) draws nothing from `rng`. [`RandomCrop`](Self::RandomCrop) draws column, row
    /// and flip, in this order; [`ScaleJitter`](Self::ScaleJitter) the resized side before them and the
    /// colors after them.
    ///
    /// # Panics
    /// When the image has no pixels, or `size` is above `resize`.
    #[must_use]
    pub fn crop(&self, prepared: &RgbImage, rng: &mut dyn Rng) -> RgbImage {
        assert!(!prepared.is_empty(), "a transform needs an image with at least one pixel");
        let all = prepared.dimensions();
        match *self {
            Self::Resize { size } => resample(prepared, &CropBox::whole(all), (size, size)),
            Self::RandomCrop { resize, size } => random_square(prepared, resize, size, rng),
            Self::ScaleJitter { min_resize, max_resize, size, color } => {
                let resize = rng.random_range(min_resize..=max_resize);
                let mut square = random_square(prepared, resize, size, rng);
                ColorJitter::sample(color, rng).apply(&mut square);
                square
            }
        }
    }

    /// The size to which an image is shrunk before it is cropped, if it is.
    fn shrunk(&self, (width, height): (u32, u32)) -> Option<(u32, u32)> {
        assert!(width > 0 && height > 0, "a transform needs an image with at least one pixel");
        match *self {
            Self::Resize { size } => (size <= width && size <= height).then_some((size, size)),
            Self::RandomCrop { resize, .. } | Self::ScaleJitter { max_resize: resize, .. } => {
                let large = width.min(height) / SHRINK_FROM >= resize;
                large.then(|| resized((width, height), resize))
            }
        }
    }
}

/// A random square of an image resized to a shorter side, flipped or not.
fn random_square(image: &RgbImage, resize: u32, size: u32, rng: &mut dyn Rng) -> RgbImage {
    let part = CropBox::random(image.dimensions(), resize, size, rng);
    let mut square = resample(image, &part, (size, size));
    if rng.random::<bool>() {
        flip_horizontal_in_place(&mut square);
    }
    square
}

/// All of an image, resampled to `size`.
fn shrink(image: &RgbImage, size: (u32, u32)) -> RgbImage {
    resample(image, &CropBox::whole(image.dimensions()), size)
}

/// A change of contrast around mid-grey, of brightness, and of the gain of each channel.
///
/// A value `v` of a channel becomes `127.5 + contrast * gain * (v - 127.5) + brightness`, clamped to `[0,
/// 255]`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ColorJitter {
    /// Factor of each channel, red, green, blue: contrast times gain.
    factors: [f32; 3],
    /// Added to each channel.
    brightness: f32,
}

impl ColorJitter {
    const MAX_PERCENT: u8 = 50;

    /// Draws one: for `percent` = p, contrast within `1 +- p/100`, gains within `1 +- p/400`, brightness
    /// within `p/2` levels; for 0 draws nothing from `rng`.
    fn sample(percent: u8, rng: &mut dyn Rng) -> Self {
        if percent == 0 {
            return Self { factors: [1.0; 3], brightness: 0.0 };
        }
        let strength = f32::from(percent) / 100.0;
        let mut around_zero = |most: f32| most * (2.0 * rng.random::<f32>() - 1.0);
        let contrast = 1.0 + around_zero(strength);
        let brightness = around_zero(50.0 * strength);
        let factors = [(); 3].map(|()| contrast * (1.0 + around_zero(strength / 4.0)));
        Self { factors, brightness }
    }

    fn apply(&self, image: &mut RgbImage) {
        if self.factors == [1.0; 3] && self.brightness == 0.0 {
            return;
        }
        let table = self.factors.map(|factor| -> Vec<u8> {
            let changed = |v: u8| (127.5 + factor * (f32::from(v) - 127.5) + self.brightness).round() as u8;
            (0..=255).map(changed).collect()
        });
        for pixel in image.pixels_mut() {
            for (value, table) in pixel.0.iter_mut().zip(&table) {
                *value = table[usize::from(*value)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::{Purpose, rng_for};

    #[test]
    fn half_of_the_crops_are_flipped_and_positions_vary() {
        let image = RgbImage::from_fn(40, 20, |x, y| Rgb([x as u8, y as u8, 0]));
        let transform = Transform::RandomCrop { resize: 20, size: 10 };
        let (mut flipped, mut columns) = (0, std::collections::BTreeSet::new());
        for draw in 0..400 {
            let crop = transform.apply(&image, &mut rng_for(1, Purpose::Crop, 0, draw));
            let (first, last) = (crop.get_pixel(0, 0)[0], crop.get_pixel(9, 0)[0]);
            assert_eq!(first.abs_diff(last), 9);
            flipped += u32::from(first > last);
            columns.insert(first.min(last));
        }
        assert!((160..=240).contains(&flipped), "{flipped} of 400 flipped, four standard deviations are 40");
        assert_eq!(columns.len(), 31, "every column from 0 to 30 is drawn");
    }

    #[test]
    fn resize_takes_the_whole_image_and_draws_nothing() {
        let image = RgbImage::from_fn(256, 16, |x, _| Rgb([x as u8; 3]));
        let transform =
            |draw| Transform::Resize { size: 8 }.apply(&image, &mut rng_for(draw, Purpose::Crop, 0, 0));
        assert_eq!(transform(1), transform(2));
        // Inside, a column is the symmetric average around its middle: 16, 48, 80, ... less half a pixel.
        for column in 1..7 {
            let middle = 32.0 * f64::from(column) + 15.5;
            assert!((f64::from(transform(1).get_pixel(column, 3)[0]) - middle).abs() <= 1.0);
        }
    }

    /// An image without symmetry and with detail at every scale.
    fn image(width: u32, height: u32) -> RgbImage {
        let mut rng = rng_for(5, Purpose::Image, 0, 0);
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 3 % 256) as u8, rng.random(), (x + y).wrapping_mul(y) as u8])
        })
    }

    #[test]
    fn scales_and_colors_vary() {
        let image = RgbImage::from_fn(66, 48, |x, _| Rgb([(2 * x + 60) as u8; 3]));
        let draw =
            |transform: Transform, draw| transform.apply(&image, &mut rng_for(2, Purpose::Crop, 0, draw));
        let plain =
            |min_resize, max_resize| Transform::ScaleJitter { min_resize, max_resize, size: 16, color: 0 };
        // The smaller the image became, the steeper its ramp is.
        let ramp = |transform| {
            let square = draw(transform, 3);
            square.get_pixel(15, 0)[0].abs_diff(square.get_pixel(0, 0)[0])
        };
        assert_eq!((ramp(plain(16, 16)), ramp(plain(48, 48))), (90, 30));
        let ramps: std::collections::BTreeSet<u8> = (0..200)
            .map(|seed| {
                let square = draw(plain(16, 48), seed);
                square.get_pixel(15, 0)[0].abs_diff(square.get_pixel(0, 0)[0])
            })
            .collect();
        assert!(ramps.len() > 20, "{ramps:?}");
        let jittered =
            draw(Transform::ScaleJitter { min_resize: 48, max_resize: 48, size: 16, color: 30 }, 3);
        assert!(jittered.pixels().any(|pixel| pixel[0] != pixel[1]));
        assert!(
            Transform::ScaleJitter { min_resize: 30, max_resize: 20, size: 16, color: 0 }.validate().is_err()
        );
        assert!(
            Transform::ScaleJitter { min_resize: 20, max_resize: 20, size: 16, color: 51 }
                .validate()
                .is_err()
        );
    }

    #[test]
    fn prepare_shrinks_what_is_twice_as_large_as_needed() {
        let crop = Transform::RandomCrop { resize: 20, size: 16 };
        let resize = Transform::Resize { size: 32 };
        for (transform, from, to) in [
            (crop, (40, 60), (20, 30)),
            (crop, (101, 50), (40, 20)),
            (crop, (39, 60), (39, 60)),
            (crop, (20, 33), (20, 33)),
            (crop, (10, 4000), (10, 4000)), // resized it would have 8000 rows of 20
            (resize, (33, 32), (32, 32)),
            (resize, (31, 64), (31, 64)),
        ] {
            let prepared = transform.prepare(image(from.0, from.1));
            assert_eq!(prepared.dimensions(), to, "{transform:?} of {from:?}");
        }
    }

    #[test]
    fn apply_is_prepare_then_crop() {
        let rng = |draw| rng_for(3, Purpose::Crop, 0, draw);
        for transform in [Transform::RandomCrop { resize: 20, size: 16 }, Transform::Resize { size: 32 }] {
            for (width, height) in [(40, 61), (70, 50), (30, 20), (20, 20), (16, 90), (32, 32), (100, 80)] {
                let image = image(width, height);
                let prepared = transform.prepare(image.clone());
                for draw in 0..20 {
                    let crop = transform.crop(&prepared, &mut rng(draw));
                    assert_eq!(
                        crop,
                        transform.apply(&image, &mut rng(draw)),
                        "{transform:?} of {width}x{height}"
                    );
                    // Cropped straight out of the image it is the same but for rounding.
                    let straight = transform.crop(&image, &mut rng(draw));
                    let worst = crop.iter().zip(straight.iter()).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(worst <= Some(1), "{transform:?} of {width}x{height}: off by {worst:?}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "at least one pixel")]
    fn image_without_pixels_panics() {
        let _ = Transform::training().prepare(RgbImage::new(0, 7));
    }

    #[test]
    fn validate_says_what_to_change() {
        assert!(Transform::training().validate().is_ok());
        assert!(Transform::RandomCrop { resize: 128, size: 128 }.validate().is_ok());
        assert!(Transform::Resize { size: MIN_SIDE - 1 }.validate().is_err());
        let error = Transform::RandomCrop { resize: 100, size: 128 }.validate().expect_err("too small");
        assert!(error.to_string().contains("raise `resize`"), "{error}");
    }

    #[test]
    fn contrast_turns_around_mid_grey_and_values_are_clamped() {
        let mut image = RgbImage::from_fn(3, 1, |x, _| Rgb([[0, 100, 250][x as usize]; 3]));
        ColorJitter { factors: [2.0, 0.5, 1.0], brightness: 10.0 }.apply(&mut image);
        let values: Vec<[u8; 3]> = image.pixels().map(|pixel| pixel.0).collect();
        // 127.5 + 2 (100 - 127.5) + 10 = 82.5, and so on
        assert_eq!(values, [[0, 74, 10], [83, 124, 110], [255, 199, 255]]);
    }

    #[test]
    fn samples_stay_within_their_range_and_zero_percent_draws_nothing() {
        let mut rng = rng_for(1, Purpose::Crop, 0, 0);
        for _ in 0..500 {
            let jitter = ColorJitter::sample(20, &mut rng);
            assert!(jitter.brightness.abs() <= 10.0);
            assert!(jitter.factors.iter().all(|factor| (0.8 * 0.95..=1.2 * 1.05).contains(factor)));
        }
        let mut untouched = rng.clone();
        ColorJitter::sample(0, &mut rng);
        assert_eq!(rng.random::<u64>(), untouched.random::<u64>());
    }
}
