//! Logistic regression and nearest neighbours, both on a matrix of inner products of features.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{
    classify::{Classification, targets},
    voc::Label,
};

/// Weight decays to choose from, from weak to strong.
const WEIGHT_DECAYS: [f64; 6] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// Iterations of accelerated gradient descent; the problem is convex and its step size is known, so nothing
/// is tuned.
const ITERATIONS: usize = 300;

/// Every so manyth training image is held out to choose the weight decay.
const HOLD_OUT_EVERY: usize = 5;

/// Iterations of the power method that finds the largest eigenvalue, and a factor for what it misses.
const POWER_ITERATIONS: usize = 20;
const POWER_MARGIN: f64 = 1.1;

/// Nearest neighbours that vote.
const NEIGHBOURS: usize = 10;

/// Features with a smaller standard deviation count as constant.
const MIN_STD: f32 = 1e-6;

/// Standardises both sets to mean 0 and variance 1 of every feature over the training set; features that are
/// constant there become 0.
fn standardize(train: Tensor<2>, test: Tensor<2>) -> [Tensor<2>; 2] {
    let mean = train.clone().mean_dim(0); // [1, dimension]
    let centered = train - mean.clone();
    let std = centered.clone().powi_scalar(2).mean_dim(0).sqrt(); // [1, dimension]
    let varies = std.clone().greater_elem(MIN_STD).float();
    let scale = varies / std.clamp_min(MIN_STD);
    [centered * scale.clone(), (test - mean) * scale]
}

/// Inner products of standardised features, divided by their dimension.
///
/// A linear classifier's weights are sums over the training images, `W = X^T A`, so that its output for an
/// image is a row of products times `A`. With fewer images than features this is by far the smaller problem,
/// and many classifiers can be trained on one matrix.
#[derive(Clone, Debug)]
pub(super) struct GramMatrix {
    /// Training images with training images: `[train, train]`.
    pub(super) train: Tensor<2>,
    /// Test images with training images: `[test, train]`.
    pub(super) test: Tensor<2>,
    /// Squared norms of the test images' features, divided likewise: `[test, 1]`.
    pub(super) test_squared_norms: Tensor<2>,
}

impl GramMatrix {
    /// Of features that are not standardised yet.
    pub(super) fn new(train: Tensor<2>, test: Tensor<2>) -> Self {
        let dimension = train.dims()[1] as f32;
        let [train, test] = standardize(train, test);
        let columns = train.clone().transpose() / dimension; // [dimension, train]
        Self {
            test_squared_norms: test.clone().powi_scalar(2).sum_dim(1) / dimension,
            test: test.matmul(columns.clone()),
            train: train.matmul(columns),
        }
    }
}

/// Trains a linear classifier on the training images and returns its probabilities for the test images, with
/// the weight decay that did best on every fifth training image when trained on the others.
///
/// The objective is the cross entropy averaged over images plus half the decay times the squared weights; the
/// bias is one more feature, always 1.
pub(super) fn logistic_regression(
    gram: &GramMatrix,
    labels: &[&[Label]],
    classification: Classification,
) -> (Vec<Vec<f32>>, f64) {
    let device = gram.train.device();
    let train = gram.train.clone() + 1.0; // the bias
    let (held_out, kept): (Vec<usize>, Vec<usize>) =
        (0..labels.len()).partition(|index| index.is_multiple_of(HOLD_OUT_EVERY));
    let weight_decay = if held_out.is_empty() || kept.is_empty() {
        WEIGHT_DECAYS[WEIGHT_DECAYS.len() / 2]
    } else {
        let pick = |indices: &[usize]| indices.iter().map(|&index| labels[index]).collect::<Vec<_>>();
        let columns = train.clone().select(1, index_tensor(&kept, &device));
        let kept_rows = columns.clone().select(0, index_tensor(&kept, &device));
        let held_out_rows = columns.select(0, index_tensor(&held_out, &device));
        let (kept, held_out) = (pick(&kept), pick(&held_out));
        let held_out_loss = |decay: f64| {
            let coefficients = fit(&kept_rows, &kept, classification, decay);
            cross_entropy(held_out_rows.clone().matmul(coefficients), &held_out, classification)
        };
        let losses = WEIGHT_DECAYS.map(|decay| (decay, held_out_loss(decay)));
        losses.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(WEIGHT_DECAYS[0], |(decay, _)| decay)
    };
    let coefficients = fit(&train, labels, classification, weight_decay);
    let probabilities = classification.probabilities((gram.test.clone() + 1.0).matmul(coefficients)); // [test, classes]
    let [_, classes] = probabilities.dims();
    let values: Vec<f32> = probabilities.into_data().iter::<f32>().collect();
    (values.chunks(classes).map(<[f32]>::to_vec).collect(), weight_decay)
}

fn index_tensor(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}

/// Coefficients `A`, `[images, classes]`, by Nesterov's accelerated gradient. With respect to the weights the
/// gradient is `X^T (p - y) / n + decay W`, so with respect to the coefficients it is `(p - y) / n + decay
/// A`.
fn fit(gram: &Tensor<2>, labels: &[&[Label]], classification: Classification, decay: f64) -> Tensor<2> {
    let device = gram.device();
    let [targets, weights] = targets(labels, &device); // [images, classes]
    let images = labels.len() as f64;
    // The second derivative of the softmax's cross entropy is 1/2 at most, of the sigmoid's 1/4.
    let curvature = match classification {
        Classification::SingleLabel => 0.5,
        Classification::MultiLabel => 0.25,
    };
    let lr = 1.0 / (curvature * POWER_MARGIN * largest_eigenvalue(gram) / images + decay);
    let mut now = targets.zeros_like();
    let mut ahead = now.clone();
    let mut momentum = 1.0_f64;
    for _ in 0..ITERATIONS {
        let error = (classification.probabilities(gram.clone().matmul(ahead.clone())) - targets.clone())
            * weights.clone();
        let gradient = error / images as f32 + ahead.clone() * decay as f32;
        let next = ahead - gradient * lr as f32;
        let next_momentum = f64::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
        ahead = next.clone() + (next.clone() - now) * ((momentum - 1.0) / next_momentum) as f32;
        (now, momentum) = (next, next_momentum);
    }
    now
}

