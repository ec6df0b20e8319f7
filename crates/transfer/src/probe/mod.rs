//! What frozen features are worth: a linear classifier and nearest neighbours on each layer.

mod features;
mod kinship;
mod logistic;
mod neighbours;

use burn::tensor::Device;
use context_encoder_model::{FeatureEncoder, FeatureLayer};

use crate::{
    TransferError,
    classify::{Album, Exam, Question},
};
pub use features::{Features, MOST_NUMBERS};
pub use kinship::Kinship;
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
    pub linear: Exam,
    /// The weight decay that it was trained with, chosen on every fifth picture of the training set.
    pub decay: f64,
    /// Of the [`NEIGHBOURS`] nearest neighbours.
    pub neighbours: Exam,
}

/// Probes layers of an encoder on squares of its size: features of both albums are computed once, standardised by the
/// training album, and judged by a linear classifier (Zhang et al., ECCV 2016, do the same) and by neighbours.
///
/// # Errors
/// [`TransferError::Settings`] when the albums have different classes.
pub fn probe(
    encoder: &FeatureEncoder,
    [train, test]: [&Album; 2],
    question: Question,
    layers: &[FeatureLayer],
    device: &Device,
) -> Result<Vec<Probe>, TransferError> {
    train.expect_classes_of(test)?;
    let encoder = burn::module::Module::to_device(encoder.clone(), device);
    let [known, asked] = [train, test].map(|album| features::of(&encoder, &album.pictures, layers, device));
    let judge = |((layer, known), asked): ((FeatureLayer, Features), Features)| {
        let numbers = known.numbers();
        let kinship = Kinship::between(known, asked);
        let (scores, decay) = logistic(&kinship, &train.presences, question);
        let linear = Exam::of(&scores, test, question);
        let neighbours = Exam::of(&neighbours(&kinship, &train.presences), test, question);
        Probe { layer, numbers, linear, decay, neighbours }
    };
    Ok(layers.iter().copied().zip(known).zip(asked).map(judge).collect())
}
