//! A square of a picture that a network looks at.

use context_encoder_mask::Rect;

/// A square of the picture. It may reach beyond the picture, which is mirrored there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Its leftmost column; negative beyond the picture.
    pub(super) x: i64,
    /// Its uppermost row.
    pub(super) y: i64,
    /// Pixels a side.
    pub(super) side: u32,
    /// What of it is predicted, and how much the prediction counts.
    pub(super) reach: Reach,
}

/// What part of a window's prediction is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that the network predicts. The window serves its hole alone.
    All,
    /// The central square of half the side, fading towards its rim. Neighbouring windows stand a quarter of
    /// the side apart, so that shares add up to one.
    Fading,
}

impl Window {
    /// The square of `side` pixels whose middle is the middle of `rect`.
    pub(super) fn around(rect: Rect, side: u32, reach: Reach) -> Self {
        let start =
            |first: u32, length: u32| i64::from(first) + (i64::from(length) - i64::from(side)).div_euclid(2);
        Self { x: start(rect.x, rect.width), y: start(rect.y, rect.height), side, reach }
    }

    /// The same square moved into the picture, or, where it is larger, so that the picture lies in its
    /// middle.
    pub(super) fn moved_into(self, (width, height): (u32, u32)) -> Self {
        let moved = |start: i64, length: u32| {
            let room = i64::from(length) - i64::from(self.side);
            if room >= 0 { start.clamp(0, room) } else { room.div_euclid(2) }
        };
        Self { x: moved(self.x, width), y: moved(self.y, height), ..self }
    }
}

/// The place inside `0..length` that stands for `place` of an endless row of mirror images: -1 is 0, -2 is 1.
pub(super) fn mirrored(place: i64, length: u32) -> u32 {
    let length = i64::from(length);
    let place = place.rem_euclid(2 * length);
    (if place < length { place } else { 2 * length - 1 - place }) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_repeat_the_edge_and_go_on() {
        let row: Vec<u32> = (-4..8).map(|place| mirrored(place, 3)).collect();
        assert_eq!(row, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert_eq!(mirrored(-5, 1), 0);
    }

    #[test]
    fn windows_stand_around_holes_and_inside_pictures() {
        let hole = Rect { x: 10, y: 40, width: 20, height: 4 };
        let window = Window::around(hole, 40, Reach::All);
        assert_eq!((window.x, window.y), (0, 22));
        let inside = window.moved_into((100, 50));
        assert_eq!((inside.x, inside.y), (0, 10));
        let larger = window.moved_into((100, 30));
        assert_eq!((larger.x, larger.y), (0, -5));
    }
}
