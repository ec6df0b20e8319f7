//! Convolution and transposed convolution with bias and activation.

#[cfg(feature = "cube")]
use burn::tensor::{DType, FloatDType};
use burn::tensor::{
    Tensor,
    module::{conv_transpose2d, conv2d},
    ops::{ConvOptions, ConvTransposeOptions},
};

use crate::{Activation, ConvGeometry, ConvLayer, autocast, dispatch::Implementation, layer::ConvKind};

impl ConvLayer {
    /// The layer with these parameters.
    ///
    /// # Shapes
    /// - `x`: `[batch, in, height, width]`
    /// - `weight`: `[out, in / groups, kernel, kernel]`, transposed `[in, out, kernel, kernel]`; `bias`:
    ///   `[out]`
    /// - output: `[batch, out, height', width']`, sides by [`ConvGeometry::output_size`], transposed by
    ///   [`ConvGeometry::transposed_output_size`]
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn forward(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        self.assert_shapes(x.dims(), weight.dims());
        match Implementation::of_map(&x) {
            #[cfg(feature = "cube")]
            Implementation::Cube => self.forward_on_cube(x, weight, bias),
            _ if !autocast::is_f32() => self.forward_autocast(x, weight, bias),
            #[cfg(feature = "flex")]
            Implementation::Cpu => crate::cpu::conv(self, x, weight, bias),
            _ => reference(self, x, weight, bias),
        }
    }

    /// Products in another type than 32 bits; bias and activation in 32.
    fn forward_autocast(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let linear = Self { activation: Activation::Identity, ..self };
        let y = autocast::autocast_inputs(x, weight, |x, weight| reference(linear, x, weight, None));
        self.activation.apply(add_bias(y, bias))
    }

    /// The same followed by `scale y + shift` of every channel before the activation, for inference: what
    /// [`InferenceLayer`](crate::InferenceLayer) computes, where weights are used once and not worth packing.
    ///
    /// # Shapes
    /// - `scale`, `shift`: `[out]`
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn infer(self, x: Tensor<4>, weight: Tensor<4>, affine: Option<(Tensor<1>, Tensor<1>)>) -> Tensor<4> {
        self.assert_shapes(x.dims(), weight.dims());
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Cpu => crate::cpu::PackedWeights::unpacked(self, weight, affine).forward(x),
            _ => {
                let (weight, shift) = fold_affine(self, weight, affine);
                self.infer_folded(x, weight, shift)
            }
        }
    }

    /// The layer in 32 bits, whatever [`autocast`](crate::autocast()) says; not by the kernels for
    /// processors.
    pub(crate) fn infer_folded(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        match Implementation::of(&x) {
            #[cfg(feature = "cube")]
            Implementation::Cube => autocast(FloatDType::F32, || self.forward_on_cube(x, weight, bias)),
            _ => reference(self, x, weight, bias),
        }
    }

    #[cfg(feature = "cube")]
    fn forward_on_cube(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let compute = autocast::dtype().into();
        // A sum in `f16` may be too large for it, and would stay in batch norm's running statistics.
        let map = if compute == DType::BF16 { compute } else { DType::F32 };
        let Some(bias) = bias else { return self.forward_groups_on_cube(x, weight, [compute, map]) };
        let linear = Self { activation: Activation::Identity, ..self };
        let y = add_bias(linear.forward_groups_on_cube(x, weight, [compute, DType::F32]), Some(bias));
        match self.activation {
            Activation::Identity => y,
            activation => crate::cube::leaky_relu(y, activation.negative_slope()),
        }
    }

    /// The layer without bias, each of its groups by itself: its products in one type, its result in another.
    #[cfg(feature = "cube")]
    fn forward_groups_on_cube(self, x: Tensor<4>, weight: Tensor<4>, types: [DType; 2]) -> Tensor<4> {
        if self.groups == 1 {
            return self.forward_group_on_cube(x, weight, types);
        }
        let group = Self { groups: 1, ..self };
        let groups = x.chunk(self.groups, 1).into_iter().zip(weight.chunk(self.groups, 0));
        Tensor::cat(groups.map(|(x, weight)| group.forward_group_on_cube(x, weight, types)).collect(), 1)
    }

    /// The layer of one group without bias.
    ///
    /// A kernel as large as the large map is one of 1x1 over a map of a single position: its weights, which
    /// are many, stay as they are.
    #[cfg(feature = "cube")]
    fn forward_group_on_cube(self, x: Tensor<4>, weight: Tensor<4>, types: [DType; 2]) -> Tensor<4> {
        let [batch, _, height, width] = x.dims();
        if !self.is_dense([height, width]) {
            return crate::cube::conv(self, x, weight, types);
        }
        let [small, large, kernel, _] = weight.dims();
        let values = large * kernel * kernel;
        let (from, to) = match self.kind {
            ConvKind::Conv2d => (values, [small, 1]),
            ConvKind::ConvTranspose2d => (small, [large, kernel]),
        };
        let dense = Self { geometry: ConvGeometry::new(1, 1, 0), ..self };
        let (x, weight) = (x.reshape([batch, from, 1, 1]), weight.reshape([small, values, 1, 1]));
        crate::cube::conv(dense, x, weight, types).reshape([batch, to[0], to[1], to[1]])
    }

    /// Whether the kernel is as large as the large map, so that the small one is a single position.
    #[cfg(feature = "cube")]
    fn is_dense(self, size: [usize; 2]) -> bool {
        let side = match self.kind {
            ConvKind::Conv2d => self.geometry.kernel,
            ConvKind::ConvTranspose2d => 1,
        };
        self.geometry.padding == 0 && size == [side; 2]
    }

    fn assert_shapes(self, x: [usize; 4], weight: [usize; 4]) {
        let Self { kind, geometry, groups, .. } = self;
        let ConvGeometry { kernel, stride, padding } = geometry;
        let [_, channels, height, width] = x;
        let [small, large_per_group, rows, columns] = weight;
        let side = height.min(width);
        let fits = match kind {
            ConvKind::Conv2d => channels == large_per_group * groups && side + 2 * padding >= kernel,
            ConvKind::ConvTranspose2d => channels == small && (side - 1) * stride + kernel > 2 * padding,
        };
        assert!(
            fits && small.is_multiple_of(groups) && [rows, columns] == [kernel; 2],
            "{} does not take {x:?} with weights {weight:?}",
            match kind {
                ConvKind::Conv2d => format!("a convolution of {geometry:?} in {groups} groups"),
                ConvKind::ConvTranspose2d => format!("a transposed convolution of {geometry:?}"),
            }
        );
    }
}

