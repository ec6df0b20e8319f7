//! Nearest neighbours by the angle between features.

use super::Kinship;
use crate::voc::Presence;

/// Neighbours that are asked.
pub const NEIGHBOURS: usize = 10;

/// For each asked picture, the share of each class among its [`NEIGHBOURS`] nearest known pictures, each counting by its
/// cosine: `[asked][class]`.
pub fn neighbours(kinship: &Kinship, presences: &[Vec<Presence>]) -> Vec<Vec<f32>> {
    let known = presences.len();
    let classes = presences.first().map_or(0, Vec::len);
    let table: Vec<f32> = kinship.known.clone().into_data().iter::<f32>().collect();
    let products: Vec<f32> = kinship.asked.clone().into_data().iter::<f32>().collect();
    let own: Vec<f32> = kinship.lengths.clone().into_data().iter::<f32>().collect();
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
            for (vote, presence) in votes.iter_mut().zip(&presences[other]) {
                if *presence == Presence::Present {
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
        classify::Question,
        probe::{Features, logistic},
    };

    /// Two classes on either side of a slanted line; the second number is of another size and must not matter.
    fn kinship() -> (Kinship, Vec<Vec<Presence>>) {
        let device = Device::flex();
        let points: Vec<[f32; 2]> = (0..40)
            .map(|i| [((i * 7) % 40) as f32 / 20.0 - 1.0, ((i * 13) % 40) as f32 * 50.0 - 1000.0])
            .collect();
        let known: Vec<f32> = points.iter().flatten().copied().collect();
        let rows = Tensor::<1>::from_floats(known.as_slice(), &device).reshape([40, 2]);
        let presences = points
            .iter()
            .map(|[x, y]| {
                let first = x + y / 1000.0 > 0.0;
                [first, !first].map(|here| if here { Presence::Present } else { Presence::Absent }).to_vec()
            })
            .collect();
        let asked = Tensor::<2>::from_floats([[0.8, 700.0], [-0.9, -300.0]], &device);
        (Kinship::between(Features { rows }, Features { rows: asked }), presences)
    }

    #[test]
    fn both_tell_the_sides_apart() {
        let (kinship, presences) = kinship();
        for question in [Question::WhichOne, Question::WhichAll] {
            let (scores, decay) = logistic(&kinship, &presences, question);
            assert!(scores[0][0] > 0.9 && scores[1][1] > 0.9, "{scores:?} at {decay}");
        }
        let votes = neighbours(&kinship, &presences);
        assert!(votes[0][0] > 0.7 && votes[1][1] > 0.7, "{votes:?}");
    }
}
