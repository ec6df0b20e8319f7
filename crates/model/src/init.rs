//! Weight initialization from an explicit random stream, the same on every device.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Tensor, TensorData},
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Standard deviation of all initial weights (DCGAN).
const DEVIATION: f32 = 0.02;

/// Draws the weights of a DCGAN-style network: convolutions and channel-wise maps from N(0, 0.02), batch-norm
/// scales from N(1, 0.02), batch-norm shifts 0.
///
/// `stream` keeps networks of the same seed apart.
pub(crate) fn init_dcgan<M: Module>(module: M, seed: u64, stream: u64) -> M {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    module.map(&mut Initializer { rng, path: Vec::new(), scheme: Scheme::Dcgan })
}

/// Draws the weights of the AlexNet-style network: He's normal initialization for convolutions and
/// up-convolutions, and for the channel-wise maps the deviation that keeps a map's scale.
pub(crate) fn init_he<M: Module>(module: M, seed: u64) -> M {
    module.map(&mut Initializer {
        rng: ChaCha8Rng::seed_from_u64(seed),
        path: Vec::new(),
        scheme: Scheme::He,
    })
}

/// How a parameter's distribution follows from its kind.
#[derive(Clone, Copy)]
enum Scheme {
    Dcgan,
    He,
}

/// Walks over a network's parameters in their order of declaration.
struct Initializer {
    rng: ChaCha8Rng,
    path: Vec<String>,
    scheme: Scheme,
}

impl Initializer {
    /// Mean and deviation that a parameter is drawn from, or none to leave it as it is.
    fn distribution(&self, shape: &[usize]) -> Option<(f32, f32)> {
        match (self.path.last().map(String::as_str)?, self.scheme) {
            ("weight", Scheme::Dcgan) => Some((0.0, DEVIATION)),
            ("gamma", Scheme::Dcgan) => Some((1.0, DEVIATION)),
            ("weight", Scheme::He) => Some((0.0, he_deviation(shape))),
            _ => None,
        }
    }
}

/// `sqrt(2 / fan)` before a ReLU, with the fan counted as in PyTorch, over all axes but the first: the inputs
/// of a convolution `[out, in, kernel, kernel]`, the outputs of an up-convolution `[in, out, kernel,
/// kernel]`. `sqrt(1 / n^2)` for the channel-wise layer's `[channels, n^2, n^2]`, which no ReLU follows.
fn he_deviation(shape: &[usize]) -> f32 {
    match *shape {
        [_, _, positions] => (1.0 / positions as f32).sqrt(),
        [_, ref fan_in @ ..] => (2.0 / fan_in.iter().product::<usize>() as f32).sqrt(),
        [] => 0.0,
    }
}

impl ModuleMapper for Initializer {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let Some((mean, deviation)) = self.distribution(&shape) else { return param };
        let device = param.lazy_device();
        let normal = StandardNormal.sample_iter(&mut self.rng);
        let values: Vec<f32> = normal.take(shape.num_elements()).map(|z: f32| mean + deviation * z).collect();
        let id = param.id;
        // As if loaded from a file: keeps the parameter's identity and that it is trained.
        param.transform_for_load(Tensor::from_data(TensorData::new(values, shape), &device), id)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::layer::{HALVING, batch_norm, conv};

    #[test]
    fn weights_have_the_stated_mean_and_deviation() {
        let conv = init_dcgan(conv([64, 64], HALVING, &Device::flex()), 5, 0);
        let weights: Vec<f32> = conv.weight.val().into_data().try_to_vec().expect("f32");
        let mean = weights.iter().sum::<f32>() / weights.len() as f32;
        let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f32>() / weights.len() as f32;
        assert!(mean.abs() < 4e-4, "{mean}"); // five standard errors of 65 536 draws
        assert!((variance.sqrt() - DEVIATION).abs() < 3e-4, "{}", variance.sqrt());
    }

    #[test]
    fn batch_norm_scales_are_near_one_and_shifts_zero() {
        let norm = init_dcgan(batch_norm(256, &Device::flex()), 5, 0);
        let scales: Vec<f32> = norm.gamma.val().into_data().try_to_vec().expect("f32");
        let shifts: Vec<f32> = norm.beta.val().into_data().try_to_vec().expect("f32");
        assert!(scales.iter().all(|scale| (scale - 1.0).abs() < 0.12)); // six deviations
        assert!(scales.iter().any(|&scale| scale != 1.0));
        assert!(shifts.iter().all(|&shift| shift == 0.0));
    }

    #[test]
    fn drawn_weights_are_trained() {
        let device = Device::flex().autodiff();
        let conv = init_dcgan(conv([3, 4], HALVING, &device), 5, 0);
        let grads = conv.forward(Tensor::ones([1, 3, 4, 4], &device)).sum().backward();
        assert!(conv.weight.val().grad(&grads).is_some());
    }

    #[test]
    fn seeds_and_streams_draw_different_weights() {
        let draw = |seed, stream| {
            let conv = init_dcgan(conv([3, 4], HALVING, &Device::flex()), seed, stream);
            conv.weight.val().into_data().try_to_vec::<f32>().expect("f32")
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }
}