pub(crate) fn reference(
    ConvLayer { kind, geometry, groups, activation }: ConvLayer,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    let ConvGeometry { stride, padding, .. } = geometry;
    let (x, weight) = (canonical_strides(x, &[1]), canonical_strides(weight, &[0, 1]));
    let y = match kind {
        ConvKind::Conv2d => {
            let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], groups);
            conv2d(x, weight, bias, options)
        }
        ConvKind::ConvTranspose2d => {
            let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [0, 0], [1, 1], groups);
            conv_transpose2d(x, weight, bias, options)
        }
    };
    activation.apply(canonical_strides(y, &[1]))
}

fn add_bias(y: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let Some(bias) = bias else { return y };
    let [channels] = bias.dims();
    y + bias.reshape([1, channels, 1, 1])
}

/// Where one of `axes` has length one: gives it the stride of its place, to the tensor and to its gradient.
///
/// Burn's graphics devices compute convolutions with channels last and hand back a permuted view, so that a
/// single channel has stride 1 like the columns. Nothing is wrong with that, until a fused kernel of Burn
/// 0.22.1 overwrites such a tensor in place, as Adam does with a gradient: it reads wrong places (`z + 1000
/// t` of a `t` that is `[3, 2, 2, 1]` permuted to `[3, 1, 2, 2]`; docs/backends.md). Here that happened to
/// the discriminator's last layer, whose one logit is a channel. Two reshapes move nothing and set the
/// strides right.
fn canonical_strides(tensor: Tensor<4>, axes: &[usize]) -> Tensor<4> {
    let dims = tensor.dims();
    if axes.iter().all(|&axis| dims[axis] > 1) {
        return tensor;
    }
    let line: Tensor<1> = tensor.reshape([dims.iter().product::<usize>()]);
    line.reshape(dims)
}

