//! Balconies: a slab on brackets, and an iron or stone railing.

use super::{
    canvas::{Canvas, Rect},
    color::Color,
    light::Light,
    random::FacadeRng,
};

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
