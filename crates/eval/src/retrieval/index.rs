//! Vectors in memory, to search in.

use burn::tensor::{Device, Tensor, TensorData};

use super::{Neighbour, Search};

/// Values of the gallery that are on the device at once (64 MiB).
const BLOCK: usize = 16 << 20;

/// Vectors to search in, by the angle between them.
///
/// Search is exact ([`Search`]), in blocks of at most 64 MiB, whatever the number of vectors.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_eval::retrieval::Index;
///
/// let index = Index::new(vec![vec![1.0, 0.0], vec![0.0, 2.0], vec![3.0, 3.0]], &Device::flex());
/// let found = index.nearest(&[vec![0.1, 5.0]], 2);
/// assert_eq!((found[0][0].index, found[0][1].index), (1, 2));
/// ```
#[derive(Clone, Debug)]
pub struct Index {
    /// One after another.
    values: Vec<f32>,
    length: usize,
    device: Device,
}

impl Index {
    /// Takes vectors of one length.
    ///
    /// # Panics
    /// When they differ in length.
    pub fn new(vectors: Vec<Vec<f32>>, device: &Device) -> Self {
        let length = vectors.first().map_or(0, Vec::len);
        let mut values = Vec::with_capacity(vectors.len() * length);
        for vector in vectors {
            assert_eq!(vector.len(), length, "vectors of an index differ in length");
            values.extend(vector);
        }
        Self { values, length, device: device.clone().without_autodiff() }
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.length).unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For each query the `count` nearest vectors (or all, if fewer), nearest first; of equals, the first.
    ///
    /// # Panics
    /// When a query is of another length than the vectors.
    pub fn nearest(&self, queries: &[Vec<f32>], count: usize) -> Vec<Vec<Neighbour>> {
        let mut search = Search::new(queries, count, &self.device);
        if self.is_empty() {
            return search.finish();
        }
        let rows = (BLOCK / self.length.max(queries.len())).max(1);
        for values in self.values.chunks(rows * self.length) {
            let block = TensorData::new(values.to_vec(), [values.len() / self.length, self.length]);
            search.take(Tensor::from_data(block, &self.device));
        }
        search.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_comparing_one_by_one_finds() {
        let number = |i: usize| ((i * 7919 + 31) % 1009) as f32 / 504.5 - 1.0;
        let vector = |i: usize| (0..37).map(|j| number(i * 37 + j)).collect::<Vec<f32>>();
        let gallery: Vec<Vec<f32>> = (0..300).map(vector).collect();
        let queries: Vec<Vec<f32>> = (400..405).map(vector).collect();
        let index = Index::new(gallery.clone(), &Device::flex());
        let found = index.nearest(&queries, 4);
        for (query, found) in queries.iter().zip(found) {
            let cosine = |other: &[f32]| {
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                dot(query, other) / (dot(query, query) * dot(other, other)).sqrt()
            };
            let mut expected: Vec<(usize, f32)> = gallery.iter().map(|v| cosine(v)).enumerate().collect();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            for ((index, similarity), found) in expected.into_iter().zip(&found) {
                assert_eq!(index, found.index);
                assert!((similarity - found.similarity).abs() < 1e-5);
            }
            assert_eq!(found.len(), 4);
        }
    }

    #[test]
    fn too_few_and_none_are_no_trouble() {
        let index = Index::new(vec![vec![0.0, 0.0]], &Device::flex());
        assert_eq!(index.nearest(&[vec![1.0, 0.0]], 9)[0], [Neighbour { index: 0, similarity: 0.0 }]);
        assert!(Index::new(Vec::new(), &Device::flex()).nearest(&[vec![1.0]], 1)[0].is_empty());
    }
}
