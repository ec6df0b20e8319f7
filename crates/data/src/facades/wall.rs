//! Walls: plaster, cut stone, brick and panels, with stains.

use super::{
    canvas::{Canvas, Rect},
    color::{BRICKS, Color, PLASTERS, STONES},
    random::{self, FacadeRng, ValueNoise},
};

/// The material of a wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall {
    pub(super) color: Color,
    masonry: Option<Masonry>,
    /// Amplitude of large and of small stains, as a fraction of the brightness.
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
    /// Samples a material.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        match rng.integer(0, 9) {
            0..=3 => Self::plaster(rng),
            4..=6 => Self::stone(rng),
            7..=8 => Self::brick(rng),
            _ => Self::panels(rng),
        }
    }

    /// Painted plaster.
    pub(super) fn plaster(rng: &mut FacadeRng) -> Self {
        let color = rng.choose(&PLASTERS).jittered(rng, 0.08);
        Self {
            color,
            masonry: None,
            stains: [rng.uniform(0.02, 0.08), rng.uniform(0.01, 0.04)],
            salt: rng.salt(),
        }
    }

    /// Cut stone with thin joints.
    pub(super) fn stone(rng: &mut FacadeRng) -> Self {
        let color = rng.choose(&STONES).jittered(rng, 0.08);
        let masonry = Masonry {
            block: [rng.uniform(0.7, 1.3), rng.uniform(0.32, 0.55)],
            joint: rng.uniform(0.012, 0.03),
            mortar: color.scaled(rng.uniform(0.6, 0.8)),
            spread: rng.uniform(0.03, 0.1),
        };
        Self {
            color,
            masonry: Some(masonry),
            stains: [rng.uniform(0.02, 0.07), rng.uniform(0.02, 0.05)],
            salt: rng.salt(),
        }
    }

    /// Brick in running bond.
    pub(super) fn brick(rng: &mut FacadeRng) -> Self {
        let color = rng.choose(&BRICKS).jittered(rng, 0.1);
        let pale = rng.uniform(0.2, 0.6);
        let masonry = Masonry {
            block: [0.23, rng.uniform(0.072, 0.085)],
            joint: 0.011,
            mortar: color.lerp(Color::rgb([0.72, 0.69, 0.64]), pale),
            spread: rng.uniform(0.1, 0.22),
        };
        Self { color, masonry: Some(masonry), stains: [rng.uniform(0.02, 0.06), 0.03], salt: rng.salt() }
    }

    /// Large concrete panels.
    fn panels(rng: &mut FacadeRng) -> Self {
        let grey = rng.uniform(0.58, 0.76);
        let color = Color::rgb([grey, grey * 0.985, grey * 0.95]).jittered(rng, 0.06);
        let masonry = Masonry {
            block: [rng.uniform(1.2, 2.4), rng.uniform(0.8, 1.5)],
            joint: 0.03,
            mortar: color.scaled(0.68),
            spread: 0.03,
        };
        Self { color, masonry: Some(masonry), stains: [0.04, 0.015], salt: rng.salt() }
    }

    /// The same material in courses with deep grooves, as on many ground floors.
    pub(super) fn rusticated(self, rng: &mut FacadeRng) -> Self {
        let shade = self.color.scaled(rng.uniform(0.86, 1.0));
        let masonry = Masonry {
            block: [rng.uniform(0.9, 1.6), rng.uniform(0.36, 0.56)],
            joint: rng.uniform(0.04, 0.06),
            mortar: shade.scaled(rng.uniform(0.5, 0.68)),
            spread: 0.04,
        };
        Self { color: shade, masonry: Some(masonry), ..self }
    }

    /// Fills `area`; courses start at its lower left corner.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: Rect) {
        /// Lattice cells of the large and the small stains, in meters.
        const CELLS: [[f32; 2]; 2] = [[1.3, 0.9], [0.11, 0.13]];
        let (pixel, pixel_height) = (canvas.pixel(), canvas.pixel_height());
        let [large, small] = CELLS.map(|cell| ValueNoise { cell, salt: self.salt });
        let mut tones = vec![0.0; canvas.width];
        let mut bonds = [Vec::new(), Vec::new()];
        canvas.for_each_row(area, |y, left, row| {
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
            let course = random::fast_floor(up / masonry.block[1]);
            let bond = &mut bonds[(course & 1) as usize];
            if bond.is_empty() {
                let shift = if course & 1 == 0 { 0.0 } else { 0.5 * masonry.block[0] };
                *bond = masonry.bond(left - area.left + shift, pixel, row.len());
            }
            let bed = lines_between(up, pixel_height, masonry.block[1], masonry.joint);
            // Blocks hardly thicker than a pixel average out.
            let spread = masonry.spread * (0.35 * masonry.block[1] / pixel_height).min(1.0);
            let (mut block, mut shade) = (i32::MIN, 0.0);
            for ((color, tone), &(here, joint)) in row.iter_mut().zip(&*tones).zip(&*bond) {
                if here != block {
                    block = here;
                    shade = spread * (2.0 * random::hash_unit(here, course, self.salt) - 1.0);
                }
                *color = self.color.lerp(masonry.mortar, bed.max(joint)).scaled(tone + shade);
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
            .map(|x| (random::fast_floor(x / length), lines_between(x, pixel, length, self.joint)))
            .collect()
    }
}

/// How much of the pixel around `position` is covered by lines of this `thickness`, one each `period`.
fn lines_between(position: f32, pixel: f32, period: f32, thickness: f32) -> f32 {
    let covered = |end: f32| {
        let lines = random::fast_floor(end / period) as f32;
        lines * thickness + (end - lines * period).min(thickness)
    };
    (covered(position + pixel / 2.0) - covered(position - pixel / 2.0)) / pixel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cover_their_fraction() {
        // A pixel as wide as ten periods sees the average, one inside a line sees nothing else.
        assert!((lines_between(5.0, 10.0, 1.0, 0.2) - 0.2).abs() < 1e-5);
        assert!((lines_between(3.1, 0.1, 1.0, 0.2) - 1.0).abs() < 1e-4);
        assert!(lines_between(3.6, 0.1, 1.0, 0.2).abs() < 1e-4);
    }
}
