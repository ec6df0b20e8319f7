//! The part of a picture that a network sees, at the size in which it sees it.

use context_encoder_mask::MIN_SIDE;
use image::RgbImage;
use image::imageops::flip_horizontal_in_place;
use rand::{Rng, RngExt};

use crate::DataError;
use crate::crop::{CropBox, resample};

/// How a picture of any size becomes a square of `size` pixels a side.
///
/// Both views resample bilinearly with antialiasing: a triangle filter, widened by the scale when the picture
/// shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum View {
    /// The training view: shorter side to `resize`, a random square of `size`, flipped left to right with
    /// probability 1/2. A picture whose shorter side is below `resize` is enlarged.
    RandomCrop {
        /// The shorter side after resizing, in pixels (paper's code: 350).
        resize: u32,
        /// The side of the square, in pixels, at most `resize`.
        size: u32,
    },
    /// The evaluation view: the whole picture squeezed into the square. Nothing is random.
    Whole {
        /// The side of the square, in pixels.
        size: u32,
    },
}

impl View {
    /// The training view of the paper's code: shorter side to 350, a random square of 128.
    #[must_use]
    pub const fn training() -> Self {
        Self::RandomCrop { resize: 350, size: 128 }
    }

    /// The evaluation view of the same networks: the whole picture at 128x128.
    #[must_use]
    pub const fn evaluation() -> Self {
        Self::Whole { size: 128 }
    }

    /// The side of the square that comes out, in pixels.
    #[must_use]
    pub const fn size(&self) -> u32 {
        match *self {
            Self::RandomCrop { size, .. } | Self::Whole { size } => size,
        }
    }

    /// Checks a view that was read from a file.
    ///
    /// # Errors
    /// [`DataError::Settings`] when `size` is below [`MIN_SIDE`], for which masks are drawn, or above `resize`.
    pub fn validate(&self) -> Result<(), DataError> {
        let reason = match *self {
            Self::RandomCrop { size, .. } | Self::Whole { size } if size < MIN_SIDE => {
                format!("the view's `size` is {size}, it must be at least {MIN_SIDE}; the usual one is 128")
            }
            Self::RandomCrop { resize, size } if size > resize => {
                format!(
                    "a crop of `size` {size} does not fit into a picture resized to {resize}: raise `resize`"
                )
            }
            _ => return Ok(()),
        };
        Err(DataError::Settings { reason })
    }

    /// Applies the view: `size` x `size` pixels out of `picture`.
    ///
    /// [`View::Whole`] draws nothing from `rng`. [`View::RandomCrop`] draws column, row and flip, in this order.
    ///
    /// # Panics
    /// When the picture has no pixels, or `size` is above `resize`.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Purpose, View, stream};
    ///
    /// let picture = image::RgbImage::from_pixel(700, 400, image::Rgb([9, 8, 7]));
    /// let crop = View::training().apply(&picture, &mut stream(1, Purpose::Crop, 0, 0));
    /// assert_eq!(crop, image::RgbImage::from_pixel(128, 128, image::Rgb([9, 8, 7])));
    /// ```
    #[must_use]
    pub fn apply(&self, picture: &RgbImage, rng: &mut dyn Rng) -> RgbImage {
        assert!(!picture.is_empty(), "a view needs a picture with at least one pixel");
        match *self {
            Self::Whole { size } => resample(picture, &CropBox::whole(picture.dimensions()), size),
            Self::RandomCrop { resize, size } => {
                let mut square =
                    resample(picture, &CropBox::random(picture.dimensions(), resize, size, rng), size);
                if rng.random::<bool>() {
                    flip_horizontal_in_place(&mut square);
                }
                square
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::{Purpose, stream};

    #[test]
    fn half_of_the_crops_are_flipped_and_the_places_differ() {
        let picture = RgbImage::from_fn(40, 20, |x, y| Rgb([x as u8, y as u8, 0]));
        let view = View::RandomCrop { resize: 20, size: 10 };
        let (mut flipped, mut columns) = (0, std::collections::BTreeSet::new());
        for draw in 0..400 {
            let crop = view.apply(&picture, &mut stream(1, Purpose::Crop, 0, draw));
            let (first, last) = (crop.get_pixel(0, 0)[0], crop.get_pixel(9, 0)[0]);
            assert_eq!(first.abs_diff(last), 9);
            flipped += u32::from(first > last);
            columns.insert(first.min(last));
        }
        assert!((160..=240).contains(&flipped), "{flipped} of 400 flipped, four standard deviations are 40");
        assert_eq!(columns.len(), 31, "every column from 0 to 30 is drawn");
    }

    #[test]
    fn the_whole_view_is_the_whole_picture_without_chance() {
        let picture = RgbImage::from_fn(256, 16, |x, _| Rgb([x as u8; 3]));
        let view = |draw| View::Whole { size: 8 }.apply(&picture, &mut stream(draw, Purpose::Crop, 0, 0));
        assert_eq!(view(1), view(2));
        // Inside, a column is the symmetric average around its middle: 16, 48, 80, ... less half a pixel.
        for column in 1..7 {
            let middle = 32.0 * f64::from(column) + 15.5;
            assert!((f64::from(view(1).get_pixel(column, 3)[0]) - middle).abs() <= 1.0);
        }
    }

    #[test]
    fn impossible_views_say_what_to_change() {
        assert!(View::training().validate().is_ok());
        assert!(View::RandomCrop { resize: 128, size: 128 }.validate().is_ok());
        assert!(View::Whole { size: MIN_SIDE - 1 }.validate().is_err());
        let error = View::RandomCrop { resize: 100, size: 128 }.validate().expect_err("too small");
        assert!(error.to_string().contains("raise `resize`"), "{error}");
    }
}
