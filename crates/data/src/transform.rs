//! The part of a picture that a network sees, at the size in which it sees it.

use context_encoder_mask::MIN_SIDE;
use image::RgbImage;
use image::imageops::flip_horizontal_in_place;
use rand::{Rng, RngExt};

use crate::DataError;
use crate::color_jitter::ColorJitter;
use crate::crop::{CropBox, resample, resized};

/// How many times larger than needed a picture is from which on [`Transform::prepare`] shrinks it. Shrinking a picture from
/// twice the size takes a fifth of the time that decoding it took, from less more.
const SHRINK_FROM: u32 = 2;

/// How a picture of any size becomes a square of `size` pixels a side.
///
/// Both views resample bilinearly with antialiasing: a triangle filter, widened by the scale when the picture
/// shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transform {
    /// The training view: shorter side to `resize`, a random square of `size`, flipped left to right with
    /// probability 1/2. A picture whose shorter side is below `resize` is enlarged.
    RandomCrop {
        /// The shorter side after resizing, in pixels (paper's code: 350).
        resize: u32,
        /// The side of the square, in pixels, at most `resize`.
        size: u32,
    },
    /// A training view with more variety: as [`RandomCrop`](Self::RandomCrop), from a shorter side drawn anew for each
    /// picture, and with colours varied.
    Varied {
        /// The least shorter side after resizing, in pixels, at least `size`: at `size` the square is as large as fits.
        smallest: u32,
        /// The largest shorter side after resizing, in pixels.
        largest: u32,
        /// The side of the square, in pixels.
        size: u32,
        /// How far colours vary, 0 to 50 percent: see [`ColorJitter::draw`].
        colour: u8,
    },
    /// The evaluation view: the whole picture squeezed into the square. Nothing is random.
    Whole {
        /// The side of the square, in pixels.
        size: u32,
    },
}

