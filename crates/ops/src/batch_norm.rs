//! Batch norm with the activation behind it, in training mode.

use burn::tensor::{Tensor, module::batch_norm_train};

use crate::{Activation, dispatch::Implementation};

/// Batch norm over a batch or its ghost batches, with the activation behind it:
/// `activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`, the statistics taken over the images,
/// height and width of the ghost batch (Ioffe and Szegedy, 2015; ghost batches: Hoffer et al., 2017).
///
/// With two ghost batches, the result and all gradients are those of two calls, each with its half of the
/// batch, but for the order of sums.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{Activation, BatchNorm};
///
/// let device = Device::default();
/// let x = Tensor::<4>::from_floats([[[[1.0]]], [[[3.0]]], [[[10.0]]], [[[30.0]]]], &device);
/// let ones = Tensor::<1>::ones([1], &device);
/// let norm = BatchNorm { ghost_batches: 2, epsilon: 0.0, activation: Activation::Relu };
/// let (y, stats) = norm.forward(x, ones.clone(), ones.zeros_like());
/// let means = stats.into_iter().map(|stats| stats.mean.into_scalar::<f32>());
/// assert_eq!(means.collect::<Vec<_>>(), [2.0, 20.0]);
/// assert_eq!(y.into_data().try_to_vec::<f32>().expect("f32"), [0.0, 1.0, 0.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Equal parts of the batch, each normalized by its own statistics.
    pub ghost_batches: usize,
    /// Added to variances.
    pub epsilon: f64,
    /// What is applied to the result.
    pub activation: Activation,
}

/// Statistics of every channel over a ghost batch, `[channels]`, without gradients.
#[derive(Clone, Debug)]
pub struct BatchStats {
    /// Mean.
    pub mean: Tensor<1>,
    /// Variance, divided by the count.
    pub variance: Tensor<1>,
}

impl BatchStats {
    /// The mean over several ghost batches.
    ///
    /// # Panics
    /// When there is none.
    pub fn mean_of(stats: &[Self]) -> Self {
        let mean = |get: fn(&Self) -> &Tensor<1>| match stats {
            [] => panic!("statistics of no batch have no mean"),
            [one] => get(one).clone(),
            [first, others @ ..] => {
                let sum = others.iter().fold(get(first).clone(), |sum, stats| sum + get(stats).clone());
                sum.div_scalar(stats.len() as f64)
            }
        };
        Self { mean: mean(|stats| &stats.mean), variance: mean(|stats| &stats.variance) }
    }
}

impl BatchNorm {
    /// The normalized map, and the statistics of each ghost batch in order.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`; `gamma`, `beta`: `[channels]`
    ///
    /// # Panics
    /// When the shapes do not belong together, or the batch has no equal parts.
    pub fn forward(self, x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>) -> (Tensor<4>, Vec<BatchStats>) {
        let [batch, channels, _, _] = x.dims();
        assert!(
            gamma.dims() == [channels] && beta.dims() == [channels],
            "gamma {:?} and beta {:?} do not belong to {channels} channels",
            gamma.dims(),
            beta.dims()
        );
        assert!(
            self.ghost_batches > 0 && batch.is_multiple_of(self.ghost_batches),
            "a batch of {batch} has no {} equal parts",
            self.ghost_batches
        );
        match Implementation::of_map(&x) {
            #[cfg(feature = "flex")]
            Implementation::Cpu => {
                let Self { ghost_batches, epsilon, activation } = self;
                let (output, stats) =
                    crate::cpu::batch_norm(x, gamma, beta, ghost_batches, epsilon as f32, activation);
                (output, stats.into_iter().map(|[mean, variance]| BatchStats { mean, variance }).collect())
            }
            #[cfg(feature = "cube")]
            Implementation::Cube => {
                let Self { ghost_batches, epsilon, activation } = self;
                let slope = activation.negative_slope();
                let (output, stats) =
                    crate::cube::batch_norm(x, gamma, beta, ghost_batches, epsilon as f32, slope);
                (output, stats.into_iter().map(|[mean, variance]| BatchStats { mean, variance }).collect())
            }
            _ => reference(self, x, &gamma, &beta),
        }
    }
}

