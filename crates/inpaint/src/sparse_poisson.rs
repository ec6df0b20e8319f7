//! Laplace's and Poisson's equations on thin sets of pixels, in memory and time by the pixel.

use rayon::prelude::*;

use crate::{
    conjugate_gradients::{CHUNK, System, conjugate_gradients},
    copies::beside,
    pixel_set::PixelSet,
};

/// No unknown neighbour.
const NONE: u32 = u32::MAX;

/// Laplace's equation on a set of pixels: each equals the mean of its neighbours in the picture. Pixels
/// outside the set are known; across the picture's border the gradient is zero.
///
/// Conjugate gradients, preconditioned by the diagonal. Their number of iterations grows with the thickness
/// of the set, so thick holes are for [`Multigrid`](crate::multigrid::Multigrid).
///
/// Every connected part of the set must touch a known pixel. Holds 17 bytes a pixel, and 20 more for each
/// system that is being solved.
pub(crate) struct SparsePoisson<'a> {
    pixels: &'a PixelSet,
    /// Width and height of the picture.
    size: (u32, u32),
    /// For each pixel, the numbers of its unknown neighbours: left, right, above and below.
    links: Vec<[u32; 4]>,
    /// For each pixel, how many neighbours it has in the picture.
    neighbours: Vec<u8>,
}

impl<'a> SparsePoisson<'a> {
    /// For the pixels of a set in a picture of this width and height.
    pub(crate) fn new(pixels: &'a PixelSet, size: (u32, u32)) -> Self {
        let mut links = vec![[NONE; 4]; pixels.len()];
        for (run, first) in pixels.runs() {
            for at in first + 1..first + (run.end - run.start) as usize {
                links[at][0] = (at - 1) as u32;
                links[at - 1][1] = at as u32;
            }
        }
        for (upper, lower) in pixels.vertical_neighbours() {
            links[upper][3] = lower as u32;
            links[lower][2] = upper as u32;
        }
        let count = |(x, y)| beside(x, y, size).iter().flatten().count() as u8;
        let neighbours = pixels.positions().map(count).collect();
        Self { pixels, size, links, neighbours }
    }

    /// The numbers of a pixel's neighbours that are unknown: left, right, above and below.
    pub(crate) fn unknown_neighbours(&self, at: usize) -> [Option<usize>; 4] {
        self.links[at].map(|link| (link != NONE).then_some(link as usize))
    }

    /// The solution where each pixel, times the number of its neighbours in the picture and `screening`
    /// together, less the sum of its neighbours, is `source(number)`. `known(x, y)` is asked for at known
    /// pixels beside the set only.
    pub(crate) fn solve(
        &self,
        screening: f32,
        known: impl Fn(u32, u32) -> f32,
        source: impl Fn(usize) -> f32,
    ) -> Vec<f32> {
        let right_hand_side = |(at, (x, y)): (usize, (u32, u32))| {
            let beside = beside(x, y, self.size).into_iter().zip(self.links[at]);
            let known_beside = beside.filter(|&(_, link)| link == NONE).filter_map(|(place, _)| place);
            source(at) + known_beside.map(|(x, y)| known(x, y)).sum::<f32>()
        };
        let right_hand_side = self.pixels.positions().enumerate().map(right_hand_side).collect();
        let mut system = Diagonal { equations: self, screening, scaled: vec![0.0; self.links.len()] };
        conjugate_gradients(&mut system, right_hand_side).0
    }
}

/// The equations with their diagonal as the preconditioner.
struct Diagonal<'a> {
    equations: &'a SparsePoisson<'a>,
    screening: f32,
    scaled: Vec<f32>,
}

impl Diagonal<'_> {
    fn diagonal(&self, at: usize) -> f32 {
        f32::from(self.equations.neighbours[at]) + self.screening
    }
}

