//! The compute precision of layers.

use std::cell::Cell;

use burn::tensor::{DType, FloatDType, Tensor};

use crate::dispatch::with_value;

thread_local! {
    static DTYPE: Cell<FloatDType> = const { Cell::new(FloatDType::F32) };
}

/// Runs `compute` with layers that multiply in `dtype`, in this thread: 16 bits are what graphics cards
/// multiply fastest.
///
/// A layer's input and weights are cast to the type and its result back to 32 bits; so are the gradients on
/// their way back. Everything between layers (batch norm, activations, losses, Adam) is 32 bits, and so are
/// the weights themselves (Micikevicius et al., "Mixed Precision Training", ICLR 2018). An
/// [`InferenceLayer`](crate::InferenceLayer) is not affected.
///
/// One thing is different where this crate's kernels for graphics devices compute in `bf16`: the result of a
/// [`ConvLayer`](crate::ConvLayer) without bias, its gradient, and what [`BatchNorm`](crate::BatchNorm) makes
/// of such a map are not cast back, which saves half of the memory's traffic. Other functions of this crate
/// take such maps and return 32 bits; use [`in_32_bits`] before operations of your own.
///
/// ```
/// use burn::tensor::{Device, FloatDType, Tensor};
/// use context_encoder_ops::{Activation, ConvGeometry, ConvLayer, autocast};
///
/// let point = ConvLayer::conv2d(ConvGeometry::new(1, 1, 0), 1, Activation::Identity);
/// let x = Tensor::<4>::full([1, 1, 1, 1], 1.0 + 1.0 / 512.0, &Device::default());
/// let y = autocast(FloatDType::BF16, || point.forward(x.clone(), x.ones_like(), None));
/// assert_eq!(y.into_scalar::<f32>(), 1.0); // eight binary digits
/// ```
pub fn autocast<T>(dtype: FloatDType, compute: impl FnOnce() -> T) -> T {
    with_value(&DTYPE, dtype, compute)
}

/// A tensor in 32 bits, as it is or cast, with gradients: a layer's result may have 16
/// inside of [`autocast`](autocast()).
///
/// ```
/// use burn::tensor::{DType, Device, FloatDType, Tensor};
/// use context_encoder_ops::in_32_bits;
///
/// let map = Tensor::<4>::ones([1, 1, 2, 2], &Device::default()).cast(FloatDType::BF16);
/// assert_eq!(in_32_bits(map).dtype(), DType::F32);
/// ```
pub fn in_32_bits<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.dtype() == DType::F32 { tensor } else { tensor.cast(DType::F32) }
}

/// What layers multiply in.
#[cfg(feature = "cube")]
pub(crate) fn dtype() -> FloatDType {
    DTYPE.get()
}

/// Whether layers multiply in 32 bits.
pub(crate) fn is_f32() -> bool {
    DTYPE.get() == FloatDType::F32
}

/// A product of an input and weights, both cast to the type that [`autocast`] says and the result back to 32
/// bits.
///
/// # Shapes
/// Those of `multiply`.
pub fn autocast_inputs<const A: usize, const B: usize, const C: usize>(
    x: Tensor<A>,
    weight: Tensor<B>,
    multiply: impl FnOnce(Tensor<A>, Tensor<B>) -> Tensor<C>,
) -> Tensor<C> {
    match DTYPE.get() {
        FloatDType::F32 => multiply(x, weight),
        dtype => multiply(x.cast(dtype), weight.cast(dtype)).cast(FloatDType::F32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Activation, ConvGeometry, ConvLayer,
        testing::{conv_gradients, difference},
    };

    #[test]
    fn autocast_convolution_differs_from_f32_by_rounding_only() {
        // A number is off by half of its last digit: 2^-9 and 2^-12. Of several dozen to several hundred
        // numbers of both signs a sum is off by more of its own size, and `flex` adds up `f16` in 16
        // bits, `bf16` in 32.
        // Without activation: rounding moves values near the kink of ReLU to its other side, where the
        // gradient is another.
        let geometry = ConvGeometry::new(4, 2, 1);
        let layers = [
            ConvLayer::conv2d(geometry, 1, Activation::Identity),
            ConvLayer::conv_transpose2d(geometry, Activation::Identity),
        ];
        for (dtype, bound) in [(FloatDType::BF16, 2e-2), (FloatDType::F16, 1e-2), (FloatDType::F32, 0.0)] {
            for layer in layers {
                let run = || {
                    conv_gradients(layer, [3, 8, 6, 10, 10], |x, weight, bias| layer.forward(x, weight, bias))
                };
                let (expected, expected_bias) = run();
                let (got, got_bias) = autocast(dtype, run);
                let mut apart = vec![difference(got_bias, expected_bias)];
                for (got, expected) in got.into_iter().zip(expected) {
                    assert_eq!(got.dtype(), DType::F32);
                    apart.push(difference(got, expected));
                }
                let worst = apart.iter().fold(0.0, |most: f32, apart| most.max(*apart));
                assert!(worst <= bound, "{dtype:?}, {layer:?}: {apart:?}");
                assert!(bound == 0.0 || worst > 1e-5, "{dtype:?}: nothing was rounded, {apart:?}");
            }
        }
        assert!(is_f32(), "put back");
    }
}
