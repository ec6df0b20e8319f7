//! How visible the seam around a filled hole is.

use std::fmt;

use context_encoder_inpaint::{Channel, Image, InpaintError, check_mask};
use context_encoder_mask::Mask;
use image::Pixel;

/// The gradient's jump across a hole's boundary, beside the same figure inside the picture.
///
/// Four pixels in a row or column, `a b c d`, with the boundary between `b` and `c`: the gradient across it
/// is `c - b`, the gradients on its two sides are `b - a` and `d - c`. Their jump is
///
/// ```text
/// | (c - b) - ((b - a) + (d - c)) / 2 |
/// ```
///
/// in levels of 255, averaged over colors and over all places where `a`, `b` are visible and `c`, `d` hidden
/// or the other way round. A smooth picture has 0 everywhere and a step of height `s` has `s`; texture and
/// noise have it everywhere. So it is held against the same mean over all fours of visible pixels: a ratio
/// near 1 says that the seam cannot be told from the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seam {
    /// Mean jump across the hole's boundary, levels of 255; NaN when there is no such place.
    pub boundary: f64,
    /// Mean jump among visible pixels, levels of 255; NaN when there is no such place.
    pub picture: f64,
    /// Over how many places of the boundary the first mean is taken.
    pub places: usize,
}

impl Seam {
    /// Measures a filled picture. The mask says what was filled (1 = hidden).
    ///
    /// ```
    /// use context_encoder_eval::Seam;
    /// use context_encoder_mask::Mask;
    /// use image::{Rgb, RgbImage};
    ///
    /// // a grey picture whose right half was filled 10 levels too bright
    /// let filled = RgbImage::from_fn(8, 2, |x, _| Rgb([if x < 4 { 100 } else { 110 }; 3]));
    /// let seam = Seam::measure(&filled, &Mask::from_fn(8, 2, |x, _| x >= 4))?;
    /// assert_eq!((seam.boundary, seam.picture, seam.places), (10.0, 0.0, 2));
    /// # Ok::<(), context_encoder_inpaint::InpaintError>(())
    /// ```
    ///
    /// # Errors
    /// [`InpaintError::MaskSize`], [`InpaintError::NothingHidden`] and [`InpaintError::NothingVisible`].
    pub fn measure<S: Channel>(filled: &Image<S>, mask: &Mask) -> Result<Self, InpaintError> {
        let (width, height) = filled.dimensions();
        check_mask((width, height), mask)?;
        let (mut boundary, mut picture) = (Mean::default(), Mean::default());
        let mut take = |places: [(u32, u32); 4]| {
            let hidden = places.map(|(x, y)| mask.is_hidden(x, y));
            let mean = match hidden {
                [false, false, false, false] => &mut picture,
                [false, false, true, true] | [true, true, false, false] => &mut boundary,
                _ => return,
            };
            let levels = |(x, y)| filled.get_pixel(x, y).channels().iter().map(|value| value.level());
            mean.add(jump(places.map(levels)) * 255.0 / S::WHITE);
        };
        for y in 0..height {
            for x in 0..width {
                if x + 3 < width {
                    take([0, 1, 2, 3].map(|step| (x + step, y)));
                }
                if y + 3 < height {
                    take([0, 1, 2, 3].map(|step| (x, y + step)));
                }
            }
        }
        Ok(Self { boundary: boundary.value(), picture: picture.value(), places: boundary.count })
    }

    /// Boundary over picture: 1 where the seam is like any other place.
    pub fn ratio(&self) -> f64 {
        self.boundary / self.picture
    }
}

impl fmt::Display for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seam {:.2}, picture {:.2} levels, ratio {:.2}", self.boundary, self.picture, self.ratio())
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(&self) -> f64 {
        self.sum / self.count as f64
    }
}

/// Mean over colors of the gradient's jump between the second and the third pixel.
fn jump([a, b, c, d]: [impl Iterator<Item = f64>; 4]) -> f64 {
    let (mut sum, mut colors) = (0.0, 0.0);
    for (((a, b), c), d) in a.zip(b).zip(c).zip(d) {
        let beside = ((b - a) + (d - c)) / 2.0;
        sum += (c - b - beside).abs();
        colors += 1.0;
    }
    sum / colors
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Rgb, RgbImage};

    use super::*;

    fn seam(row: &[u8], hidden: &[u8]) -> Seam {
        let picture = RgbImage::from_fn(row.len() as u32, 1, |x, _| Rgb([row[x as usize]; 3]));
        let mask = Mask::from_fn(row.len() as u32, 1, |x, _| hidden[x as usize] == 1);
        Seam::measure(&picture, &mask).expect("usable")
    }

    #[test]
    fn jumps_of_rows_by_hand() {
        // a ramp goes on: nothing jumps
        assert_eq!(seam(&[0, 10, 20, 30, 40], &[0, 0, 0, 1, 1]).boundary, 0.0);
        // a kink: gradient 10 across, 0 and 20 beside it
        assert_eq!(seam(&[5, 5, 15, 35], &[0, 0, 1, 1]).boundary, 0.0);
        // a step on a ramp: 30 across, 2 on both sides
        assert_eq!(seam(&[0, 2, 32, 34], &[1, 1, 0, 0]).boundary, 28.0);
        // both sides of a hole of three: steps of 8 and 4, places that mix are left out
        let both = seam(&[0, 0, 8, 8, 8, 4, 4], &[0, 0, 1, 1, 1, 0, 0]);
        assert_eq!((both.boundary, both.places), (6.0, 2));
        // a hole of one pixel has no two hidden pixels in a row
        assert!(seam(&[0, 0, 8, 0, 0], &[0, 0, 1, 0, 0]).boundary.is_nan());
    }

    #[test]
    fn picture_is_measured_where_it_is_visible() {
        let stripes = [0, 20, 0, 20, 0, 20, 10, 10];
        let seam = seam(&stripes, &[0, 0, 0, 0, 0, 0, 1, 1]);
        // (20 - 0) - (-20 - 20) / 2 = 40 in every four
        assert_eq!(seam.picture, 40.0);
        // across: -10, beside it 20 and 0
        assert_eq!(seam.boundary, 20.0);
        assert_eq!(seam.ratio(), 0.5);
    }

    #[test]
    fn sixteen_bit_pictures_are_measured_in_levels_of_255() {
        let picture: ImageBuffer<Rgb<u16>, Vec<u16>> =
            ImageBuffer::from_fn(8, 1, |x, _| Rgb([if x < 4 { 0 } else { 257 }; 3]));
        let seam = Seam::measure(&picture, &Mask::from_fn(8, 1, |x, _| x >= 4)).expect("usable");
        assert!((seam.boundary - 1.0).abs() < 1e-12);
    }
}
