//! Which implementation of an operation runs: decided here and nowhere else.

use std::{cell::Cell, sync::LazyLock, thread::LocalKey};

use burn::tensor::{DType, Tensor};

/// The two implementations of every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    /// Burn's tensor operations.
    Reference,
    /// Kernels of this crate.
    Optimized,
}

/// An environment variable for the whole program, to find out whether a kernel is to blame: `reference` (or
/// its old name `plain`) turns the kernels off, `scalar` and `avx2` make them use a lesser vector unit than
/// there is.
const KERNELS: &str = "CONTEXT_ENCODER_KERNELS";

impl Implementation {
    /// The implementation for this tensor: optimized for `f32` on Burn's `flex` backend (with the feature
    /// `flex`, and `autodiff` where gradients are recorded without checkpointing), reference everywhere
    /// else.
    pub(crate) fn of<const D: usize>(x: &Tensor<D>) -> Self {
        let on = !*OFF && !FORCE_REFERENCE.get();
        if on && x.dtype() == DType::F32 && on_flex(x) { Self::Optimized } else { Self::Reference }
    }
}

/// Runs `compute` with reference implementations only, in this thread: to compare both implementations on one
/// device.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{tanh, with_reference};
///
/// let x = Tensor::<4>::ones([1, 1, 1, 1], &Device::default());
/// let y = with_reference(|| tanh(x.clone()));
/// assert_eq!(y.into_scalar::<f32>(), x.tanh().into_scalar::<f32>()); // Burn's own
/// ```
pub fn with_reference<T>(compute: impl FnOnce() -> T) -> T {
    with_value(&FORCE_REFERENCE, true, compute)
}

/// Runs `compute` with another value of a setting of this thread; puts back what was, however the computation
/// ends.
pub(crate) fn with_value<S: Copy + 'static, T>(
    setting: &'static LocalKey<Cell<S>>,
    value: S,
    compute: impl FnOnce() -> T,
) -> T {
    struct Restore<S: Copy + 'static>(&'static LocalKey<Cell<S>>, S);

    impl<S: Copy> Drop for Restore<S> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }

    let _restore = Restore(setting, setting.replace(value));
    compute()
}

thread_local! {
    static FORCE_REFERENCE: Cell<bool> = const { Cell::new(false) };
}

static OFF: LazyLock<bool> =
    LazyLock::new(|| kernels_variable().is_some_and(|value| value == "reference" || value == "plain"));

/// What [`KERNELS`] says.
pub(crate) fn kernels_variable() -> Option<String> {
    std::env::var(KERNELS).ok()
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
