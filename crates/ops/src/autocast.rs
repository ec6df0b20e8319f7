//! In how many bits layers multiply.

use std::cell::Cell;

use burn::tensor::{FloatDType, Tensor};

thread_local! {
    static TYPE: Cell<FloatDType> = const { Cell::new(FloatDType::F32) };
}

/// Computes with layers that multiply numbers of a type, in this thread: 16 bits are what cards multiply fastest.
///
/// A layer's input and weights are cast to the type and its result back to 32 bits; so are the gradients on their way
/// back. Everything between layers (batch norm, activations, losses, Adam) is 32 bits, and so are the weights
/// themselves (Micikevicius et al., "Mixed Precision Training", ICLR 2018). What a [`InferenceLayer`](crate::InferenceLayer) layer
/// computes is not changed.
///
/// ```
/// use burn::tensor::{Device, FloatDType, Tensor};
/// use context_encoder_ops::{Activation, Conv2d, ConvGeometry, autocast};
///
/// let point = Conv2d { window: ConvGeometry::new(1, 1, 0), groups: 1, activation: Activation::Identity };
/// let x = Tensor::<4>::full([1, 1, 1, 1], 1.0 + 1.0 / 512.0, &Device::default());
/// let y = autocast(FloatDType::BF16, || point.forward(x.clone(), x.ones_like(), None));
/// assert_eq!(y.into_scalar::<f32>(), 1.0); // eight binary digits
/// ```
pub fn autocast<T>(dtype: FloatDType, compute: impl FnOnce() -> T) -> T {
    /// Puts back what was, however the computation ends.
    struct Before(FloatDType);

    impl Drop for Before {
        fn drop(&mut self) {
            TYPE.set(self.0);
        }
    }

    let _before = Before(TYPE.replace(dtype));
    compute()
}

/// Whether layers multiply as they are given numbers: in 32 bits.
pub(crate) fn in_full() -> bool {
    TYPE.get() == FloatDType::F32
}

/// A product of an input and weights, in the type that [`autocast`] says.
///
/// # Shapes
/// Those of `multiply`.
pub fn product<const A: usize, const B: usize, const C: usize>(
    x: Tensor<A>,
    weight: Tensor<B>,
    multiply: impl FnOnce(Tensor<A>, Tensor<B>) -> Tensor<C>,
) -> Tensor<C> {
    match TYPE.get() {
        FloatDType::F32 => multiply(x, weight),
        dtype => multiply(x.cast(dtype), weight.cast(dtype)).cast(FloatDType::F32),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Shape};

    use super::*;
    use crate::{
        Activation, Conv2d, ConvGeometry, ConvTranspose2d,
        noise::{difference, noise},
    };

    /// Output and gradients of a layer with bias. Without activation: rounding moves values near a rectifier's kink to its
    /// other side, where the slope is another.
    fn everything(up: bool) -> (Tensor<4>, [Tensor<4>; 2], Tensor<1>) {
        let device = Device::flex().autodiff();
        let x = noise([3, 8, 10, 10], 1, &device).require_grad();
        let weight = noise(if up { [8, 6, 4, 4] } else { [6, 8, 4, 4] }, 2, &device).require_grad();
        let bias = noise::<1>([6], 3, &device).require_grad();
        let (window, activation) = (ConvGeometry::new(4, 2, 1), Activation::Identity);
        let y = if up {
            ConvTranspose2d { window, activation }.forward(x.clone(), weight.clone(), Some(bias.clone()))
        } else {
            Conv2d { window, groups: 1, activation }.forward(x.clone(), weight.clone(), Some(bias.clone()))
        };
        let slopes = (y.clone() * noise(Shape::from(y.dims()).dims(), 4, &device)).sum().backward();
        let grad = |tensor: &Tensor<4>| tensor.grad(&slopes).expect("tracked");
        (y.inner(), [grad(&x), grad(&weight)], bias.grad(&slopes).expect("tracked"))
    }

    #[test]
    fn products_of_16_bits_are_those_of_32_but_for_their_rounding() {
        // A number is off by half of its last digit: 2^-9 and 2^-12. Of several dozen to several hundred numbers of both
        // signs a sum is off by more of its own size, and `flex` adds up `f16` in 16 bits, `bf16` in 32.
        for (dtype, bound) in [(FloatDType::BF16, 2e-2), (FloatDType::F16, 1e-2), (FloatDType::F32, 0.0)] {
            for up in [false, true] {
                let (y, gradients, slope) = everything(up);
                let (got_y, got_gradients, got_slope) = autocast(dtype, || everything(up));
                let mut apart = vec![difference(got_y, y), difference(got_slope, slope)];
                for (got, expected) in got_gradients.into_iter().zip(gradients) {
                    assert_eq!(got.dtype(), burn::tensor::DType::F32);
                    apart.push(difference(got, expected));
                }
                let worst = apart.iter().fold(0.0, |most: f32, apart| most.max(*apart));
                assert!(worst <= bound, "{dtype:?}, up {up}: {apart:?}");
                assert!(bound == 0.0 || worst > 1e-5, "{dtype:?}: nothing was rounded, {apart:?}");
            }
        }
        assert!(in_full(), "put back");
    }
}
