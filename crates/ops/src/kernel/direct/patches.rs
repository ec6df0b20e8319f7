//! The patch below each pixel of the small map.

use pulp::Simd;

use super::Channels;
use crate::{
    ConvGeometry,
    kernel::{
        engine::{Block, Gather, Rows},
        lanes::{load, store},
        map::{Shape, Source},
        scratch::Buffer,
    },
};

/// Reads the patch below each pixel of the small map.
pub(super) struct Patches<'a> {
    pub(super) source: Source<'a>,
    pub(super) channels: Channels,
    pub(super) window: ConvGeometry,
    pub(super) small: Shape,
}

impl Gather for Patches<'_> {
    fn unit(&self) -> usize {
        1
    }

    fn channels(&self) -> usize {
        self.window.taps() * self.channels.count
    }

    #[inline(always)]
    unsafe fn gather<S: Simd, const ROWS: usize>(
        &self,
        simd: S,
        rows: Rows,
        units: (usize, usize),
        block: Block,
    ) {
        let width = S::F32_LANES;
        let ConvGeometry { kernel, stride, padding } = self.window;
        let Channels { first, count } = self.channels;
        let whole = count.is_multiple_of(width);
        let columns = self.channels();
        let mut patch = Buffer::uncleared(if whole { 0 } else { columns.next_multiple_of(width) + width });
        for row in 0..rows.count {
            let (picture, y, x) = self.small.place(rows.first + row);
            let top = (y * stride) as isize - padding as isize;
            let left = (x * stride) as isize - padding as isize;
            if whole {
                let per_tap = count / width;
                for unit in units.0..units.1 {
                    let tap = unit / per_tap;
                    let pixel = self.source.pixel(
                        picture,
                        top + (tap / kernel) as isize,
                        left + (tap % kernel) as isize,
                    );
                    // SAFETY: each pixel has its channels; the block has room for this row and unit.
                    unsafe {
                        let value = if pixel.is_null() {
                            simd.splat_f32s(0.0)
                        } else {
                            load::<S>(pixel.add(first + unit % per_tap * width))
                        };
                        store::<S>(block.at::<ROWS>(width, row, unit - units.0), value);
                    }
                }
            } else {
                // Few or odd channels: lay the patch out first.
                self.lay_out::<S>(picture, [top, left], &mut patch);
                for unit in units.0..units.1 {
                    // SAFETY: the patch is whole registers; the block has room.
                    unsafe {
                        let value = load::<S>(patch[unit * width..][..width].as_ptr());
                        store::<S>(block.at::<ROWS>(width, row, unit - units.0), value);
                    }
                }
            }
        }
    }
}

impl Patches<'_> {
    /// Copies a patch, tap by tap and channel by channel; `patch` has a register to spare.
    #[inline(always)]
    fn lay_out<S: Simd>(&self, picture: usize, [top, left]: [isize; 2], patch: &mut [f32]) {
        let kernel = self.window.kernel;
        let Channels { first, count } = self.channels;
        let Shape { width: across, channels, .. } = self.source.shape;
        // Taps of a line lie side by side where the group is all there is and the line is inside.
        let run = kernel * count;
        let inside = left >= 0 && left as usize + kernel <= across && count == channels;
        for row in 0..kernel {
            let line = self.source.pixel(picture, top + row as isize, left.max(0));
            let to = &mut patch[row * run..];
            if inside && !line.is_null() && self.source.has_after(line, run + S::F32_LANES) {
                for at in (0..run).step_by(S::F32_LANES) {
                    // SAFETY: a register more than the run is inside the map and inside the patch; what
                    // is written behind the run is written again by the next line, or is to spare.
                    unsafe { store::<S>(to[at..][..S::F32_LANES].as_mut_ptr(), load::<S>(line.add(at))) }
                }
                continue;
            }
            for column in 0..kernel {
                let pixel = self.source.pixel(picture, top + row as isize, left + column as isize);
                for channel in 0..count {
                    let value = if pixel.is_null() {
                        0.0
                    } else {
                        // SAFETY: each pixel has its channels.
                        unsafe { *pixel.add(first + channel) }
                    };
                    to[column * count + channel] = value;
                }
            }
        }
        // What the last line wrote too far must not count.
        patch[kernel * run..].fill(0.0);
    }
}
