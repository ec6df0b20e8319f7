//! Batch norm over the batch.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::map::{self, Map, in_order, slice};
use crate::{
    Activation, Normalised,
    kernel::{
        norm::{self, Moments},
        scratch::Buffer,
    },
};

pub(crate) fn normalise(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Normalised {
    let plain = (|| {
        Some((
            super::primitive(x.clone())?,
            super::primitive(gamma.clone())?,
            super::primitive(beta.clone())?,
        ))
    })();
    match plain {
        Some((x, gamma, beta)) => {
            let (gamma, beta) = (in_order(&gamma), in_order(&beta));
            let (y, moments) = forward(&Map::new(x), slice(&gamma), slice(&beta), epsilon, activation);
            Normalised {
                output: super::tensor(y.into_tensor()),
                mean: super::tensor(vector(&moments.mean)),
                variance: super::tensor(vector(&moments.variance)),
            }
        }
        #[cfg(feature = "autodiff")]
        None => super::gradient::normalise(x, gamma, beta, epsilon, activation),
        #[cfg(not(feature = "autodiff"))]
        None => unreachable!("without autodiff there are no gradients"),
    }
}

fn vector(values: &[f32]) -> FlexTensor {
    let mut buffer = Buffer::uncleared(values.len());
    buffer.copy_from_slice(values);
    map::from_buffer(buffer, [values.len()])
}

/// The normalised map, and its moments.
pub(super) fn forward(
    x: &Map,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f64,
    activation: Activation,
) -> (Map, Moments) {
    let moments = norm::moments(x.values(), x.shape.channels);
    let scale: Vec<f32> = moments
        .variance
        .iter()
        .zip(gamma)
        .map(|(variance, gamma)| gamma * (variance + epsilon as f32).sqrt().recip())
        .collect();
    let shift: Vec<f32> =
        beta.iter().zip(&moments.mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
    let mut y = Buffer::uncleared(x.shape.size());
    norm::apply(x.values(), &scale, &shift, activation.slope(), &mut y);
    (Map::from_buffer(y, x.shape), moments)
}
