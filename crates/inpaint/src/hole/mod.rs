//! What is to be filled: holes, each with a rectangle of its own.

mod depth;
mod parts;

use std::collections::BTreeMap;

use context_encoder_mask::{Mask, Rect};

pub(crate) use depth::{UNIT, depths};
use parts::{Part, Run, parts};

/// Hidden pixels that are filled together: one connected part of a mask, or several small ones side by side.
#[derive(Clone, Debug)]
pub(crate) struct Hole {
    /// The smallest rectangle around its pixels.
    pub(crate) bounds: Rect,
    /// `bounds` and one pixel more on each side, where the picture goes on: every pixel that touches the
    /// hole.
    pub(crate) frame: Rect,
    /// Which pixels of `frame` belong to it, row by row.
    pub(crate) inside: Vec<bool>,
}

impl Hole {
    /// All hidden pixels as one hole, or none.
    pub(crate) fn whole(mask: &Mask) -> Option<Self> {
        let bounds = mask.bounds()?;
        Some(Self::new(mask, bounds, |x, y| mask.is_hidden(x, y)))
    }

    /// The holes of a mask (1 = hidden): connected parts, and parts that lie together in a square of `reach`
    /// pixels a side joined to one. They are numbered from top to bottom.
    pub(crate) fn find(mask: &Mask, reach: u32) -> Vec<Self> {
        together(parts(mask), reach)
            .into_iter()
            .map(|(bounds, runs)| Self::of_runs(mask, bounds, &runs))
            .collect()
    }

    fn of_runs(mask: &Mask, bounds: Rect, runs: &[Run]) -> Self {
        let mut hole = Self::new(mask, bounds, |_, _| false);
        for run in runs {
            let first = hole.index(run.start, run.y);
            hole.inside[first..first + (run.end - run.start) as usize].fill(true);
        }
        hole
    }

    fn new(mask: &Mask, bounds: Rect, is_inside: impl Fn(u32, u32) -> bool) -> Self {
        let (x, y) = (bounds.x.saturating_sub(1), bounds.y.saturating_sub(1));
        let right = (bounds.right() + 1).min(mask.width());
        let bottom = (bounds.bottom() + 1).min(mask.height());
        let frame = Rect { x, y, width: right - x, height: bottom - y };
        let pixels = (frame.y..bottom).flat_map(|y| (frame.x..right).map(move |x| (x, y)));
        let inside = pixels.map(|(x, y)| is_inside(x, y)).collect();
        Self { bounds, frame, inside }
    }

    /// Where pixel (x, y) of the picture stands in `inside`. The pixel must lie in the frame.
    pub(crate) fn index(&self, x: u32, y: u32) -> usize {
        (y - self.frame.y) as usize * self.frame.width as usize + (x - self.frame.x) as usize
    }

    /// The longer side of its bounds, pixels.
    pub(crate) fn side(&self) -> u32 {
        self.bounds.width.max(self.bounds.height)
    }

    /// How thick it is: twice the largest distance from what is visible, pixels.
    pub(crate) fn thickness(&self) -> u32 {
        let depths = depths(self.frame.width as usize, &self.inside);
        let deepest = depths.into_iter().max().unwrap_or(0);
        (2 * u32::from(deepest)).div_ceil(u32::from(UNIT))
    }

    /// Its pixels, as column and row in the picture and place in `inside`.
    pub(crate) fn pixels(&self) -> impl Iterator<Item = (u32, u32, usize)> {
        let (frame, width) = (self.frame, self.frame.width as usize);
        let place = move |at: usize| (frame.x + (at % width) as u32, frame.y + (at / width) as u32, at);
        self.inside.iter().enumerate().filter(|(_, inside)| **inside).map(move |(at, _)| place(at))
    }
}

/// Joins parts whose middles fall into one cell of a grid, while all of them fit into a square of `reach`.
fn together(parts: Vec<Part>, reach: u32) -> Vec<(Rect, Vec<Run>)> {
    let reach = reach.max(1);
    let mut joined: Vec<(Rect, Vec<Run>)> = Vec::new();
    let mut cells: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for Part { bounds, runs } in parts {
        let cell = ((bounds.x + bounds.width / 2) / reach, (bounds.y + bounds.height / 2) / reach);
        if let Some(&index) = cells.get(&cell) {
            let both = around(joined[index].0, bounds);
            if both.width.max(both.height) <= reach {
                joined[index].0 = both;
                joined[index].1.extend(runs);
                continue;
            }
        }
        cells.insert(cell, joined.len());
        joined.push((bounds, runs));
    }
    joined
}

fn around(a: Rect, b: Rect) -> Rect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let (right, bottom) = (a.right().max(b.right()), a.bottom().max(b.bottom()));
    Rect { x, y, width: right - x, height: bottom - y }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_ends_at_the_picture() {
        let mask = Mask::from_fn(10, 8, |x, y| x >= 7 && (3..5).contains(&y));
        let holes = Hole::find(&mask, 1);
        assert_eq!(holes.len(), 1);
        assert_eq!(holes[0].bounds, Rect { x: 7, y: 3, width: 3, height: 2 });
        assert_eq!(holes[0].frame, Rect { x: 6, y: 2, width: 4, height: 4 });
        let pixels: Vec<_> = holes[0].pixels().map(|(x, y, _)| (x, y)).collect();
        assert_eq!(pixels, [(7, 3), (8, 3), (9, 3), (7, 4), (8, 4), (9, 4)]);
        assert_eq!((holes[0].side(), holes[0].thickness()), (3, 2));
    }

    #[test]
    fn near_specks_are_one_hole_and_far_ones_are_not() {
        let mask = Mask::from_fn(40, 8, |x, y| y == 2 && [1, 4, 30].contains(&x));
        let specks =
            |reach| Hole::find(&mask, reach).iter().map(|hole| hole.pixels().count()).collect::<Vec<_>>();
        assert_eq!(specks(8), [2, 1]);
        assert_eq!(specks(1), [1, 1, 1]);
    }

    #[test]
    fn a_part_inside_the_frame_of_another_is_not_in_its_hole() {
        // a ring around a speck
        let ring = |x: u32, y: u32| x.abs_diff(5).max(y.abs_diff(5)) == 4;
        let mask = Mask::from_fn(11, 11, |x, y| ring(x, y) || (x, y) == (5, 5));
        let holes = Hole::find(&mask, 2);
        assert_eq!(holes.len(), 2);
        assert!(!holes[0].inside[holes[0].index(5, 5)]);
        assert_eq!(Hole::whole(&mask).expect("one").pixels().count(), 33);
        assert!(Hole::whole(&Mask::visible(3, 3)).is_none());
    }
}
