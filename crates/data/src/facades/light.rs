//! Daylight: where the sun stands, how hard its shadows are, and what it leaves dark.

use super::area::Area;
use super::canvas::Canvas;
use super::color::Color;
use super::stream::Stream;

/// The light of one picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// How far a shadow moves sideways for each meter a thing stands out, right positive.
    pub(super) sideways: f32,
    /// How far it falls for each meter a thing stands out.
    pub(super) drop: f32,
    /// Darkness of a shadow, 0 to 1.
    pub(super) strength: f32,
    /// Edge of the shadow that the houses across the street throw: height in meters, slope, darkness.
    across: Option<(f32, f32, f32)>,
}

impl Light {
    /// Draws an overcast or a sunny day.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        let sunny = stream.chance(0.5);
        let sideways = stream.uniform(-0.9, 0.9);
        let across = (sunny && stream.chance(0.4))
            .then(|| (stream.uniform(1.0, 14.0), stream.uniform(-0.6, 0.6), stream.uniform(0.25, 0.45)));
        Self {
            sideways: if sunny { sideways } else { sideways * 0.15 },
            drop: if sunny { stream.uniform(0.7, 1.3) } else { stream.uniform(0.9, 1.5) },
            strength: if sunny { stream.uniform(0.4, 0.6) } else { stream.uniform(0.2, 0.35) },
            across,
        }
    }

    /// The shadow that `area`, standing `depth` meters out of the wall, throws below itself.
    pub(super) fn beneath(&self, canvas: &mut Canvas, area: Area, depth: f32) {
        let shadow = area.below(depth * self.drop).moved(self.sideways * depth / 2.0, 0.0);
        canvas.fade(shadow, Color::SHADOW, self.strength, self.strength * 0.45);
    }

    /// The shadow inside an opening, cut `depth` meters into the wall, with an arched top of height `rise`.
    pub(super) fn within(&self, canvas: &mut Canvas, area: Area, rise: f32, depth: f32) {
        let lintel = area.with_bottom(area.top - rise * 0.5 - depth * self.drop);
        canvas.fade(lintel, Color::SHADOW, self.strength, self.strength * 0.3);
        let reach = self.sideways * depth;
        let side = if reach > 0.0 {
            area.with_right(area.left + reach).with_top(area.top - rise)
        } else {
            area.with_left(area.right + reach).with_top(area.top - rise)
        };
        canvas.blend(side, Color::SHADOW, self.strength * 0.8);
    }

    /// Light along the edge of `area` that faces the sun, shade along the other: it looks raised.
    pub(super) fn emboss(&self, canvas: &mut Canvas, area: Area, edge: f32) {
        canvas.blend(area.with_bottom(area.top - edge), Color::WHITE, self.strength * 0.35);
        canvas.blend(area.with_top(area.bottom + edge), Color::SHADOW, self.strength * 0.7);
        let (lit, dark) = if self.sideways > 0.0 {
            (area.with_right(area.left + edge), area.with_left(area.right - edge))
        } else {
            (area.with_left(area.right - edge), area.with_right(area.left + edge))
        };
        canvas.blend(lit, Color::WHITE, self.strength * 0.2);
        canvas.blend(dark, Color::SHADOW, self.strength * 0.6);
    }

    /// The soft-edged shadow of the houses across the street.
    pub(super) fn shade_street(&self, canvas: &mut Canvas) {
        /// Polygons laid over each other, each a little higher: together they make a soft edge.
        const LAYERS: usize = 4;
        let Some((height, slope, darkness)) = self.across else {
            return;
        };
        let view = canvas.view();
        for layer in 0..LAYERS {
            let top = height + 0.12 * layer as f32;
            let (left, right) = (top + slope * view.left, top + slope * view.right);
            let floor = view.bottom.min(left).min(right) - 1.0;
            let corners = [[view.left, floor], [view.right, floor], [view.right, right], [view.left, left]];
            canvas.polygon(&corners, Color::SHADOW, darkness / LAYERS as f32);
        }
    }
}
