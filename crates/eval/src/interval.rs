//! How sure a mean over few pictures is.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Samples that are drawn.
const RESAMPLES: usize = 2000;

/// Share of the resampled means that lie inside: 95 per cent.
const INSIDE: f64 = 0.95;

/// A 95 % interval for a mean over pictures: what other pictures of the same kind could have given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The percentile bootstrap (Efron 1979): means of 2000 samples as large as the original, drawn from it
    /// with replacement by a fixed stream. Values that are not finite are left out; none when nothing is
    /// left.
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
    fn one_value_is_its_own_interval_and_none_has_none() {
        assert_eq!(Interval::of_mean(&[3.0, f64::INFINITY]), Some(Interval { low: 3.0, high: 3.0 }));
        assert_eq!(Interval::of_mean(&[f64::NAN]), None);
    }
}
