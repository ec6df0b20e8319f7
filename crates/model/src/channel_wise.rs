//! The channel-wise fully connected layer.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor},
};
use context_encoder_ops::{autocast_inputs, matmul};

/// Connects every position of a feature map with every other, one channel at a time.
///
/// For channel `c` with its `n x n` map flattened row by row into `x_c`, the output is `y_c = W_c x_c` with
/// `W_c` of shape `[n^2, n^2]`: `m n^4` weights for `m` channels where a fully connected layer has `m^2 n^4`.
/// No bias, and nothing passes between channels; a convolution that follows does that (paper, section 3.1
/// "Channel-wise fully-connected layer").
///
/// ```
/// use burn::{module::Module, tensor::{Device, Tensor}};
/// use context_encoder_model::ChannelWise;
///
/// let device = Device::flex();
/// let layer = ChannelWise::new(256, 6, &device);
/// assert_eq!(layer.num_params(), 331_776);
/// assert_eq!(layer.forward(Tensor::zeros([2, 256, 6, 6], &device)).dims(), [2, 256, 6, 6]);
/// ```
#[derive(Module, Debug)]
pub struct ChannelWise {
    /// `[channels, n^2, n^2]`: channel, output position, input position.
    pub weight: Param<Tensor<3>>,
}

impl ChannelWise {
    /// A layer for `channels` maps of `side` x `side`; weights are zero until a model draws them.
    pub fn new(channels: usize, side: usize, device: &Device) -> Self {
        let positions = side * side;
        Self { weight: Initializer::Zeros.init([channels, positions, positions], device) }
    }

    /// # Shapes
    /// - input and output: `[batch, channels, n, n]`
    ///
    /// # Panics
    /// When channels or side are not those the layer was built for.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let [batch, channels, height, width] = x.dims();
        let [expected, positions, _] = weight.dims();
        assert!(
            channels == expected && height == width && height * width == positions,
            "the channel-wise layer takes {expected} square maps of {positions} positions, not {channels} maps of {height}x{width}"
        );
        let x = x.reshape([batch, channels, positions]).permute([1, 2, 0]); // [channels, n^2, batch]
        let y = autocast_inputs(x, weight, |x, weight| matmul(weight, x)); // [channels, n^2, batch]
        y.permute([2, 0, 1]).reshape([batch, channels, height, width])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    /// Two channels of 2x2. Channel 0 rotates its positions by one, channel 1 sums them all into the first
    /// position.
    fn hand_worked(device: &Device) -> ChannelWise {
        #[rustfmt::skip]
        let weight = vec![
            0.0_f32, 0.0, 0.0, 1.0,
            1.0, 0.0, 0.0, 0.0,
            0.0, 1.0, 0.0, 0.0,
            0.0, 0.0, 1.0, 0.0,

            1.0, 1.0, 1.0, 1.0,
            0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0,
        ];
        ChannelWise { weight: Param::from_data(TensorData::new(weight, [2, 4, 4]), device) }
    }

    #[test]
    fn maps_each_channel_by_its_own_matrix() {
        let device = Device::flex();
        let x = Tensor::<4>::from_data(
            TensorData::new((1..=16).map(|v| v as f32).collect(), [2, 2, 2, 2]),
            &device,
        );
        let y: Vec<f32> = hand_worked(&device).forward(x).into_data().try_to_vec().expect("f32");
        #[rustfmt::skip]
        assert_eq!(y, [
            4.0, 1.0, 2.0, 3.0,      26.0, 0.0, 0.0, 0.0,
            12.0, 9.0, 10.0, 11.0,   58.0, 0.0, 0.0, 0.0,
        ]);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let device = Device::flex().autodiff();
        let value = |i: usize| ((i * 37 % 19) as f32 - 9.0) / 10.0;
        let weights: Vec<f32> = (0..32).map(value).collect();
        let inputs: Vec<f32> = (0..24).map(|i| value(i + 5)).collect();
        // loss = sum of squares, so that the derivative depends on both factors
        let loss = |weights: &[f32], inputs: &[f32]| {
            let weight = Param::from_data(TensorData::new(weights.to_vec(), [2, 4, 4]), &device);
            let layer = ChannelWise { weight };
            let x = Tensor::<4>::from_data(TensorData::new(inputs.to_vec(), [3, 2, 2, 2]), &device)
                .require_grad();
            (layer.weight.val(), x.clone(), layer.forward(x).square().sum())
        };
        let (weight, x, total) = loss(&weights, &inputs);
        let grads = total.backward();
        let dw: Vec<f32> = weight.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        let dx: Vec<f32> = x.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");

        let step = 1e-2_f32; // the loss is quadratic, so the central difference is exact up to rounding
        let check = |values: &[f32], gradients: &[f32], loss: &dyn Fn(&[f32]) -> Tensor<1>| {
            for (i, gradient) in gradients.iter().enumerate() {
                let at = |shift: f32| {
                    let mut moved = values.to_vec();
                    moved[i] += shift;
                    loss(&moved).into_scalar::<f32>()
                };
                let expected = (at(step) - at(-step)) / (2.0 * step);
                let difference = (gradient - expected).abs();
                assert!(
                    difference < 2e-3 * expected.abs().max(1.0),
                    "value {i}: {gradient} is not {expected}"
                );
            }
        };
        check(&weights, &dw, &|weights| loss(weights, &inputs).2);
        check(&inputs, &dx, &|inputs| loss(&weights, inputs).2);
    }

    #[test]
    #[should_panic(expected = "takes 2 square maps of 4 positions, not 3 maps of 2x2")]
    fn refuses_another_shape() {
        let device = Device::flex();
        hand_worked(&device).forward(Tensor::zeros([1, 3, 2, 2], &device));
    }
}
