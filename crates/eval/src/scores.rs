//! How close a filled picture is to the truth (paper, Table 1).

use std::fmt;

use context_encoder_mask::{Mask, Rect};
use image::{Rgb, RgbImage, imageops};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ssim;

/// The largest value of an 8-bit pixel: scores are taken on `[0, 1]`.
const WHITE: f64 = 255.0;

/// Distance of a picture from the truth, pixels in `[0, 1]`, averaged over pixels and channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Mean absolute difference, per cent. Lower is better.
    pub l1: f64,
    /// Mean squared difference, per cent. Lower is better.
    pub l2: f64,
    /// Peak signal-to-noise ratio `10 log10(1 / mean squared difference)`, decibels; infinite for equal
    /// pictures. Higher is better.
    pub psnr: f64,
    /// Structural similarity (Wang et al. 2004), at most 1, over the 11x11 Gaussian windows that lie inside
    /// and are centred where it counts; NaN when there is none. Higher is better.
    pub ssim: f64,
    /// Mean length of the picture's gradients over that of the truth's, where it counts: below 1 the picture
    /// is blurred, which the other scores reward; NaN where the truth is flat. Closer to 1 is
    /// better.
    pub sharpness: f64,
}

impl Scores {
    /// Scores of a whole picture.
    ///
    /// ```
    /// use context_encoder_eval::Scores;
    /// use image::{Rgb, RgbImage};
    ///
    /// let truth = RgbImage::from_pixel(16, 16, Rgb([0; 3]));
    /// let scores = Scores::between(&RgbImage::from_pixel(16, 16, Rgb([51; 3])), &truth); // 51 / 255 = 0.2
    /// assert!((scores.l1 - 20.0).abs() < 1e-9);
    /// assert!((scores.l2 - 4.0).abs() < 1e-9);
    /// assert!((scores.psnr - 13.979).abs() < 1e-3);
    /// ```
    ///
    /// # Panics
    /// When the pictures differ in size.
    pub fn between(picture: &RgbImage, truth: &RgbImage) -> Self {
        Self::where_counted(picture, truth, |_, _| true)
    }

    /// Scores of the part of a picture that a mask hides.
    ///
    /// # Panics
    /// When picture, truth and mask differ in size, or nothing is hidden.
    pub fn hidden(picture: &RgbImage, truth: &RgbImage, mask: &Mask) -> Self {
        assert_eq!(truth.dimensions(), (mask.width(), mask.height()), "truth and mask differ in size");
        assert!(!mask.is_empty(), "the mask hides nothing");
        Self::where_counted(picture, truth, |x, y| mask.is_hidden(x, y))
    }

    /// Scores of a rectangle, as if it were cut out of both pictures.
    ///
    /// # Panics
    /// When the pictures differ in size or the rectangle reaches outside.
    pub fn inside(picture: &RgbImage, truth: &RgbImage, rect: Rect) -> Self {
        let cut =
            |image: &RgbImage| imageops::crop_imm(image, rect.x, rect.y, rect.width, rect.height).to_image();
        assert!(rect.right() <= truth.width() && rect.bottom() <= truth.height(), "{rect:?} reaches outside");
        Self::between(&cut(picture), &cut(truth))
    }

    fn where_counted(picture: &RgbImage, truth: &RgbImage, counts: impl Fn(u32, u32) -> bool) -> Self {
        assert_eq!(picture.dimensions(), truth.dimensions(), "picture and truth differ in size");
        let (mut absolute, mut squared, mut values) = (0.0, 0.0, 0_usize);
        for ((x, y, picture), truth) in picture.enumerate_pixels().zip(truth.pixels()) {
            if counts(x, y) {
                values += 3;
                for (&a, &b) in picture.0.iter().zip(&truth.0) {
                    let difference = (f64::from(a) - f64::from(b)) / WHITE;
                    absolute += difference.abs();
                    squared += difference * difference;
                }
            }
        }
        let (l1, l2) = (absolute / values as f64, squared / values as f64);
        let similarity = ssim::map(picture, truth);
        Self {
            l1: 100.0 * l1,
            l2: 100.0 * l2,
            psnr: 10.0 * (1.0 / l2).log10(),
            ssim: similarity.mean_where(&counts),
            sharpness: gradient(picture, &counts) / gradient(truth, &counts),
        }
    }

    /// The mean of several pictures' scores, each score on its own: PSNR is averaged in decibels, as in the
    /// paper, and SSIM and sharpness likewise, over the pictures where they are finite (a fill that is
    /// equal to the truth has no PSNR). None when there are no scores.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let mean = |score: fn(&Self) -> f64| {
            let finite: Vec<f64> = all.iter().map(score).filter(|value| value.is_finite()).collect();
            // without a finite one, the first says what they are: infinite, or NaN
            if finite.is_empty() {
                all.first().map_or(f64::NAN, score)
            } else {
                finite.iter().sum::<f64>() / finite.len() as f64
            }
        };
        (!all.is_empty()).then(|| Self {
            l1: mean(|s| s.l1),
            l2: mean(|s| s.l2),
            psnr: mean(|s| s.psnr),
            ssim: mean(|s| s.ssim),
            sharpness: mean(|s| s.sharpness),
        })
    }
}

