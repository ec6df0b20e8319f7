//! Walls: plaster, cut stone, brick and panels, with the blotches of age.

use super::area::Area;
use super::canvas::Canvas;
use super::color::{BRICKS, Color, PLASTERS, STONES};
use super::grain::{self, Blotches};
use super::stream::Stream;

/// What a wall is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall {
    pub(super) color: Color,
    masonry: Option<Masonry>,
    /// Strength of large and of small stains, as a share of the brightness.
    stains: [f32; 2],
    salt: u32,
}

/// Blocks in courses, each course shifted by half a block.
#[derive(Clone, Copy, Debug)]
struct Masonry {
    /// Length and height of a block with its joint, in meters.
    block: [f32; 2],
    /// Thickness of a joint, in meters.
    joint: f32,
    mortar: Color,
    /// Largest difference in brightness between blocks.
    spread: f32,
}

impl Wall {
    /// Draws a material.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        match stream.whole(0, 9) {
            0..=3 => Self::plaster(stream),
            4..=6 => Self::stone(stream),
            7..=8 => Self::brick(stream),
            _ => Self::panels(stream),
        }
    }

    /// Painted plaster.
    pub(super) fn plaster(stream: &mut Stream) -> Self {
        let color = stream.pick(&PLASTERS).jittered(stream, 0.08);
        Self {
            color,
            masonry: None,
            stains: [stream.uniform(0.02, 0.08), stream.uniform(0.01, 0.04)],
            salt: stream.salt(),
        }
    }

    /// Cut stone with thin joints.
    pub(super) fn stone(stream: &mut Stream) -> Self {
        let color = stream.pick(&STONES).jittered(stream, 0.08);
        let masonry = Masonry {
            block: [stream.uniform(0.7, 1.3), stream.uniform(0.32, 0.55)],
            joint: stream.uniform(0.012, 0.03),
            mortar: color.scaled(stream.uniform(0.6, 0.8)),
            spread: stream.uniform(0.03, 0.1),
        };
        Self {
            color,
            masonry: Some(masonry),
            stains: [stream.uniform(0.02, 0.07), stream.uniform(0.02, 0.05)],
            salt: stream.salt(),
        }
    }

    /// Brick in running bond.
    pub(super) fn brick(stream: &mut Stream) -> Self {
        let color = stream.pick(&BRICKS).jittered(stream, 0.1);
        let pale = stream.uniform(0.2, 0.6);
        let masonry = Masonry {
            block: [0.23, stream.uniform(0.072, 0.085)],
            joint: 0.011,
            mortar: color.mix(Color::rgb([0.72, 0.69, 0.64]), pale),
            spread: stream.uniform(0.1, 0.22),
        };
        Self {
            color,
            masonry: Some(masonry),
            stains: [stream.uniform(0.02, 0.06), 0.03],
            salt: stream.salt(),
        }
    }

    /// Large concrete panels.
    fn panels(stream: &mut Stream) -> Self {
        let grey = stream.uniform(0.58, 0.76);
        let color = Color::rgb([grey, grey * 0.985, grey * 0.95]).jittered(stream, 0.06);
        let masonry = Masonry {
            block: [stream.uniform(1.2, 2.4), stream.uniform(0.8, 1.5)],
            joint: 0.03,
            mortar: color.scaled(0.68),
            spread: 0.03,
        };
        Self { color, masonry: Some(masonry), stains: [0.04, 0.015], salt: stream.salt() }
    }

    /// The same stuff in courses with deep grooves, as on many ground floors.
    pub(super) fn rusticated(self, stream: &mut Stream) -> Self {
        let shade = self.color.scaled(stream.uniform(0.86, 1.0));
        let masonry = Masonry {
            block: [stream.uniform(0.9, 1.6), stream.uniform(0.36, 0.56)],
            joint: stream.uniform(0.04, 0.06),
            mortar: shade.scaled(stream.uniform(0.5, 0.68)),
            spread: 0.04,
        };
        Self { color: shade, masonry: Some(masonry), ..self }
    }

    /// Covers `area`; courses start at its lower left corner.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: Area) {
        /// Lattice cells of the large and the small stains, in meters.
        const CELLS: [[f32; 2]; 2] = [[1.3, 0.9], [0.11, 0.13]];
        let pixel = canvas.pixel();
        let [large, small] = CELLS.map(|cell| Blotches { cell, salt: self.salt });
        let mut tones = vec![0.0; canvas.width];
        let mut bonds = [Vec::new(), Vec::new()];
        canvas.rows(area, |y, left, row| {
            let tones = &mut tones[..row.len()];
            tones.fill(1.0);
            large.add_row(y, left, pixel, self.stains[0], tones);
            small.add_row(y, left, pixel, self.stains[1], tones);
            let Some(masonry) = &self.masonry else {
                for (color, tone) in row.iter_mut().zip(&*tones) {
                    *color = self.color.scaled(*tone);
                }
                return;
            };
            let up = y - area.bottom;
            let course = grain::floor(up / masonry.block[1]);
            let bond = &mut bonds[(course & 1) as usize];
            if bond.is_empty() {
                let shift = if course & 1 == 0 { 0.0 } else { 0.5 * masonry.block[0] };
                *bond = masonry.bond(left - area.left + shift, pixel, row.len());
            }
            let bed = lines_between(up, pixel, masonry.block[1], masonry.joint);
            // Blocks hardly thicker than a pixel average out.
            let spread = masonry.spread * (0.35 * masonry.block[1] / pixel).min(1.0);
            let (mut block, mut shade) = (i32::MIN, 0.0);
            for ((color, tone), &(here, joint)) in row.iter_mut().zip(&*tones).zip(&*bond) {
                if here != block {
                    block = here;
                    shade = spread * (2.0 * grain::unit(here, course, self.salt) - 1.0);
                }
                *color = self.color.mix(masonry.mortar, bed.max(joint)).scaled(tone + shade);
            }
        });
    }
}

impl Masonry {
    /// For each pixel of a course: which block it shows, and how much of it an upright joint covers.
    fn bond(&self, left: f32, pixel: f32, pixels: usize) -> Vec<(i32, f32)> {
        let length = self.block[0];
        (0..pixels)
            .map(|index| left + index as f32 * pixel)
            .map(|x| (grain::floor(x / length), lines_between(x, pixel, length, self.joint)))
            .collect()
    }
}

/// How much of the pixel around `position` is covered by lines of this `thickness`, one each `period`.
fn lines_between(position: f32, pixel: f32, period: f32, thickness: f32) -> f32 {
    let covered = |end: f32| {
        let lines = grain::floor(end / period) as f32;
        lines * thickness + (end - lines * period).min(thickness)
    };
    (covered(position + pixel / 2.0) - covered(position - pixel / 2.0)) / pixel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cover_their_share() {
        // A pixel as wide as ten periods sees the average, one inside a line sees nothing else.
        assert!((lines_between(5.0, 10.0, 1.0, 0.2) - 0.2).abs() < 1e-5);
        assert!((lines_between(3.1, 0.1, 1.0, 0.2) - 1.0).abs() < 1e-4);
        assert!(lines_between(3.6, 0.1, 1.0, 0.2).abs() < 1e-4);
    }
}
