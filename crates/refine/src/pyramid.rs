//! The picture at halved sizes.

use crate::{PATCH, RADIUS};

/// A pixel: red, green, blue, and the texture around it.
pub(crate) type Texel = [u8; 4];

/// The picture at one size.
pub(crate) struct Level {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Hidden pixels hold the first guess, later what was found for them.
    pub(crate) texels: Vec<Texel>,
    /// What is to be filled.
    pub(crate) hole: Vec<bool>,
    /// Nothing is copied from here: the hole, and other hidden pixels.
    pub(crate) hidden: Vec<bool>,
    /// Centres of patches without a hidden pixel.
    pub(crate) is_source: Vec<bool>,
}

impl Level {
    pub(crate) fn new(width: usize, height: usize, texels: Vec<Texel>, hole: Vec<bool>, hidden: Vec<bool>) -> Self {
        let touches_hidden = dilate(&hidden, width);
        let is_source = (0..width * height).map(|at| !touches_hidden[at] && is_centre(at, width, height)).collect();
        Self { width, height, texels, hole, hidden, is_source }
    }

    /// The picture at half the size: means of 2x2 pixels; hidden where one of them is. An odd last row or
    /// column is left out.
    pub(crate) fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let four = |at: usize| {
            let first = 2 * (at / width) * self.width + 2 * (at % width);
            [first, first + 1, first + self.width, first + self.width + 1]
        };
        let mean = |at: usize| {
            let texels = four(at).map(|at| self.texels[at]);
            std::array::from_fn(|channel| {
                let sum: u16 = texels.iter().map(|texel| u16::from(texel[channel])).sum();
                ((sum + 2) / 4) as u8
            })
        };
        let cells = 0..width * height;
        let any = |flags: &[bool]| cells.clone().map(|at| four(at).iter().any(|&at| flags[at])).collect();
        let (hole, hidden) = (any(&self.hole), any(&self.hidden));
        Self::new(width, height, cells.map(mean).collect(), hole, hidden)
    }

    /// Centres of the patches that touch the hole.
    pub(crate) fn targets(&self) -> Vec<u32> {
        let touches_hole = dilate(&self.hole, self.width);
        let (width, height) = (self.width, self.height);
        (0..touches_hole.len())
            .filter(|&at| touches_hole[at] && is_centre(at, width, height))
            .map(|at| at as u32)
            .collect()
    }
}
