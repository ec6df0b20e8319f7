//! Layers prepared for inference.

use burn::tensor::Tensor;

use crate::{ConvLayer, Storage, conv, dispatch::Implementation};

/// A convolution or transposed convolution whose weights have been packed once, with batch norm folded in:
/// for inference, no gradients.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, ConvGeometry, ConvLayer, InferenceLayer};
///
/// let device = Device::default();
/// let layer = ConvLayer::conv2d(ConvGeometry::new(4, 2, 1), 1, Activation::Relu);
/// let (weight, scale) = (Tensor::<4>::ones([2, 3, 4, 4], &device), Tensor::<1>::ones([2], &device) * 2.0);
/// let layer = InferenceLayer::new(layer, weight, Some((scale.clone(), scale.zeros_like())));
/// let y = layer.forward(Tensor::ones([1, 3, 8, 8], &device));
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
    Folded(Box<(Tensor<4>, Option<Tensor<1>>)>),
    #[cfg(feature = "flex")]
    Packed(std::sync::Arc<crate::cpu::PackedWeights>),
    #[cfg(feature = "cube")]
    Matrix(Box<crate::cube::InferenceWeights>),
}

impl InferenceLayer {
    /// A layer followed by `scale y + shift` of every channel, then its activation.
    ///
    /// # Shapes
    /// - `weight`: as for the layer's `forward`; `scale`, `shift`: `[out]`
    pub fn new(layer: ConvLayer, weight: Tensor<4>, affine: Option<(Tensor<1>, Tensor<1>)>) -> Self {
        Self::with_storage(Storage::F32, layer, weight, affine)
    }

    /// The same with weights kept in a [`Storage`]. Scale and shift are not rounded.
    ///
    /// # Shapes
    /// As for [`new`](Self::new).
    pub fn with_storage(
        storage: Storage,
        layer: ConvLayer,
        weight: Tensor<4>,
        affine: Option<(Tensor<1>, Tensor<1>)>,
    ) -> Self {
        let weights = match Implementation::of(&weight) {
            #[cfg(feature = "flex")]
            Implementation::Cpu => Weights::Packed(std::sync::Arc::new(crate::cpu::PackedWeights::new(
                storage, layer, weight, affine,
            ))),
            #[cfg(feature = "cube")]
            Implementation::Cube if layer.groups == 1 => {
                let (weight, shift) = conv::fold_affine(layer, storage.round(weight), affine);
                Weights::Matrix(Box::new(crate::cube::InferenceWeights::new(layer, weight, shift)))
            }
            _ => Weights::Folded(Box::new(conv::fold_affine(layer, storage.round(weight), affine))),
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
            Weights::Packed(packed) => packed.forward(x),
            #[cfg(feature = "cube")]
            Weights::Matrix(weights) => weights.forward(x),
            Weights::Folded(folded) => {
                let (weight, shift) = folded.as_ref().clone();
                self.layer.infer_folded(x, weight, shift)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        Activation, ConvGeometry,
        layer::ConvKind,
        testing::{assert_close, noise},
        with_reference,
    };

    /// One image and a batch, each with its own algorithm; every geometry of the networks.
    #[test]
    fn inference_layer_is_convolution_scale_shift_and_activation() {
        let device = Device::flex();
        let (inputs, outputs, activation) = (32, 48, Activation::LeakyRelu(0.2));
        for (geometry, side) in [
            (ConvGeometry::new(4, 2, 1), 16),
            (ConvGeometry::new(4, 1, 0), 4),
            (ConvGeometry::new(1, 1, 0), 4),
        ] {
            for (layer, side) in [
                (ConvLayer::conv2d(geometry, 1, activation), side),
                (ConvLayer::conv_transpose2d(geometry, activation), geometry.output_size(side)),
            ] {
                let linear = ConvLayer { activation: Activation::Identity, ..layer };
                let weight = noise(layer.weight_shape(inputs, outputs), 2, &device);
                let (scale, shift) = (noise([outputs], 3, &device), noise([outputs], 4, &device));
                let inference =
                    InferenceLayer::new(layer, weight.clone(), Some((scale.clone(), shift.clone())));
                let [scale, shift] = [scale, shift].map(|affine| affine.reshape([1, outputs, 1, 1]));
                for batch in [1, 9] {
                    let x = noise([batch, inputs, side, side], 1, &device);
                    let y = conv::reference(linear, x.clone(), weight.clone(), None);
                    let expected = activation.apply(y * scale.clone() + shift.clone());
                    assert_close(
                        inference.forward(x),
                        expected,
                        1e-5,
                        format_args!("{layer:?}, batch {batch}"),
                    );
                }
            }
        }
    }

    /// Kernels as large as the map, for batches on both sides of every tile of vectors and of the large
    /// product, with uneven channels; in both storages, each against its reference.
    #[test]
    fn dense_inference_layers_match_reference_at_every_batch_size() {
        let device = Device::flex();
        let (geometry, activation) = (ConvGeometry::new(4, 1, 0), Activation::LeakyRelu(0.2));
        for ([inputs, outputs], kind) in [[1, 1], [5, 37], [33, 6], [64, 35]]
            .into_iter()
            .flat_map(|sizes| [(sizes, ConvKind::Conv2d), (sizes, ConvKind::ConvTranspose2d)])
        {
            let layer = ConvLayer { kind, geometry, groups: 1, activation };
            let side = if kind == ConvKind::Conv2d { 4 } else { 1 };
            let weight = noise(layer.weight_shape(inputs, outputs), 1, &device);
            let affine = || Some((noise([outputs], 2, &device), noise([outputs], 3, &device)));
            for storage in [Storage::F32, Storage::Bf16] {
                let prepare = || InferenceLayer::with_storage(storage, layer, weight.clone(), affine());
                let (optimized, reference) = (prepare(), with_reference(prepare));
                let same = [1, 2, 5, 16, 17, 33].map(|batch| [batch, inputs, side, side]);
                let larger = [2, inputs, side + 2, side + 1]; // than the kernel
                for dims in same.into_iter().chain([larger]) {
                    let x = noise(dims, 4, &device);
                    let what = format_args!("{layer:?} to {outputs}, {storage:?}, {dims:?}");
                    assert_close(optimized.forward(x.clone()), reference.forward(x), 1e-5, what);
                }
            }
        }
    }

    #[test]
    fn bf16_weights_are_off_by_their_rounding() {
        let device = Device::flex();
        for geometry in [ConvGeometry::new(4, 1, 0), ConvGeometry::new(4, 2, 1)] {
            let layer = ConvLayer::conv2d(geometry, 1, Activation::Identity);
            let (x, weight) = (noise([3, 20, 4, 4], 1, &device), noise([9, 20, 4, 4], 2, &device));
            let [exact, rounded] = [Storage::F32, Storage::Bf16].map(|storage| {
                InferenceLayer::with_storage(storage, layer, weight.clone(), None).forward(x.clone())
            });
            // a sum is off by 2^-8 of the sum of absolute values at most
            let bound =
                InferenceLayer::new(layer, weight.abs(), None).forward(x.abs()).mul_scalar(1.0 / 256.0);
            let apart = (exact - rounded).abs();
            assert!(apart.clone().max().into_scalar::<f32>() > 1e-4, "{geometry:?}: nothing was rounded");
            assert!((apart / bound).max().into_scalar::<f32>() < 1.0, "{geometry:?}");
        }
    }
}
