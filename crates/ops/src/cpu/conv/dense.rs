//! Kernels as large as the map: every value of the large map meets every small channel.
//!
//! Weights are a matrix of `small` rows and `large` columns, far larger than the maps. They are read once, as
//! they lie in memory: a few images meet them register by register ([`skinny_gemm`]), in a larger batch they
//! are the rows of a product whose columns are the images.

use rayon::prelude::*;

use super::{
    direct::{ChannelRange, PackPixels, StorePixels},
    direct_weights::{pack_matrix, unpack},
};
use crate::{
    cpu::{
        buffer::Buffer,
        feature_map::{Shape, Sink},
        gemm::gemm,
        gemm_tn::gemm_tn,
        pointwise::Epilogue,
        skinny_gemm::{gemv, skinny_gemm},
        weight_matrix::{F32Matrix, WeightMatrixRef, WeightRows as _},
    },
    layer::ConvKind,
};

/// Sizes: `batch` maps `large` become as many vectors of `small` values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) batch: usize,
    pub(crate) small: usize,
    pub(crate) large: Shape,
}

impl Sizes {
    /// Values of one large map.
    fn plane(&self) -> usize {
        let Shape { height, width, channels, .. } = self.large;
        height * width * channels
    }
}

/// Weights of a dense layer: as they are, `[small, large]`, or packed for one kind of convolution.
#[derive(Clone, Copy)]
pub(crate) enum DenseWeights<'a> {
    Unpacked(&'a [f32]),
    Packed(WeightMatrixRef<'a>),
}

/// From one map to the other, channels last on both sides.
pub(crate) fn forward(kind: ConvKind, sizes: Sizes, weights: DenseWeights<'_>, from: &[f32], to: &mut [f32]) {
    match kind {
        ConvKind::Conv2d => {
            let weights = match weights {
                DenseWeights::Packed(weights) => weights,
                // Their rows are in order as they are.
                DenseWeights::Unpacked(values) => {
                    WeightMatrixRef::F32(F32Matrix::new(values, [sizes.small, sizes.plane()]))
                }
            };
            product(weights, &channels_first(sizes.large, from), to);
        }
        ConvKind::ConvTranspose2d => {
            let mut planes = Buffer::uncleared(to.len());
            match weights {
                DenseWeights::Packed(weights) => product(weights, from, &mut planes),
                DenseWeights::Unpacked(weights) => transposed(sizes, weights, from, &mut planes),
            }
            channels_last(sizes.large, &planes, to);
        }
    }
}

/// Batch up to which the product is skinny.
const SKINNY_BATCH: usize = 32;

/// `to = from weights^T`, a row for each image.
fn product(weights: WeightMatrixRef<'_>, from: &[f32], to: &mut [f32]) {
    match weights {
        WeightMatrixRef::F32(rows) => {
            let [outputs, inputs] = rows.sizes();
            let batch = from.len() / inputs;
            if batch <= SKINNY_BATCH {
                return skinny_gemm(rows, from, to);
            }
            large_product(rows.values(), from, [outputs, inputs, batch], to);
        }
        WeightMatrixRef::Bf16(bf16) => {
            let rows = bf16.rows();
            let [outputs, inputs] = rows.sizes();
            for (from, to) in from.chunks(SKINNY_BATCH * inputs).zip(to.chunks_mut(SKINNY_BATCH * outputs)) {
                skinny_gemm(rows, from, to);
            }
        }
    }
}

/// The same for a batch that fills registers.
fn large_product(weights: &[f32], from: &[f32], [outputs, inputs, batch]: [usize; 3], to: &mut [f32]) {
    let packed = pack_matrix(from, [batch, inputs]);
    let mut product = Buffer::uncleared(outputs * batch);
    let result = Shape { batch: 1, height: 1, width: outputs, channels: batch };
    let sink = Sink::new(&mut product, result);
    let output = StorePixels { sink, channels: ChannelRange::all(result), epilogue: &Epilogue::IDENTITY };
    gemm(outputs, &PackPixels::of_matrix(weights, outputs, inputs), &packed, &output);
    transpose(&product, [outputs, batch], to);
}

/// `large = small weights`.
fn transposed(sizes: Sizes, weights: &[f32], small: &[f32], large: &mut [f32]) {
    let Sizes { batch, small: inputs, .. } = sizes;
    let outputs = sizes.plane();
    if batch == 1 {
        return gemv(weights, small, large);
    }
    let mut transposed = Buffer::uncleared(inputs * batch);
    transpose(small, [batch, inputs], &mut transposed);
    let left = PackPixels::of_matrix(weights, inputs, outputs);
    let right = PackPixels::of_matrix(&transposed, inputs, batch);
    let sums = gemm_tn(inputs, 1, &left, &right);
    unpack(&sums, [batch, outputs], 1, large);
}

/// Gradient of the weights, `small^T large`.
pub(crate) fn weight_gradient(sizes: Sizes, large: &[f32], small: &[f32]) -> Buffer {
    let Sizes { batch, small: rows, .. } = sizes;
    let columns = sizes.plane();
    let large = channels_first(sizes.large, large);
    let left = PackPixels::of_matrix(small, batch, rows);
    let right = PackPixels::of_matrix(&large, batch, columns);
    gemm_tn(batch, 1, &left, &right).into_matrix(rows, columns)
}

/// Channels last to channels first, image by image.
fn channels_first(shape: Shape, from: &[f32]) -> Buffer {
    let mut to = Buffer::uncleared(from.len());
    transpose_images([shape.height * shape.width, shape.channels], from, &mut to);
    to
}

/// Channels first to channels last, image by image.
fn channels_last(shape: Shape, from: &[f32], to: &mut [f32]) {
    transpose_images([shape.channels, shape.height * shape.width], from, to);
}

/// Every image's `[rows, columns]` to `[columns, rows]`.
fn transpose_images(sizes: [usize; 2], from: &[f32], to: &mut [f32]) {
    let image = sizes[0] * sizes[1];
    let images = to.par_chunks_mut(image).zip(from.par_chunks(image));
    images.for_each(|(to, from)| {
        for (column, to) in to.chunks_exact_mut(sizes[0]).enumerate() {
            copy_column(from, sizes[1], column, to);
        }
    });
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(from: &[f32], [rows, columns]: [usize; 2], to: &mut [f32]) {
    to.par_chunks_mut(rows).enumerate().for_each(|(column, to)| copy_column(from, columns, column, to));
}

#[inline(always)]
fn copy_column(from: &[f32], columns: usize, column: usize, to: &mut [f32]) {
    for (row, value) in to.iter_mut().enumerate() {
        *value = from[row * columns + column];
    }
}
