//! Storeys: how those of one house differ in height, railings and string courses.

use super::area::Area;
use super::stream::Stream;

/// A storey above the ground.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storey {
    pub(super) floor: f32,
    pub(super) height: f32,
    /// Lower and upper edge of the windows, above the floor.
    pub(super) sill: f32,
    pub(super) head: f32,
    pub(super) railing: Reach,
    /// Whether a string course runs under its windows.
    pub(super) course: bool,
}

/// How far the railings of a storey go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reach {
    None,
    /// Set into each window.
    Window,
    /// A balcony at each window.
    Bay,
    /// A balcony along the whole front.
    Front,
}

impl Storey {
    /// Draws the storeys above a ground floor of this height.
    pub(super) fn stack(stream: &mut Stream, ground: f32) -> Vec<Self> {
        let count = stream.whole(2, 6);
        let tall = stream.uniform(2.8, 3.8);
        // Upper storeys are a little lower, as in most old houses.
        let taper = stream.pick(&[1.0, 1.0, 0.97, 0.93]);
        let (sill, head) = (stream.uniform(0.15, 0.95), stream.uniform(0.76, 0.86));
        let usual =
            stream.pick(&[Reach::None, Reach::None, Reach::None, Reach::Window, Reach::Window, Reach::Bay]);
        let noble = stream.pick(&[usual, usual, Reach::Bay, Reach::Front]);
        let courses = stream.whole(0, 3);
        let mut floor = ground;
        (0..count)
            .map(|level| {
                let height = tall * (0..level).fold(1.0, |height, _| height * taper);
                let railing = if level == 0 || (level == 3 && noble == Reach::Front) { noble } else { usual };
                let course = match courses {
                    0 => level == 0,
                    1 => true,
                    2 => level == 0 || level + 1 == count,
                    _ => false,
                };
                let sill = if railing == Reach::None { sill } else { sill.min(0.2) };
                let storey = Self { floor, height, sill, head: height * head, railing, course };
                floor += height;
                storey
            })
            .collect()
    }

    /// The opening of this width around the axis `x`.
    pub(super) fn opening(&self, x: f32, width: f32) -> Area {
        let bottom = self.floor + self.sill;
        Area::new(x - width / 2.0, bottom, width, self.head - self.sill)
    }
}
