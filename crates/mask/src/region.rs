//! Random regions, from either of their sources.

use std::path::Path;

use rand::Rng;

use crate::{Mask, MaskError, MaskGenerator, Pattern, Silhouettes};

/// The seed of the pattern that serves when none is asked for: the day the paper was put on arXiv.
const PATTERN_SEED: u64 = 20_160_425;

/// Hides a random region, of arbitrary shape and unrelated to what the picture shows.
///
/// ```
/// use context_encoder_mask::{MaskGenerator, RandomRegion};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let mask = RandomRegion::pattern().generate(128, 128, &mut ChaCha8Rng::seed_from_u64(3));
/// assert!(mask.hidden_fraction() > 0.2 && mask.hidden_fraction() < 0.3);
/// ```
#[derive(Debug)]
pub enum RandomRegion {
    /// From the authors' noise pattern, which needs no files.
    Pattern(Pattern),
    /// From a folder of silhouettes, as in the paper.
    Silhouettes(Silhouettes),
}

impl RandomRegion {
    /// Regions of the noise pattern with the fixed seed 20160425, so that one pattern serves every run.
    ///
    /// For a pattern of one's own: `RandomRegion::from(Pattern::new(seed))`.
    pub fn pattern() -> Self {
        Self::Pattern(Pattern::new(PATTERN_SEED))
    }

    /// Regions from the silhouettes below a folder.
    ///
    /// # Errors
    ///
    /// Those of [`Silhouettes::from_folder`].
    pub fn silhouettes(folder: impl AsRef<Path>) -> Result<Self, MaskError> {
        Silhouettes::from_folder(folder).map(Self::Silhouettes)
    }
}

impl From<Pattern> for RandomRegion {
    fn from(pattern: Pattern) -> Self {
        Self::Pattern(pattern)
    }
}

impl From<Silhouettes> for RandomRegion {
    fn from(silhouettes: Silhouettes) -> Self {
        Self::Silhouettes(silhouettes)
    }
}

impl MaskGenerator for RandomRegion {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        match self {
            Self::Pattern(pattern) => pattern.generate(width, height, rng),
            Self::Silhouettes(silhouettes) => silhouettes.generate(width, height, rng),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_documented_seed_is_the_one_in_use() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let expected = Pattern::new(20_160_425).generate(64, 64, &mut rng.clone());
        assert_eq!(RandomRegion::pattern().generate(64, 64, &mut rng), expected);
    }

    #[test]
    fn a_missing_folder_is_told_by_its_path() {
        let error = RandomRegion::silhouettes("no/such/folder").expect_err("no folder");
        assert!(error.to_string().contains("no/such/folder"));
    }
}
