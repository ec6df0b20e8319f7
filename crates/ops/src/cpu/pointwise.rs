//! Kernels of one value in, one value out: the epilogue of a convolution and its backward pass, tanh,
//! masking, Adam.

use burn::{backend::Flex, tensor::Tensor};
use burn_flex::FlexTensor;
use pulp::Simd;
use rayon::prelude::*;

use super::{
    buffer::Buffer,
    feature_map::{FeatureMap, Shape, slice},
    simd::{SimdKernel, dispatch, load},
};
use crate::{
    autograd::{ForwardOutput, GradSink, Input, KernelBackend, Operation, apply, constant_like, untracked},
    layer::AdamConstants,
};

/// Values that one task handles.
const VALUES_PER_TASK: usize = 64 << 10;

/// What happens to a convolution's sums before they are written: `max(v, negative_slope v)` of `v = scale sum
/// + shift`, one scale and shift for each channel. Bias or folded batch norm, and the activation.
pub(crate) struct Epilogue {
    /// Scale and shift, zeros behind the last channel up to a whole register.
    affine: Option<[Buffer; 2]>,
    /// 1 changes nothing, 0 is ReLU, in between is leaky ReLU.
    negative_slope: f32,
}

impl Epilogue {
    /// Values as they are.
    pub(crate) const IDENTITY: Self = Self { affine: None, negative_slope: 1.0 };

    /// # Panics
    /// When the negative slope is not within `0..=1`.
    pub(crate) fn new(affine: Option<(&[f32], &[f32])>, negative_slope: f32) -> Self {
        assert!(
            (0.0..=1.0).contains(&negative_slope),
            "the negative slope is {negative_slope}, not within 0..=1"
        );
        Self {
            affine: affine.map(|(scale, shift)| [Buffer::padded(scale), Buffer::padded(shift)]),
            negative_slope,
        }
    }

    /// A shift alone, and a negative slope.
    pub(crate) fn with_bias(bias: Option<&[f32]>, negative_slope: f32) -> Self {
        let ones = bias.map(|bias| vec![1.0; bias.len()]);
        Self::new(ones.as_deref().zip(bias), negative_slope)
    }

    /// The same for some of the channels.
    pub(crate) fn channels(&self, first: usize, count: usize) -> Self {
        let slice = |values: &Buffer| Buffer::padded(&values[first..first + count]);
        let affine = self.affine.as_ref().map(|affine| affine.each_ref().map(slice));
        Self { affine, negative_slope: self.negative_slope }
    }

    /// Whether values stay as they are.
    pub(crate) fn is_identity(&self) -> bool {
        self.affine.is_none() && self.negative_slope == 1.0
    }

    /// Applies it to a register of the channels of `chunk`.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&self, simd: S, value: S::f32s, chunk: usize) -> S::f32s {
        let value = match &self.affine {
            Some([scale, shift]) => {
                let at = chunk * S::F32_LANES;
                let (scale, shift) = (&scale[at..][..S::F32_LANES], &shift[at..][..S::F32_LANES]);
                // SAFETY: both slices are one register.
                unsafe { simd.mul_add_e_f32s(value, load::<S>(scale.as_ptr()), load::<S>(shift.as_ptr())) }
            }
            None => value,
        };
        if self.negative_slope == 1.0 {
            return value;
        }
        simd.max_f32s(value, simd.mul_f32s(value, simd.splat_f32s(self.negative_slope)))
    }

    /// Applies it to values that were written without, rows of `channels`.
    pub(crate) fn apply_all(&self, values: &mut [f32], channels: usize) {
        if self.is_identity() {
            return;
        }
        for row in values.chunks_exact_mut(channels) {
            for (channel, value) in row.iter_mut().enumerate() {
                if let Some([scale, shift]) = &self.affine {
                    *value = scale[channel].mul_add(*value, shift[channel]);
                }
                *value = value.max(self.negative_slope * *value);
            }
        }
    }
}

/// Gradient before leaky ReLU, from its output `y`: times the negative slope where `y <= 0`.
pub(crate) fn leaky_relu_backward(y: &[f32], negative_slope: f32, gradient: &mut [f32]) {
    gradient
        .par_chunks_mut(VALUES_PER_TASK)
        .zip(y.par_chunks(VALUES_PER_TASK))
        .for_each(|(gradient, y)| dispatch(LeakyReluBackward { y, negative_slope, gradient }));
}

struct LeakyReluBackward<'a> {
    y: &'a [f32],
    negative_slope: f32,
    gradient: &'a mut [f32],
}

impl SimdKernel for LeakyReluBackward<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        for (gradient, y) in self.gradient.iter_mut().zip(self.y) {
            *gradient *= if *y > 0.0 { 1.0 } else { self.negative_slope };
        }
    }
}

pub(crate) fn tanh(x: Tensor<4>) -> Tensor<4> {
    apply(Tanh, [Input::new(x)]).0
}

#[derive(Debug)]
struct Tanh;

impl Operation<Flex, 1> for Tanh {
    /// The output.
    type SavedForBackward = FeatureMap;
    type Extra = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> ForwardOutput<Flex, FeatureMap, ()> {
        let x = FeatureMap::new(x);
        let output = FeatureMap::compute(x.shape, |y| tanh_values(x.values(), y));
        ForwardOutput { saved: output.clone(), output: output.into_tensor(), extra: () }
    }

