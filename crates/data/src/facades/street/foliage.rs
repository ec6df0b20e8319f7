//! Leaves: crowns of trees, bushes and hedges, and the shadows that they cast.

use super::super::{
    canvas::{Canvas, Rect},
    color::Color,
    light::Light,
    random::{FacadeRng, ValueNoise},
};

/// The leaves of one plant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foliage {
    color: Color,
    /// Width of a leaf and of a clump of leaves, in meters.
    leaf: f32,
    clump: f32,
    /// How much of the crown the leaves fill: 1 leaves hardly a gap, 0 shows the sky through most of it.
    density: f32,
    salt: u32,
}

impl Foliage {
    /// Samples leaves from spring to autumn.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let color = rng.choose(&[
            Color::rgb([0.17, 0.22, 0.10]),
            Color::rgb([0.22, 0.29, 0.12]),
            Color::rgb([0.13, 0.18, 0.10]),
            Color::rgb([0.28, 0.37, 0.15]),
            Color::rgb([0.20, 0.23, 0.15]),
            Color::rgb([0.36, 0.34, 0.15]),
            Color::rgb([0.40, 0.28, 0.14]),
        ]);
        Self {
            color: color.jittered(rng, 0.25),
            leaf: rng.uniform(0.06, 0.2),
            clump: rng.uniform(0.5, 1.3),
            density: rng.uniform(0.2, 1.0),
            salt: rng.salt(),
        }
    }

    /// Fills the ellipse around `center`, in meters of the canvas; the plant is shown `scale` times as large
    /// as the canvas' meters.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        center: [f32; 2],
        radii: [f32; 2],
        scale: f32,
    ) {
        let sunlit = self.color.lerp(Color::rgb([0.66, 0.70, 0.42]), 0.25 + light.strength * 0.7);
        let deep = self.color.lerp(Color::SHADOW, 0.6);
        self.for_each_leaf(canvas, center, radii, scale, |color, opacity, [right, up], tone| {
            // The crown is lighter toward the sun, and its depth is dark.
            let lit = 0.45 + 0.9 * tone + 0.3 * (up - light.sideways * right);
            *color = color.lerp(deep.lerp(sunlit, lit.clamp(0.0, 1.0)), opacity);
        });
    }

    /// Shades the same ellipse, as the sun does through leaves.
    pub(super) fn shade(&self, canvas: &mut Canvas, center: [f32; 2], radii: [f32; 2], strength: f32) {
        self.for_each_leaf(canvas, center, radii, 2.5, |color, opacity, _, _| {
            *color = color.lerp(Color::SHADOW, opacity * strength);
        });
    }

    /// Calls `blend` for each pixel that leaves cover: with the opacity, the place in the ellipse (-1 to 1),
    /// and a tone (-1 to 1) that differs from leaf to leaf.
    fn for_each_leaf(
        &self,
        canvas: &mut Canvas,
        center: [f32; 2],
        radii: [f32; 2],
        scale: f32,
        blend: impl Fn(&mut Color, f32, [f32; 2], f32),
    ) {
        let area = Rect::new(center[0], center[1], 0.0, 0.0).expanded_xy(radii[0] * 1.15, radii[1] * 1.15);
        if !canvas.is_visible(area) {
            return;
        }
        let pixel = canvas.pixel();
        // Leaves smaller than two pixels are seen as clumps of that size.
        let leaf = (self.leaf * scale).max(2.0 * pixel);
        let noise = |size: f32, salt: u32| ValueNoise { cell: [size, size * 0.8], salt: self.salt ^ salt };
        let (clumps, leaves, tones) = (noise(self.clump * scale, 1), noise(leaf, 2), noise(leaf * 1.6, 3));
        let mut fill = vec![0.0; canvas.width];
        let mut tone = vec![0.0; canvas.width];
        canvas.for_each_row(area, |y, left, row| {
            let (fill, tone) = (&mut fill[..row.len()], &mut tone[..row.len()]);
            fill.fill(0.0);
            tone.fill(0.0);
            clumps.add_row(y, left, pixel, 0.9, fill);
            leaves.add_row(y, left, pixel, 0.8, fill);
            tones.add_row(y, left, pixel, 0.6, tone);
            leaves.add_row(y, left, pixel, 0.4, tone);
            let up = (y - center[1]) / radii[1];
            for (index, ((color, fill), tone)) in row.iter_mut().zip(&*fill).zip(&*tone).enumerate() {
                let right = (left + index as f32 * pixel - center[0]) / radii[0];
                let inside = 1.0 - right * right - up * up;
                let opacity = (inside.min(0.35) * 4.0 - 0.9 + self.density + fill) * 2.5;
                if opacity > 0.0 {
                    blend(color, opacity.min(1.0), [right, up], *tone);
                }
            }
        });
    }
}
