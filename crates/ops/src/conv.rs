//! Convolution and transposed convolution with bias and activation.

use burn::tensor::{
    Tensor,
    module::{conv_transpose2d, conv2d},
    ops::{ConvOptions, ConvTransposeOptions},
};

use crate::{Activation, ConvGeometry, ConvLayer, autocast, implementation::Implementation, layer::ConvKind};

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
        if !autocast::is_f32() {
            return self.forward_autocast(x, weight, bias);
        }
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Optimized => crate::cpu::conv(self, x, weight, bias),
            _ => reference(self, x, weight, bias),
        }
    }

    /// Products in another type than 32 bits; bias and activation in 32.
    fn forward_autocast(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let linear = Self { activation: Activation::Identity, ..self };
        let y = autocast::autocast_inputs(x, weight, |x, weight| reference(linear, x, weight, None));
        self.activation.apply(match bias {
            Some(bias) => {
                let [channels] = bias.dims();
                y + bias.reshape([1, channels, 1, 1])
            }
            None => y,
        })
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
            Implementation::Optimized => crate::cpu::PackedWeights::unpacked(self, weight, affine).forward(x),
            _ => {
                let (weight, shift) = fold_affine(self, weight, affine);
                reference(self, x, weight, shift)
            }
        }
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
    use crate::testing::{difference, noise};

    type Forward = dyn Fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>) -> Tensor<4>;

    /// Output and all gradients of both implementations, on flex.
    fn compare(name: &str, layer: ConvLayer, dims: [[usize; 4]; 2], outputs: usize) {
        let optimized: &Forward = &move |x, weight, bias| layer.forward(x, weight, bias);
        let reference: &Forward = &move |x, weight, bias| reference(layer, x, weight, bias);
        let device = Device::flex();
        let x = noise(dims[0], 1, &device);
        let (weight, bias) = (noise(dims[1], 2, &device), noise([outputs], 3, &device));
        let expected = reference(x.clone(), weight.clone(), Some(bias.clone()));
        let got = optimized(x.clone(), weight.clone(), Some(bias.clone()));
        let apart = difference(got, expected.clone());
        assert!(apart < 1e-5, "{name}: outputs differ by {apart}");

        let device = device.autodiff();
        let gradients = |forward: &Forward| {
            let track =
                |tensor: Tensor<4>| Tensor::<4>::from_data(tensor.into_data(), &device).require_grad();
            let (x, weight) = (track(x.clone()), track(weight.clone()));
            let bias = Tensor::<1>::from_data(bias.clone().into_data(), &device).require_grad();
            let y = forward(x.clone(), weight.clone(), Some(bias.clone()));
            let dy = Tensor::from_data(noise(expected.dims(), 4, &Device::flex()).into_data(), &device);
            let grads = (y * dy).sum().backward();
            (
                x.grad(&grads).expect("tracked"),
                weight.grad(&grads).expect("tracked"),
                bias.grad(&grads).expect("tracked"),
            )
        };
        let (got, expected) = (gradients(optimized), gradients(reference));
        for (what, apart) in [
            ("x", difference(got.0, expected.0)),
            ("weight", difference(got.1, expected.1)),
            ("bias", difference(got.2, expected.2)),
        ] {
            assert!(apart < 1e-4, "{name}: gradients of {what} differ by {apart}");
        }
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
            let name = format!("{layer:?} {inputs} to {outputs} at {height}x{width}");
            let dims = [[batch, inputs, height, width], layer.weight_shape(inputs, outputs)];
            compare(&name, layer, dims, outputs);
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
            let name = format!("{layer:?} {inputs} to {outputs} at {height}x{width}");
            let dims = [[batch, inputs, height, width], layer.weight_shape(inputs, outputs)];
            compare(&name, layer, dims, outputs);
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