impl Transform {
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
            Self::RandomCrop { size, .. } | Self::Varied { size, .. } | Self::Whole { size } => size,
        }
    }

    /// Checks a view that was read from a file.
    ///
    /// # Errors
    /// [`DataError::Settings`] when `size` is below [`MIN_SIDE`], for which masks are drawn, or above `resize`.
    pub fn validate(&self) -> Result<(), DataError> {
        let reason = match *self {
            Self::RandomCrop { size, .. } | Self::Varied { size, .. } | Self::Whole { size }
                if size < MIN_SIDE =>
            {
                format!("the view's `size` is {size}, it must be at least {MIN_SIDE}; the usual one is 128")
            }
            Self::RandomCrop { resize, size } if size > resize => {
                format!(
                    "a crop of `size` {size} does not fit into a picture resized to {resize}: raise `resize`"
                )
            }
            Self::Varied { smallest, largest, size, .. } if smallest < size || largest < smallest => {
                format!(
                    "shorter sides from {smallest} to {largest} for squares of {size}: they must be in rising order"
                )
            }
            Self::Varied { colour, .. } if colour > ColorJitter::MOST => {
                format!("colours vary by {colour} percent; write 0 to {}", ColorJitter::MOST)
            }
            _ => return Ok(()),
        };
        Err(DataError::Settings { reason })
    }

    /// Applies the view: `size` x `size` pixels out of `picture`. The same as [`prepare`](Self::prepare), then
    /// [`cut`](Self::cut).
    ///
    /// # Panics
    /// When the picture has no pixels, or `size` is above `resize`.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Purpose, Transform, rng_for};
    ///
    /// let picture = image::RgbImage::from_pixel(700, 400, image::Rgb([9, 8, 7]));
    /// let crop = Transform::training().apply(&picture, &mut rng_for(1, Purpose::Crop, 0, 0));
    /// assert_eq!(crop, image::RgbImage::from_pixel(128, 128, image::Rgb([9, 8, 7])));
    /// ```
    #[must_use]
    pub fn apply(&self, picture: &RgbImage, rng: &mut dyn Rng) -> RgbImage {
        match self.shrunk(picture.dimensions()) {
            Some(size) => self.cut(&shrink(picture, size), rng),
            None => self.cut(picture, rng),
        }
    }

    /// The part of the view that nothing random decides, and so the part worth keeping from epoch to epoch.
    ///
    /// [`Transform::Whole`] makes its square here, unless that has more pixels than the picture. [`Transform::RandomCrop`]
    /// resizes here what is at least twice as large as it needs, and leaves other pictures as they are: cutting a
    /// square straight out of those takes less time than resizing all of them. What comes out is never larger than
    /// `picture`.
    ///
    /// # Panics
    /// When the picture has no pixels.
    #[must_use]
    pub fn prepare(&self, picture: RgbImage) -> RgbImage {
        match self.shrunk(picture.dimensions()) {
            Some(size) => shrink(&picture, size),
            None => picture,
        }
    }

    /// The rest of the view: a square out of a [prepared](Self::prepare) picture.
    ///
    /// [`Transform::Whole`] draws nothing from `rng`. [`Transform::RandomCrop`] draws column, row and flip, in this order;
    /// [`Transform::Varied`] the shorter side before them and the colours after them.
    ///
    /// # Panics
    /// When the picture has no pixels, or `size` is above `resize`.
    #[must_use]
    pub fn cut(&self, prepared: &RgbImage, rng: &mut dyn Rng) -> RgbImage {
        assert!(!prepared.is_empty(), "a view needs a picture with at least one pixel");
        let all = prepared.dimensions();
        match *self {
            Self::Whole { size } => resample(prepared, &CropBox::whole(all), (size, size)),
            Self::RandomCrop { resize, size } => square(prepared, resize, size, rng),
            Self::Varied { smallest, largest, size, colour } => {
                let resize = rng.random_range(smallest..=largest);
                let mut square = square(prepared, resize, size, rng);
                ColorJitter::draw(colour, rng).apply(&mut square);
                square
            }
        }
    }

    /// The size to which a picture is shrunk before it is cut, if it is.
    fn shrunk(&self, (width, height): (u32, u32)) -> Option<(u32, u32)> {
        assert!(width > 0 && height > 0, "a view needs a picture with at least one pixel");
        match *self {
            Self::Whole { size } => (size <= width && size <= height).then_some((size, size)),
            Self::RandomCrop { resize, .. } | Self::Varied { largest: resize, .. } => {
                let large = width.min(height) / SHRINK_FROM >= resize;
                large.then(|| resized((width, height), resize))
            }
        }
    }
}

/// A random square of a picture resized to a shorter side, flipped or not.
fn square(picture: &RgbImage, resize: u32, size: u32, rng: &mut dyn Rng) -> RgbImage {
    let part = CropBox::random(picture.dimensions(), resize, size, rng);
    let mut square = resample(picture, &part, (size, size));
    if rng.random::<bool>() {
        flip_horizontal_in_place(&mut square);
    }
    square
}

