//! Layers laid out for inference.

use burn::tensor::Tensor;

use crate::{ConvLayer, Storage, implementation::Implementation, plain};

/// A convolution or up-convolution whose weights have been laid out once, with batch norm folded in:
/// for inference, no gradients.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, Conv2d, InferenceLayer, ConvGeometry};
///
/// let device = Device::default();
/// let layer = Conv2d { window: ConvGeometry::new(4, 2, 1), groups: 1, activation: Activation::Relu };
/// let (weight, scale) = (Tensor::<4>::ones([2, 3, 4, 4], &device), Tensor::<1>::ones([2], &device) * 2.0);
/// let prepared = InferenceLayer::new(layer, weight, Some((scale.clone(), scale.zeros_like())));
/// let y = prepared.forward(Tensor::ones([1, 3, 8, 8], &device));
/// assert_eq!(y.max().into_scalar::<f32>(), 96.0); // 48 ones, times 2
/// ```
#[derive(Clone, Debug)]
pub struct InferenceLayer {
    layer: ConvLayer,
    weights: Weights,
}

#[derive(Clone, Debug)]
enum Weights {
    /// Weights times scale, and the shift.
    Plain(Box<(Tensor<4>, Option<Tensor<1>>)>),
    #[cfg(feature = "flex")]
    Fast(std::sync::Arc<crate::flex::Laid>),
}

impl InferenceLayer {
    /// A [`Conv2d`](crate::Conv2d) or [`ConvTranspose2d`](crate::ConvTranspose2d) followed by
    /// `scale y + shift` of every channel, then its activation.
    ///
    /// # Shapes
    /// - `weight`: as for the layer's `forward`; `scale`, `shift`: `[out]`
    pub fn new(
        layer: impl Into<ConvLayer>,
        weight: Tensor<4>,
        affine: Option<(Tensor<1>, Tensor<1>)>,
    ) -> Self {
        Self::stored(Storage::F32, layer, weight, affine)
    }