    fn backward(&self, y: FeatureMap, dy: FlexTensor, grads: &mut GradSink<'_, Flex, 1>) {
        let dy = FeatureMap::new(dy);
        grads.register(0, || {
            FeatureMap::compute(y.shape, |dx| tanh_backward(y.values(), dy.values(), dx)).into_tensor()
        });
    }
}

/// Hyperbolic tangent of each value.
fn tanh_values(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(VALUES_PER_TASK)
        .zip(x.par_chunks(VALUES_PER_TASK))
        .for_each(|(y, x)| dispatch(TanhKernel { x, y }));
}

struct TanhKernel<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl SimdKernel for TanhKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            // Beyond 10 the result is 1 to the last bit; NaN stays NaN.
            *y = 1.0 - 2.0 / (exponential(2.0 * x.clamp(-10.0, 10.0)) + 1.0);
        }
    }
}

/// `e^x` within a few units of the last place, for moderate `x`: `2^n e^r` with `|r| <= ln 2 / 2`, the
/// second factor by its Taylor series.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    // ln 2 in two parts, so that the remainder is exact.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let series = 1.0 / 5040.0;
    let series =
        [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0].iter().fold(series, |sum, part: &f32| sum * r + 1.0 / part);
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    series * power
}

/// Gradient before the hyperbolic tangent, from its output.
fn tanh_backward(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    dx.par_chunks_mut(VALUES_PER_TASK)
        .zip(y.par_chunks(VALUES_PER_TASK).zip(dy.par_chunks(VALUES_PER_TASK)))
        .for_each(|(dx, (y, dy))| {
            for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = dy * (1.0 - y * y);
            }
        });
}

/// Images with their hidden part in one color, `(1 - m) x + m color`; nothing where a gradient of images or
/// masks is tracked.
pub(crate) fn apply_mask(images: &Tensor<4>, masks: &Tensor<4>, color: [f32; 3]) -> Option<Tensor<4>> {
    let [batch, channels, height, width] = images.dims();
    let planes = untracked::<Flex, 4>(images.clone())?.to_contiguous();
    let hidden = untracked::<Flex, 4>(masks.clone())?.to_contiguous();
    let shape = Shape { batch, height, width, channels };
    let pixels = height * width;
    let masked = FeatureMap::compute(shape, |to| {
        let planes = slice(&planes).par_chunks(3 * pixels).zip(slice(&hidden).par_chunks(pixels));
        to.par_chunks_mut(3 * pixels).zip(planes).for_each(|(to, (image, mask))| {
            let (red, rest) = image.split_at(pixels);
            let (green, blue) = rest.split_at(pixels);
            let planes = red.iter().zip(green).zip(blue).zip(mask);
            for (to, (((red, green), blue), mask)) in to.chunks_exact_mut(3).zip(planes) {
                for ((to, value), color) in to.iter_mut().zip([red, green, blue]).zip(color) {
                    *to = (1.0 - mask) * value + mask * color;
                }
            }
        });
    });
    Some(constant_like::<Flex, 4, 4>(images, masked.into_tensor()))
}

/// Updates weights and both moments in one pass over memory, in place where nobody else holds the tensors.
/// For tensors without autodiff.
pub(crate) fn adam<const D: usize>(
    constants: AdamConstants,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    [first, second]: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let gradient = Flex::primitive(gradient).to_contiguous();
    let (mut weights, mut first, mut second) = (owned(weights), owned(first), owned(second));
    let parameters = weights.storage_mut().par_chunks_mut(VALUES_PER_TASK);
    let gradients = slice(&gradient).par_chunks(VALUES_PER_TASK);
    let firsts = first.storage_mut().par_chunks_mut(VALUES_PER_TASK);
    let seconds = second.storage_mut().par_chunks_mut(VALUES_PER_TASK);
    parameters.zip(gradients).zip(firsts.zip(seconds)).for_each(|((weights, gradient), (first, second))| {
        dispatch(AdamKernel { constants, weights, gradient, first, second });
    });
    (Flex::from_primitive(weights), [first, second].map(Flex::from_primitive))
}

/// The tensor in the order of its shape, whose `storage_mut` is all of it and copies what is shared.
fn owned<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = Flex::primitive(tensor);
    let layout = tensor.layout();
    let whole = layout.is_contiguous()
        && layout.start_offset() == 0
        && tensor.bytes().len() == layout.num_elements() * size_of::<f32>();
    if whole { tensor } else { FlexTensor::from_data(tensor.into_data()) }
}

struct AdamKernel<'a> {
    constants: AdamConstants,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl SimdKernel for AdamKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const T_ROWS: usize>(self, _: S) {
        let AdamConstants { beta_1, beta_2, lr, correction, epsilon } = self.constants;
        let moments = self.first.iter_mut().zip(self.second);
        for ((w, g), (m, v)) in self.weights.iter_mut().zip(self.gradient).zip(moments) {
            *m = beta_1 * *m + (1.0 - beta_1) * g;
            *v = beta_2 * *v + (1.0 - beta_2) * g * g;
            *w -= lr * correction * *m / (v.sqrt() + epsilon * correction);
        }
    }
}
