//! The sky: a gradient, and clouds of smooth noise.

use super::canvas::Canvas;
use super::color::Color;
use super::grain::Blotches;
use super::stream::Stream;

/// The sky of one picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sky {
    zenith: Color,
    horizon: Color,
    /// Share of the sky under clouds, as an offset on the noise.
    cover: f32,
    salt: u32,
}

impl Sky {
    /// Draws clear, cloudy and white skies.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        let zenith = stream.pick(&[
            Color::rgb([0.42, 0.57, 0.76]),
            Color::rgb([0.52, 0.64, 0.78]),
            Color::rgb([0.64, 0.70, 0.77]),
            Color::rgb([0.78, 0.80, 0.82]),
            Color::rgb([0.86, 0.87, 0.87]),
        ]);
        let zenith = zenith.jittered(stream, 0.06);
        let horizon = zenith.mix(Color::rgb([0.92, 0.92, 0.91]), stream.uniform(0.4, 0.8));
        Self { zenith, horizon, cover: stream.uniform(-0.7, 0.5), salt: stream.salt() }
    }

    /// Covers all that can be seen above height `y`.
    pub(super) fn draw(&self, canvas: &mut Canvas, y: f32) {
        /// Lattice cells of the clouds, in meters, with the weight of each.
        const CLOUDS: [([f32; 2], f32); 3] = [([9.0, 3.5], 0.8), ([3.1, 1.3], 0.4), ([1.0, 0.5], 0.2)];
        /// Height over which the gradient runs, in meters.
        const DEPTH: f32 = 16.0;
        let view = canvas.view();
        let pixel = canvas.pixel();
        let mut cloud = vec![0.0; canvas.width];
        canvas.rows(view.with_bottom(y), |height, left, row| {
            let cloud = &mut cloud[..row.len()];
            cloud.fill(self.cover);
            for (octave, (cell, weight)) in (0_u32..).zip(CLOUDS) {
                Blotches { cell, salt: self.salt ^ octave }.add_row(height, left, pixel, weight, cloud);
            }
            let clear = self.horizon.mix(self.zenith, ((height - y) / DEPTH).clamp(0.0, 1.0));
            for (color, density) in row.iter_mut().zip(&*cloud) {
                *color = clear.mix(Color::rgb([0.91, 0.91, 0.90]), density.clamp(0.0, 0.9));
            }
        });
    }
}
