//! What frozen features are worth: a linear classifier and nearest neighbours on each layer.

mod features;
mod gram_matrix;
mod logistic;
mod neighbours;

use burn::tensor::Device;
use context_encoder_model::{FeatureEncoder, FeatureLayer};

use crate::{
    TransferError,
    classify::{Classification, LabeledDataset, Metrics},
};
pub use features::{Features, MAX_FEATURES};
pub use gram_matrix::GramMatrix;
pub use logistic::{DECAYS, logistic};
pub use neighbours::{NEIGHBOURS, neighbours};

/// What the frozen features of one layer are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The layer.
    pub layer: FeatureLayer,
    /// Numbers a picture.
    pub numbers: usize,
    /// Of a linear classifier.
    pub linear: Metrics,
    /// The weight decay that it was trained with, chosen on every fifth picture of the training set.
    pub decay: f64,
    /// Of the [`NEIGHBOURS`] nearest neighbours.
    pub neighbours: Metrics,
}

/// Probes layers of an encoder on squares of its size: features of both datasets are computed once,
/// standardised by the training dataset, and judged by a linear classifier (Zhang et al., ECCV 2016, do the
/// same) and by neighbours.
///
/// # Errors
/// [`TransferError::Settings`] when the datasets have different classes.
pub fn probe(
    encoder: &FeatureEncoder,
    [train, test]: [&LabeledDataset; 2],
    classification: Classification,
    layers: &[FeatureLayer],
    device: &Device,
) -> Result<Vec<Probe>, TransferError> {
    train.expect_classes_of(test)?;
    let encoder = burn::module::Module::to_device(encoder.clone(), device);
    let [known, asked] =
        [train, test].map(|dataset| features::of(&encoder, &dataset.pictures, layers, device));
    let judge = |((layer, known), asked): ((FeatureLayer, Features), Features)| {
        let numbers = known.numbers();
        let gram_matrix = GramMatrix::between(known, asked);
        let (scores, decay) = logistic(&gram_matrix, &train.labels, classification);
        let linear = Metrics::of(&scores, test, classification);
        let neighbours = Metrics::of(&neighbours(&gram_matrix, &train.labels), test, classification);
        Probe { layer, numbers, linear, decay, neighbours }
    };
    Ok(layers.iter().copied().zip(known).zip(asked).map(judge).collect())
}