/// Weights times scale, and the shift as bias.
pub(crate) fn fold_affine(
    layer: ConvLayer,
    weight: Tensor<4>,
    affine: Option<(Tensor<1>, Tensor<1>)>,
) -> (Tensor<4>, Option<Tensor<1>>) {
    let Some((scale, shift)) = affine else { return (weight, None) };
    let mut dims = [1; 4];
    let out = layer.output_channel_axis();
    dims[out] = weight.dims()[out];
    (weight * scale.reshape(dims), Some(shift))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{assert_close, conv_gradients, noise};

    /// Output and all gradients, and the output without autodiff.
    fn assert_matches_reference(layer: ConvLayer, dims: [usize; 5]) {
        let reference = |x, weight, bias| reference(layer, x, weight, bias);
        let optimized = |x, weight, bias| layer.forward(x, weight, bias);
        let what = format!("{layer:?}, {dims:?}");
        let (got, got_bias) = conv_gradients(layer, dims, optimized);
        let (expected, expected_bias) = conv_gradients(layer, dims, reference);
        for (index, (got, expected)) in got.into_iter().zip(expected).enumerate() {
            let (name, limit) =
                [("output", 1e-5), ("gradient of x", 1e-4), ("gradient of weight", 1e-4)][index];
            assert_close(got, expected, limit, format_args!("{what}: {name}"));
        }
        assert_close(got_bias, expected_bias, 1e-4, format_args!("{what}: gradient of bias"));

        let [batch, inputs, outputs, height, width] = dims;
        let device = Device::flex();
        let (x, bias) = (noise([batch, inputs, height, width], 1, &device), noise([outputs], 3, &device));
        let weight = noise(layer.weight_shape(inputs, outputs), 2, &device);
        let y = optimized(x.clone(), weight.clone(), Some(bias.clone()));
        assert_close(
            y,
            reference(x, weight, Some(bias)),
            1e-5,
            format_args!("{what}: output without autodiff"),
        );
    }

    const ACTIVATIONS: [Activation; 3] = [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.2)];

    #[test]
    fn conv2d_matches_reference() {
        #[rustfmt::skip]
        let cases = [
            // geometry, groups, batch, in, out, height, width
            (ConvGeometry::new(4, 2, 1), 1, 3, 37, 19, 10, 14), // Winograd, odd channels and odd numbers of tiles
            (ConvGeometry::new(4, 2, 1), 1, 2, 64, 32, 16, 16),
            (ConvGeometry::new(4, 2, 1), 1, 5, 16, 130, 12, 4),
            (ConvGeometry::new(4, 2, 1), 1, 2, 3, 64, 8, 8),    // few channels
            (ConvGeometry::new(4, 2, 1), 1, 1, 32, 48, 8, 8),   // few tiles
            (ConvGeometry::new(4, 2, 1), 1, 2, 20, 20, 9, 11),  // odd sides
            (ConvGeometry::new(4, 1, 0), 1, 3, 35, 50, 4, 4),   // the whole map
            (ConvGeometry::new(4, 1, 0), 1, 3, 33, 1, 4, 4),
            (ConvGeometry::new(4, 1, 0), 1, 1, 35, 50, 4, 4),   // of one image
            (ConvGeometry::new(1, 1, 0), 1, 2, 40, 24, 4, 4),
            (ConvGeometry::new(11, 4, 0), 1, 2, 3, 24, 35, 27), // AlexNet's
            (ConvGeometry::new(5, 1, 2), 2, 2, 24, 64, 7, 9),
            (ConvGeometry::new(3, 1, 1), 2, 2, 96, 64, 6, 6),
            (ConvGeometry::new(3, 2, 0), 1, 2, 17, 17, 13, 13),
        ];
        for (index, (geometry, groups, batch, inputs, outputs, height, width)) in
            cases.into_iter().enumerate()
        {
            let layer = ConvLayer::conv2d(geometry, groups, ACTIVATIONS[index % 3]);
            assert_matches_reference(layer, [batch, inputs, outputs, height, width]);
        }
    }

    #[test]
    fn conv_transpose2d_matches_reference() {
        #[rustfmt::skip]
        let cases = [
            (ConvGeometry::new(4, 2, 1), 3, 37, 19, 5, 7),
            (ConvGeometry::new(4, 2, 1), 2, 64, 32, 8, 8),
            (ConvGeometry::new(4, 2, 1), 1, 32, 16, 4, 4),
            (ConvGeometry::new(4, 2, 1), 2, 64, 3, 8, 8),
            (ConvGeometry::new(4, 1, 0), 3, 35, 50, 1, 1),
            (ConvGeometry::new(4, 1, 0), 1, 35, 83, 1, 1),
            (ConvGeometry::new(1, 1, 0), 2, 24, 40, 4, 4),
            (ConvGeometry::new(5, 2, 2), 2, 24, 17, 6, 6), // the feature decoder's
        ];
        for (index, (geometry, batch, inputs, outputs, height, width)) in cases.into_iter().enumerate() {
            let layer = ConvLayer::conv_transpose2d(geometry, ACTIVATIONS[index % 3]);
            assert_matches_reference(layer, [batch, inputs, outputs, height, width]);
        }
    }

    #[test]
    #[should_panic(expected = "does not take [1, 3, 8, 8] with weights [5, 4, 4, 4]")]
    fn weights_with_wrong_channel_count_panic() {
        let device = Device::flex();
        let layer = ConvLayer::conv2d(ConvGeometry::new(4, 2, 1), 1, Activation::Identity);
        layer.forward(Tensor::ones([1, 3, 8, 8], &device), Tensor::ones([5, 4, 4, 4], &device), None);
    }
}