fn reference(
    BatchNorm { ghost_batches, epsilon, activation }: BatchNorm,
    x: Tensor<4>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
) -> (Tensor<4>, Vec<BatchStats>) {
    let (outputs, stats) = x
        .chunk(ghost_batches, 0)
        .into_iter()
        .map(|x| {
            let result = batch_norm_train(x, gamma.clone(), beta.clone(), epsilon);
            let (mean, variance) = (result.mean.detach(), result.variance.detach());
            (activation.apply(result.output), BatchStats { mean, variance })
        })
        .unzip();
    (Tensor::cat(outputs, 0), stats)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{assert_close, noise};

    type Output = (Tensor<4>, Vec<BatchStats>);

    /// Everything that batch norm computes.
    struct Everything {
        output: Tensor<4>,
        stats: Vec<BatchStats>,
        dx: Tensor<4>,
        affine_grads: [Tensor<1>; 2],
    }

    /// The same numbers each time, far from zero, where a careless variance would cancel.
    fn everything(dims: [usize; 4], norm: impl Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Output) -> Everything {
        let device = Device::flex().autodiff();
        let channels = dims[1];
        let x = (noise(dims, 1, &device) * 3.0 + 20.0).detach().require_grad();
        let gamma = (noise([channels], 2, &device) + 1.0).detach().require_grad();
        let beta = noise([channels], 3, &device).require_grad();
        let dy = noise(dims, 4, &device);
        let (output, stats) = norm(x.clone(), gamma.clone(), beta.clone());
        let grads = (output.clone() * dy).sum().backward();
        let dx = x.grad(&grads).expect("tracked");
        let affine_grads = [gamma, beta].map(|parameter| parameter.grad(&grads).expect("tracked"));
        Everything { output, stats, dx, affine_grads }
    }

    fn compare(what: &str, got: Everything, expected: Everything, [output, statistic, gradient]: [f32; 3]) {
        assert_close(got.output, expected.output, output, format_args!("{what}: output"));
        assert_close(got.dx, expected.dx, gradient, format_args!("{what}: gradient of x"));
        assert_eq!(got.stats.len(), expected.stats.len());
        for (got, expected) in got.stats.into_iter().zip(expected.stats) {
            assert_close(got.mean, expected.mean, statistic, format_args!("{what}: mean"));
            assert_close(got.variance, expected.variance, statistic, format_args!("{what}: variance"));
        }
        for (got, expected) in got.affine_grads.into_iter().zip(expected.affine_grads) {
            assert_close(got, expected, gradient, format_args!("{what}: gradient of gamma or beta"));
        }
    }

    #[test]
    fn batch_norm_matches_reference() {
        for (ghost_batches, dims, activation) in [
            (1, [3, 37, 5, 7], Activation::LeakyRelu(0.2)),
            (1, [2, 64, 16, 16], Activation::Relu),
            (1, [4, 3, 1, 1], Activation::Identity),
            (1, [1, 700, 9, 3], Activation::Relu), // several blocks, the last one short
            (2, [6, 37, 5, 7], Activation::LeakyRelu(0.2)),
            (3, [3, 64, 8, 8], Activation::Relu),
        ] {
            let norm = BatchNorm { ghost_batches, epsilon: 1e-5, activation };
            let optimized = everything(dims, |x, gamma, beta| norm.forward(x, gamma, beta));
            let expected = everything(dims, |x, gamma, beta| reference(norm, x, &gamma, &beta));
            assert_eq!(optimized.stats.len(), ghost_batches);
            compare(&format!("{norm:?} of {dims:?}"), optimized, expected, [2e-5, 1e-5, 1e-4]);
        }
    }

    #[test]
    fn ghost_batches_match_separate_batch_norm_calls() {
        let dims = [6, 37, 5, 7];
        let norm = BatchNorm { ghost_batches: 2, epsilon: 1e-5, activation: Activation::LeakyRelu(0.2) };
        let together = everything(dims, |x, gamma, beta| norm.forward(x, gamma, beta));
        let apart = everything(dims, |x, gamma, beta| {
            let halves = x.chunk(2, 0).into_iter();
            let (outputs, stats): (Vec<_>, Vec<_>) = halves
                .map(|x| BatchNorm { ghost_batches: 1, ..norm }.forward(x, gamma.clone(), beta.clone()))
                .unzip();
            (Tensor::cat(outputs, 0), stats.concat())
        });
        compare("two halves", together, apart, [1e-6; 3]);
    }

    #[test]
    fn mean_of_averages_batch_norm_statistics() {
        let device = Device::flex();
        let stats = |mean: f32, variance: f32| BatchStats {
            mean: Tensor::full([2], mean, &device),
            variance: Tensor::full([2], variance, &device),
        };
        let mean = BatchStats::mean_of(&[stats(1.0, 4.0), stats(2.0, 5.0), stats(6.0, 0.0)]);
        assert_eq!(mean.mean.into_data().try_to_vec::<f32>().expect("f32"), [3.0, 3.0]);
        assert_eq!(mean.variance.into_data().try_to_vec::<f32>().expect("f32"), [3.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "a batch of 3 has no 2 equal parts")]
    fn batch_norm_of_unequal_ghost_batches_panics() {
        let (device, norm) =
            (Device::flex(), BatchNorm { ghost_batches: 2, epsilon: 1e-5, activation: Activation::Relu });
        norm.forward(
            Tensor::ones([3, 1, 2, 2], &device),
            Tensor::ones([1], &device),
            Tensor::ones([1], &device),
        );
    }
}
