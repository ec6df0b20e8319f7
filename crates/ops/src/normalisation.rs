//! Batch norm with the activation behind it, as training sees it.

use burn::tensor::Tensor;

use crate::{Activation, implementation::Implementation, plain};

/// Batch norm over equal parts of a batch, with the activation behind it:
/// `activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`, the moments taken over the part's
/// pictures, height and width (Ioffe and Szegedy, 2015).
///
/// With two parts, the result and all gradients are those of two calls, each with its half of the
/// batch, but for the order of sums.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, BatchNorm};
///
/// let device = Device::default();
/// let x = Tensor::<4>::from_floats([[[[1.0]]], [[[3.0]]], [[[10.0]]], [[[30.0]]]], &device);
/// let ones = Tensor::<1>::ones([1], &device);
/// let norm = BatchNorm { parts: 2, epsilon: 0.0, activation: Activation::Relu };
/// let y = norm.forward(x, ones.clone(), ones.zeros_like());
/// let means = y.statistics.into_iter().map(|part| part.mean.into_scalar::<f32>());
/// assert_eq!(means.collect::<Vec<_>>(), [2.0, 20.0]);
/// assert_eq!(y.output.into_data().try_to_vec::<f32>().expect("f32"), [0.0, 1.0, 0.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Parts of the batch that are normalised each by its own moments.
    pub parts: usize,
    /// Added to variances.
    pub epsilon: f64,
    /// What is applied to the result.
    pub activation: Activation,
}

/// A normalised map, and the statistics it was normalised with.
pub struct BatchNormOutput {
    /// `[batch, channels, height, width]`
    pub output: Tensor<4>,
    /// Those of each part of the batch, in order.
    pub statistics: Vec<BatchStats>,
}

/// Moments of every channel, `[channels]`, without gradients.
#[derive(Clone, Debug)]
pub struct BatchStats {
    /// Mean.
    pub mean: Tensor<1>,
    /// Variance, divided by the count.
    pub variance: Tensor<1>,
}

impl BatchStats {
    /// The mean of several parts' moments.
    ///
    /// # Panics
    /// When there is no part.
    pub fn mean_of(parts: &[Self]) -> Self {
        let mean = |moment: fn(&Self) -> &Tensor<1>| match parts {
            [] => panic!("moments of no part have no mean"),
            [one] => moment(one).clone(),
            [first, others @ ..] => {
                let sum = others.iter().fold(moment(first).clone(), |sum, part| sum + moment(part).clone());
                sum.div_scalar(parts.len() as f64)
            }
        };
        Self { mean: mean(|part| &part.mean), variance: mean(|part| &part.variance) }
    }
}

