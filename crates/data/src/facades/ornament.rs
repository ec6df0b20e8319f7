//! What stands out of a wall: moldings along a house, pilasters, and balconies.

use super::canvas::{Canvas, Rect};
use super::color::Color;
use super::light::Light;
use super::random::FacadeRng;

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

/// The balconies of a house.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balcony {
    railing: Railing,
    color: Color,
    slab: Color,
    /// How far it stands out, in meters; a railing in the window opening stands out little.
    depth: f32,
    height: f32,
}

/// The pattern of a railing.
#[derive(Clone, Copy, Debug)]
enum Railing {
    /// Upright bars at this distance, in meters.
    Bars(f32),
    /// Upright bars and a crossed diagonal in each field.
    Crosses(f32),
    /// Stone pillars that swell in the middle.
    Balusters(f32),
}

impl Balcony {
    /// Samples a style.
    pub(super) fn sample(rng: &mut FacadeRng, stone: Color) -> Self {
        let railing = match rng.integer(0, 5) {
            0..=2 => Railing::Bars(rng.uniform(0.1, 0.15)),
            3..=4 => Railing::Crosses(rng.uniform(0.4, 0.7)),
            _ => Railing::Balusters(rng.uniform(0.2, 0.28)),
        };
        let color =
            if matches!(railing, Railing::Balusters(_)) { stone } else { Color::IRON.jittered(rng, 0.3) };
        Self {
            railing,
            color,
            slab: stone.scaled(0.92),
            depth: rng.uniform(0.4, 0.8),
            height: rng.uniform(0.8, 1.05),
        }
    }

    /// Draws a balcony whose floor is at height `floor`, on brackets each `bracket` meters.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        left: f32,
        right: f32,
        floor: f32,
        bracket: f32,
    ) {
        /// Thickness of the floor, in meters.
        const SLAB: f32 = 0.17;
        let slab = Rect { left, right, bottom: floor - SLAB, top: floor };
        if !canvas.is_visible(slab.expanded(self.height + 1.0)) {
            return;
        }
        light.drop_shadow(canvas, slab, self.depth);
        let count = ((right - left) / bracket).max(1.0) as u32;
        let step = (right - left - 0.3) / count as f32;
        for index in 0..=count {
            let x = left + 0.15 + step * index as f32;
            let (low, foot) = (slab.bottom - 0.4, slab.bottom);
            let corners = [[x - 0.08, foot], [x + 0.08, foot], [x + 0.05, low], [x - 0.05, low]];
            canvas.polygon(&corners, self.slab.scaled(0.8), 1.0);
        }
        self.draw_railing(canvas, light, left + 0.04, right - 0.04, floor);
        canvas.fill(slab, self.slab);
        light.bevel(canvas, slab, 0.04);
    }

    /// Draws the railing alone, as set into a window down to the floor.
    pub(super) fn draw_railing(&self, canvas: &mut Canvas, light: &Light, left: f32, right: f32, floor: f32) {
        let field = Rect { left, right, bottom: floor, top: floor + self.height };
        let shadow = field.translated(light.sideways * 0.2, -0.12);
        canvas.blend(shadow, Color::SHADOW, light.strength * 0.3);
        match self.railing {
            Railing::Bars(period) => self.draw_bars(canvas, field, period, 0.024),
            Railing::Crosses(period) => {
                self.draw_bars(canvas, field, period / 4.0, 0.018);
                let count = (field.width() / period).max(1.0) as u32;
                let step = field.width() / count as f32;
                for index in 0..count {
                    let (x, bottom, top) = (left + step * index as f32, floor + 0.1, field.top - 0.1);
                    canvas.line([x, bottom], [x + step, top], 0.04, self.color, 0.9);
                    canvas.line([x, top], [x + step, bottom], 0.04, self.color, 0.9);
                }
            }
            Railing::Balusters(period) => {
                canvas.blend(field, Color::SHADOW, light.strength * 0.5);
                self.draw_bars(canvas, field, period, period * 0.42);
                let belly = field.with_heights(floor + self.height * 0.2, floor + self.height * 0.55);
                self.draw_bars(canvas, belly, period, period * 0.7);
            }
        }
        let rail = if matches!(self.railing, Railing::Balusters(_)) { 0.14 } else { 0.05 };
        canvas.fill(field.with_bottom(field.top - rail), self.color);
        canvas.fill(field.with_top(floor + rail), self.color);
    }

    fn draw_bars(&self, canvas: &mut Canvas, field: Rect, period: f32, thickness: f32) {
        let count = (field.width() / period).max(1.0) as u32;
        let step = field.width() / count as f32;
        if step < canvas.pixel() * 1.4 {
            // Too fine to tell apart: a veil of the same mean.
            return canvas.blend(field, self.color, thickness / step);
        }
        for index in 0..=count {
            let x = field.left + step * index as f32;
            canvas.fill(field.with_sides(x - thickness / 2.0, x + thickness / 2.0), self.color);
        }
    }
}
