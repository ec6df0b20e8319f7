//! Where pictures stand on the canvas that a fully convolutional network sees.

use burn::tensor::{Device, Tensor};
use image::RgbImage;

use crate::padding::{max_size, pad_to};

/// Pixels from one position of pool5 to the next, and to the centre of the first: conv1 11x11 stride 4, and
/// three poolings 3x3 stride 2, all without padding (5 + 4 + 8 + 16).
const STEP: u32 = 32;
const FIRST: u32 = 33;

/// A canvas whose pool5 has `n` positions has `STEP * n + REST` pixels a side, none left over.
const REST: u32 = 35;

/// Positions of pool2 and of pool1 before the one that lies on pool5's first centre: pool2 has centres at 17
/// + 16 i, pool1 at 9 + 8 i.
pub(super) const MARGINS: [usize; 2] = [1, 3];

/// Pictures of any sizes, up to `width` x `height`, on a canvas on which every one of their pixels lies
/// between centres of pool5's positions, the first pixel on the first centre. So enlarging pool5's scores
/// gives a score for each pixel, exactly in place, with nothing to guess at edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddedFrame {
    /// Width of the widest picture, pixels.
    pub width: u32,
    /// Height of the highest picture, pixels.
    pub height: u32,
}

impl PaddedFrame {
    /// A frame for pictures.
    pub fn around(pictures: &[&RgbImage]) -> Self {
        let [width, height] = max_size(pictures);
        Self { width, height }
    }

    /// Width and height of the canvas, pixels.
    pub fn canvas(self) -> [u32; 2] {
        [self.width, self.height].map(|side| {
            let positions = side.saturating_sub(1).div_ceil(STEP) + 1;
            STEP * positions.max(2) + REST
        })
    }

    /// Pictures on their canvases, `[batch, 3, canvas height, canvas width]` in `[-1, 1]`.
    pub fn pad(self, pictures: &[&RgbImage], device: &Device) -> Tensor<4> {
        pad_to(pictures, [FIRST; 2], self.canvas(), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_lies_between_centres() {
        for side in [1, 2, 31, 32, 33, 34, 97, 375, 500] {
            let [canvas, _] = PaddedFrame { width: side, height: side }.canvas();
            let positions = (canvas - REST) / STEP;
            assert_eq!((canvas - REST) % STEP, 0);
            let last = FIRST + STEP * (positions - 1);
            assert!(FIRST + side - 1 <= last, "{side}: the last pixel is beyond {last}");
            assert!(canvas >= FIRST + side);
        }
    }
}
