//! What is to be filled: holes, each with a rectangle of its own.

use std::collections::BTreeMap;

use context_encoder_mask::{Mask, Rect};

use crate::{
    components::{Component, Run, connected_components},
    pixel_set::PixelSet,
};

/// A component is long from this many pixels of its longer side on.
const LONG: u32 = 64;

/// A long component into which no square of so many pixels a side fits is thin.
const THIN: u32 = 12;

/// Where a square of so many pixels a side fits in, a network predicts; what is thinner is filled smoothly.
/// Refined, a smooth fill of lines of 2 pixels is as near to the truth (28.82 dB, and 28.87 dB when
/// predicted, on six photographs). Where half of all pixels are missing as noise it is not (27.1 and 28.8
/// dB), but such squares are everywhere there.
const MIN_PREDICTED: u32 = 3;

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

/// What is filled, part by part.
pub(crate) struct Parts {
    /// From top to bottom.
    pub(crate) holes: Vec<Hole>,
    /// All scratches and wires, together.
    pub(crate) thin: Thin,
}

/// The part of a mask that is thin: what filling it costs must not depend on the rectangle around it.
#[derive(Default)]
pub(crate) struct Thin {
    pub(crate) pixels: PixelSet,
    /// Centres of the squares of [`MIN_PREDICTED`] pixels that fit into it: there a network fills it better
    /// than a smooth fill.
    pub(crate) wide: Vec<(u32, u32)>,
}

impl Parts {
    /// The connected components of a mask (1 = hidden). Those that fit together into a square of `side`
    /// pixels are one hole, or all of them thin.
    pub(crate) fn find(mask: &Mask, side: u32) -> Self {
        let joined = join_nearby(connected_components(mask), side);
        let (thick, thin): (Vec<_>, Vec<_>) = joined.into_iter().partition(|joined| joined.thick);
        Self {
            holes: thick.into_iter().map(|joined| Hole::from_component(mask, &joined.component)).collect(),
            thin: Thin {
                wide: thin.iter().flat_map(|joined| &joined.wide).copied().collect(),
                pixels: PixelSet::new(thin.into_iter().flat_map(|joined| joined.component.runs).collect()),
            },
        }
    }
}

/// Components side by side as one.
struct Joined {
    component: Component,
    /// Whether one of them is more than thin.
    thick: bool,
    /// Centres of the squares of [`MIN_PREDICTED`] pixels that fit into them, unless `thick`.
    wide: Vec<(u32, u32)>,
}

impl Joined {
    fn new(component: Component) -> Self {
        let squares = component.squares(MIN_PREDICTED);
        let long = component.bounds.width.max(component.bounds.height) >= LONG;
        let thick = !squares.is_empty() && (!long || !component.squares(THIN).is_empty());
        let centres = |run: &Run| {
            (run.start..run.end)
                .map(|x| (x + MIN_PREDICTED / 2, run.y + MIN_PREDICTED / 2))
                .collect::<Vec<_>>()
        };
        let wide = if thick { Vec::new() } else { squares.iter().flat_map(centres).collect() };
        Self { component, thick, wide }
    }

    fn bounds(&self) -> Rect {
        self.component.bounds
    }

    fn join(&mut self, other: Self) {
        self.component.bounds = enclosing(self.bounds(), other.bounds());
        self.component.runs.extend(other.component.runs);
        self.thick |= other.thick;
        self.wide.extend(other.wide);
    }
}

/// Joins components whose centres fall into one cell of a grid, while all of them fit into a square of `side`
/// pixels.
fn join_nearby(components: Vec<Component>, side: u32) -> Vec<Joined> {
    let side = side.max(1);
    let mut joined: Vec<Joined> = Vec::new();
    let mut cells: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for component in components {
        let bounds = component.bounds;
        let cell = ((bounds.x + bounds.width / 2) / side, (bounds.y + bounds.height / 2) / side);
        if let Some(&index) = cells.get(&cell) {
            let both = enclosing(joined[index].bounds(), bounds);
            if both.width.max(both.height) <= side {
                joined[index].join(Joined::new(component));
                continue;
            }
        }
        cells.insert(cell, joined.len());
        joined.push(Joined::new(component));
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
        let mask = Mask::from_fn(10, 8, |x, y| x >= 5 && (3..7).contains(&y));
        let holes = Parts::find(&mask, 1).holes;
        assert_eq!(holes.len(), 1);
        assert_eq!(holes[0].bounds, Rect { x: 5, y: 3, width: 5, height: 4 });
        assert_eq!(holes[0].frame, Rect { x: 4, y: 2, width: 6, height: 6 });
        let pixels: Vec<_> = holes[0].pixels().map(|(x, y, _)| (x, y)).collect();
        assert_eq!((pixels.len(), pixels[0], pixels[19]), (20, (5, 3), (9, 6)));
        assert_eq!((holes[0].side(), holes[0].thickness()), (5, 4));
    }

    #[test]
    fn nearby_components_are_joined_and_distant_ones_are_not() {
        let mask = Mask::from_fn(40, 8, |x, y| {
            (2..6).contains(&y) && [0, 6, 30].iter().any(|start| (*start..start + 4).contains(&x))
        });
        let sizes = |side| {
            let holes = Parts::find(&mask, side).holes;
            holes.iter().map(|hole| hole.pixels().count()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(16), [32, 16]);
        assert_eq!(sizes(1), [16, 16, 16]);
    }

    #[test]
    fn component_inside_the_frame_of_another_is_a_hole_of_its_own() {
        // a ring around a square
        let distance = |x: u32, y: u32| x.abs_diff(10).max(y.abs_diff(10));
        let mask = Mask::from_fn(21, 21, |x, y| (6..10).contains(&distance(x, y)) || distance(x, y) < 3);
        let holes = Parts::find(&mask, 2).holes;
        assert_eq!(holes.len(), 2);
        assert!(!holes[0].inside[holes[0].index(10, 10)]);
        assert_eq!(Hole::whole(&mask).expect("one").pixels().count(), 19 * 19 - 11 * 11 + 25);
        assert!(Hole::whole(&Mask::visible(3, 3)).is_none());
    }

    #[test]
    fn scratches_are_thin_and_blobs_are_not() {
        // a thin line, a wire, a cable and a dot
        let mask = Mask::from_fn(200, 100, |x, y| {
            y < 2 || (20..28).contains(&y) || (40..52).contains(&y) || (x < 6 && (70..76).contains(&y))
        });
        let Parts { holes, thin } = Parts::find(&mask, 32);
        let bounds: Vec<_> = holes.iter().map(|hole| (hole.bounds.y, hole.bounds.height)).collect();
        assert_eq!(bounds, [(40, 12), (70, 6)]);
        assert_eq!(thin.pixels.len(), 200 * (2 + 8));
        // squares of 3 pixels fit into the wire alone
        assert_eq!(thin.wide.len(), 198 * 6);
        assert!(thin.wide.iter().all(|&(_, y)| (20..28).contains(&y)));
        // beside a blob a speck belongs to it, as they are seen together
        let mask = Mask::from_fn(40, 40, |x, y| (x < 8 && y < 8) || (x, y) == (12, 3));
        let Parts { holes, thin } = Parts::find(&mask, 32);
        assert_eq!((holes.len(), holes[0].pixels().count(), thin.pixels.len()), (1, 65, 0));
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
