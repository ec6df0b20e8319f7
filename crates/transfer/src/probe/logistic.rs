//! Logistic regression on a table of inner products.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::GramMatrix;
use crate::{
    classify::{Classification, targets},
    voc::Label,
};

/// Weight decays that are tried, from weak to strong.
pub const DECAYS: [f64; 6] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// Steps of accelerated descent; the problem is convex and its step size is known, so nothing is tuned.
const STEPS: usize = 300;

/// Every so manyth known picture judges the decays.
const HELD_OUT_EVERY: usize = 5;

/// Steps of the power method that finds the largest eigenvalue, and what it is taken to be too small by.
const POWER_STEPS: usize = 20;
const SAFETY: f64 = 1.1;

/// Trains a linear classifier on the known pictures and returns its probabilities for the asked ones, with
/// the decay that did best on every fifth known picture when trained on the others.
///
/// Minimised is the cross entropy averaged over pictures plus half the decay times the squared weights; a
/// bias is one more feature, always 1.
pub fn logistic(
    gram_matrix: &GramMatrix,
    labels: &[Vec<Label>],
    classification: Classification,
) -> (Vec<Vec<f32>>, f64) {
    let device = gram_matrix.known.device();
    let known = gram_matrix.known.clone() + 1.0; // the bias
    let rows: Vec<&[Label]> = labels.iter().map(Vec::as_slice).collect();
    let (held, kept): (Vec<usize>, Vec<usize>) =
        (0..rows.len()).partition(|index| index.is_multiple_of(HELD_OUT_EVERY));
    let decay = if held.is_empty() || kept.is_empty() {
        DECAYS[DECAYS.len() / 2]
    } else {
        let pick = |which: &[usize]| which.iter().map(|&index| rows[index]).collect::<Vec<_>>();
        let columns = known.clone().select(1, numbers(&kept, &device));
        let among = columns.clone().select(0, numbers(&kept, &device));
        let across = columns.select(0, numbers(&held, &device));
        let (kept, held) = (pick(&kept), pick(&held));
        let judge = |decay: f64| {
            let fit = descend(&among, &kept, classification, decay);
            loss(across.clone().matmul(fit), &held, classification)
        };
        let losses = DECAYS.map(|decay| (decay, judge(decay)));
        losses.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(DECAYS[0], |(decay, _)| decay)
    };
    let fit = descend(&known, &rows, classification, decay);
    let probabilities = classification.probabilities((gram_matrix.asked.clone() + 1.0).matmul(fit)); // [asked, classes]
    let [_, classes] = probabilities.dims();
    let values: Vec<f32> = probabilities.into_data().iter::<f32>().collect();
    (values.chunks(classes).map(<[f32]>::to_vec).collect(), decay)
}

fn numbers(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}

/// Coefficients `A`, `[pictures, classes]`, by Nesterov's accelerated gradient. In the space of weights the
/// gradient is `X^T (p - y) / n + decay W`, so in that of coefficients it is `(p - y) / n + decay A`.
fn descend(table: &Tensor<2>, rows: &[&[Label]], classification: Classification, decay: f64) -> Tensor<2> {
    let device = table.device();
    let [targets, counted] = targets(rows, &device); // [pictures, classes]
    let pictures = rows.len() as f64;
    // The second derivative of the softmax's cross entropy is 1/2 at most, of the sigmoid's 1/4.
    let curvature = match classification {
        Classification::SingleLabel => 0.5,
        Classification::MultiLabel => 0.25,
    };
    let rate = 1.0 / (curvature * SAFETY * largest_eigenvalue(table) / pictures + decay);
    let mut now = targets.zeros_like();
    let mut ahead = now.clone();
    let mut speed = 1.0_f64;
    for _ in 0..STEPS {
        let error = (classification.probabilities(table.clone().matmul(ahead.clone())) - targets.clone())
            * counted.clone();
        let slope = error / pictures as f32 + ahead.clone() * decay as f32;
        let next = ahead - slope * rate as f32;
        let next_speed = f64::midpoint(1.0, (1.0 + 4.0 * speed * speed).sqrt());
        ahead = next.clone() + (next.clone() - now) * ((speed - 1.0) / next_speed) as f32;
        (now, speed) = (next, next_speed);
    }
    now
}

fn largest_eigenvalue(table: &Tensor<2>) -> f64 {
    let [side, _] = table.dims();
    let length = |x: &Tensor<2>| x.clone().powi_scalar(2).sum().sqrt();
    // Uneven, so that it is not at right angles to what is looked for.
    let start: Vec<f32> = (0..side).map(|i| 1.0 + (i * 37 % 101) as f32 / 101.0).collect();
    let mut x = Tensor::<2>::from_data(TensorData::new(start, [side, 1]), &table.device());
    let mut value = 0.0;
    for _ in 0..POWER_STEPS {
        let y = table.clone().matmul(x.clone());
        let [before, after] = [length(&x), length(&y)].map(|length| length.into_scalar::<f32>());
        value = f64::from(after / before.max(f32::MIN_POSITIVE));
        x = y / after.max(f32::MIN_POSITIVE);
    }
    value
}

/// Cross entropy, averaged over pictures.
fn loss(logits: Tensor<2>, rows: &[&[Label]], classification: Classification) -> f64 {
    const LEAST: f32 = 1e-7;
    let [targets, counted] = targets(rows, &logits.device());
    let p = classification.probabilities(logits).clamp(LEAST, 1.0 - LEAST);
    let right = targets.clone() * p.clone().log();
    let terms = match classification {
        Classification::SingleLabel => right,
        Classification::MultiLabel => (right + (targets.neg() + 1.0) * (p.neg() + 1.0).log()) * counted,
    };
    -f64::from(terms.sum().into_scalar::<f32>()) / rows.len() as f64
}
