//! Structural similarity (Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment", 2004).

use std::ops::Range;

use image::RgbImage;

/// Side of the Gaussian window, pixels, and its deviation.
const WINDOW: usize = 11;
const DEVIATION: f64 = 1.5;

/// `(0.01 L)^2` and `(0.03 L)^2`, which keep the quotient stable, for pixels in `[0, 1]`.
const MEAN_CONSTANT: f64 = 0.01 * 0.01;
const VARIANCE_CONSTANT: f64 = 0.03 * 0.03;

/// A map of similarity over the windows that lie inside a picture.
pub(crate) struct SimilarityMap {
    /// Columns and rows of the picture that are centres of windows.
    columns: Range<u32>,
    rows: Range<u32>,
    /// Row by row, the mean over channels.
    values: Vec<f64>,
}

impl SimilarityMap {
    pub(crate) fn mean_where(&self, counts: &impl Fn(u32, u32) -> bool) -> f64 {
        let columns = &self.columns;
        let centres = self.rows.clone().flat_map(|y| columns.clone().map(move |x| (x, y)));
        let counted = centres.zip(&self.values).filter(|((x, y), _)| counts(*x, *y));
        let (sum, count) = counted.fold((0.0, 0.0), |(sum, count), (_, value)| (sum + value, count + 1.0));
        sum / count
    }
}

/// The similarity at every pixel whose window lies inside the picture, averaged over the three channels.
pub(crate) fn map(picture: &RgbImage, truth: &RgbImage) -> SimilarityMap {
    let (width, height) = truth.dimensions();
    let margin = (WINDOW / 2) as u32;
    let centres = |side: u32| margin..side.saturating_sub(margin).max(margin);
    let (columns, rows) = (centres(width), centres(height));
    let mut values = vec![0.0; columns.len() * rows.len()];
    if !values.is_empty() {
        for channel in 0..3 {
            let plane = |image: &RgbImage| {
                image.pixels().map(|p| f64::from(p.0[channel]) / 255.0).collect::<Vec<f64>>()
            };
            let similarity = similarity(&plane(picture), &plane(truth), width as usize);
            for (value, similarity) in values.iter_mut().zip(similarity) {
                *value += similarity / 3.0;
            }
        }
    }
    SimilarityMap { columns, rows, values }
}

/// `(2 ab + C1)(2 cov + C2) / ((a^2 + b^2 + C1)(var a + var b + C2))` with Gaussian-weighted moments.
fn similarity(a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<f64>>();
    let (mean_a, mean_b) = (blur(a, width), blur(b, width));
    let (square_a, square_b) = (blur(&product(a, a), width), blur(&product(b, b), width));
    let cross = blur(&product(a, b), width);
    (0..mean_a.len())
        .map(|i| {
            let (a, b) = (mean_a[i], mean_b[i]);
            let variances = square_a[i] - a * a + square_b[i] - b * b;
            let covariance = cross[i] - a * b;
            (2.0 * a * b + MEAN_CONSTANT) * (2.0 * covariance + VARIANCE_CONSTANT)
                / ((a * a + b * b + MEAN_CONSTANT) * (variances + VARIANCE_CONSTANT))
        })
        .collect()
}

/// Gaussian-weighted means over the windows that lie inside a plane.
fn blur(plane: &[f64], width: usize) -> Vec<f64> {
    let weights = gaussian();
    let narrow = width + 1 - WINDOW;
    let across: Vec<f64> = plane
        .chunks_exact(width)
        .flat_map(|row| {
            row.windows(WINDOW).map(|window| window.iter().zip(&weights).map(|(v, w)| v * w).sum())
        })
        .collect();
    let rows = plane.len() / width + 1 - WINDOW;
    (0..rows * narrow)
        .map(|i| weights.iter().enumerate().map(|(k, weight)| weight * across[i + k * narrow]).sum())
        .collect()
}

/// The window's weights along one axis; they add up to 1.
fn gaussian() -> [f64; WINDOW] {
    let weights: [f64; WINDOW] = std::array::from_fn(|i| {
        let distance = i as f64 - (WINDOW / 2) as f64;
        (-distance * distance / (2.0 * DEVIATION * DEVIATION)).exp()
    });
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn flat_pictures_agree_with_the_formula() {
        // no variance: (2ab + C1) / (a^2 + b^2 + C1)
        let flat = |value: u8| RgbImage::from_pixel(12, 13, Rgb([value; 3]));
        let map = map(&flat(51), &flat(102));
        assert_eq!((map.columns.clone(), map.rows.clone()), (5..7, 5..8));
        let expected = (2.0 * 0.2 * 0.4 + 1e-4) / (0.04 + 0.16 + 1e-4);
        assert!(map.values.iter().all(|value| (value - expected).abs() < 1e-9), "{:?}", map.values);
    }

    /// scikit-image 0.26: `structural_similarity(picture, truth, gaussian_weights=True, sigma=1.5,
    /// use_sample_covariance=False, data_range=1, channel_axis=2)` on the same pixels divided by 255.
    #[test]
    fn uneven_pictures_agree_with_scikit_image() {
        let picture = |formula: fn(u32, u32) -> [u32; 3]| {
            RgbImage::from_fn(24, 20, |x, y| Rgb(formula(x, y).map(|v| (v % 256) as u8)))
        };
        let truth = picture(|x, y| [37 * x + 101 * y, x * x + 3 * y, 5 * x * y]);
        let other = picture(|x, y| [31 * x + 101 * y, x * x + 7 * y, 3 * x * y + 20]);
        let values = map(&other, &truth).values;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - 0.072_563_491_017_762_4).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn inversion_is_dissimilar() {
        let picture =
            RgbImage::from_fn(24, 24, |x, y| Rgb([if (x / 3 + y / 3) % 2 == 0 { 200 } else { 55 }; 3]));
        let inverse = RgbImage::from_fn(24, 24, |x, y| Rgb(picture.get_pixel(x, y).0.map(|v| 255 - v)));
        assert!(map(&picture, &inverse).values.iter().all(|&value| value < -0.5));
    }
}
