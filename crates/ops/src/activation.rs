//! What follows a linear layer.

use burn::tensor::{Tensor, activation::relu};

/// An activation that a layer applies to its result.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// None.
    #[default]
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, slope x)`, the slope within `0..=1`.
    LeakyRelu(f32),
}

impl Activation {
    /// The factor of negative values; with it, each activation is `max(x, slope x)`.
    pub fn slope(self) -> f32 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => 0.0,
            Self::LeakyRelu(slope) => slope,
        }
    }

    /// The plain form.
    ///
    /// A leaky rectifier is written as `relu(x) - slope relu(-x)`: Burn's own goes through boolean
    /// masks, several times slower under autodiff.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(slope) => relu(x.clone()) - relu(x.neg()).mul_scalar(slope),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn each_is_the_larger_of_x_and_slope_x() {
        let x = [-2.0_f32, -0.5, 0.0, 3.0];
        for activation in [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.2)] {
            let y: Vec<f32> = activation
                .apply(Tensor::<1>::from_floats(x, &Device::flex()))
                .into_data()
                .try_to_vec()
                .expect("f32");
            let expected = x.map(|x| x.max(activation.slope() * x));
            assert_eq!(y, expected, "{activation:?}");
        }
    }

    #[test]
    fn a_leaky_derivative_is_one_above_zero_and_the_slope_below() {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_floats([-2.0, -0.5, 3.0], &device).require_grad();
        let grads = Activation::LeakyRelu(0.2).apply(x.clone()).sum().backward();
        let dx: Vec<f32> = x.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        assert_eq!(dx, [0.2, 0.2, 1.0]);
    }
}
