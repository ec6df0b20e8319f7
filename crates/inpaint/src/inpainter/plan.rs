//! Which windows a network looks at to fill a hole.

use context_encoder_mask::Rect;

use super::{
    canvas::Coverage,
    tile::fitting,
    window::{Reach, Window},
};
use crate::hole::Hole;

/// The network's side over the side of the smallest window: a tiny hole is seen enlarged at most so much.
const ENLARGED: u32 = 4;

/// A hole this many times longer than thick is filled piece by piece.
const THIN: u32 = 3;

/// The side of a piece's window over the hole's thickness.
const AROUND_THIN: u32 = 4;

/// Windows shrunk by more than this are followed by windows of half their side.
const SHRUNK: u32 = 2;

/// A window of a later round is used when at least this share of it is visible. Deep inside a hole a network
/// would see little but its own earlier answer, and blur it: measured on 24 photographs with holes of 220
/// pixels, all windows give 16.97 dB, these 16.99 dB in half the time, none 16.80 dB (network for the centre,
/// 128 pixels).
const SHOWN: f64 = 0.5;

/// What a plan has to know about a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelInput {
    /// Pixels a side of what it sees.
    pub(super) side: u32,
    pub(super) covers: Coverage,
    /// Pixels of the predicted square's rim that it sees, on each side.
    pub(super) overlap: u32,
    /// Whether it also looks with left and right exchanged, and the mean counts.
    pub(super) mirror: bool,
}

impl ModelInput {
    /// What is hidden in the middle of a window at the network's size.
    pub(super) fn hidden_square(&self) -> Rect {
        let side = self.side / 2 - 2 * self.overlap;
        let start = self.side / 4 + self.overlap;
        Rect { x: start, y: start, width: side, height: side }
    }

    /// The windows for a hole, round by round: each round sees what the rounds before it filled.
    pub(super) fn plan(&self, hole: &Hole, picture: (u32, u32)) -> Vec<Vec<Window>> {
        let long = hole.side();
        let thickness = hole.thickness();
        let thin = long > self.side / 2 && long > THIN * thickness;
        let mut rounds = Vec::new();
        let mut side = if thin {
            let side = self.window_side(AROUND_THIN * thickness);
            rounds.push(covering(hole, side));
            side
        } else {
            let window = self.single(hole, picture);
            rounds.push(vec![window]);
            window.side
        };
        while side > SHRUNK * self.side {
            side = fitting(side / 2, self.side);
            let windows = covering(hole, side).into_iter().filter(|window| shown(hole, window) >= SHOWN);
            rounds.push(windows.collect());
        }
        rounds
    }

    /// The window for a hole that is seen at once.
    fn single(&self, hole: &Hole, picture: (u32, u32)) -> Window {
        let long = hole.side();
        match self.covers {
            Coverage::Centre => {
                let square = self.hidden_square().width;
                let side = self.window_side((long * self.side).div_ceil(square));
                Window::around(hole.bounds, side, Reach::All)
            }
            Coverage::Whole => {
                // The network's own scale where the hole then takes a quarter to a half of the side.
                let side = self.window_side(self.side.clamp(2 * long, 4 * long));
                let shorter = picture.0.min(picture.1);
                // Rather less of the picture than its mirror image, while the hole leaves something to see.
                let side = if side > shorter { self.window_side(shorter.max(long + long / 3)) } else { side };
                Window::around(hole.bounds, side, Reach::All).moved_into(picture)
            }
        }
    }

    fn window_side(&self, side: u32) -> u32 {
        fitting(side.max(self.side / ENLARGED), self.side)
    }
}

/// Windows a quarter of their side apart whose central halves cover a hole and what touches it.
fn covering(hole: &Hole, side: u32) -> Vec<Window> {
    let (frame, quarter) = (hole.frame, side / 4);
    let starts = |first: u32, length: u32| {
        (0..length.div_ceil(quarter) + 1)
            .map(move |step| i64::from(first) + i64::from(quarter) * (i64::from(step) - 2))
    };
    let windows = starts(frame.y, frame.height)
        .flat_map(|y| starts(frame.x, frame.width).map(move |x| Window { x, y, side, reach: Reach::Fading }));
    windows.filter(|window| touches(hole, window)).collect()
}

/// Whether a window's central half, or what lies beside it, holds a pixel of the hole.
fn touches(hole: &Hole, window: &Window) -> bool {
    let quarter = window.side / 4;
    rows(hole, window, i64::from(quarter) - 1).any(|row| row.contains(&true))
}

/// The share of a window that the hole leaves.
fn shown(hole: &Hole, window: &Window) -> f64 {
    let hidden: usize = rows(hole, window, 0).map(|row| row.iter().filter(|&&inside| inside).count()).sum();
    1.0 - hidden as f64 / f64::from(window.side).powi(2)
}

