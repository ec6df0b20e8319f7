//! Batch norm over the batch, and its gradient.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{
    map::{Map, in_order, slice, vector},
    operation::{Forward, Input, Operation, Takers, apply},
};
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
    let operation = Normalise { epsilon: epsilon as f32, slope: activation.slope() };
    let (output, moments) = apply(operation, [Input::new(x), Input::new(gamma), Input::new(beta)]);
    let statistic = |values: &[f32]| super::like(&output, vector(values));
    let (mean, variance) = (statistic(&moments.mean), statistic(&moments.variance));
    Normalised { output, mean, variance }
}

#[derive(Debug)]
struct Normalise {
    epsilon: f32,
    slope: f32,
}

/// What batch norm keeps for its gradient.
#[derive(Clone, Debug)]
struct Kept {
    x: Map,
    gamma: FlexTensor,
    beta: FlexTensor,
    moments: Moments,
}

impl Operation<3> for Normalise {
    type Kept = Kept;
    type Aside = Moments;

    fn forward(&self, [x, gamma, beta]: [FlexTensor; 3]) -> Forward<Kept, Moments> {
        let (x, gamma, beta) = (Map::new(x), in_order(&gamma), in_order(&beta));
        let moments = norm::moments(x.values(), x.shape.channels);
        let (scale, shift) = moments.affine(slice(&gamma), slice(&beta), self.epsilon);
        let mut y = Buffer::uncleared(x.shape.size());
        norm::apply(x.values(), &scale, &shift, self.slope, &mut y);
        let output = Map::from_buffer(y, x.shape);
        Forward { output, kept: Kept { x, gamma, beta, moments: moments.clone() }, aside: moments }
    }

    fn backward(&self, kept: Kept, dy: Map, takers: &mut Takers<'_, 3>) {
        let Kept { x, gamma, beta, moments } = kept;
        let forward = norm::Normalised {
            x: x.values(),
            moments: &moments,
            gamma: slice(&gamma),
            beta: slice(&beta),
            epsilon: self.epsilon,
            slope: self.slope,
        };
        let mut dx = Buffer::uncleared(x.shape.size());
        let slopes = norm::gradient(&forward, dy.values(), &mut dx);
        takers.give(0, || Map::from_buffer(dx, x.shape).into_tensor());
        takers.give(1, || vector(&slopes.gamma));
        takers.give(2, || vector(&slopes.beta));
    }
}