/// All of a picture, resampled to `size`.
fn shrink(picture: &RgbImage, size: (u32, u32)) -> RgbImage {
    resample(picture, &CropBox::whole(picture.dimensions()), size)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::{Purpose, rng_for};

    #[test]
    fn half_of_the_crops_are_flipped_and_the_places_differ() {
        let picture = RgbImage::from_fn(40, 20, |x, y| Rgb([x as u8, y as u8, 0]));
        let view = Transform::RandomCrop { resize: 20, size: 10 };
        let (mut flipped, mut columns) = (0, std::collections::BTreeSet::new());
        for draw in 0..400 {
            let crop = view.apply(&picture, &mut rng_for(1, Purpose::Crop, 0, draw));
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
        let view =
            |draw| Transform::Whole { size: 8 }.apply(&picture, &mut rng_for(draw, Purpose::Crop, 0, 0));
        assert_eq!(view(1), view(2));
        // Inside, a column is the symmetric average around its middle: 16, 48, 80, ... less half a pixel.
        for column in 1..7 {
            let middle = 32.0 * f64::from(column) + 15.5;
            assert!((f64::from(view(1).get_pixel(column, 3)[0]) - middle).abs() <= 1.0);
        }
    }

    /// A picture without symmetry and with detail at every scale.
    fn picture(width: u32, height: u32) -> RgbImage {
        let mut rng = rng_for(5, Purpose::Picture, 0, 0);
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 3 % 256) as u8, rng.random(), (x + y).wrapping_mul(y) as u8])
        })
    }

    #[test]
    fn scales_and_colours_vary() {
        let picture = RgbImage::from_fn(66, 48, |x, _| Rgb([(2 * x + 60) as u8; 3]));
        let draw = |view: Transform, draw| view.apply(&picture, &mut rng_for(2, Purpose::Crop, 0, draw));
        let plain = |smallest, largest| Transform::Varied { smallest, largest, size: 16, colour: 0 };
        // The smaller the picture became, the steeper its ramp is.
        let ramp = |view| {
            let square = draw(view, 3);
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
        let tinted = draw(Transform::Varied { smallest: 48, largest: 48, size: 16, colour: 30 }, 3);
        assert!(tinted.pixels().any(|pixel| pixel[0] != pixel[1]));
        assert!(Transform::Varied { smallest: 30, largest: 20, size: 16, colour: 0 }.validate().is_err());
        assert!(Transform::Varied { smallest: 20, largest: 20, size: 16, colour: 51 }.validate().is_err());
    }

    #[test]
    fn preparing_shrinks_what_is_twice_as_large_as_needed() {
        let crop = Transform::RandomCrop { resize: 20, size: 16 };
        let whole = Transform::Whole { size: 32 };
        for (view, from, to) in [
            (crop, (40, 60), (20, 30)),
            (crop, (101, 50), (40, 20)),
            (crop, (39, 60), (39, 60)),
            (crop, (20, 33), (20, 33)),
            (crop, (10, 4000), (10, 4000)), // resized it would have 8000 rows of 20
            (whole, (33, 32), (32, 32)),
            (whole, (31, 64), (31, 64)),
        ] {
            let prepared = view.prepare(picture(from.0, from.1));
            assert_eq!(prepared.dimensions(), to, "{view:?} of {from:?}");
        }
    }

    #[test]
    fn preparing_and_cutting_is_the_view() {
        let rng = |draw| rng_for(3, Purpose::Crop, 0, draw);
        for view in [Transform::RandomCrop { resize: 20, size: 16 }, Transform::Whole { size: 32 }] {
            for (width, height) in [(40, 61), (70, 50), (30, 20), (20, 20), (16, 90), (32, 32), (100, 80)] {
                let picture = picture(width, height);
                let prepared = view.prepare(picture.clone());
                for draw in 0..20 {
                    let cut = view.cut(&prepared, &mut rng(draw));
                    assert_eq!(cut, view.apply(&picture, &mut rng(draw)), "{view:?} of {width}x{height}");
                    // Cut straight out of the picture it is the same but for rounding.
                    let straight = view.cut(&picture, &mut rng(draw));
                    let worst = cut.iter().zip(straight.iter()).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(worst <= Some(1), "{view:?} of {width}x{height}: off by {worst:?}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "at least one pixel")]
    fn a_picture_without_pixels_is_the_callers_bug() {
        let _ = Transform::training().prepare(RgbImage::new(0, 7));
    }

    #[test]
    fn impossible_views_say_what_to_change() {
        assert!(Transform::training().validate().is_ok());
        assert!(Transform::RandomCrop { resize: 128, size: 128 }.validate().is_ok());
        assert!(Transform::Whole { size: MIN_SIDE - 1 }.validate().is_err());
        let error = Transform::RandomCrop { resize: 100, size: 128 }.validate().expect_err("too small");
        assert!(error.to_string().contains("raise `resize`"), "{error}");
    }
}