/// The part of a hole's frame inside a window without its outer `margin` pixels, row by row.
fn rows<'h>(hole: &'h Hole, window: &Window, margin: i64) -> impl Iterator<Item = &'h [bool]> {
    let frame = hole.frame;
    let span = |start: i64, first: u32, length: u32| {
        let inside = |place: i64| (place - i64::from(first)).clamp(0, i64::from(length)) as usize;
        inside(start + margin)..inside(start + i64::from(window.side) - margin)
    };
    let columns = span(window.x, frame.x, frame.width);
    span(window.y, frame.y, frame.height)
        .map(move |y| &hole.inside[y * frame.width as usize..][columns.clone()])
}

#[cfg(test)]
mod tests {
    use context_encoder_mask::Mask;

    use super::*;

    const PICTURE: (u32, u32) = (1000, 800);

    fn sight(covers: Coverage) -> ModelInput {
        ModelInput { side: 128, covers, overlap: 0, mirror: false }
    }

    fn hole(is_hidden: impl FnMut(u32, u32) -> bool) -> Hole {
        Hole::whole(&Mask::from_fn(PICTURE.0, PICTURE.1, is_hidden)).expect("one")
    }

    fn square(x: u32, y: u32, side: u32) -> Hole {
        hole(move |column, row| (x..x + side).contains(&column) && (y..y + side).contains(&row))
    }

    #[test]
    fn a_hole_takes_the_middle_half_of_a_centre_networks_window() {
        for (start, side, window_side) in [(300, 64, 128), (300, 50, 100), (0, 64, 128), (300, 3, 32)] {
            let rounds = sight(Coverage::Centre).plan(&square(start, 300, side), PICTURE);
            assert_eq!(rounds.len(), 1);
            let [window] = rounds[0][..] else { panic!("one window, not {:?}", rounds[0]) };
            assert_eq!(window.side, window_side);
            let middle = i64::from(start) + i64::from(side) / 2 - i64::from(window_side) / 2;
            assert!((window.x - middle).abs() <= 1, "{window:?}");
        }
    }

    #[test]
    fn an_overlap_makes_the_window_larger() {
        let authors = ModelInput { overlap: 4, ..sight(Coverage::Centre) };
        assert_eq!(authors.hidden_square(), Rect { x: 36, y: 36, width: 56, height: 56 });
        let rounds = authors.plan(&square(300, 300, 56), PICTURE);
        assert_eq!(rounds[0][0].side, 128);
    }

    #[test]
    fn a_whole_networks_window_stays_in_the_picture_and_at_its_scale_where_it_can() {
        let rounds = sight(Coverage::Whole).plan(&square(0, 790, 10), PICTURE);
        assert_eq!((rounds[0][0].x, rounds[0][0].y, rounds[0][0].side), (0, 760, 40));
        let rounds = sight(Coverage::Whole).plan(&square(500, 300, 40), PICTURE);
        assert_eq!(rounds[0][0].side, 128);
    }

    #[test]
    fn large_holes_come_back_at_finer_scales_near_their_rim() {
        let rounds = sight(Coverage::Centre).plan(&square(200, 200, 400), PICTURE);
        let sides: Vec<u32> = rounds.iter().map(|round| round[0].side).collect();
        // halves, brought to whole blocks
        assert_eq!(sides, [804, 404, 204]);
        assert!(rounds[2].len() > 8);
        let large = square(200, 200, 400);
        assert!(rounds[2].iter().all(|window| shown(&large, window) >= SHOWN && touches(&large, window)));
        assert!(rounds[2].len() < covering(&large, 204).len());
    }

    #[test]
    fn a_long_scratch_is_filled_piece_by_piece_and_completely() {
        let scratch = hole(|x, y| y.abs_diff(100 + x / 2) < 5 && (100..900).contains(&x));
        for covers in [Coverage::Centre, Coverage::Whole] {
            let rounds = sight(covers).plan(&scratch, PICTURE);
            assert_eq!(rounds.len(), 1);
            assert!(rounds[0].len() > 20 && rounds[0][0].side < 128);
            for (x, y, _) in scratch.pixels() {
                // the central halves of four windows meet in every place
                let over = |window: &&Window| {
                    let quarter = i64::from(window.side / 4);
                    let inside = |start: i64, place: u32| {
                        (start + quarter..start + 3 * quarter).contains(&i64::from(place))
                    };
                    inside(window.x, x) && inside(window.y, y)
                };
                assert_eq!(rounds[0].iter().filter(over).count(), 4, "({x}, {y})");
            }
        }
    }
}
