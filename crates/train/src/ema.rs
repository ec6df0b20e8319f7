//! Exponential moving average of a network's weights.

use burn::module::Module;
use context_encoder_model::{Model, interpolate};

/// Steps until the decay is warm: before, the initial weights would linger.
const WARM_UP: f64 = 10.0;

/// An exponential moving average of the generator's weights and of its batch norm's running statistics:
/// steadier than any single step's (Polyak averaging; Yazici et al., ICLR 2019, for adversarial training).
///
/// After step `t` it is `d average + (1 - d) weights`, with `d = min(decay, (1 + t) / (10 + t))`.
pub(crate) struct Ema {
    pub(crate) network: Model,
    decay: f64,
}

impl Ema {
    /// Starts from the weights as they are.
    pub(crate) fn new(network: &Model, decay: f64) -> Self {
        Self { network: network.valid(), decay }
    }

    /// Starts again, from other weights.
    pub(crate) fn restart(self, network: &Model) -> Self {
        Self::new(network, self.decay)
    }

    /// Updates the average with the weights after step `step`.
    pub(crate) fn update(self, network: &Model, step: u64) -> Self {
        let warm_up = (1.0 + step as f64) / (WARM_UP + step as f64);
        let weight = 1.0 - self.decay.min(warm_up);
        Self { network: interpolate(self.network, &network.valid(), weight), ..self }
    }
}

#[cfg(test)]
mod tests {
    use burn::{store::ModuleSnapshot, tensor::Device};
    use context_encoder_model::ModelConfig;

    use super::*;

    fn values(network: &Model) -> Vec<(String, Vec<f32>)> {
        let floats = |bytes: &[u8]| -> Vec<f32> {
            bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
        };
        let tensors = network.collect(None, None, false).into_iter();
        tensors.map(|tensor| (tensor.name.clone(), floats(&tensor.to_bytes().expect("in memory")))).collect()
    }

    #[test]
    fn average_moves_towards_the_weights_by_one_minus_decay() {
        let device = Device::flex().autodiff();
        let config = ModelConfig::default().with_size(64).with_width(2);
        let [first, second] = [1, 2].map(|seed| config.init_seeded(seed, &device).expect("valid"));
        let (old, new) = (values(&first.valid()), values(&second.valid()));
        for (step, keep) in [(0, 0.1_f32), (90, 0.9), (10_000, 0.9)] {
            let ema = Ema::new(&first, 0.9).update(&second, step);
            let mut moved = 0;
            for ((name, old), ((_, new), (_, now))) in old.iter().zip(new.iter().zip(&values(&ema.network))) {
                for ((old, new), now) in old.iter().zip(new).zip(now) {
                    let expected = keep * old + (1.0 - keep) * new;
                    assert!((now - expected).abs() < 1e-6, "{name}, step {step}: {now} is not {expected}");
                    moved += usize::from(old != new);
                }
            }
            assert!(moved > 1000);
        }
        assert_eq!(values(&first.valid()), old); // neither network was touched
        assert_eq!(values(&second.valid()), new);
    }
}
