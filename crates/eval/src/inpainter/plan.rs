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

/// What a plan has to know about a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// Pixels a side of what it sees.
    pub(super) side: u32,
    pub(super) covers: Coverage,
    /// Pixels of the predicted square's rim that it sees, on each side.
    pub(super) overlap: u32,
}

impl Sight {
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
            rounds.push(covering(hole, side));
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
    let (frame, quarter) = (hole.frame, i64::from(window.side / 4));
    let span = |start: i64, first: u32, length: u32| {
        let from = start + quarter - 1 - i64::from(first);
        let to = start + 3 * quarter + 1 - i64::from(first);
        from.clamp(0, i64::from(length)) as usize..to.clamp(0, i64::from(length)) as usize
    };
    let columns = span(window.x, frame.x, frame.width);
    let rows = span(window.y, frame.y, frame.height);
    rows.into_iter().any(|y| hole.inside[y * frame.width as usize..][columns.clone()].contains(&true))
}
