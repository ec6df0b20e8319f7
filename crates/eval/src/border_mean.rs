//! One color for the whole hole.

use context_encoder_inpaint::{Fill, InpaintError, check_mask};
use context_encoder_mask::Mask;
use image::{Rgb, RgbImage};

/// Paints the hole in the mean color of the visible pixels that touch it (by an edge).
///
/// ```
/// use context_encoder_eval::BorderMean;
/// use context_encoder_inpaint::Fill;
/// use context_encoder_mask::Mask;
/// use image::{Rgb, RgbImage};
///
/// // three columns: black, hidden, white
/// let picture = RgbImage::from_fn(3, 2, |x, _| Rgb([if x == 2 { 255 } else { 0 }; 3]));
/// let filled = BorderMean.fill(&picture, &Mask::from_fn(3, 2, |x, _| x == 1))?;
/// assert_eq!(filled.get_pixel(1, 0), &Rgb([128; 3]));
/// # Ok::<(), context_encoder_inpaint::InpaintError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BorderMean;

impl Fill for BorderMean {
    fn name(&self) -> &str {
        "border mean"
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        check_mask(picture.dimensions(), mask)?;
        let color = mean_border_color(picture, mask);
        let mut filled = picture.clone();
        for (x, y, pixel) in filled.enumerate_pixels_mut() {
            if mask.is_hidden(x, y) {
                *pixel = color;
            }
        }
        Ok(filled)
    }
}

fn mean_border_color(picture: &RgbImage, mask: &Mask) -> Rgb<u8> {
    let mut sum = [0_u64; 3];
    let mut count = 0_u64;
    for (x, y, pixel) in picture.enumerate_pixels() {
        if !mask.is_hidden(x, y) && neighbours(x, y, mask).any(|(x, y)| mask.is_hidden(x, y)) {
            count += 1;
            for (sum, &value) in sum.iter_mut().zip(&pixel.0) {
                *sum += u64::from(value);
            }
        }
    }
    // A mask that hides something and not everything has a border, so `count` is not 0.
    Rgb(sum.map(|sum| ((sum + count / 2) / count) as u8))
}

/// The up to four pixels that share an edge with (x, y).
fn neighbours(x: u32, y: u32, mask: &Mask) -> impl Iterator<Item = (u32, u32)> + use<> {
    let (width, height) = (mask.width(), mask.height());
    [
        (x > 0).then(|| (x - 1, y)),
        (x + 1 < width).then(|| (x + 1, y)),
        (y > 0).then(|| (x, y - 1)),
        (y + 1 < height).then(|| (x, y + 1)),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_touching_pixels_are_averaged() {
        // row: 10 20 [hidden] 40 90 -> mean of 20 and 40
        let row = [10, 20, 0, 40, 90];
        let picture = RgbImage::from_fn(5, 1, |x, _| Rgb([row[x as usize], 0, 255]));
        let filled = BorderMean.fill(&picture, &Mask::from_fn(5, 1, |x, _| x == 2)).expect("usable");
        assert_eq!(filled.get_pixel(2, 0), &Rgb([30, 0, 255]));
        assert_eq!(filled.get_pixel(0, 0), picture.get_pixel(0, 0));
    }
}
