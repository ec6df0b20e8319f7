//! Exact search for the nearest vectors.

use burn::tensor::{Device, Tensor, TensorData};

/// Values of the gallery that are on the device at once (64 MiB).
const BLOCK: usize = 16 << 20;

/// Vectors to search in, by the angle between them.
///
/// Search is exact: every vector is compared, as a matrix product on a device, block by block, so that the device needs
/// 64 MiB for any number of vectors.
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
    /// Of length 1 (a zero stays zero), one after another.
    values: Vec<f32>,
    length: usize,
    device: Device,
}

/// A vector that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its place in the index.
    pub index: usize,
    /// Cosine of the angle to the query, at most 1.
    pub similarity: f32,
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
            values.extend(normalised(&vector));
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
        let mut found: Vec<Vec<Neighbour>> = vec![Vec::new(); queries.len()];
        if self.is_empty() || queries.is_empty() {
            return found;
        }
        let wanted: Vec<f32> = queries
            .iter()
            .flat_map(|query| {
                assert_eq!(query.len(), self.length, "a query differs in length from the vectors");
                normalised(query)
            })
            .collect();
        let matrix = |values: Vec<f32>| {
            let rows = values.len() / self.length;
            Tensor::<2>::from_data(TensorData::new(values, [rows, self.length]), &self.device)
        };
        let wanted = matrix(wanted).transpose(); // [length, queries]
        let rows = (BLOCK / self.length).max(1);
        for (block, values) in self.values.chunks(rows * self.length).enumerate() {
            let products = matrix(values.to_vec()).matmul(wanted.clone()).transpose(); // [queries, rows]
            let products: Vec<f32> = products.into_data().try_to_vec().unwrap_or_default();
            let in_block = values.len() / self.length;
            for (found, products) in found.iter_mut().zip(products.chunks_exact(in_block)) {
                let here = products.iter().enumerate();
                found.extend(
                    here.map(|(row, &similarity)| Neighbour { index: block * rows + row, similarity }),
                );
                // A stable sort: of equals, the first stays first.
                found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
                found.truncate(count);
            }
        }
        found
    }
}

/// The vector at length 1; zeros stay zeros.
fn normalised(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(|value| value * scale).collect()
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
