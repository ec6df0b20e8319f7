//! The authors' noise pattern: smooth noise, hidden where it is low.

use std::fmt;
use std::ops::RangeInclusive;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::generator::assert_size;
use crate::{Mask, MaskGenerator};

/// Cells along a side of the noise grid: 0.06 of [`SIDE`], the authors' "resolution".
const CELLS: usize = 600;

/// Grid points along a side with the extrapolated one at either end.
const PADDED: usize = CELLS + 2;

/// Pixels along a side of the pattern that the grid spans.
const SIDE: u32 = 10_000;

/// Noise below this is hidden: the authors' "density".
const THRESHOLD: f32 = 0.25;

/// Windows tried before the threshold is moved instead.
const TRIES: u32 = 32;

/// The authors' noise pattern: blobs some 10 to 40 pixels across that hide 20 % to 30 % of an image.
///
/// Uniform noise in [0,1) on a grid of 600x600 cells is enlarged to 10000x10000 pixels by bicubic
/// interpolation and hidden where it lies below 0.25. A mask is a window of that pattern at a random place,
/// at the pattern's own scale (a cell is 16.7 pixels wide, whatever the window's size). The interpolation is
/// Catmull-Rom's (a = -0.5) with the corners of grid and pattern aligned, as in the authors' `image.scale`;
/// it is worked out inside of the window only, so that the pattern takes 1.5 MB and not 400.
///
/// # Acceptance
///
/// Interpolation smooths the noise: although a quarter of the grid lies below 0.25, only 16.7 % of the
/// pattern does. The authors draw windows until strictly between 20 % and 30 % are hidden, which about every
/// fourth window of 128 pixels is. The larger the window, the closer its fraction comes to 16.7 %, and
/// windows of 512 pixels are hardly ever accepted. So after 32 windows the threshold of the last one is moved
/// to where its lowest values are a fraction drawn evenly from those between 20 % and 30 %: nearly never at
/// 128 pixels, for less than one mask in ten at 256, nearly always at 512.
///
/// ```
/// use context_encoder_mask::{MaskGenerator, RandomRegion};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let pattern = RandomRegion::new(1);
/// let mask = pattern.generate(128, 128, &mut ChaCha8Rng::seed_from_u64(2));
/// assert!(RandomRegion::HIDDEN.contains(&mask.hidden_fraction()));
/// ```
#[derive(Clone)]
pub struct RandomRegion {
    seed: u64,
    /// Pixels along a side of the pattern: what the grid is enlarged to.
    side: u32,
    /// `PADDED * PADDED` values, row by row.
    grid: Vec<f32>,
}

impl RandomRegion {
    /// The fraction of the image that is hidden; both ends excluded.
    pub const HIDDEN: RangeInclusive<f64> = 0.2..=0.3;

    /// Widths that a cell may have, pixels.
    pub const CELL: RangeInclusive<u32> = 2..=1000;

    /// The seed of the default pattern, so that one pattern serves every run: the day the paper was put on
    /// arXiv.
    const DEFAULT_SEED: u64 = 20_160_425;

