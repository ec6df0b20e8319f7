//! Daylight: the direction of the sun, and the shadows it casts.

use super::{
    canvas::{Canvas, Rect},
    color::Color,
    random::FacadeRng,
};

/// The light of one image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// How far a shadow is shifted to the right for each meter that its object stands out.
    pub(super) sideways: f32,
    /// How far it falls for each meter that its object stands out.
    pub(super) drop: f32,
    /// Opacity of a shadow.
    pub(super) strength: f32,
    /// Edge of the shadow of the houses across the street: height in meters, rise in meters for each meter
    /// to the right, opacity.
    opposite: Option<(f32, f32, f32)>,
}

impl Light {
    /// Samples an overcast or a sunny day.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let sunny = rng.chance(0.5);
        let sideways = rng.uniform(-0.9, 0.9);
        let opposite = (sunny && rng.chance(0.4))
            .then(|| (rng.uniform(1.0, 14.0), rng.uniform(-0.6, 0.6), rng.uniform(0.25, 0.45)));
        Self {
            sideways: if sunny { sideways } else { sideways * 0.15 },
            drop: if sunny { rng.uniform(0.7, 1.3) } else { rng.uniform(0.9, 1.5) },
            strength: if sunny { rng.uniform(0.4, 0.6) } else { rng.uniform(0.2, 0.35) },
            opposite,
        }
    }

    /// The shadow that `area`, standing `depth` meters out of the wall, casts below itself.
    pub(super) fn drop_shadow(&self, canvas: &mut Canvas, area: Rect, depth: f32) {
        let shadow = area.below(depth * self.drop).translated(self.sideways * depth / 2.0, 0.0);
        canvas.fill_gradient(shadow, Color::SHADOW, self.strength, self.strength * 0.45);
    }

    /// The shadow inside an opening that lies `depth` meters deep in the wall, with an arched top of height
    /// `rise`.
    pub(super) fn recess_shadow(&self, canvas: &mut Canvas, area: Rect, rise: f32, depth: f32) {
        let lintel = area.with_bottom(area.top - rise * 0.5 - depth * self.drop);
        canvas.fill_gradient(lintel, Color::SHADOW, self.strength, self.strength * 0.3);
        let width = self.sideways * depth;
        let side =
            if width > 0.0 { area.with_right(area.left + width) } else { area.with_left(area.right + width) };
        let side = side.with_top(area.top - rise);
        canvas.blend(side, Color::SHADOW, self.strength * 0.8);
    }

    /// Light along the edges of `area` that face the sun, shade along the others, so that it looks raised.
    pub(super) fn bevel(&self, canvas: &mut Canvas, area: Rect, edge: f32) {
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
    pub(super) fn shade_scene(&self, canvas: &mut Canvas) {
        /// Polygons over each other, each a little higher: together they make a soft edge.
        const LAYERS: usize = 4;
        let Some((height, gradient, opacity)) = self.opposite else {
            return;
        };
        let viewport = canvas.viewport();
        for layer in 0..LAYERS {
            let top = height + 0.12 * layer as f32;
            let (left, right) = (top + gradient * viewport.left, top + gradient * viewport.right);
            let floor = viewport.bottom.min(left).min(right) - 1.0;
            let corners = [
                [viewport.left, floor],
                [viewport.right, floor],
                [viewport.right, right],
                [viewport.left, left],
            ];
            canvas.polygon(&corners, Color::SHADOW, opacity / LAYERS as f32);
        }
    }
}
