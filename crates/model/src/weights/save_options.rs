//! How weights are written to a file: numeric precision and training record.

use std::{fmt, path::Path, str::FromStr};

use burn::{
    module::{Module, ModuleVisitor, Param},
    store::{BurnToPyTorchAdapter, ChainAdapter, FloatCastAdapter},
    tensor::{FloatDType, Tensor},
};
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// The largest finite number of 16 bits in IEEE 754's format.
const LARGEST_F16: f32 = 65_504.0;

/// Precision of numbers in a weights file, and compute precision of training. Files are read back into 32
/// bits, whatever they were stored in.
///
/// | | bytes | largest | relative error |
/// |---|---|---|---|
/// | `f32` | 4 | 3e38 | none |
/// | `f16` | 2 | 65504 | 2^-11 at most (numbers below 6e-5: 3e-8 absolute) |
/// | `bf16` | 2 | 3e38 | 2^-8 at most |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits, as trained.
    #[default]
    F32,
    /// 16 bits, IEEE 754: to ship trained weights.
    F16,
    /// 16 bits with the exponent of 32-bit numbers.
    Bf16,
}

/// How a network's weights were trained; kept in the weights file beside the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Optimizer steps of the generator.
    pub steps: u64,
    /// Pictures seen, batch size times steps.
    pub samples: u64,
    /// What was hidden during training, in words.
    pub masks: String,
    /// What it was trained on, in words.
    pub data: String,
}

/// How a network is written to a file.
///
/// ```
/// use context_encoder_model::{Precision, SaveOptions};
///
/// let options = SaveOptions { precision: "f16".parse()?, ..SaveOptions::default() };
/// assert_eq!(options.precision, Precision::F16);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveOptions {
    /// Precision of the numbers in the file.
    pub precision: Precision,
    /// How the weights were trained.
    pub record: Option<TrainingRecord>,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Burn's type of such numbers.
    pub fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::Bf16 => FloatDType::BF16,
        }
    }

    /// The name used on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// To PyTorch's names, and to this precision.
    pub(super) fn adapter(self) -> ChainAdapter {
        ChainAdapter::new(BurnToPyTorchAdapter, FloatCastAdapter::to(self.dtype().into()))
    }

    /// Refuses numbers that this precision cannot hold.
    pub(super) fn check<M: Module>(self, module: &M, path: &Path) -> Result<(), ModelError> {
        if self != Self::F16 {
            return Ok(());
        }
        let mut largest = Largest(0.0);
        module.visit(&mut largest);
        if largest.0 <= LARGEST_F16 {
            return Ok(());
        }
        let reason = format!("a weight of size {} is beyond f16's 65504; choose bf16 or f32", largest.0);
        Err(ModelError::NotWritten { path: path.to_owned(), reason })
    }
}

/// The largest absolute value of a network.
struct Largest(f32);

impl ModuleVisitor for Largest {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 = self.0.max(param.val().abs().max().into_scalar());
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Self::ALL.into_iter().find(|precision| precision.name() == name).ok_or_else(|| ModelError::Config {
            message: format!("there is no precision `{name}`; choose f32, f16 or bf16"),
        })
    }
}