    /// The pattern of a seed; the same on every platform.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut grid = vec![0.0; PADDED * PADDED];
        for row in grid.chunks_exact_mut(PADDED).skip(1).take(CELLS) {
            row[1..=CELLS].fill_with(|| rng.random());
        }
        extrapolate(&mut grid);
        Self { seed, side: SIDE, grid }
    }

    /// The same noise enlarged until a cell is so many pixels wide, in place of the authors' 16.7: larger
    /// blobs.
    ///
    /// # Panics
    /// When a cell is less than 2 or more than 1000 pixels wide.
    ///
    /// ```
    /// use context_encoder_mask::{MaskGenerator, RandomRegion};
    /// use rand::SeedableRng;
    /// use rand_chacha::ChaCha8Rng;
    ///
    /// let pattern = RandomRegion::default().with_cell(50);
    /// let mask = pattern.generate(128, 128, &mut ChaCha8Rng::seed_from_u64(2));
    /// assert!(RandomRegion::HIDDEN.contains(&mask.hidden_fraction()));
    /// ```
    #[must_use]
    pub fn with_cell(self, pixels: u32) -> Self {
        assert!(Self::CELL.contains(&pixels), "a cell of {pixels} pixels");
        Self { side: CELLS as u32 * pixels, ..self }
    }

    /// The interpolated noise in a window of the pattern, row by row: about 0 to 1, with some overshoot.
    fn window(&self, left: u32, top: u32, width: u32, height: u32) -> Vec<f32> {
        let at = |pixel| Taps::at(pixel, self.side);
        let columns: Vec<_> = (left..left + width).map(at).collect();
        let first = columns[0].first;
        let last = columns[columns.len() - 1].first + 4;
        let mut values = Vec::with_capacity(width as usize * height as usize);
        let mut blended = vec![0.0; last - first];
        for taps in (top..top + height).map(at) {
            // Four rows of the grid become one ...
            for (cell, value) in blended.iter_mut().enumerate() {
                *value = taps.blend(|tap| self.grid[(taps.first + tap) * PADDED + first + cell]);
            }
            // ... and four of its cells a pixel.
            values.extend(columns.iter().map(|taps| taps.blend(|tap| blended[taps.first - first + tap])));
        }
        values
    }
}

impl MaskGenerator for RandomRegion {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        assert_size(width, height);
        let side = self.side;
        assert!(
            width <= side && height <= side,
            "the pattern has {side}x{side} pixels, got a picture of {width}x{height}"
        );
        let accepted = accepted_counts(width as usize * height as usize);
        let mut values = Vec::new();
        for _ in 0..TRIES {
            let left = rng.random_range(0..=side - width);
            let top = rng.random_range(0..=side - height);
            values = self.window(left, top, width, height);
            let hidden = values.iter().filter(|&&value| value < THRESHOLD).count();
            if accepted.contains(&hidden) {
                return hide_where(&values, width, height, |value| value < THRESHOLD);
            }
        }
        hide_lowest(&values, rng.random_range(accepted), width, height)
    }
}

/// The pattern of the seed 20160425.
impl Default for RandomRegion {
    fn default() -> Self {
        Self::new(Self::DEFAULT_SEED)
    }
}

/// The pattern's seed, not its grid.
impl fmt::Debug for RandomRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomRegion")
            .field("seed", &self.seed)
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

/// Which four grid points in a line a pixel lies between, and how much of each it takes.
struct Taps {
    first: usize,
    weights: [f32; 4],
}

impl Taps {
    /// The taps of a pixel of a pattern, 0 to `side - 1`: the first pixel lies on the first grid point, the
    /// last on the last.
    fn at(pixel: u32, side: u32) -> Self {
        let (spans, pixels) = (CELLS - 1, side as usize - 1);
        let position = pixel as usize * spans;
        // The last pixel lies at the end of the last span, not at the start of one more.
        let first = (position / pixels).min(spans - 1);
        let x = (position - first * pixels) as f32 / pixels as f32;
        let weights = [
            x * (-0.5 + x * (1.0 - 0.5 * x)),
            1.0 + x * x * (-2.5 + 1.5 * x),
            x * (0.5 + x * (2.0 - 1.5 * x)),
            x * x * (-0.5 + 0.5 * x),
        ];
        Self { first, weights }
    }

    fn blend(&self, value: impl Fn(usize) -> f32) -> f32 {
        let [a, b, c, d] = self.weights;
        a * value(0) + b * value(1) + c * value(2) + d * value(3)
    }
}

/// Fills the outermost points of the grid by continuing its last two points in a straight line.
fn extrapolate(grid: &mut [f32]) {
    let continued = |last: f32, before: f32| 2.0 * last - before;
    for row in grid.chunks_exact_mut(PADDED) {
        row[0] = continued(row[1], row[2]);
        row[CELLS + 1] = continued(row[CELLS], row[CELLS - 1]);
    }
    let at = |row: usize, column: usize| row * PADDED + column;
    for column in 0..PADDED {
        grid[at(0, column)] = continued(grid[at(1, column)], grid[at(2, column)]);
        grid[at(CELLS + 1, column)] = continued(grid[at(CELLS, column)], grid[at(CELLS - 1, column)]);
    }
}

