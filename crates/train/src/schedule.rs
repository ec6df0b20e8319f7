//! The learning rate schedule.

use serde::{Deserialize, Serialize};

/// Learning rate schedule: a factor for each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// 1 (paper, section 5).
    #[default]
    Constant,
    /// `(1 + cos(pi t / steps)) / 2`: from 1 at the first step to 0 after the last, slowly at both ends
    /// (Loshchilov and Hutter, ICLR 2017).
    Cosine,
}

impl Schedule {
    /// The factor at step `step`, counted from 0, of a run of `steps`.
    ///
    /// ```
    /// use context_encoder_train::Schedule;
    ///
    /// assert_eq!(Schedule::Constant.factor(50, 100), 1.0);
    /// assert_eq!(Schedule::Cosine.factor(0, 100), 1.0);
    /// assert!((Schedule::Cosine.factor(50, 100) - 0.5).abs() < 1e-12);
    /// assert!(Schedule::Cosine.factor(99, 100) > 0.0);
    /// ```
    pub fn factor(self, step: u64, steps: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => {
                let done = step.min(steps) as f64 / steps.max(1) as f64;
                f64::midpoint(1.0, (std::f64::consts::PI * done).cos())
            }
        }
    }
}
