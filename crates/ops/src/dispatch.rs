//! Which implementation of an operation runs: decided here and nowhere else.

use std::{cell::Cell, sync::LazyLock, thread::LocalKey};

use burn::tensor::{DType, Device, Tensor};

/// The implementations of an operation; one without kernels for a kind of device has the reference there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    /// Burn's tensor operations.
    Reference,
    /// This crate's kernels for processors, on Burn's `flex` backend.
    #[cfg(feature = "flex")]
    Cpu,
    /// This crate's kernels for graphics devices, on Burn's CubeCL backends.
    #[cfg(feature = "cube")]
    Cube,
}

/// An environment variable for the whole program, to find out whether a kernel is to blame: `reference` (or
/// its old name `plain`) turns the kernels off, `scalar` and `avx2` make them use a lesser vector unit than
/// there is, `ieee` leaves out tensor cores for numbers of 32 bits, `emulated` runs the kernels for tensor
/// cores where there are none.
const KERNELS: &str = "CONTEXT_ENCODER_KERNELS";

impl Implementation {
    /// The implementation for this tensor: kernels for `f32` (with the feature `flex` or `cube`, and
    /// `autodiff` where gradients are recorded without checkpointing), reference everywhere else.
    pub(crate) fn of<const D: usize>(x: &Tensor<D>) -> Self {
        if kernels_are_on() && x.dtype() == DType::F32 {
            Self::of_device(x.device())
        } else {
            Self::Reference
        }
    }

    /// The same for a map between layers, which inside of [`autocast`](crate::autocast()) may be one of
    /// `bf16`.
    pub(crate) fn of_map(map: &Tensor<4>) -> Self {
        #[cfg(feature = "cube")]
        if kernels_are_on() && map.dtype() == DType::BF16 && Self::of_device(map.device()) == Self::Cube {
            return Self::Cube;
        }
        Self::of(map)
    }

    /// Whether nothing on its devices can be recorded.
    pub(crate) fn is_never_recorded(self) -> bool {
        #[cfg(feature = "cube")]
        return self != Self::Cube;
        #[cfg(not(feature = "cube"))]
        true
    }

    pub(crate) fn of_device(device: Device) -> Self {
        if device.is_autodiff() {
            #[cfg(feature = "autodiff")]
            if device.gradient_checkpointing_strategy()
                != Some(burn::backend::GradientCheckpointingStrategy::Disabled)
            {
                return Self::Reference;
            }
            if cfg!(not(feature = "autodiff")) {
                return Self::Reference;
            }
        }
        match device.without_autodiff() {
            #[cfg(feature = "flex")]
            device if matches!(device.as_dispatch(), burn::backend::DispatchDevice::Flex(_)) => Self::Cpu,
            #[cfg(feature = "cube")]
            device if matches!(device.as_dispatch(), burn::backend::DispatchDevice::Cube(_)) => Self::Cube,
            _ => Self::Reference,
        }
    }
}

/// Whether anything else than reference implementations may run in this thread.
pub(crate) fn kernels_are_on() -> bool {
    !*OFF && !FORCE_REFERENCE.get()
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

/// Runs `compute` with networks without kinks, in this thread: their activations are the identity and their
/// pooling takes means. To compare gradients of two devices: where rounding takes an input of a ReLU to the
/// other side of zero, or makes another value of a window the largest, the gradients of a whole network
/// differ by more than an error in a kernel would change them.
///
/// Affects [`max_pool`](crate::max_pool()) and what takes its activation from
/// [`Activation::unless_without_kinks`](crate::Activation::unless_without_kinks), as the blocks of
/// `context-encoder-model` do.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{ConvGeometry, max_pool, without_kinks};
///
/// let x = Tensor::<4>::from_floats([[[[1.0, 3.0], [0.0, 0.0]]]], &Device::default());
/// let y = without_kinks(|| max_pool(x, ConvGeometry::new(2, 2, 0)));
/// assert_eq!(y.into_scalar::<f32>(), 1.0); // the mean
/// ```
pub fn without_kinks<T>(compute: impl FnOnce() -> T) -> T {
    with_value(&WITHOUT_KINKS, true, compute)
}

/// Whether this thread computes [`without_kinks`].
pub(crate) fn is_without_kinks() -> bool {
    WITHOUT_KINKS.get()
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
    static WITHOUT_KINKS: Cell<bool> = const { Cell::new(false) };
}

static OFF: LazyLock<bool> =
    LazyLock::new(|| kernels_variable().is_some_and(|value| value == "reference" || value == "plain"));

/// Whether the kernels for tensor cores run without them, which [`KERNELS`] asks for as `emulated`.
#[cfg(feature = "cube")]
pub(crate) fn is_emulated() -> bool {
    *EMULATED
}

#[cfg(feature = "cube")]
static EMULATED: LazyLock<bool> =
    LazyLock::new(|| kernels_variable().is_some_and(|value| value == "emulated"));

/// Whether products of numbers of 32 bits are computed with all their digits, which [`KERNELS`] asks for as
/// `ieee`: without tensor cores, which round both factors to TF32.
#[cfg(feature = "cube")]
pub(crate) fn is_ieee() -> bool {
    *IEEE
}

#[cfg(feature = "cube")]
static IEEE: LazyLock<bool> = LazyLock::new(|| kernels_variable().is_some_and(|value| value == "ieee"));

/// What [`KERNELS`] says.
pub(crate) fn kernels_variable() -> Option<String> {
    std::env::var(KERNELS).ok()
}
