//! Dropout whose choices are an argument.

use burn::tensor::{Tensor, TensorData};
use context_encoder_data::{Purpose, coin_flips, rng_for};
use rand_chacha::ChaCha8Rng;

/// Dropout with probability 1/2 (AlexNet): in a step of learning its choices follow from seed and step, in
/// use there are none. So the same arguments give the same head, whatever else a process draws.
pub struct Dropout(Option<ChaCha8Rng>);

impl Dropout {
    /// Silences nothing: a head in use.
    pub fn none() -> Self {
        Self(None)
    }

    /// The choices of a step.
    pub fn for_step(seed: u64, step: u64) -> Self {
        Self(Some(rng_for(seed, Purpose::Dropout, 0, step)))
    }

    /// Silences each value with probability 1/2 and doubles the others.
    pub fn apply<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        let Some(rng) = &mut self.0 else { return x };
        let shape = x.dims();
        let coin_flips = coin_flips(rng).take(shape.iter().product());
        let kept: Vec<f32> = coin_flips.map(|kept| if kept { 2.0 } else { 0.0 }).collect();
        let device = x.device();
        x * Tensor::from_data(TensorData::new(kept, shape), &device)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn dropped(mut dropout: Dropout) -> Vec<f32> {
        let ones = Tensor::<2>::ones([50, 101], &Device::flex());
        dropout.apply(ones).into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn half_is_silenced_and_seed_and_step_decide_which() {
        let values = dropped(Dropout::for_step(3, 7));
        assert!(values.iter().all(|&value| value == 0.0 || value == 2.0));
        // 5050 coin_flips: six standard deviations of the mean are 0.085.
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.085, "{mean}");
        assert_eq!(dropped(Dropout::for_step(3, 7)), values);
        assert_ne!(dropped(Dropout::for_step(3, 8)), values);
        assert_ne!(dropped(Dropout::for_step(4, 7)), values);
        assert_eq!(dropped(Dropout::none()), vec![1.0; 5050]);
    }
}
