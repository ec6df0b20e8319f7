//! Which patch of the visible part is nearest to each patch that touches the hole: PatchMatch's
//! nearest-neighbour field.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    distance::{Guide, distance},
    level::Level,
    patch::RADIUS,
};

/// The patch has no match: it does not touch the hole.
pub(crate) const NONE: u32 = u32::MAX;

/// Patches that one task searches for. Each is searched for by itself, so results do not depend on it.
const CHUNK: usize = 512;

/// How far propagation reaches besides the direct neighbours, in turn: a good match spreads over the hole in
/// a few iterations although all patches are searched for at once (jump flooding).
const JUMPS: [usize; 3] = [1, 4, 2];

/// The nearest-neighbour field of one level.
pub(crate) struct Field {
    /// Centres of the patches that touch the hole, in the order of rows.
    pub(crate) targets: Vec<usize>,
    /// For each pixel of the level, the centre of the patch that is nearest to its own; [`NONE`] elsewhere.
    pub(crate) matches: Vec<u32>,
    /// How far the two are apart.
    pub(crate) distances: Vec<u32>,
    /// Which matches the last iteration has found.
    is_new: Vec<bool>,
}

impl Field {
    /// Matches drawn at random; none when no patch is visible as a whole.
    pub(crate) fn random(level: &Level) -> Option<Self> {
        Self::new(level, |_| None)
    }

    /// The matches of a level of half the size, at this one's scale. Beside the picture's border, where no
    /// patch of the half level has its centre, those of the nearest one.
    pub(crate) fn doubled(&self, half: &Level, level: &Level) -> Option<Self> {
        Self::new(level, |target| {
            let (x, y) = (target % level.width, target / level.width);
            let centre = |place: usize, length: usize| (place / 2).clamp(RADIUS, length - 1 - RADIUS);
            let parent = centre(y, half.height) * half.width + centre(x, half.width);
            let source = self.matches[parent];
            if source == NONE {
                return None;
            }
            let shift = |source: usize, parent: usize| 2 * (source as isize - parent as isize);
            let source = source as usize;
            let x = x.checked_add_signed(shift(source % half.width, parent % half.width))?;
            let y = y.checked_add_signed(shift(source / half.width, parent / half.width))?;
            (x < level.width && y < level.height).then_some(y * level.width + x)
        })
    }

    /// Takes the first match where it is a source, and one at random elsewhere.
    fn new(level: &Level, first: impl Fn(usize) -> Option<usize>) -> Option<Self> {
        let sources: Vec<u32> =
            (0..level.is_source.len() as u32).filter(|&at| level.is_source[at as usize]).collect();
        let count = sources.len() as u64;
        if count == 0 {
            return None;
        }
        let targets = level.targets();
        let mut matches = vec![NONE; level.is_source.len()];
        for &target in &targets {
            let drawn = || sources[(mixed(target as u64) % count) as usize];
            let first = first(target).filter(|&source| level.is_source[source]);
            matches[target] = first.map_or_else(drawn, |source| source as u32);
        }
        let (distances, is_new) = (vec![0; matches.len()], vec![true; matches.len()]);
        Some(Self { targets, matches, distances, is_new })
    }

    /// Looks for nearer patches, `iterations` times over: those that follow from the neighbours' matches
    /// (propagation), and some at random in ever smaller squares around the best so far (Barnes et al.,
    /// "PatchMatch", 2009). `seed` draws others.
    pub(crate) fn search(&mut self, level: &Level, guide: &Guide, iterations: usize, seed: u64) {
        for iteration in 0..iterations {
            let search = Search {
                level,
                guide,
                field: self,
                distances_known: iteration > 0,
                jump: JUMPS[iteration % JUMPS.len()],
                seed: mixed(seed << 8 | iteration as u64),
            };
            let best = |targets| ARCH.dispatch(Chunk { search: &search, targets });
            let found: Vec<Vec<(u32, u32)>> = self.targets.par_chunks(CHUNK).map(best).collect();
            for (&target, (source, distance)) in self.targets.iter().zip(found.into_iter().flatten()) {
                self.is_new[target] = self.matches[target] != source;
                self.matches[target] = source;
                self.distances[target] = distance;
            }
        }
    }
}

/// The vector unit of this processor.
static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// One iteration.
struct Search<'a> {
    level: &'a Level,
    guide: &'a Guide,
    field: &'a Field,
    distances_known: bool,
    jump: usize,
    seed: u64,
}

/// Some targets of one iteration.
struct Chunk<'a> {
    search: &'a Search<'a>,
    targets: &'a [usize],
}

impl WithSimd for Chunk<'_> {
    type Output = Vec<(u32, u32)>;

    /// A plain loop: the functions of iterators would not be compiled for the vector unit.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut found = Vec::with_capacity(self.targets.len());
        for &target in self.targets {
            found.push(self.search.best(target));
        }
        found
    }
}

/// The best match of a target so far.
struct Best {
    source: usize,
    distance: u32,
}

