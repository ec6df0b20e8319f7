//! Shutters: two paneled leaves, open beside a window.

use super::area::Area;
use super::canvas::Canvas;
use super::color::{Color, SHUTTERS};
use super::light::Light;
use super::stream::Stream;

/// The shutters of a house.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shutters {
    paint: Color,
    /// Whether the panels are of slats.
    slats: bool,
}

impl Shutters {
    /// Width that a bay must have so that open shutters do not meet, in meters.
    pub(super) const BAY: f32 = 2.3;

    /// Draws a style.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        Self { paint: stream.pick(&SHUTTERS).jittered(stream, 0.1), slats: stream.chance(0.7) }
    }

    /// Draws a pair that stands open beside the window `area`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Area) {
        /// Distance from slat to slat, in meters.
        const SLAT: f32 = 0.07;
        let width = area.width() / 2.0;
        for leaf in
            [area.with_sides(area.left - width, area.left), area.with_sides(area.right, area.right + width)]
        {
            canvas.blend(leaf.moved(light.sideways * 0.06, -0.05), Color::SHADOW, light.strength * 0.7);
            canvas.fill(leaf, self.paint);
            light.emboss(canvas, leaf, 0.03);
            let (low, high) = (leaf.bottom + leaf.height() * 0.05, leaf.top - leaf.height() * 0.05);
            let middle = leaf.bottom + leaf.height() * 0.45;
            for (bottom, top) in [(low, middle), (middle + 0.08, high)] {
                let panel = leaf.widened(-0.07, 0.0).with_heights(bottom, top);
                if !self.slats || canvas.pixel() > SLAT {
                    canvas.blend(panel, Color::SHADOW, 0.18);
                    continue;
                }
                let mut y = panel.bottom;
                while y < panel.top {
                    canvas.blend(panel.with_heights(y, y + SLAT * 0.45), Color::SHADOW, 0.38);
                    y += SLAT;
                }
            }
        }
    }
}
