//! Which form of an operation runs: decided here and nowhere else.

use std::{cell::Cell, sync::LazyLock};

use burn::tensor::{DType, Tensor};

/// The two forms of every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// Burn's tensor operations.
    Reference,
    /// Kernels of this crate.
    Optimized,
}

/// An environment variable for the whole program, to find out whether a kernel is to blame: `plain`
/// turns the fast forms off, `scalar` and `avx2` make them use a lesser vector unit than there is.
pub const SWITCH: &str = "CONTEXT_ENCODER_KERNELS";

impl Implementation {
    /// The form for this tensor: fast for `f32` on Burn's `flex` backend (with the feature `flex`, and
    /// `autodiff` where gradients are recorded without checkpointing), plain everywhere else.
    pub fn of<const D: usize>(x: &Tensor<D>) -> Self {
        let on = !*OFF && !FORCE_REFERENCE.get();
        if on && x.dtype() == DType::F32 && on_flex(x) { Self::Optimized } else { Self::Reference }
    }
}

/// Computes with plain forms only, in this thread: to compare the two forms on one device.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::implementation::{Implementation, with_reference};
///
/// let x = Tensor::<1>::ones([1], &Device::default());
/// assert_eq!(with_reference(|| Implementation::of(&x)), Implementation::Reference);
/// ```
pub fn with_reference<T>(compute: impl FnOnce() -> T) -> T {
    /// Puts back what was, however the computation ends.
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            FORCE_REFERENCE.set(self.0);
        }
    }

    let _before = Before(FORCE_REFERENCE.replace(true));
    compute()
}

thread_local! {
    static FORCE_REFERENCE: Cell<bool> = const { Cell::new(false) };
}

static OFF: LazyLock<bool> = LazyLock::new(|| switch().is_some_and(|value| value == "plain"));

/// What [`SWITCH`] says.
pub(crate) fn switch() -> Option<String> {
    std::env::var(SWITCH).ok()
}

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