impl BatchNorm {
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`; `gamma`, `beta`: `[channels]`
    ///
    /// # Panics
    /// When the shapes do not belong together, or the batch has no equal parts.
    pub fn forward(self, x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>) -> BatchNormOutput {
        let [batch, channels, _, _] = x.dims();
        assert!(
            gamma.dims() == [channels] && beta.dims() == [channels],
            "gamma {:?} and beta {:?} do not belong to {channels} channels",
            gamma.dims(),
            beta.dims()
        );
        assert!(
            self.parts > 0 && batch.is_multiple_of(self.parts),
            "a batch of {batch} has no {} equal parts",
            self.parts
        );
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Optimized => crate::flex::normalise(self, x, gamma, beta),
            _ => plain::normalise(self, x, &gamma, &beta),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::{difference, noise};

    /// Everything that a normalisation computes.
    struct Everything {
        output: Tensor<4>,
        statistics: Vec<BatchStats>,
        dx: Tensor<4>,
        slopes: [Tensor<1>; 2],
    }

    /// The same numbers each time, far from zero, where a careless variance would cancel.
    fn everything(
        dims: [usize; 4],
        form: impl Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> BatchNormOutput,
    ) -> Everything {
        let device = Device::flex().autodiff();
        let channels = dims[1];
        let x = (noise(dims, 1, &device) * 3.0 + 20.0).detach().require_grad();
        let gamma = (noise([channels], 2, &device) + 1.0).detach().require_grad();
        let beta = noise([channels], 3, &device).require_grad();
        let dy = noise(dims, 4, &device);
        let BatchNormOutput { output, statistics } = form(x.clone(), gamma.clone(), beta.clone());
        let grads = (output.clone() * dy).sum().backward();
        let dx = x.grad(&grads).expect("tracked");
        let slopes = [gamma, beta].map(|slope| slope.grad(&grads).expect("tracked"));
        Everything { output, statistics, dx, slopes }
    }

    #[test]
    fn batch_norm_is_its_plain_form() {
        for (parts, dims, activation) in [
            (1, [3, 37, 5, 7], Activation::LeakyRelu(0.2)),
            (1, [2, 64, 16, 16], Activation::Relu),
            (1, [4, 3, 1, 1], Activation::Identity),
            (1, [1, 700, 9, 3], Activation::Relu), // several blocks, the last one short
            (2, [6, 37, 5, 7], Activation::LeakyRelu(0.2)),
            (3, [3, 64, 8, 8], Activation::Relu),
        ] {
            let norm = BatchNorm { parts, epsilon: 1e-5, activation };
            let fast = everything(dims, |x, gamma, beta| norm.forward(x, gamma, beta));
            let plain = everything(dims, |x, gamma, beta| plain::normalise(norm, x, &gamma, &beta));
            let mut apart = vec![
                ("output", difference(fast.output, plain.output), 2e-5),
                ("x", difference(fast.dx, plain.dx), 1e-4),
            ];
            assert_eq!((fast.statistics.len(), plain.statistics.len()), (parts, parts));
            for (fast, plain) in fast.statistics.into_iter().zip(plain.statistics) {
                apart.push(("mean", difference(fast.mean, plain.mean), 1e-5));
                apart.push(("variance", difference(fast.variance, plain.variance), 1e-5));
            }
            for (fast, plain) in fast.slopes.into_iter().zip(plain.slopes) {
                apart.push(("slopes", difference(fast, plain), 1e-4));
            }
            for (what, apart, limit) in apart {
                assert!(apart < limit, "{norm:?} of {dims:?}: {what} differs by {apart}");
            }
        }
    }

    #[test]
    fn parts_of_a_batch_are_separate_calls() {
        let dims = [6, 37, 5, 7];
        let norm = BatchNorm { parts: 2, epsilon: 1e-5, activation: Activation::LeakyRelu(0.2) };
        let together = everything(dims, |x, gamma, beta| norm.forward(x, gamma, beta));
        let apart = everything(dims, |x, gamma, beta| {
            let halves = x.chunk(2, 0).into_iter();
            let halves: Vec<BatchNormOutput> = halves
                .map(|x| BatchNorm { parts: 1, ..norm }.forward(x, gamma.clone(), beta.clone()))
                .collect();
            let output = Tensor::cat(halves.iter().map(|half| half.output.clone()).collect(), 0);
            let statistics = halves.into_iter().flat_map(|half| half.statistics).collect();
            BatchNormOutput { output, statistics }
        });
        let limit = 1e-6;
        assert!(difference(together.output, apart.output) < limit);
        assert!(difference(together.dx, apart.dx) < limit);
        for (together, apart) in together.statistics.into_iter().zip(apart.statistics) {
            assert!(difference(together.mean, apart.mean) < limit);
            assert!(difference(together.variance, apart.variance) < limit);
        }
        for (together, apart) in together.slopes.into_iter().zip(apart.slopes) {
            assert!(difference(together, apart) < limit);
        }
    }

    #[test]
    fn moments_of_several_parts_have_means() {
        let device = Device::flex();
        let part = |mean: f32, variance: f32| BatchStats {
            mean: Tensor::full([2], mean, &device),
            variance: Tensor::full([2], variance, &device),
        };
        let mean = BatchStats::mean_of(&[part(1.0, 4.0), part(2.0, 5.0), part(6.0, 0.0)]);
        assert_eq!(mean.mean.into_data().try_to_vec::<f32>().expect("f32"), [3.0, 3.0]);
        assert_eq!(mean.variance.into_data().try_to_vec::<f32>().expect("f32"), [3.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "a batch of 3 has no 2 equal parts")]
    fn unequal_parts_are_refused() {
        let (device, norm) =
            (Device::flex(), BatchNorm { parts: 2, epsilon: 1e-5, activation: Activation::Relu });
        norm.forward(
            Tensor::ones([3, 1, 2, 2], &device),
            Tensor::ones([1], &device),
            Tensor::ones([1], &device),
        );
    }
}
