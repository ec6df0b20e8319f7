//! Layers laid out for inference.

use burn::tensor::Tensor;

use crate::{Layer, form::Form, plain};

/// A convolution or up-convolution whose weights have been laid out once, with batch norm folded in:
/// for inference, no gradients.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, Convolution, Prepared, Window};
///
/// let device = Device::default();
/// let layer = Convolution { window: Window::new(4, 2, 1), groups: 1, activation: Activation::Relu };
/// let (weight, scale) = (Tensor::<4>::ones([2, 3, 4, 4], &device), Tensor::<1>::ones([2], &device) * 2.0);
/// let prepared = Prepared::new(layer, weight, Some((scale.clone(), scale.zeros_like())));
/// let y = prepared.forward(Tensor::ones([1, 3, 8, 8], &device));
/// assert_eq!(y.max().into_scalar::<f32>(), 96.0); // 48 ones, times 2
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    layer: Layer,
    weights: Weights,
}

/// Weights times scale, and the shift.
#[derive(Clone, Debug)]
struct Folded {
    weight: Tensor<4>,
    shift: Option<Tensor<1>>,
}

#[derive(Clone, Debug)]
enum Weights {
    Plain(Box<Folded>),
    #[cfg(feature = "flex")]
    Fast(std::sync::Arc<crate::flex::Laid>),
}

impl Prepared {
    /// A [`Convolution`](crate::Convolution) or [`UpConvolution`](crate::UpConvolution) followed by
    /// `scale y + shift` of every channel, then its activation.
    ///
    /// # Shapes
    /// - `weight`: as for the layer's `forward`; `scale`, `shift`: `[out]`
    pub fn new(layer: impl Into<Layer>, weight: Tensor<4>, affine: Option<(Tensor<1>, Tensor<1>)>) -> Self {
        let layer = layer.into();
        let weights = match Form::of(&weight) {
            #[cfg(feature = "flex")]
            Form::Fast => Weights::Fast(std::sync::Arc::new(crate::flex::Laid::new(layer, weight, affine))),
            _ => match affine {
                None => Weights::Plain(Box::new(Folded { weight, shift: None })),
                Some((scale, shift)) => {
                    let mut dims = [1; 4];
                    let out = layer.outputs_axis();
                    dims[out] = weight.dims()[out];
                    let weight = weight * scale.reshape(dims);
                    Weights::Plain(Box::new(Folded { weight, shift: Some(shift) }))
                }
            },
        };
        Self { layer, weights }
    }

    /// # Shapes
    /// As for the layer's `forward`.
    ///
    /// # Panics
    /// When `x` is not on the device of the weights, or of another shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.weights {
            #[cfg(feature = "flex")]
            Weights::Fast(laid) => laid.forward(x),
            Weights::Plain(folded) => {
                plain::convolve(self.layer, x, folded.weight.clone(), folded.shift.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        Activation, Convolution, UpConvolution, Window,
        noise::{difference, noise},
    };

    /// One picture and a batch, each with its own algorithm; every window of the networks.
    #[test]
    fn a_prepared_layer_is_convolution_scale_shift_and_activation() {
        let device = Device::flex();
        for (window, side) in
            [(Window::new(4, 2, 1), 16), (Window::new(4, 1, 0), 4), (Window::new(1, 1, 0), 4)]
        {
            for batch in [1, 9] {
                let (inputs, outputs) = (32, 48);
                let x = noise([batch, inputs, side, side], 1, &device);
                let weight = noise([outputs, inputs, window.kernel, window.kernel], 2, &device);
                let (scale, shift) = (noise([outputs], 3, &device), noise([outputs], 4, &device));
                let activation = Activation::LeakyRelu(0.2);
                let layer = Convolution { window, groups: 1, activation };
                let linear = Convolution { activation: Activation::Identity, ..layer };
                let y = plain::convolve(linear.into(), x.clone(), weight.clone(), None);
                let affine = |y: Tensor<4>| {
                    let dims = [1, outputs, 1, 1];
                    activation.apply(y * scale.clone().reshape(dims) + shift.clone().reshape(dims))
                };
                let prepared = Prepared::new(layer, weight.clone(), Some((scale.clone(), shift.clone())));
                let apart = difference(prepared.forward(x), affine(y.clone()));
                assert!(apart < 1e-5, "{window:?}, batch {batch}: {apart}");

                let layer = UpConvolution { window, activation };
                let linear = UpConvolution { activation: Activation::Identity, ..layer };
                let weight = weight.swap_dims(0, 1); // [in, out, kernel, kernel]
                let side = window.down(side);
                let x = noise([batch, inputs, side, side], 5, &device);
                let expected = affine(plain::convolve(linear.into(), x.clone(), weight.clone(), None));
                let prepared = Prepared::new(layer, weight, Some((scale.clone(), shift.clone())));
                let apart = difference(prepared.forward(x), expected);
                assert!(apart < 1e-5, "{window:?} up, batch {batch}: {apart}");
            }
        }
    }
}