/// The numbers of pixels strictly between 20 % and 30 % of an area.
fn accepted_counts(area: usize) -> RangeInclusive<usize> {
    area / 5 + 1..=(3 * area - 1) / 10
}

/// Hides exactly the `count` lowest values; among equal ones the first, row by row.
fn hide_lowest(values: &[f32], count: usize, width: u32, height: u32) -> Mask {
    let mut sorted = values.to_vec();
    let (below, &mut threshold, _) = sorted.select_nth_unstable_by(count - 1, f32::total_cmp);
    let lower = below.iter().filter(|&&value| value < threshold).count();
    let mut ties = count - lower;
    hide_where(values, width, height, |value| {
        let tie = value == threshold && ties > 0;
        ties -= usize::from(tie);
        value < threshold || tie
    })
}

/// Hides the pixels whose value, row by row, passes the test.
fn hide_where(values: &[f32], width: u32, height: u32, mut is_hidden: impl FnMut(f32) -> bool) -> Mask {
    let mut values = values.iter();
    Mask::from_fn(width, height, |_, _| values.next().is_some_and(|&value| is_hidden(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise at a cell of the unpadded grid.
    fn cell(pattern: &RandomRegion, x: usize, y: usize) -> f32 {
        pattern.grid[(y + 1) * PADDED + x + 1]
    }

    fn below_threshold(values: &[f32]) -> f64 {
        let hidden = values.iter().filter(|&&value| value < THRESHOLD).count();
        hidden as f64 / values.len() as f64
    }

    #[test]
    fn the_corners_of_grid_and_pattern_are_aligned() {
        let pattern = RandomRegion::new(1);
        let last = SIDE - 1;
        assert_eq!(pattern.window(0, 0, 1, 1), [cell(&pattern, 0, 0)]);
        assert_eq!(pattern.window(last, 0, 1, 1), [cell(&pattern, 599, 0)]);
        assert_eq!(pattern.window(0, last, 1, 1), [cell(&pattern, 0, 599)]);
        assert_eq!(pattern.window(last, last, 1, 1), [cell(&pattern, 599, 599)]);
    }

    #[test]
    fn weights_by_hand() {
        // 5000 * 599 = 299 * 9999 + 5299: the pixel lies 5299/9999 of the way from grid point 299 to the
        // next. The padded grid has one point before the first, so point 298, the first of the four, is the
        // 299th there.
        let taps = Taps::at(5000, SIDE);
        assert_eq!(taps.first, 299);
        let x = 5299.0 / 9999.0;
        // The textbook form of the same kernel, by the distance from the pixel to each point, a = -1/2.
        let kernel = |distance: f64| match distance {
            d if d <= 1.0 => 1.5 * d.powi(3) - 2.5 * d.powi(2) + 1.0,
            d => -0.5 * (d.powi(3) - 5.0 * d.powi(2) + 8.0 * d - 4.0),
        };
        let expected = [1.0 + x, x, 1.0 - x, 2.0 - x].map(kernel);
        for (weight, expected) in taps.weights.iter().zip(expected) {
            assert!((f64::from(*weight) - expected).abs() < 1e-6, "{weight} {expected}");
        }
        assert_eq!(Taps::at(0, SIDE).weights, [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(Taps::at(SIDE - 1, SIDE).weights, [0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_linear_grid_stays_linear_to_its_edges() {
        // Catmull-Rom reproduces straight lines, and the extrapolation continues them.
        let mut pattern = RandomRegion::new(1);
        for (index, value) in pattern.grid.iter_mut().enumerate() {
            let (x, y) = (index % PADDED, index / PADDED);
            *value = if (1..=CELLS).contains(&x) && (1..=CELLS).contains(&y) {
                x as f32 - 1.0 + 2.0 * (y as f32 - 1.0)
            } else {
                f32::NAN
            };
        }
        extrapolate(&mut pattern.grid);
        for (left, top) in [(0, 0), (0, 9960), (9960, 0), (4000, 9960)] {
            let values = pattern.window(left, top, 40, 40);
            for (index, value) in (0..).zip(values) {
                let (x, y) = (left + index % 40, top + index / 40);
                let expected = f64::from(x + 2 * y) * 599.0 / 9999.0;
                assert!((f64::from(value) - expected).abs() < 2e-3, "({x}, {y}): {value} {expected}");
            }
        }
    }

    #[test]
    fn a_wider_cell_is_the_same_noise_enlarged() {
        let (fine, coarse) = (RandomRegion::new(4), RandomRegion::new(4).with_cell(50));
        let last = coarse.side - 1;
        assert_eq!(coarse.side, 30_000);
        assert_eq!(coarse.window(last, last, 1, 1), [cell(&fine, 599, 599)]);
        // 599 grid spans are 29 999 pixels wide: grid point 300 lies at pixel 15 025, all but a fiftieth.
        let near = coarse.window(15_025, 15_025, 1, 1)[0];
        assert!((near - cell(&fine, 300, 300)).abs() < 0.05, "{near}");
    }

    #[test]
    fn a_window_is_a_part_of_the_pattern() {
        let pattern = RandomRegion::new(2);
        let large = pattern.window(1000, 2000, 90, 50);
        let small = pattern.window(1030, 2020, 20, 10);
        for y in 0..10 {
            let row = &large[(20 + y) * 90 + 30..][..20];
            assert_eq!(row, &small[y * 20..][..20]);
        }
    }

    #[test]
    fn a_sixth_of_the_pattern_lies_below_the_threshold() {
        let pattern = RandomRegion::new(3);
        let on_grid = pattern.grid.iter().filter(|&&value| value < THRESHOLD).count();
        let on_grid = on_grid as f64 / pattern.grid.len() as f64;
        assert!((on_grid - 0.25).abs() < 0.005, "{on_grid}");
        // One band across the whole pattern: 600 x 60 cells.
        let in_pattern = below_threshold(&pattern.window(0, 3000, SIDE, 1000));
        assert!((in_pattern - 0.167).abs() < 0.005, "{in_pattern}");
    }

    #[test]
    fn large_windows_cover_the_whole_range() {
        let pattern = RandomRegion::new(5);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let fractions: Vec<_> =
            (0..12).map(|_| pattern.generate(512, 512, &mut rng).hidden_fraction()).collect();
        assert!(fractions.iter().all(|hidden| *hidden > 0.2 && *hidden < 0.3), "{fractions:?}");
        assert!(fractions.iter().any(|hidden| *hidden > 0.26), "{fractions:?}");
    }

    #[test]
    fn exactly_the_lowest_are_hidden() {
        let mask = hide_lowest(&[0.5, 0.1, 0.4, 0.1, 0.9, 0.4], 3, 3, 2);
        assert_eq!(mask.hidden(), [false, true, true, true, false, false]);
        let level = hide_lowest(&[0.5; 6], 2, 3, 2);
        assert_eq!(level.hidden(), [true, true, false, false, false, false]);
    }

    #[test]
    fn accepted_counts_exclude_both_ends() {
        assert_eq!(accepted_counts(100), 21..=29);
        assert_eq!(accepted_counts(64), 13..=19);
        assert_eq!(accepted_counts(128 * 128), 3277..=4915);
    }

    #[test]
    fn the_seed_decides_the_pattern() {
        assert_eq!(RandomRegion::new(6).grid, RandomRegion::new(6).grid);
        assert_ne!(RandomRegion::new(6).grid, RandomRegion::new(7).grid);
        assert_eq!(RandomRegion::default().grid, RandomRegion::new(20_160_425).grid);
    }

    #[test]
    #[should_panic(expected = "10000x10000 pixels, got a picture of 10001x64")]
    fn an_image_beyond_the_pattern_panics() {
        RandomRegion::new(1).generate(10_001, 64, &mut ChaCha8Rng::seed_from_u64(1));
    }
}
