//! Hyperbolic tangent, the last thing that a decoder does.

use burn::tensor::Tensor;

use crate::implementation::Implementation;

/// `tanh(x)`, any map.
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<4>::ones([1, 1, 1, 1], &Device::default());
/// let y = context_encoder_ops::tanh(x).into_scalar::<f32>();
/// assert!((y - 1_f32.tanh()).abs() < 1e-6);
/// ```
pub fn tanh(x: Tensor<4>) -> Tensor<4> {
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Optimized => crate::flex::tanh(x),
        _ => x.tanh(),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::{difference, noise};

    #[test]
    fn values_and_gradient_are_the_plain_forms() {
        let device = Device::flex().autodiff();
        for scale in [0.01, 1.0, 30.0] {
            let x = (noise([2, 3, 5, 7], 1, &device) * scale).detach().require_grad();
            let dy = noise([2, 3, 5, 7], 2, &device);
            let run = |y: Tensor<4>| {
                let grads = (y.clone() * dy.clone()).sum().backward();
                (y, x.grad(&grads).expect("tracked"))
            };
            let (fast, plain) = (run(tanh(x.clone())), run(x.clone().tanh()));
            assert!((fast.0 - plain.0).abs().max().into_scalar::<f32>() < 5e-7);
            assert!(difference(fast.1, plain.1) < 1e-5);
        }
    }
}
