//! What runs along a front: cornices, string courses, plinths, and the pilasters that cross them.

use super::area::Area;
use super::canvas::Canvas;
use super::color::Color;
use super::light::Light;
use super::stream::Stream;

/// A molding from one end of the front to the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledge {
    pub(super) height: f32,
    /// How far it stands out, in meters.
    depth: f32,
    color: Color,
    /// Distance between the blocks under it, in meters.
    blocks: Option<f32>,
}

impl Ledge {
    /// A string course between two storeys.
    pub(super) fn string_course(stream: &mut Stream, color: Color) -> Self {
        Self { height: stream.uniform(0.12, 0.3), depth: stream.uniform(0.08, 0.2), color, blocks: None }
    }

    /// The cornice under the roof.
    pub(super) fn cornice(stream: &mut Stream, color: Color) -> Self {
        Self {
            height: stream.uniform(0.3, 0.65),
            depth: stream.uniform(0.3, 0.6),
            color,
            blocks: stream.chance(0.5).then(|| stream.uniform(0.35, 0.8)),
        }
    }

    /// Draws the ledge from `left` to `right`, with its lower edge at height `y`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, left: f32, right: f32, y: f32) {
        let ledge = Area { left, right, bottom: y, top: y + self.height };
        let overhang = ledge.widened(0.08, 0.0);
        if !canvas.sees(overhang.widened(0.0, 1.0)) {
            return;
        }
        let shadow = ledge.below(self.depth * light.drop);
        canvas.fade(shadow, Color::SHADOW, light.strength, light.strength * 0.35);
        canvas.fill(overhang, self.color);
        // Three steps: each lower one stands out less and lies deeper in shadow.
        for (from, to, dark) in [(0.0, 0.3, 0.55), (0.3, 0.6, 0.28)] {
            let step = overhang.with_heights(y + self.height * from, y + self.height * to);
            canvas.blend(step, Color::SHADOW, light.strength * dark);
        }
        canvas.blend(overhang.with_bottom(ledge.top - 0.04), Color::WHITE, light.strength * 0.5);
        if let Some(period) = self.blocks {
            let count = ((right - left) / period).max(1.0) as u32;
            let period = (right - left) / count as f32;
            for index in 0..count {
                let block = Area::new(left + period * (index as f32 + 0.3), y - 0.14, period * 0.4, 0.14);
                canvas.fill(block, self.color.scaled(0.92));
                light.beneath(canvas, block, 0.1);
            }
        }
    }
}

/// A flat pillar on the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pilaster {
    pub(super) width: f32,
    pub(super) color: Color,
    /// Height of the stones it is built of, in meters; smooth without.
    pub(super) stones: Option<f32>,
}

impl Pilaster {
    /// Draws the pilaster with its axis at `x`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, x: f32, bottom: f32, top: f32) {
        let shaft = Area { left: x - self.width / 2.0, right: x + self.width / 2.0, bottom, top };
        if !canvas.sees(shaft.grown(1.0)) {
            return;
        }
        if let Some(height) = self.stones {
            let count = ((top - bottom) / height).max(1.0) as u32;
            let height = (top - bottom) / count as f32;
            for index in 0..count {
                // Long and short stones in turn.
                let across = if index.is_multiple_of(2) { 0.0 } else { -self.width * 0.18 };
                let stone = Area::new(shaft.left, bottom + height * index as f32, self.width, height - 0.03);
                let stone = stone.widened(across, 0.0);
                canvas.fill(stone, self.color);
                light.emboss(canvas, stone, 0.03);
            }
            return;
        }
        canvas.blend(shaft.moved(light.sideways * 0.12, 0.0), Color::SHADOW, light.strength * 0.7);
        canvas.fill(shaft, self.color);
        light.emboss(canvas, shaft, 0.035);
        let head = shaft.widened(0.07, 0.0).with_bottom(top - 0.28);
        let foot = shaft.widened(0.05, 0.0).with_top(bottom + 0.25);
        for end in [head, foot] {
            canvas.fill(end, self.color);
            light.emboss(canvas, end, 0.04);
        }
        light.beneath(canvas, head, 0.1);
    }
}
