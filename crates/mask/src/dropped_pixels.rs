//! Single pixels hidden, or none: masks of the (denoising) autoencoder, the paper's baselines.

use rand::{Rng, RngExt};

use crate::generator::assert_size;
use crate::{Mask, MaskError, MaskGenerator};

/// Hides nothing: an autoencoder sees the whole image that it reconstructs. Draws no random number.
///
/// ```
/// use context_encoder_mask::{MaskGenerator, NothingHidden};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let mask = NothingHidden.generate(16, 12, &mut ChaCha8Rng::seed_from_u64(1));
/// assert!(mask.is_empty());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NothingHidden;

impl MaskGenerator for NothingHidden {
    fn generate(&self, width: u32, height: u32, _rng: &mut dyn Rng) -> Mask {
        assert_size(width, height);
        Mask::visible(width, height)
    }
}

/// Hides each pixel by itself with the same probability: what a denoising autoencoder has to undo (Vincent et
/// al., ICML 2008).
///
/// ```
/// use context_encoder_mask::{DroppedPixels, MaskGenerator};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let mask = DroppedPixels::new(0.25)?.generate(128, 128, &mut ChaCha8Rng::seed_from_u64(1));
/// assert!((mask.hidden_fraction() - 0.25).abs() < 0.02);
/// # Ok::<(), context_encoder_mask::MaskError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DroppedPixels {
    probability: f64,
}

impl DroppedPixels {
    /// Hides each pixel with this probability.
    ///
    /// # Errors
    /// [`MaskError::DropProbability`] when it is not above 0 and below 1.
    pub fn new(probability: f64) -> Result<Self, MaskError> {
        if probability > 0.0 && probability < 1.0 {
            Ok(Self { probability })
        } else {
            Err(MaskError::DropProbability { probability })
        }
    }
}

impl MaskGenerator for DroppedPixels {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        assert_size(width, height);
        Mask::from_fn(width, height, |_, _| rng.random_bool(self.probability))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn pixels_are_dropped_with_the_stated_probability() {
        for probability in [0.1, 0.25, 0.6] {
            let dropped = DroppedPixels::new(probability).expect("a probability");
            let mask = dropped.generate(200, 100, &mut ChaCha8Rng::seed_from_u64(5));
            // five standard deviations of 10 000 draws
            let most = 5.0 * (probability * (1.0 - probability) / 10_000.0).sqrt();
            for half in mask.hidden().chunks(10_000) {
                let found = half.iter().filter(|&&hidden| hidden).count() as f64 / 10_000.0;
                assert!((found - probability).abs() < most, "{found} is not {probability}");
            }
        }
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for probability in [0.0, 1.0, -0.5, f64::NAN] {
            let error = DroppedPixels::new(probability).expect_err("refused").to_string();
            assert!(error.contains("above 0 and below 1"), "{error}");
        }
    }
}
