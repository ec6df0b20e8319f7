//! Batch norm over the batch, and its gradient.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    map::{Map, in_order, slice, vector},
    operation::{Forward, Input, Operation, Takers, apply},
};
use crate::{
    BatchNorm, BatchNormOutput, BatchStats,
    kernel::{
        norm::{self, Moments, Slopes},
        scratch::Buffer,
    },
};

pub(crate) fn normalise(norm: BatchNorm, x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>) -> BatchNormOutput {
    let (output, moments) = apply(norm, [Input::new(x), Input::new(gamma), Input::new(beta)]);
    let statistic = |values: &[f32]| super::like(&output, vector(values));
    let statistics = moments
        .iter()
        .map(|Moments { mean, variance }| BatchStats { mean: statistic(mean), variance: statistic(variance) })
        .collect();
    BatchNormOutput { output, statistics }
}

/// What batch norm keeps for its gradient.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    x: Map,
    gamma: FlexTensor,
    beta: FlexTensor,
    /// Those of each part.
    moments: Vec<Moments>,
}

impl Operation<3> for BatchNorm {
    type Kept = Kept;
    type Aside = Vec<Moments>;

    fn forward(&self, [x, gamma, beta]: [FlexTensor; 3]) -> Forward<Kept, Vec<Moments>> {
        let (x, gamma, beta) = (Map::new(x), in_order(&gamma), in_order(&beta));
        let (size, channels) = (x.shape.size(), x.shape.channels);
        let mut y = Buffer::uncleared(size);
        // Pictures lie one behind the other, so a part is a slice.
        let parts = x.values().chunks(size / self.parts).zip(y.chunks_mut(size / self.parts));
        let moments = parts.map(|(x, y)| {
            let moments = norm::moments(x, channels);
            let (scale, shift) = moments.affine(slice(&gamma), slice(&beta), self.epsilon as f32);
            norm::apply(x, &scale, &shift, self.activation.slope(), y);
            moments
        });
        let moments: Vec<Moments> = moments.collect();
        let output = Map::from_buffer(y, x.shape);
        Forward { output, kept: Kept { x, gamma, beta, moments: moments.clone() }, aside: moments }
    }

    fn backward(&self, kept: Kept, dy: Map, takers: &mut Takers<'_, 3>) {
        let Kept { x, gamma, beta, moments } = kept;
        let (size, channels) = (x.shape.size(), x.shape.channels);
        let mut dx = Buffer::uncleared(size);
        let mut sums = Slopes { gamma: vec![0.0; channels], beta: vec![0.0; channels] };
        let part = size / self.parts;
        let parts = x.values().chunks(part).zip(dy.values().chunks(part)).zip(dx.chunks_mut(part));
        for (((x, dy), dx), moments) in parts.zip(&moments) {
            let (gamma, beta) = (slice(&gamma), slice(&beta));
            let (epsilon, slope) = (self.epsilon as f32, self.activation.slope());
            sums.add(&norm::gradient(
                &norm::BatchNormOutput { x, moments, gamma, beta, epsilon, slope },
                dy,
                dx,
            ));
        }
        takers.give(0, || Map::from_buffer(dx, x.shape).into_tensor());
        takers.give(1, || vector(&sums.gamma));
        takers.give(2, || vector(&sums.beta));
    }
}