/// Sum over counted pixels and channels of the gradient's length, by differences to the next pixel on the
/// right and below (none across the border).
fn gradient(picture: &RgbImage, counts: impl Fn(u32, u32) -> bool) -> f64 {
    let (right, bottom) = (picture.width() - 1, picture.height() - 1);
    let counted = picture.enumerate_pixels().filter(|(x, y, _)| counts(*x, *y));
    let length = |(x, y, here): (u32, u32, &Rgb<u8>)| -> f64 {
        let (beside, below) =
            (picture.get_pixel((x + 1).min(right), y), picture.get_pixel(x, (y + 1).min(bottom)));
        let step = |next: &Rgb<u8>, channel: usize| f64::from(next[channel]) - f64::from(here[channel]);
        (0..3).map(|channel| step(beside, channel).hypot(step(below, channel))).sum()
    };
    counted.map(length).sum()
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L1 {:.2} %, L2 {:.2} %, PSNR {:.2} dB, SSIM {:.3}", self.l1, self.l2, self.psnr, self.ssim)
    }
}

/// Bootstrap samples that are drawn.
const RESAMPLES: usize = 2000;

/// Share of the resampled means that lie inside: 95 per cent.
const INSIDE: f64 = 0.95;

/// A 95 % confidence interval of a mean over pictures: what other pictures of the same kind could have given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The percentile bootstrap (Efron 1979): means of 2000 samples as large as the original, drawn from it
    /// with replacement by a fixed random stream. Values that are not finite are left out; none when nothing
    /// is left.
    ///
    /// ```
    /// use context_encoder_eval::Interval;
    ///
    /// let values: Vec<f64> = (0..100).map(f64::from).collect(); // mean 49.5, standard error 2.9
    /// let Interval { low, high } = Interval::of_mean(&values).expect("numbers");
    /// assert!((low - (49.5 - 1.96 * 2.9)).abs() < 0.7 && (high - (49.5 + 1.96 * 2.9)).abs() < 0.7);
    /// ```
    pub fn of_mean(values: &[f64]) -> Option<Self> {
        let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        if values.is_empty() {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut mean = || {
            let sum: f64 = (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).sum();
            sum / values.len() as f64
        };
        let mut means: Vec<f64> = (0..RESAMPLES).map(|_| mean()).collect();
        means.sort_by(f64::total_cmp);
        let outside = ((1.0 - INSIDE) / 2.0 * RESAMPLES as f64) as usize;
        Some(Self { low: means[outside], high: means[RESAMPLES - 1 - outside] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_worked_values() {
        // one pixel of four differs by 255 in one of three channels
        let truth = RgbImage::new(2, 2);
        let mut picture = truth.clone();
        picture.put_pixel(1, 0, Rgb([255, 0, 0]));
        let scores = Scores::between(&picture, &truth);
        assert!((scores.l1 - 100.0 / 12.0).abs() < 1e-9);
        assert!((scores.l2 - 100.0 / 12.0).abs() < 1e-9);
        assert!((scores.psnr - 10.0 * 12.0_f64.log10()).abs() < 1e-9);
        assert!(scores.ssim.is_nan(), "no 11x11 window fits");
        let mask = Mask::from_fn(2, 2, |x, y| (x, y) == (1, 0));
        assert!((Scores::hidden(&picture, &truth, &mask).l1 - 100.0 / 3.0).abs() < 1e-9);
        let beside = Rect { x: 0, y: 0, width: 1, height: 2 };
        assert_eq!(Scores::inside(&picture, &truth, beside).l1, 0.0);
    }

    #[test]
    fn sharpness_is_a_ratio_of_gradients() {
        let ramp = |step: u32| RgbImage::from_fn(5, 4, |x, y| Rgb([(step * x) as u8, (3 * y) as u8, 9]));
        // Columns 0 to 3 of four rows: 4 steps of red in each row; rows 0 to 2: 3 of green in each column.
        let sum = |step: f64| 16.0 * step + 15.0 * 3.0;
        let ratio = Scores::between(&ramp(2), &ramp(6)).sharpness;
        assert!((ratio - sum(2.0) / sum(6.0)).abs() < 1e-12, "{ratio}");
        assert!(Scores::between(&RgbImage::new(3, 3), &RgbImage::new(3, 3)).sharpness.is_nan());
    }

    #[test]
    fn equal_pictures_are_perfect() {
        let picture = RgbImage::from_fn(20, 20, |x, y| Rgb([(x * 12) as u8, (y * 9) as u8, 77]));
        let scores = Scores::between(&picture, &picture);
        assert_eq!((scores.l1, scores.l2, scores.psnr), (0.0, 0.0, f64::INFINITY));
        assert!((scores.ssim - 1.0).abs() < 1e-12);
    }

    #[test]
    fn psnr_is_averaged_in_decibels() {
        let score =
            |l2: f64| Scores { l1: 1.0, l2: 100.0 * l2, psnr: -10.0 * l2.log10(), ssim: 0.5, sharpness: 1.0 };
        let mean = Scores::mean(&[score(0.1), score(0.001)]).expect("two");
        assert!((mean.psnr - 20.0).abs() < 1e-9);
        assert!((mean.l2 - 5.05).abs() < 1e-9);
        assert!(Scores::mean(&[]).is_none());
        let perfect = Scores { l1: 0.0, l2: 0.0, psnr: f64::INFINITY, ssim: 1.0, sharpness: 1.0 };
        assert!((Scores::mean(&[perfect, score(0.001)]).expect("two").psnr - 30.0).abs() < 1e-9);
        assert_eq!(Scores::mean(&[perfect]), Some(perfect));
    }

    #[test]
    fn interval_of_one_value_is_the_value() {
        assert_eq!(Interval::of_mean(&[3.0, f64::INFINITY]), Some(Interval { low: 3.0, high: 3.0 }));
        assert_eq!(Interval::of_mean(&[f64::NAN]), None);
    }
}