impl Search<'_> {
    /// The best match found for a target, and its distance. All of it is inlined, so that it is compiled for
    /// the vector unit.
    #[inline(always)]
    fn best(&self, target: usize) -> (u32, u32) {
        let Self { level, guide, field, .. } = *self;
        let source = field.matches[target] as usize;
        let known = self.distances_known;
        let distance =
            if known { field.distances[target] } else { distance(level, guide, target, source, u32::MAX) };
        let mut best = Best { source, distance };
        let distances = if self.jump == 1 { &[1][..] } else { &[1, self.jump] };
        for unit in [1, level.width] {
            for &away in distances {
                for neighbour in [target.wrapping_sub(away * unit), target + away * unit] {
                    // A row's end is no neighbour of the next row's start, but its match is as good as any.
                    let Some(&source) = field.matches.get(neighbour) else { continue };
                    // What a direct neighbour had before has been tried.
                    if source != NONE && (away > 1 || !known || field.is_new[neighbour]) {
                        let source = (source as usize + target).wrapping_sub(neighbour);
                        self.consider(target, source, &mut best);
                    }
                }
            }
        }
        let mut radius = level.width.max(level.height);
        let mut draw = mixed(self.seed ^ ((target as u64) << 32));
        let place = |source: usize| (source as u32 % level.width as u32, source as u32 / level.width as u32);
        let (mut centre, (mut x, mut y)) = (best.source, place(best.source));
        while radius > 0 {
            draw = mixed(draw);
            let side = 2 * radius as u64 + 1;
            let drawn = |bits: u64| (((bits & 0xffff_ffff) * side) >> 32) as usize;
            if centre != best.source {
                centre = best.source;
                (x, y) = place(centre);
            }
            let x = (x as usize + drawn(draw)).wrapping_sub(radius);
            let y = (y as usize + drawn(draw >> 32)).wrapping_sub(radius);
            if x < level.width && y < level.height {
                self.consider(target, y * level.width + x, &mut best);
            }
            radius /= 2;
        }
        (best.source as u32, best.distance)
    }

    #[inline(always)]
    fn consider(&self, target: usize, source: usize, best: &mut Best) {
        if source != best.source && self.level.is_source.get(source) == Some(&true) {
            let distance = distance(self.level, self.guide, target, source, best.distance);
            if distance < best.distance {
                *best = Best { source, distance };
            }
        }
    }
}

/// A number that looks drawn at random (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that repeats after `period` columns, and a hole that holds the truth.
    fn repeating(period: usize) -> Level {
        let (width, height) = (96, 48);
        let noise = |at: usize| mixed((at % width % period + at / width * period) as u64).to_le_bytes();
        let texel = |at: usize| std::array::from_fn(|channel| noise(at)[channel]);
        let hole: Vec<bool> = (0..width * height)
            .map(|at| (40..56).contains(&(at % width)) && (16..32).contains(&(at / width)))
            .collect();
        Level::new(width, height, (0..width * height).map(texel).collect(), hole.clone(), hole)
    }

    fn found(level: &Level, threads: usize) -> (Vec<u32>, Vec<u32>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let guide = Guide { texels: level.texels.clone(), weight: 1 };
            let mut field = Field::random(level).expect("sources");
            (0..6).for_each(|seed| field.search(level, &guide, 3, seed));
            (field.matches, field.distances)
        })
    }

    #[test]
    fn search_finds_the_repetition_of_noise() {
        let level = repeating(32);
        let (matches, distances) = found(&level, 2);
        for target in level.targets() {
            assert_eq!(distances[target], 0, "target {target}");
            assert!(level.is_source[matches[target] as usize]);
            assert!((matches[target] as usize).abs_diff(target).is_multiple_of(32));
        }
    }

    #[test]
    fn number_of_threads_does_not_matter() {
        let level = repeating(31);
        assert_eq!(found(&level, 1), found(&level, 5));
    }

    #[test]
    fn doubled_matches_lie_twice_as_far() {
        let level = repeating(32);
        let half = level.halved();
        let mut field = Field::random(&half).expect("sources");
        let target = 12 * half.width + 24; // in the hole
        field.matches[target] = (target - 16) as u32;
        let doubled = field.doubled(&half, &level).expect("sources");
        let (x, y) = (2 * (target % half.width), 2 * (target / half.width));
        let children = [0, 1, level.width, level.width + 1].map(|child| y * level.width + x + child);
        for child in children {
            assert_eq!(doubled.matches[child] as usize, child - 32);
        }
    }

    #[test]
    fn matches_are_doubled_up_to_the_border_of_the_picture() {
        let (width, height) = (96, 48);
        let hole: Vec<bool> = (0..width * height).map(|at| at % width < 20 && at / width < 20).collect();
        let texels = vec![[0; 4]; width * height];
        let level = Level::new(width, height, texels, hole.clone(), hole);
        let half = level.halved();
        let mut field = Field::random(&half).expect("sources");
        for &target in &field.targets {
            field.matches[target] = (target + 20) as u32;
        }
        let doubled = field.doubled(&half, &level).expect("sources");
        for &target in &doubled.targets {
            assert_eq!(doubled.matches[target] as usize, target + 40);
        }
    }

    #[test]
    fn nothing_visible_as_a_whole_patch_gives_no_field() {
        let hole: Vec<bool> = (0..20 * 20).map(|at| (6..14).contains(&(at % 20))).collect();
        let level = Level::new(20, 20, vec![[0; 4]; 400], hole.clone(), hole);
        assert!(Field::random(&level).is_none());
    }
}