    /// The same with weights kept in a [`Storage`]. Scale and shift are not rounded.
    ///
    /// # Shapes
    /// As for [`new`](Self::new).
    pub fn stored(
        storage: Storage,
        layer: impl Into<ConvLayer>,
        weight: Tensor<4>,
        affine: Option<(Tensor<1>, Tensor<1>)>,
    ) -> Self {
        let layer = layer.into();
        let weights = match Implementation::of(&weight) {
            #[cfg(feature = "flex")]
            Implementation::Optimized => {
                Weights::Fast(std::sync::Arc::new(crate::flex::Laid::new(storage, layer, weight, affine)))
            }
            _ => Weights::Plain(Box::new(plain::fold(layer, storage.rounded(weight), affine))),
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
                let (weight, shift) = folded.as_ref().clone();
                plain::convolve(self.layer, x, weight, shift)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        Activation, Conv2d, ConvGeometry, ConvKind, ConvTranspose2d,
        implementation::with_reference,
        noise::{difference, noise},
    };

    /// One picture and a batch, each with its own algorithm; every window of the networks.
    #[test]
    fn a_prepared_layer_is_convolution_scale_shift_and_activation() {
        let device = Device::flex();
        for (window, side) in [
            (ConvGeometry::new(4, 2, 1), 16),
            (ConvGeometry::new(4, 1, 0), 4),
            (ConvGeometry::new(1, 1, 0), 4),
        ] {
            for batch in [1, 9] {
                let (inputs, outputs) = (32, 48);
                let x = noise([batch, inputs, side, side], 1, &device);
                let weight = noise([outputs, inputs, window.kernel, window.kernel], 2, &device);
                let (scale, shift) = (noise([outputs], 3, &device), noise([outputs], 4, &device));
                let activation = Activation::LeakyRelu(0.2);
                let layer = Conv2d { window, groups: 1, activation };
                let linear = Conv2d { activation: Activation::Identity, ..layer };
                let y = plain::convolve(linear.into(), x.clone(), weight.clone(), None);
                let affine = |y: Tensor<4>| {
                    let dims = [1, outputs, 1, 1];
                    activation.apply(y * scale.clone().reshape(dims) + shift.clone().reshape(dims))
                };
                let prepared =
                    InferenceLayer::new(layer, weight.clone(), Some((scale.clone(), shift.clone())));
                let apart = difference(prepared.forward(x), affine(y.clone()));
                assert!(apart < 1e-5, "{window:?}, batch {batch}: {apart}");

                let layer = ConvTranspose2d { window, activation };
                let linear = ConvTranspose2d { activation: Activation::Identity, ..layer };
                let weight = weight.swap_dims(0, 1); // [in, out, kernel, kernel]
                let side = window.down(side);
                let x = noise([batch, inputs, side, side], 5, &device);
                let expected = affine(plain::convolve(linear.into(), x.clone(), weight.clone(), None));
                let prepared = InferenceLayer::new(layer, weight, Some((scale.clone(), shift.clone())));
                let apart = difference(prepared.forward(x), expected);
                assert!(apart < 1e-5, "{window:?} up, batch {batch}: {apart}");
            }
        }
    }

    /// Kernels as large as the map, for batches on both sides of every group and of the larger product,
    /// with uneven channels; in both storages, each against its plain form.
    #[test]
    fn dense_layers_are_their_plain_form_in_every_batch() {
        let device = Device::flex();
        let (window, activation) = (ConvGeometry::new(4, 1, 0), Activation::LeakyRelu(0.2));
        for ([inputs, outputs], way) in [[1, 1], [5, 37], [33, 6], [64, 35]]
            .into_iter()
            .flat_map(|sizes| [(sizes, ConvKind::Conv2d), (sizes, ConvKind::ConvTranspose2d)])
        {
            let layer = ConvLayer { way, window, groups: 1, activation };
            let (side, dims) = match way {
                ConvKind::Conv2d => (4, [outputs, inputs, 4, 4]),
                ConvKind::ConvTranspose2d => (1, [inputs, outputs, 4, 4]),
            };
            let weight = noise(dims, 1, &device);
            let affine = || Some((noise([outputs], 2, &device), noise([outputs], 3, &device)));
            for storage in [Storage::F32, Storage::Bf16] {
                let prepared = InferenceLayer::stored(storage, layer, weight.clone(), affine());
                let plain =
                    with_reference(|| InferenceLayer::stored(storage, layer, weight.clone(), affine()));
                for batch in [1, 2, 5, 16, 17, 33] {
                    let x = noise([batch, inputs, side, side], 4, &device);
                    let apart = difference(prepared.forward(x.clone()), plain.forward(x));
                    assert!(
                        apart < 1e-5,
                        "{way:?} {inputs} to {outputs}, {storage:?}, batch {batch}: {apart}"
                    );
                }
                // on a map larger than the kernel
                let x = noise([2, inputs, side + 2, side + 1], 5, &device);
                let apart = difference(prepared.forward(x.clone()), plain.forward(x));
                assert!(apart < 1e-5, "{way:?} {inputs} to {outputs}, {storage:?}, larger: {apart}");
            }
        }
    }

    #[test]
    fn weights_of_16_bits_are_off_by_their_rounding() {
        let device = Device::flex();
        for window in [ConvGeometry::new(4, 1, 0), ConvGeometry::new(4, 2, 1)] {
            let layer = Conv2d { window, groups: 1, activation: Activation::Identity };
            let (x, weight) = (noise([3, 20, 4, 4], 1, &device), noise([9, 20, 4, 4], 2, &device));
            let [exact, rounded] = [Storage::F32, Storage::Bf16].map(|storage| {
                InferenceLayer::stored(storage, layer, weight.clone(), None).forward(x.clone())
            });
            // a sum is off by 2^-8 of the sum of absolute values at most
            let bound =
                InferenceLayer::new(layer, weight.abs(), None).forward(x.abs()).mul_scalar(1.0 / 256.0);
            let apart = (exact - rounded).abs();
            assert!(apart.clone().max().into_scalar::<f32>() > 1e-4, "{window:?}: nothing was rounded");
            assert!((apart / bound).max().into_scalar::<f32>() < 1.0, "{window:?}");
        }
    }
}
