//! Weights of a kernel as large as the map, laid out once as a matrix: a row for each output.

use rayon::prelude::*;

use super::{
    half::{Halves, LINE},
    rows::Plain,
    scratch::Buffer,
};
use crate::{ConvKind, Storage};

/// `[outputs, inputs]`.
pub(crate) struct Matrix {
    values: Values,
    sizes: [usize; 2],
}

enum Values {
    F32(Buffer),
    Bf16(Halves),
}

/// [`Matrix`] as products read it.
#[derive(Clone, Copy)]
pub(crate) enum Laid<'a> {
    F32(Plain<'a>),
    Bf16(&'a Halves),
}

impl Matrix {
    /// Lays out weights `[small, large]` for one way.
    pub(crate) fn new(way: ConvKind, storage: Storage, weights: &[f32], [small, large]: [usize; 2]) -> Self {
        let [inputs, outputs] = way.sorted([large, small]);
        let fill = |first: usize, to: &mut [f32]| match way {
            ConvKind::Conv2d => to.copy_from_slice(&weights[first * inputs..][..to.len()]),
            ConvKind::ConvTranspose2d => turn(weights, [inputs, outputs], first, to),
        };
        let values = match storage {
            Storage::F32 => {
                let mut values = Buffer::uncleared(weights.len());
                let chunks = values.par_chunks_mut(LINE * inputs).enumerate();
                chunks.for_each(|(chunk, values)| fill(chunk * LINE, values));
                Values::F32(values)
            }
            Storage::Bf16 => Values::Bf16(Halves::new([outputs, inputs], fill)),
        };
        Self { values, sizes: [outputs, inputs] }
    }

    pub(crate) fn rows(&self) -> Laid<'_> {
        match &self.values {
            Values::F32(values) => Laid::F32(Plain::new(values, self.sizes)),
            Values::Bf16(halves) => Laid::Bf16(halves),
        }
    }

    /// The weights `[small, large]` again, in 32 bits.
    pub(crate) fn weights(&self, way: ConvKind) -> Buffer {
        let [outputs, inputs] = self.sizes;
        let mut values = Buffer::uncleared(outputs * inputs);
        match &self.values {
            Values::F32(own) => values.copy_from_slice(own),
            Values::Bf16(halves) => {
                for (row, values) in values.chunks_exact_mut(inputs).enumerate() {
                    halves.read(row, values);
                }
            }
        }
        match way {
            ConvKind::Conv2d => values,
            ConvKind::ConvTranspose2d => {
                let mut to = Buffer::uncleared(values.len());
                turn(&values, self.sizes, 0, &mut to);
                to
            }
        }
    }
}

/// Some columns of `[rows, columns]` as rows, from column `first` on.
fn turn(values: &[f32], [rows, columns]: [usize; 2], first: usize, to: &mut [f32]) {
    let count = to.len() / rows;
    for (row, values) in values.chunks_exact(columns).enumerate() {
        for (column, value) in values[first..][..count].iter().enumerate() {
            to[column * rows + row] = *value;
        }
    }
}
