//! Window glass: the sky it reflects, the dark room behind, and the curtains.

use super::area::Area;
use super::canvas::Canvas;
use super::color::Color;
use super::grain;
use super::stream::Stream;

/// The glass of all windows of a house.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glass {
    room: Color,
    sky: Color,
    /// Opacity of the reflected sky at the top and at the bottom of a window.
    reflection: [f32; 2],
    curtain: Curtain,
    /// Share of the windows that have the curtain.
    curtained: f32,
    cloth: Color,
    salt: u32,
}

/// What hangs behind the glass.
#[derive(Clone, Copy, Debug)]
enum Curtain {
    /// Thin cloth over the whole window.
    Net,
    /// Two strips, drawn to the sides.
    Drapes,
    /// A roller blind, let down to a height that differs from window to window.
    Blind,
}

impl Glass {
    /// Draws the glass of a house.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        let bright = stream.uniform(0.1, 0.6);
        Self {
            room: Color::rgb([0.10, 0.11, 0.12]).jittered(stream, 0.35),
            sky: stream.pick(&[
                Color::rgb([0.62, 0.69, 0.76]),
                Color::rgb([0.70, 0.73, 0.75]),
                Color::rgb([0.52, 0.58, 0.64]),
            ]),
            reflection: [bright, bright * stream.uniform(0.1, 0.8)],
            curtain: stream.pick(&[Curtain::Net, Curtain::Drapes, Curtain::Drapes, Curtain::Blind]),
            curtained: stream.uniform(0.0, 0.9),
            cloth: Color::rgb([0.76, 0.74, 0.69]).jittered(stream, 0.12),
            salt: stream.salt(),
        }
    }

    /// Covers `area` under an arch of height `rise`; `number` tells the windows of a house apart.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: Area, rise: f32, number: u32) {
        let chance = |what: i32| grain::unit(number as i32, what, self.salt);
        canvas.arch(area, rise, self.room, 1.0);
        let straight = area.with_top(area.top - rise);
        if chance(0) < self.curtained {
            self.hang(canvas, straight, chance(1));
        }
        let gleam = 0.85 + 0.3 * chance(2);
        let [top, bottom] = self.reflection.map(|opacity| opacity * gleam);
        canvas.fade(straight, self.sky, top, bottom);
        if rise > 0.0 {
            canvas.arch(area.with_bottom(straight.top), rise, self.sky, top);
        }
        // The roofs across the street cut the reflected sky off along a slant.
        let low = straight.bottom + straight.height() * (0.25 + 0.2 * chance(3));
        let slant = straight.width() * 0.25;
        let corners = [
            [straight.left, straight.bottom],
            [straight.right, straight.bottom],
            [straight.right, low + slant],
            [straight.left, low],
        ];
        canvas.polygon(&corners, self.room, 0.3);
    }

    fn hang(&self, canvas: &mut Canvas, area: Area, share: f32) {
        /// Opacity of thin cloth, and of thick.
        const THIN: f32 = 0.45;
        const THICK: f32 = 0.75;
        match self.curtain {
            Curtain::Net => canvas.fade(area, self.cloth, THIN, THIN * 0.6),
            Curtain::Drapes => {
                let width = area.width() * (0.14 + 0.12 * share);
                canvas.blend(area.with_right(area.left + width), self.cloth, THICK);
                canvas.blend(area.with_left(area.right - width), self.cloth, THICK);
            }
            Curtain::Blind => {
                let height = area.height() * (0.15 + 0.6 * share);
                canvas.blend(area.with_bottom(area.top - height), self.cloth, THICK);
            }
        }
    }
}