impl System for Diagonal<'_> {
    const MAX_ITERATIONS: usize = 1000;

    fn apply(&self, u: &[f32], product: &mut [f32]) {
        product.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, product)| {
            for (at, product) in (chunk * CHUNK..).zip(product) {
                let value = |&link: &u32| u.get(link as usize).copied().unwrap_or(0.0);
                let beside: f32 = self.equations.links[at].iter().map(value).sum();
                *product = self.diagonal(at) * u[at] - beside;
            }
        });
    }

    fn precondition(&mut self, right_hand_side: &[f32]) -> &[f32] {
        let mut scaled = std::mem::take(&mut self.scaled);
        scaled.par_chunks_mut(CHUNK).zip(right_hand_side.par_chunks(CHUNK)).enumerate().for_each(
            |(chunk, (scaled, values))| {
                for (at, (scaled, value)) in (chunk * CHUNK..).zip(scaled.iter_mut().zip(values)) {
                    *scaled = value / self.diagonal(at);
                }
            },
        );
        self.scaled = scaled;
        &self.scaled
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_mask::Mask;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        components::{Run, connected_components},
        multigrid::Multigrid,
    };

    fn pixel_set(mask: &Mask) -> PixelSet {
        PixelSet::new(connected_components(mask).into_iter().flat_map(|component| component.runs).collect())
    }

    fn noise(x: u32, y: u32) -> f32 {
        let mixed = ((u64::from(x) << 20) | (u64::from(y) + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed >> 40) as f32) / (1 << 24) as f32 * 2.0 - 1.0
    }

    /// Laplace's and the screened Poisson equation, against multigrid on the whole picture.
    fn assert_as_multigrid(mask: &Mask) {
        let (size, pixels) = ((mask.width(), mask.height()), pixel_set(mask));
        let sparse = SparsePoisson::new(&pixels, size);
        let places: Vec<_> = pixels.positions().collect();
        for (screening, strength) in [(0.0, 0.0), (0.03, 0.1)] {
            let value = |x: u32, y: u32| strength * noise(x + 100, y);
            let found = sparse.solve(screening, noise, |at| value(places[at].0, places[at].1));
            let place = |at: usize| (at as u32 % size.0, at as u32 / size.0);
            let multigrid = Multigrid::screened(size.0 as usize, mask.hidden(), screening);
            let expected = multigrid
                .solve_poisson(|at| noise(place(at).0, place(at).1), |at| value(place(at).0, place(at).1));
            for (&(x, y), found) in places.iter().zip(found) {
                let expected = expected[(y * size.0 + x) as usize];
                assert!((found - expected).abs() < 2e-5, "({x}, {y}): {found}, not {expected}");
            }
        }
    }

    #[test]
    fn straight_line_between_two_known_pixels() {
        let pixels = PixelSet::new(vec![Run { y: 0, start: 1, end: 4 }]);
        let solved = SparsePoisson::new(&pixels, (5, 1)).solve(0.0, |x, _| x as f32, |_| 0.0);
        assert!(solved.iter().zip([1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-5), "{solved:?}");
        // at the picture's border the gradient is zero
        let solved = SparsePoisson::new(&pixels, (4, 1)).solve(0.0, |_, _| 0.5, |_| 0.0);
        assert!(solved.iter().all(|value| (value - 0.5).abs() < 1e-5), "{solved:?}");
    }

    #[test]
    fn scratches_agree_with_multigrid() {
        assert_as_multigrid(&Mask::from_fn(150, 110, |x, y| x.abs_diff(y) < 5 || (x + 2 * y) % 67 < 3));
    }

    proptest! {
        #[test]
        fn any_small_mask_agrees_with_multigrid(flags in proptest::collection::vec(0..10_u8, 13 * 9), share in 1..10_u8) {
            let mask = Mask::new(13, 9, flags.into_iter().map(|draw| draw < share).collect()).expect("a rectangle");
            prop_assume!(!mask.is_full());
            assert_as_multigrid(&mask);
        }
    }
}
