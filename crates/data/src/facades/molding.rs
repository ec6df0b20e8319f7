//! Moldings along a house: cornices and string courses; and the pilasters that cross them.

use super::{
    canvas::{Canvas, Rect},
    color::Color,
    light::Light,
    random::FacadeRng,
};

/// A molding from one end of a house to the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Molding {
    pub(super) height: f32,
    /// How far it stands out, in meters.
    depth: f32,
    color: Color,
    /// Distance between the blocks under it, in meters.
    blocks: Option<f32>,
}

impl Molding {
    /// A string course between two storeys.
    pub(super) fn string_course(rng: &mut FacadeRng, color: Color) -> Self {
        Self { height: rng.uniform(0.12, 0.3), depth: rng.uniform(0.08, 0.2), color, blocks: None }
    }

    /// The cornice under the roof.
    pub(super) fn cornice(rng: &mut FacadeRng, color: Color) -> Self {
        Self {
            height: rng.uniform(0.3, 0.65),
            depth: rng.uniform(0.3, 0.6),
            color,
            blocks: rng.chance(0.5).then(|| rng.uniform(0.35, 0.8)),
        }
    }

    /// Draws the molding from `left` to `right`, with its lower edge at height `y`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, left: f32, right: f32, y: f32) {
        let molding = Rect { left, right, bottom: y, top: y + self.height };
        let overhang = molding.expanded_xy(0.08, 0.0);
        if !canvas.is_visible(overhang.expanded_xy(0.0, 1.0)) {
            return;
        }
        let shadow = molding.below(self.depth * light.drop);
        canvas.fill_gradient(shadow, Color::SHADOW, light.strength, light.strength * 0.35);
        canvas.fill(overhang, self.color);
        // Three steps: each lower one stands out less and lies deeper in shadow.
        for (from, to, dark) in [(0.0, 0.3, 0.55), (0.3, 0.6, 0.28)] {
            let step = overhang.with_heights(y + self.height * from, y + self.height * to);
            canvas.blend(step, Color::SHADOW, light.strength * dark);
        }
        canvas.blend(overhang.with_bottom(molding.top - 0.04), Color::WHITE, light.strength * 0.5);
        if let Some(period) = self.blocks {
            let count = ((right - left) / period).max(1.0) as u32;
            let period = (right - left) / count as f32;
            for index in 0..count {
                let block = Rect::new(left + period * (index as f32 + 0.3), y - 0.14, period * 0.4, 0.14);
                canvas.fill(block, self.color.scaled(0.92));
                light.drop_shadow(canvas, block, 0.1);
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
        let shaft = Rect { left: x - self.width / 2.0, right: x + self.width / 2.0, bottom, top };
        if !canvas.is_visible(shaft.expanded(1.0)) {
            return;
        }
        if let Some(height) = self.stones {
            let count = ((top - bottom) / height).max(1.0) as u32;
            let height = (top - bottom) / count as f32;
            for index in 0..count {
                // Long and short stones in turn.
                let wider = if index.is_multiple_of(2) { 0.0 } else { -self.width * 0.18 };
                let stone = Rect::new(shaft.left, bottom + height * index as f32, self.width, height - 0.03);
                let stone = stone.expanded_xy(wider, 0.0);
                canvas.fill(stone, self.color);
                light.bevel(canvas, stone, 0.03);
            }
            return;
        }
        canvas.blend(shaft.translated(light.sideways * 0.12, 0.0), Color::SHADOW, light.strength * 0.7);
        canvas.fill(shaft, self.color);
        light.bevel(canvas, shaft, 0.035);
        let head = shaft.expanded_xy(0.07, 0.0).with_bottom(top - 0.28);
        let foot = shaft.expanded_xy(0.05, 0.0).with_top(bottom + 0.25);
        for end in [head, foot] {
            canvas.fill(end, self.color);
            light.bevel(canvas, end, 0.04);
        }
        light.drop_shadow(canvas, head, 0.1);
    }
}
