//! How alike pictures are, pair by pair: all that linear classifiers and neighbours need to know.

use burn::tensor::Tensor;

use super::Features;

/// Inner products of standardised features, divided by their number.
///
/// A linear classifier's weights are sums over the known pictures, `W = X^T A`, so that what it says of a
/// picture is a row of products times `A`. With fewer pictures than numbers this is by far the smaller
/// problem, and many classifiers can be trained on one table.
#[derive(Clone, Debug)]
pub struct GramMatrix {
    /// Known with known: `[known, known]`.
    pub known: Tensor<2>,
    /// Asked with known: `[asked, known]`.
    pub asked: Tensor<2>,
    /// Lengths of the asked ones' features, squared and divided likewise: `[asked, 1]`.
    pub lengths: Tensor<2>,
}

impl GramMatrix {
    /// Of features that [`Features::standardize`] has not seen yet.
    pub fn between(known: Features, asked: Features) -> Self {
        let numbers = known.numbers() as f32;
        let [known, asked] = Features::standardize(known, asked);
        let columns = known.clone().transpose() / numbers; // [numbers, known]
        Self {
            lengths: asked.clone().powi_scalar(2).sum_dim(1) / numbers,
            asked: asked.matmul(columns.clone()),
            known: known.matmul(columns),
        }
    }
}
