//! Exact search for the nearest vectors, block by block.

use burn::tensor::{Device, Tensor, TensorData};

/// Values of the rows that are on the device at once (64 MiB).
const BLOCK: usize = 16 << 20;

/// Keeps the quotient of a vector of zeros at zero.
const MIN_NORM: f32 = 1e-20;

/// A vector that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its place among all rows.
    pub index: usize,
    /// Cosine of the angle to the query, at most 1.
    pub similarity: f32,
}

/// A search for the rows that are nearest to some queries, by the angle between them.
///
/// Rows are shown to it block by block, so there may be any number of them; each block is one matrix product
/// on the device. It is exact: every row is compared.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_eval::retrieval::Search;
///
/// let device = Device::flex();
/// let mut search = Search::new(&[vec![0.1, 5.0]], 2, &device);
/// search.take(Tensor::from_data([[1.0, 0.0], [0.0, 2.0]], &device));
/// search.take(Tensor::from_data([[3.0, 3.0]], &device));
/// let found = search.finish();
/// assert_eq!((found[0][0].index, found[0][1].index), (1, 2));
/// ```
#[derive(Clone, Debug)]
pub struct Search {
    /// The queries at length 1: `[length, queries]`.
    queries: Tensor<2>,
    /// For each query the nearest so far, nearest first.
    found: Vec<Vec<Neighbour>>,
    count: usize,
    /// Rows taken so far.
    rows: usize,
}

impl Search {
    /// Looks for the `count` nearest rows (or all, if fewer) of each query.
    ///
    /// # Panics
    /// When the queries differ in length.
    pub fn new(queries: &[Vec<f32>], count: usize, device: &Device) -> Self {
        let length = queries.first().map_or(0, Vec::len);
        let mut values = Vec::with_capacity(queries.len() * length);
        for query in queries {
            assert_eq!(query.len(), length, "queries differ in length");
            values.extend_from_slice(query);
        }
        let device = device.clone().without_autodiff();
        let queries = TensorData::new(values, [queries.len(), length]);
        let queries = Tensor::<2>::from_data(queries, &device);
        let found = vec![Vec::new(); queries.dims()[0]];
        Self { queries: normalized(queries).transpose(), found, count, rows: 0 }
    }

    /// Compares the next rows.
    ///
    /// # Shapes
    /// `[rows, length]`, of the queries' length
    ///
    /// # Panics
    /// When the rows are of another length than the queries.
    pub fn take(&mut self, rows: Tensor<2>) {
        let [count, length] = rows.dims();
        if self.found.is_empty() || count == 0 {
            return;
        }
        assert_eq!(length, self.queries.dims()[0], "a query differs in length from the vectors");
        let products = normalized(rows).matmul(self.queries.clone()).transpose(); // [queries, rows]
        let products = match products.try_into_vec_as::<f32>() {
            Ok(products) => products,
            Err(error) => panic!("cannot read similarities from their device: {error}"),
        };
        for (found, products) in self.found.iter_mut().zip(products.chunks_exact(count)) {
            for (row, &similarity) in products.iter().enumerate() {
                insert(found, self.count, Neighbour { index: self.rows + row, similarity });
            }
        }
        self.rows += count;
    }

    /// Compares the next rows, any number of them: they go to the device in blocks of at most 64 MiB.
    ///
    /// # Panics
    /// As for [`take`](Self::take), and when the rows differ in length.
    pub fn take_rows(&mut self, rows: &[Vec<f32>]) {
        let [length, queries] = self.queries.dims();
        let device = self.queries.device();
        for block in rows.chunks((BLOCK / length.max(queries).max(1)).max(1)) {
            let length = block[0].len();
            assert!(block.iter().all(|row| row.len() == length), "rows differ in length");
            self.take(Tensor::from_data(TensorData::new(block.concat(), [block.len(), length]), &device));
        }
    }

    /// For each query the nearest rows, nearest first; of equals, the first.
    pub fn finish(self) -> Vec<Vec<Neighbour>> {
        self.found
    }
}

/// Puts a row where it belongs among the `count` nearest, behind its equals.
fn insert(found: &mut Vec<Neighbour>, count: usize, new: Neighbour) {
    if !new.similarity.is_finite() {
        return; // a row with NaN or infinity is like nothing
    }
    let full = found.len() >= count;
    if full && found.last().is_none_or(|last| new.similarity <= last.similarity) {
        return;
    }
    let place = found.partition_point(|old| old.similarity >= new.similarity);
    found.insert(place, new);
    found.truncate(count);
}

/// Every row at length 1; zeros stay zeros.
fn normalized(rows: Tensor<2>) -> Tensor<2> {
    let norm = rows.clone().square().sum_dim(1).sqrt().clamp_min(MIN_NORM); // [rows, 1]
    rows / norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_comparing_one_by_one_finds() {
        let number = |i: usize| ((i * 7919 + 31) % 1009) as f32 / 504.5 - 1.0;
        let vector = |i: usize| (0..37).map(|j| number(i * 37 + j)).collect::<Vec<f32>>();
        let gallery: Vec<Vec<f32>> = (0..300).map(vector).collect();
        let queries: Vec<Vec<f32>> = (400..405).map(vector).collect();
        let mut search = Search::new(&queries, 4, &Device::flex());
        search.take_rows(&gallery);
        let found = search.finish();
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
    fn first_of_equals_is_kept_in_every_block() {
        let device = Device::flex();
        let mut search = Search::new(&[vec![1.0, 0.0], vec![0.0, 1.0]], 2, &device);
        let block = || Tensor::from_data([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]], &device);
        search.take(block());
        search.take(block());
        let [first, second] = &search.finish()[..] else { panic!("two queries") };
        assert_eq!([first[0].index, first[1].index], [0, 3]);
        assert_eq!([second[0].index, second[1].index], [1, 4]);
        assert!((first[0].similarity - 1.0).abs() < 1e-6);
    }

    #[test]
    fn rows_that_are_not_finite_are_not_found() {
        let device = Device::flex();
        let mut search = Search::new(&[vec![1.0, 0.0]], 3, &device);
        search.take(Tensor::from_data(
            [[f32::NAN, 0.0], [f32::INFINITY, 1.0], [0.5, 0.5], [1.0, 0.1]],
            &device,
        ));
        assert_eq!(search.finish()[0].iter().map(|found| found.index).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn no_queries_find_nothing_and_zeros_are_like_nothing() {
        let device = Device::flex();
        let mut none = Search::new(&[], 3, &device);
        none.take(Tensor::ones([2, 4], &device));
        assert!(none.finish().is_empty());
        let mut zero = Search::new(&[vec![0.0, 0.0]], 3, &device);
        zero.take(Tensor::ones([2, 2], &device));
        assert_eq!(zero.finish()[0].iter().map(|found| found.similarity).collect::<Vec<_>>(), [0.0, 0.0]);
    }
}
