//! Generated facades as a source of pictures.

use image::RgbImage;

use crate::facades::Facades;
use crate::{DataError, PictureSource};

/// Facade numbers from here on are for validation.
const VALIDATION_START: u64 = 1 << 63;

/// Facades drawn when they are asked for: pictures to learn from when there are no files.
///
/// Training shows new facades in every epoch; validation shows the same ones in every epoch, and none of them
/// ever appears in training.
///
/// # Examples
/// ```
/// use context_encoder_data::facades::Facades;
/// use context_encoder_data::{FacadeSource, PictureSource};
///
/// let facades = Facades::new(1).with_size(64, 48);
/// let training = FacadeSource::training(facades.clone(), 1000);
/// let validation = FacadeSource::validation(facades, 100);
/// assert_eq!((training.len(), validation.len()), (1000, 100));
/// assert_ne!(training.picture(0, 5)?, training.picture(1, 5)?);
/// assert_eq!(validation.picture(0, 5)?, validation.picture(1, 5)?);
/// # Ok::<(), context_encoder_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FacadeSource {
    facades: Facades,
    len: usize,
    part: Part,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Training,
    Validation,
}

impl FacadeSource {
    /// `len` new facades in every epoch.
    #[must_use]
    pub fn training(facades: Facades, len: usize) -> Self {
        Self { facades, len, part: Part::Training }
    }

    /// The same `len` facades in every epoch, disjoint from all training ones.
    #[must_use]
    pub fn validation(facades: Facades, len: usize) -> Self {
        Self { facades, len, part: Part::Validation }
    }

    /// The number of the facade that stands at `index` of `epoch`.
    fn number(&self, epoch: u64, index: usize) -> u64 {
        match self.part {
            Part::Training => {
                epoch.wrapping_mul(self.len as u64).wrapping_add(index as u64) % VALIDATION_START
            }
            Part::Validation => VALIDATION_START + index as u64,
        }
    }
}

impl PictureSource for FacadeSource {
    fn len(&self) -> usize {
        self.len
    }

    fn picture(&self, epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        Ok(self.facades.picture(self.number(epoch, index)))
    }

    fn same_every_epoch(&self) -> bool {
        matches!(self.part, Part::Validation)
    }

    fn name(&self, index: usize) -> String {
        match self.part {
            Part::Training => format!("facade {index}"),
            Part::Validation => format!("validation facade {index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_follow_each_other_and_validation_stays_apart() {
        let training = FacadeSource::training(Facades::new(1), 10);
        assert_eq!(training.number(0, 9), 9);
        assert_eq!(training.number(1, 0), 10);
        assert!(training.number(u64::MAX, 9) < VALIDATION_START);
        let validation = FacadeSource::validation(Facades::new(1), 10);
        assert_eq!(validation.number(0, 3), VALIDATION_START + 3);
        assert_eq!(validation.number(7, 3), validation.number(0, 3));
        assert!(validation.same_every_epoch() && !training.same_every_epoch());
    }
}
