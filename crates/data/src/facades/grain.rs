//! Irregularity that depends on position alone: a hash, and smooth noise built on it.

/// A well mixed word for the whole-number position (`x`, `y`) of the pattern `salt`.
#[inline]
pub(super) fn hash(x: i32, y: i32, salt: u32) -> u32 {
    // Multipliers and shifts of the `lowbias32` integer hash.
    let mut word = salt ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    word = (word ^ (word >> 16)).wrapping_mul(0x7FEB_352D);
    word = (word ^ (word >> 15)).wrapping_mul(0x846C_A68B);
    word ^ (word >> 16)
}

/// The same as a number in [0, 1).
#[inline]
pub(super) fn unit(x: i32, y: i32, salt: u32) -> f32 {
    (hash(x, y, salt) >> 8) as i32 as f32 * (1.0 / (1 << 24) as f32)
}

/// Largest whole number not above `value`, for values above -4096.
#[inline]
pub(super) fn floor(value: f32) -> i32 {
    /// Makes every argument positive, where truncation rounds down.
    const SHIFT: i32 = 4096;
    (value + SHIFT as f32) as i32 - SHIFT
}

/// Smooth noise in [-1, 1]: random values on a lattice, blended in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blotches {
    /// Width and height of a lattice cell, in meters.
    pub(super) cell: [f32; 2],
    pub(super) salt: u32,
}

impl Blotches {
    /// Adds `amplitude` times the noise at height `y` to `values`, taken every `step` from `left` on.
    pub(super) fn add_row(&self, y: f32, left: f32, step: f32, amplitude: f32, values: &mut [f32]) {
        let along = y / self.cell[1];
        let row = floor(along);
        let upper = ease(along - row as f32);
        let lattice = |column: i32| {
            let below = unit(column, row, self.salt);
            amplitude * (2.0 * (below + (unit(column, row + 1, self.salt) - below) * upper) - 1.0)
        };
        let (mut across, stride) = (left / self.cell[0], step / self.cell[0]);
        let mut column = floor(across);
        let mut ends = (lattice(column), lattice(column + 1));
        for value in values {
            let here = floor(across);
            if here != column {
                ends = if here == column + 1 {
                    (ends.1, lattice(here + 1))
                } else {
                    (lattice(here), lattice(here + 1))
                };
                column = here;
            }
            *value += ends.0 + (ends.1 - ends.0) * ease(across - here as f32);
            across += stride;
        }
    }
}

/// Runs from 0 to 1 with no slope at either end.
#[inline]
fn ease(share: f32) -> f32 {
    share * share * (3.0 - 2.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_and_smooth() {
        let blotches = Blotches { cell: [0.5, 0.5], salt: 9 };
        let mut values = vec![0.0; 400];
        blotches.add_row(1.3, -2.0, 0.01, 1.0, &mut values);
        assert!(values.iter().all(|value| value.abs() <= 1.0));
        // The steepest slope is 1.5 times the largest difference of 2, per cell of 50 steps.
        assert!(values.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 0.0601));
        let (low, high) = values.iter().fold((1.0_f32, -1.0_f32), |(l, h), v| (l.min(*v), h.max(*v)));
        assert!(high - low > 0.5);
    }

    #[test]
    fn floor_rounds_down_on_both_sides_of_zero() {
        assert_eq!([floor(-1.25), floor(-1.0), floor(0.75), floor(2.0)], [-2, -1, 0, 2]);
    }
}
