//! The picture at one size.

use crate::patch::{RADIUS, is_centre};

/// A pixel: red, green, blue, and how rough the picture is around it.
pub(crate) type Texel = [u8; 4];

/// The picture at one size of the pyramid.
pub(crate) struct Level {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Pixels of the hole hold the first fill, later what was found for them.
    pub(crate) texels: Vec<Texel>,
    /// What is to be filled.
    pub(crate) hole: Vec<bool>,
    /// What nothing is copied from: the hole, and what else is hidden.
    pub(crate) hidden: Vec<bool>,
    /// Centres of patches without a hidden pixel.
    pub(crate) is_source: Vec<bool>,
    /// How far each pixel of the hole lies inside, in steps to a neighbour; 0 outside.
    pub(crate) depths: Vec<u16>,
}

impl Level {
    pub(crate) fn new(
        width: usize,
        height: usize,
        texels: Vec<Texel>,
        hole: Vec<bool>,
        hidden: Vec<bool>,
    ) -> Self {
        let touches_hidden = dilate(&hidden, width);
        let is_source = |at: usize| !touches_hidden[at] && is_centre(at, width, height);
        let is_source = (0..width * height).map(is_source).collect();
        let depths = depths(width, &hole);
        Self { width, height, texels, hole, hidden, is_source, depths }
    }

    /// The picture at half the size: means of 2x2 pixels, hidden where one of them is. An odd last row or
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
        let any =
            |flags: &[bool]| (0..width * height).map(|at| four(at).iter().any(|&at| flags[at])).collect();
        let texels = (0..width * height).map(mean).collect();
        Self::new(width, height, texels, any(&self.hole), any(&self.hidden))
    }

    /// Centres of the patches that touch the hole, in the order of rows.
    pub(crate) fn targets(&self) -> Vec<usize> {
        let touches_hole = dilate(&self.hole, self.width);
        let is_target = |&at: &usize| touches_hole[at] && is_centre(at, self.width, self.height);
        (0..touches_hole.len()).filter(is_target).collect()
    }
}

/// How far each pixel of a hole lies inside, in steps to a neighbour; 0 outside.
fn depths(width: usize, hole: &[bool]) -> Vec<u16> {
    let mut depths: Vec<u16> = hole.iter().map(|&hole| if hole { u16::MAX } else { 0 }).collect();
    let mut lower = |at: usize, from: usize| depths[at] = depths[at].min(depths[from].saturating_add(1));
    let pixels: Vec<usize> = (0..hole.len()).filter(|&at| hole[at]).collect();
    for &at in &pixels {
        if at % width > 0 {
            lower(at, at - 1);
        }
        if at >= width {
            lower(at, at - width);
        }
    }
    for &at in pixels.iter().rev() {
        if at % width + 1 < width {
            lower(at, at + 1);
        }
        if at + width < hole.len() {
            lower(at, at + width);
        }
    }
    depths
}

/// Pixels within a patch's reach of a flagged one.
fn dilate(flags: &[bool], width: usize) -> Vec<bool> {
    let height = flags.len() / width.max(1);
    let mut rows = vec![false; flags.len()];
    let mut dilated = vec![false; flags.len()];
    for at in (0..flags.len()).filter(|&at| flags[at]) {
        let (x, start) = (at % width, at - at % width);
        rows[start + x.saturating_sub(RADIUS)..=start + (x + RADIUS).min(width - 1)].fill(true);
    }
    for y in 0..height {
        let row = y * width..(y + 1) * width;
        for near in y.saturating_sub(RADIUS)..=(y + RADIUS).min(height - 1) {
            let near = &rows[near * width..(near + 1) * width];
            dilated[row.clone()].iter_mut().zip(near).for_each(|(dilated, near)| *dilated |= near);
        }
    }
    dilated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_and_dilation_by_hand() {
        let hole = [
            false, false, false, false, //
            false, true, true, true, //
            false, true, true, true, //
            false, true, true, true, //
        ];
        // the right and the lower side are the picture's border
        let expected = [
            0, 0, 0, 0, //
            0, 1, 1, 1, //
            0, 1, 2, 2, //
            0, 1, 2, 3, //
        ];
        assert_eq!(depths(4, &hole), expected);
        let mut one = vec![false; 30 * 12];
        one[2 * 30 + 1] = true;
        let dilated = dilate(&one, 30);
        let expected: Vec<bool> =
            (0..30 * 12).map(|at| at % 30 <= 1 + RADIUS && at / 30 <= 2 + RADIUS).collect();
        assert_eq!(dilated, expected);
    }

    #[test]
    fn halved_by_hand() {
        let texels = (0..5 * 3).map(|at| [at as u8 * 10, 1, 2, 3]).collect();
        let hole: Vec<bool> = (0..5 * 3).map(|at| at == 6).collect();
        let half = Level::new(5, 3, texels, hole.clone(), hole).halved();
        assert_eq!((half.width, half.height), (2, 1)); // the odd row and column are left out
        // (0 + 10 + 50 + 60) / 4 and (20 + 30 + 70 + 80) / 4
        assert_eq!(half.texels, [[30, 1, 2, 3], [50, 1, 2, 3]]);
        assert_eq!(half.hidden, [true, false]);
    }
}
