//! What is to be filled: holes, each with a rectangle of its own.

use std::collections::BTreeMap;

use context_encoder_mask::{Mask, Rect};

use crate::components::{Component, connected_components};

/// Hidden pixels that are filled together: one connected component of a mask, or several small ones side by
/// side.
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

    /// The holes of a mask (1 = hidden): connected components, where those that fit together into a square of
    /// `side` pixels are joined. They are numbered from top to bottom.
    pub(crate) fn find(mask: &Mask, side: u32) -> Vec<Self> {
        let joined = join_nearby(connected_components(mask), side);
        joined.into_iter().map(|component| Self::from_component(mask, &component)).collect()
    }

    fn from_component(mask: &Mask, component: &Component) -> Self {
        let mut hole = Self::new(mask, component.bounds, |_, _| false);
        for run in &component.runs {
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

    /// Index of the picture's pixel (x, y) in `inside`. The pixel must lie in the frame.
    pub(crate) fn index(&self, x: u32, y: u32) -> usize {
        (y - self.frame.y) as usize * self.frame.width as usize + (x - self.frame.x) as usize
    }

    /// Column and row in the picture of an index of `inside`.
    pub(crate) fn position(&self, index: usize) -> (u32, u32) {
        let width = self.frame.width as usize;
        (self.frame.x + (index % width) as u32, self.frame.y + (index / width) as u32)
    }

    /// The longer side of its bounds, pixels.
    pub(crate) fn side(&self) -> u32 {
        self.bounds.width.max(self.bounds.height)
    }

    /// How thick it is: twice the largest distance from what is visible, pixels.
    pub(crate) fn thickness(&self) -> u32 {
        let deepest = self.distances().into_iter().max().unwrap_or(0);
        (2 * u32::from(deepest)).div_ceil(u32::from(DISTANCE_UNIT))
    }

    /// For each pixel of the frame, [`DISTANCE_UNIT`] times its distance from the nearest pixel outside the
    /// hole.
    pub(crate) fn distances(&self) -> Vec<u16> {
        distance_transform(self.frame.width as usize, &self.inside)
    }

    /// Its pixels: column and row in the picture, index in `inside`.
    pub(crate) fn pixels(&self) -> impl Iterator<Item = (u32, u32, usize)> {
        self.inside.iter().enumerate().filter(|(_, inside)| **inside).map(|(index, _)| {
            let (x, y) = self.position(index);
            (x, y, index)
        })
    }
}

/// Joins components whose centres fall into one cell of a grid, while all of them fit into a square of `side`
/// pixels.
fn join_nearby(components: Vec<Component>, side: u32) -> Vec<Component> {
    let side = side.max(1);
    let mut joined: Vec<Component> = Vec::new();
    let mut cells: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for component in components {
        let bounds = component.bounds;
        let cell = ((bounds.x + bounds.width / 2) / side, (bounds.y + bounds.height / 2) / side);
        if let Some(&index) = cells.get(&cell) {
            let both = enclosing(joined[index].bounds, bounds);
            if both.width.max(both.height) <= side {
                joined[index].bounds = both;
                joined[index].runs.extend(component.runs);
                continue;
            }
        }
        cells.insert(cell, joined.len());
        joined.push(component);
    }
    joined
}

fn enclosing(a: Rect, b: Rect) -> Rect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let (right, bottom) = (a.right().max(b.right()), a.bottom().max(b.bottom()));
    Rect { x, y, width: right - x, height: bottom - y }
}

/// Chamfer distances of a step by an edge and by a corner: 3 and 4 are within 8 % of Euclid's distance, times
/// 3.
const CHAMFER: [u16; 2] = [3, 4];

/// The unit of [`Hole::distances`]: so much is one pixel.
pub(crate) const DISTANCE_UNIT: u16 = CHAMFER[0];

/// The 3-4 chamfer distance transform of a rectangle of cells: distances from the nearest cell outside the
/// hole, 0 there. What lies beyond the rectangle is neither: it does not make a hole shallow.
fn distance_transform(width: usize, inside: &[bool]) -> Vec<u16> {
    let start = |inside: &bool| if *inside { u16::MAX } else { 0 };
    let mut distances: Vec<u16> = inside.iter().map(start).collect();
    let height = distances.len() / width.max(1);
    let [edge, corner] = CHAMFER;
    // From the neighbours above and on the left, then from those below and on the right.
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let mut take = |exists: bool, other: usize, step: u16| {
                if exists {
                    distances[at] = distances[at].min(distances[other].saturating_add(step));
                }
            };
            take(x > 0, at.wrapping_sub(1), edge);
            take(y > 0, at.wrapping_sub(width), edge);
            take(y > 0 && x > 0, at.wrapping_sub(width + 1), corner);
            take(y > 0 && x + 1 < width, at.wrapping_sub(width.wrapping_sub(1)), corner);
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let at = y * width + x;
            let mut take = |exists: bool, other: usize, step: u16| {
                if exists {
                    distances[at] = distances[at].min(distances[other].saturating_add(step));
                }
            };
            take(x + 1 < width, at + 1, edge);
            take(y + 1 < height, at + width, edge);
            take(y + 1 < height && x + 1 < width, at + width + 1, corner);
            take(y + 1 < height && x > 0, at + width - 1, corner);
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_ends_at_the_pictures_border() {
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
    fn nearby_components_are_joined_and_distant_ones_are_not() {
        let mask = Mask::from_fn(40, 8, |x, y| y == 2 && [1, 4, 30].contains(&x));
        let sizes =
            |side| Hole::find(&mask, side).iter().map(|hole| hole.pixels().count()).collect::<Vec<_>>();
        assert_eq!(sizes(8), [2, 1]);
        assert_eq!(sizes(1), [1, 1, 1]);
    }

    #[test]
    fn component_inside_the_frame_of_another_is_a_hole_of_its_own() {
        // a ring around one pixel
        let ring = |x: u32, y: u32| x.abs_diff(5).max(y.abs_diff(5)) == 4;
        let mask = Mask::from_fn(11, 11, |x, y| ring(x, y) || (x, y) == (5, 5));
        let holes = Hole::find(&mask, 2);
        assert_eq!(holes.len(), 2);
        assert!(!holes[0].inside[holes[0].index(5, 5)]);
        assert_eq!(Hole::whole(&mask).expect("one").pixels().count(), 33);
        assert!(Hole::whole(&Mask::visible(3, 3)).is_none());
    }

    #[test]
    fn distance_transform_by_hand() {
        // the right side of the rectangle is the picture's border
        let inside = [
            false, false, false, false, //
            false, true, true, true, //
            false, true, true, true, //
            false, false, true, true, //
        ];
        let expected = [
            0, 0, 0, 0, //
            0, 3, 3, 3, //
            0, 3, 4, 6, //
            0, 0, 3, 6, //
        ];
        assert_eq!(distance_transform(4, &inside), expected);
    }
}
