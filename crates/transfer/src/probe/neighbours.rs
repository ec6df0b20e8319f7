//! Nearest neighbours by the angle between features.

use super::GramMatrix;
use crate::voc::Label;

/// Neighbours that are asked.
pub const NEIGHBOURS: usize = 10;

/// For each asked picture, the share of each class among its [`NEIGHBOURS`] nearest known pictures, each
/// counting by its cosine: `[asked][class]`.
pub fn neighbours(gram_matrix: &GramMatrix, labels: &[Vec<Label>]) -> Vec<Vec<f32>> {
    let known = labels.len();
    let classes = labels.first().map_or(0, Vec::len);
    let table: Vec<f32> = gram_matrix.known.clone().into_data().iter::<f32>().collect();
    let products: Vec<f32> = gram_matrix.asked.clone().into_data().iter::<f32>().collect();
    let own: Vec<f32> = gram_matrix.lengths.clone().into_data().iter::<f32>().collect();
    let length = |square: f32| square.max(f32::MIN_POSITIVE).sqrt();
    let ask = |(products, own): (&[f32], &f32)| {
        let mut ranked: Vec<(f32, usize)> = products
            .iter()
            .enumerate()
            .map(|(other, product)| (product / (length(*own) * length(table[other * known + other])), other))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranked.truncate(NEIGHBOURS);
        let mut votes = vec![0.0; classes];
        for (cosine, other) in ranked {
            for (vote, label) in votes.iter_mut().zip(&labels[other]) {
                if *label == Label::Present {
                    *vote += cosine.max(0.0) / NEIGHBOURS as f32;
                }
            }
        }
        votes
    };
    products.chunks(known.max(1)).zip(&own).map(ask).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::{
        classify::Classification,
        probe::{Features, logistic},
    };

    /// Two classes on either side of a slanted line; the second number is of another size and must not
    /// matter.
    fn gram_matrix() -> (GramMatrix, Vec<Vec<Label>>) {
        let device = Device::flex();
        let points: Vec<[f32; 2]> = (0..40)
            .map(|i| [((i * 7) % 40) as f32 / 20.0 - 1.0, ((i * 13) % 40) as f32 * 50.0 - 1000.0])
            .collect();
        let known: Vec<f32> = points.iter().flatten().copied().collect();
        let rows = Tensor::<1>::from_floats(known.as_slice(), &device).reshape([40, 2]);
        let labels = points
            .iter()
            .map(|[x, y]| {
                let first = x + y / 1000.0 > 0.0;
                [first, !first].map(|here| if here { Label::Present } else { Label::Absent }).to_vec()
            })
            .collect();
        let asked = Tensor::<2>::from_floats([[0.8, 700.0], [-0.9, -300.0]], &device);
        (GramMatrix::between(Features { rows }, Features { rows: asked }), labels)
    }

    #[test]
    fn both_tell_the_sides_apart() {
        let (gram_matrix, labels) = gram_matrix();
        for classification in [Classification::SingleLabel, Classification::MultiLabel] {
            let (scores, decay) = logistic(&gram_matrix, &labels, classification);
            assert!(scores[0][0] > 0.9 && scores[1][1] > 0.9, "{scores:?} at {decay}");
        }
        let votes = neighbours(&gram_matrix, &labels);
        assert!(votes[0][0] > 0.7 && votes[1][1] > 0.7, "{votes:?}");
    }
}
