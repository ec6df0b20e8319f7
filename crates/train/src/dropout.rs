//! Dropout whose random choices are an argument.

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_data::{Purpose, rng_for};
use rand_chacha::ChaCha8Rng;

/// Dropout with probability 1/2 (AlexNet). In a training step the choices follow from seed and step, whatever
/// else a process draws; in evaluation there are none.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_train::Dropout;
///
/// let x = Tensor::<2>::ones([2, 4], &Device::flex());
/// assert_eq!(Dropout::off().apply(x.clone()).into_data(), x.clone().into_data());
/// let dropped = |step| Dropout::at_step(7, step).apply(x.clone()).into_data();
/// assert_eq!(dropped(3), dropped(3));
/// ```
pub struct Dropout(Option<ChaCha8Rng>);

impl Dropout {
    /// Keeps everything: a network in evaluation.
    pub fn off() -> Self {
        Self(None)
    }

    /// The choices of a training step.
    pub fn at_step(seed: u64, step: u64) -> Self {
        Self(Some(rng_for(seed, Purpose::Dropout, 0, step)))
    }

    /// Sets each value to 0 with probability 1/2 and doubles the others.
    pub fn apply<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        let Some(rng) = &mut self.0 else { return x };
        let mask = draw(rng, x.dims(), 0, 2.0, &x.device());
        x * mask
    }

    /// What is kept of a batch's part `rank`, the batch being drawn whole: 1 = kept, 0 = dropped, each with
    /// probability 1/2.
    pub(crate) fn keep_mask<const D: usize>(
        self,
        shape: [usize; D],
        rank: usize,
        device: &Device,
    ) -> Tensor<D> {
        match self.0 {
            Some(rng) => draw(rng, shape, rank * shape.iter().product::<usize>(), 1.0, device),
            None => Tensor::ones(shape, device),
        }
    }
}

/// One coin flip a value after the first `skip`: `kept` for heads, 0 for tails. The flips are the bits of the
/// generator's numbers, highest first.
fn draw<const D: usize>(
    mut rng: impl rand::Rng,
    shape: [usize; D],
    skip: usize,
    kept: f32,
    device: &Device,
) -> Tensor<D> {
    let numbers = std::iter::repeat_with(move || rng.next_u64());
    let flips = numbers.flat_map(|number| (0..u64::BITS).rev().map(move |bit| number >> bit & 1 == 1));
    let flips = flips.skip(skip).take(shape.iter().product());
    let values: Vec<f32> = flips.map(|heads| if heads { kept } else { 0.0 }).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(mut dropout: Dropout) -> Vec<f32> {
        let ones = Tensor::<2>::ones([50, 101], &Device::flex());
        dropout.apply(ones).into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn half_is_dropped_and_seed_and_step_decide_which() {
        let values = dropped(Dropout::at_step(3, 7));
        assert!(values.iter().all(|&value| value == 0.0 || value == 2.0));
        // 5050 flips: six standard deviations of the mean are 0.085.
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.085, "{mean}");
        assert_eq!(dropped(Dropout::at_step(3, 7)), values);
        assert_ne!(dropped(Dropout::at_step(3, 8)), values);
        assert_ne!(dropped(Dropout::at_step(4, 7)), values);
        assert_eq!(dropped(Dropout::off()), vec![1.0; 5050]);
    }

    #[test]
    fn ranks_have_consecutive_parts_of_the_whole_batch() {
        let mask = |pictures, rank| -> Vec<f32> {
            let dropout = Dropout::at_step(3, 7);
            let mask = dropout.keep_mask([pictures, 5, 3], rank, &Device::flex());
            mask.into_data().try_to_vec().expect("f32")
        };
        assert_eq!([mask(4, 0), mask(4, 1)].concat(), mask(8, 0));
    }
}
