//! House doors: two paneled leaves under a fanlight.

use super::area::Area;
use super::canvas::Canvas;
use super::color::{Color, PAINTS};
use super::light::Light;
use super::stream::Stream;

/// The door of a house.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    paint: Color,
    trim: Color,
    arched: bool,
    /// Panels one above the other in each leaf.
    panels: u32,
    pub(super) width: f32,
}

impl Door {
    /// Draws a style.
    pub(super) fn sample(stream: &mut Stream, trim: Color) -> Self {
        Self {
            paint: stream.pick(&PAINTS).jittered(stream, 0.15),
            trim,
            arched: stream.chance(0.4),
            panels: stream.whole(2, 4),
            width: stream.uniform(1.2, 2.0),
        }
    }

    /// Draws the door around the axis `x`, from the pavement up to `top`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, x: f32, top: f32) {
        /// How deep a door sits in the wall, in meters.
        const RECESS: f32 = 0.3;
        let opening = Area { left: x - self.width / 2.0, right: x + self.width / 2.0, bottom: 0.0, top };
        let rise = if self.arched { self.width / 2.0 } else { 0.0 };
        let surround = opening.widened(0.18, 0.0).with_top(top + 0.18);
        canvas.arch(surround, rise * 1.1, self.trim, 1.0);
        canvas.arch(opening, rise, self.paint.scaled(0.8), 1.0);
        let spring = if self.arched { top - rise } else { top - (top * 0.2).min(0.6) };
        let fanlight = opening.widened(-0.1, 0.0).with_bottom(spring + 0.04);
        let fanlight = fanlight.with_top(top - 0.1);
        canvas.arch(fanlight, (rise - 0.1).max(0.0), Color::rgb([0.16, 0.17, 0.19]), 1.0);
        let step = Area { left: opening.left - 0.15, right: opening.right + 0.15, bottom: 0.0, top: 0.14 };
        for leaf in [
            Area { left: opening.left + 0.06, right: x - 0.012, bottom: 0.14, top: spring - 0.04 },
            Area { left: x + 0.012, right: opening.right - 0.06, bottom: 0.14, top: spring - 0.04 },
        ] {
            canvas.fill(leaf, self.paint);
            let height = leaf.height() / self.panels as f32;
            for index in 0..self.panels {
                let panel = Area::new(leaf.left, leaf.bottom + height * index as f32, leaf.width(), height)
                    .grown(-0.08);
                canvas.blend(panel, Color::SHADOW, 0.22);
                light.emboss(canvas, panel, 0.025);
            }
        }
        light.within(canvas, opening, rise, RECESS);
        canvas.fill(step, self.trim.scaled(0.85));
        light.emboss(canvas, step, 0.03);
    }
}