/// By the power method.
fn largest_eigenvalue(matrix: &Tensor<2>) -> f64 {
    let [side, _] = matrix.dims();
    let norm = |x: &Tensor<2>| x.clone().powi_scalar(2).sum().sqrt();
    // Uneven, so that it is not orthogonal to the eigenvector.
    let start: Vec<f32> = (0..side).map(|i| 1.0 + (i * 37 % 101) as f32 / 101.0).collect();
    let mut x = Tensor::<2>::from_data(TensorData::new(start, [side, 1]), &matrix.device());
    let mut eigenvalue = 0.0;
    for _ in 0..POWER_ITERATIONS {
        let y = matrix.clone().matmul(x.clone());
        let [before, after] = [norm(&x), norm(&y)].map(|norm| norm.into_scalar::<f32>());
        eigenvalue = f64::from(after / before.max(f32::MIN_POSITIVE));
        x = y / after.max(f32::MIN_POSITIVE);
    }
    eigenvalue
}

/// Cross entropy, averaged over images.
fn cross_entropy(logits: Tensor<2>, labels: &[&[Label]], classification: Classification) -> f64 {
    const MIN_PROBABILITY: f32 = 1e-7;
    let [targets, weights] = targets(labels, &logits.device());
    let p = classification.probabilities(logits).clamp(MIN_PROBABILITY, 1.0 - MIN_PROBABILITY);
    let positive = targets.clone() * p.clone().log();
    let terms = match classification {
        Classification::SingleLabel => positive,
        Classification::MultiLabel => (positive + (targets.neg() + 1.0) * (p.neg() + 1.0).log()) * weights,
    };
    -f64::from(terms.sum().into_scalar::<f32>()) / labels.len() as f64
}

/// For each test image the fraction of each class among its ten nearest training images, weighted by the
/// cosine of the angle between their features: `[test][class]`.
pub(super) fn k_nearest_neighbours(gram: &GramMatrix, labels: &[&[Label]]) -> Vec<Vec<f32>> {
    let train = labels.len();
    let classes = labels.first().map_or(0, |row| row.len());
    let values = |x: &Tensor<2>| x.clone().into_data().iter::<f32>().collect::<Vec<f32>>();
    let (among_train, products, squared_norms) =
        (values(&gram.train), values(&gram.test), values(&gram.test_squared_norms));
    let norm = |square: f32| square.max(f32::MIN_POSITIVE).sqrt();
    let vote = |(products, squared_norm): (&[f32], &f32)| {
        let mut ranked: Vec<(f32, usize)> = products
            .iter()
            .enumerate()
            .map(|(other, product)| {
                (product / (norm(*squared_norm) * norm(among_train[other * train + other])), other)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranked.truncate(NEIGHBOURS);
        let mut votes = vec![0.0; classes];
        for (cosine, other) in ranked {
            for (vote, label) in votes.iter_mut().zip(labels[other]) {
                if *label == Label::Positive {
                    *vote += cosine.max(0.0) / NEIGHBOURS as f32;
                }
            }
        }
        votes
    };
    products.chunks(train.max(1)).zip(&squared_norms).map(vote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_standardised_by_the_training_set() {
        let device = Device::flex();
        let features = |rows: [[f32; 3]; 2]| Tensor::from_floats(rows, &device);
        let [train, test] = standardize(
            features([[1.0, 5.0, 2.0], [3.0, 5.0, -2.0]]),
            features([[2.0, 9.0, 4.0], [5.0, 5.0, 0.0]]),
        );
        let values = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(values(train), [-1.0, 0.0, 1.0, 1.0, 0.0, -1.0]);
        assert_eq!(values(test), [0.0, 0.0, 2.0, 3.0, 0.0, 0.0]);
    }

    /// Two classes on either side of a slanted line; the second feature has another scale and must not
    /// matter.
    #[test]
    fn both_classifiers_separate_two_classes() {
        let device = Device::flex();
        let points: Vec<[f32; 2]> = (0..40)
            .map(|i| [((i * 7) % 40) as f32 / 20.0 - 1.0, ((i * 13) % 40) as f32 * 50.0 - 1000.0])
            .collect();
        let train: Vec<f32> = points.iter().flatten().copied().collect();
        let train = Tensor::<1>::from_floats(train.as_slice(), &device).reshape([40, 2]);
        let test = Tensor::<2>::from_floats([[0.8, 700.0], [-0.9, -300.0]], &device);
        let gram = GramMatrix::new(train, test);
        let labels = points.iter().map(|[x, y]| {
            let first = x + y / 1000.0 > 0.0;
            [first, !first].map(|positive| if positive { Label::Positive } else { Label::Negative })
        });
        let labels: Vec<[Label; 2]> = labels.collect();
        let labels: Vec<&[Label]> = labels.iter().map(|row| &row[..]).collect();
        for classification in [Classification::SingleLabel, Classification::MultiLabel] {
            let (scores, decay) = logistic_regression(&gram, &labels, classification);
            assert!(scores[0][0] > 0.9 && scores[1][1] > 0.9, "{scores:?} at {decay}");
        }
        let votes = k_nearest_neighbours(&gram, &labels);
        assert!(votes[0][0] > 0.7 && votes[1][1] > 0.7, "{votes:?}");
    }
}
