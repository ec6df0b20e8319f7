//! Probes of frozen features: a linear classifier and nearest neighbours on each layer.

mod classifiers;
mod features;

use burn::{module::Module, tensor::Device};
use context_encoder_model::{FeatureEncoder, FeatureLayer};

use crate::{
    TransferError,
    classify::{Classification, LabeledDataset, labels},
    metric::Metrics,
};
use classifiers::{k_nearest_neighbours, logistic_regression};
use features::{Features, GramMatrix};

/// What the frozen features of one layer are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The layer.
    pub layer: FeatureLayer,
    /// Features of an image.
    pub dimension: usize,
    /// Metrics of a linear classifier.
    pub linear: Metrics,
    /// The weight decay that it was trained with, chosen on every fifth image of the training set.
    pub weight_decay: f64,
    /// Metrics of the ten nearest neighbours.
    pub neighbours: Metrics,
}

/// Probes layers of an encoder on squares of its size: features of both sets are computed once, standardised
/// by the training set, and classified by logistic regression (as in Zhang et al., ECCV 2016) and by nearest
/// neighbours.
///
/// # Errors
/// [`TransferError::Settings`] when the sets have different classes.
pub fn probe(
    encoder: &FeatureEncoder,
    [train, test]: [&LabeledDataset; 2],
    classification: Classification,
    layers: &[FeatureLayer],
    device: &Device,
) -> Result<Vec<Probe>, TransferError> {
    train.expect_classes_of(test)?;
    let encoder = encoder.clone().to_device(device);
    let [train_features, test_features] =
        [train, test].map(|dataset| features::extract(&encoder, &dataset.samples, layers, device));
    let labels = labels(&train.samples);
    let probe = |((layer, train_features), test_features): ((FeatureLayer, Features), Features)| {
        let dimension = train_features.dimension();
        let gram = GramMatrix::new(train_features, test_features);
        let (scores, weight_decay) = logistic_regression(&gram, &labels, classification);
        let linear = classification.metrics(&scores, &test.samples);
        let neighbours = classification.metrics(&k_nearest_neighbours(&gram, &labels), &test.samples);
        Probe { layer, dimension, linear, weight_decay, neighbours }
    };
    Ok(layers.iter().copied().zip(train_features).zip(test_features).map(probe).collect())
}
