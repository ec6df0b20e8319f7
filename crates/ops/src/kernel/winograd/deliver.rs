//! Nine products become 2x2 outputs.

use pulp::Simd;

use super::{TILE, Tiles, transform::fold};
use crate::kernel::{
    engine::{Block, Deliver, Rows},
    finish::Finish,
    lanes::{load, store_first},
    map::Sink,
};

/// Turns nine products into 2x2 outputs and writes them, with a step between pixels.
pub(super) struct Outputs<'a> {
    pub(super) sink: Sink,
    pub(super) tiles: Tiles,
    /// Pixels from output to output, and the first one.
    pub(super) step: usize,
    pub(super) origin: [usize; 2],
    pub(super) finish: &'a Finish,
}

impl Deliver for Outputs<'_> {
    #[inline(always)]
    unsafe fn deliver<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        chunks: (usize, usize),
        block: Block,
    ) {
        let width = S::F32_LANES;
        let channels = self.sink.shape.channels;
        for row in 0..rows.count {
            let (picture, tile_row, tile_column) = self.tiles.place(rows.first + row);
            let mut outputs = [[std::ptr::null_mut(); TILE]; TILE];
            for (y, pixels) in outputs.iter_mut().enumerate() {
                for (x, pixel) in pixels.iter_mut().enumerate() {
                    let y = (tile_row * TILE + y) * self.step + self.origin[0];
                    let x = (tile_column * TILE + x) * self.step + self.origin[1];
                    *pixel = self.sink.pixel(picture, y, x);
                }
            }
            for chunk in chunks.0..chunks.1 {
                // SAFETY: the block holds nine planes of this row and chunk; each pixel has
                // `channels` values from its pointer on, and no other task delivers them.
                unsafe {
                    let from = block.at::<ROWS>(width, row, chunk);
                    let mut m = [[simd.splat_f32s(0.0); 3]; 3];
                    for (y, row) in m.iter_mut().enumerate() {
                        for (x, value) in row.iter_mut().enumerate() {
                            *value = load::<S>(from.add((3 * y + x) * block.plane));
                        }
                    }
                    let values = fold(simd, m);
                    for (pixels, values) in outputs.iter().zip(values) {
                        for (pixel, value) in pixels.iter().zip(values) {
                            if !pixel.is_null() {
                                let value = self.finish.apply(simd, value, chunk);
                                store_first(simd, pixel.add(chunk * width), channels - chunk * width, value);
                            }
                        }
                    }
                }
            }
        }
    }
}
