//! Which form of an operation runs: decided here and nowhere else.

use burn::tensor::{DType, Tensor};

/// The two forms of every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Burn's tensor operations.
    Plain,
    /// Kernels of this crate.
    Fast,
}

/// Setting this environment variable to `plain` turns the fast forms off for the whole program: a
/// way to find out whether a kernel is to blame.
pub const SWITCH: &str = "CONTEXT_ENCODER_KERNELS";

impl Form {
    /// The form for this tensor: fast for `f32` on Burn's `flex` backend (with the feature `flex`, and
    /// `autodiff` where gradients are recorded without checkpointing), plain everywhere else.
    pub fn of<const D: usize>(x: &Tensor<D>) -> Self {
        if x.dtype() == DType::F32 && on_flex(x) && !*OFF { Self::Fast } else { Self::Plain }
    }
}

static OFF: std::sync::LazyLock<bool> =
    std::sync::LazyLock::new(|| std::env::var_os(SWITCH).is_some_and(|value| value == "plain"));

#[cfg(feature = "flex")]
fn on_flex<const D: usize>(x: &Tensor<D>) -> bool {
    use burn::backend::DispatchDevice;

    let device = x.device();
    if device.is_autodiff() {
        #[cfg(feature = "autodiff")]
        if device.gradient_checkpointing_strategy()
            != Some(burn::backend::GradientCheckpointingStrategy::Disabled)
        {
            return false;
        }
        if cfg!(not(feature = "autodiff")) {
            return false;
        }
    }
    matches!(device.without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

#[cfg(not(feature = "flex"))]
fn on_flex<const D: usize>(_: &Tensor<D>) -> bool {
    false
}
