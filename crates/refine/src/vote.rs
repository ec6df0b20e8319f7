//! What the matched patches say of each pixel of the hole.

use rayon::prelude::*;

use crate::{
    field::{Field, NONE},
    level::{Level, Texel},
    patch::RADIUS,
};

/// A patch counts less by this factor for each step that its centre lies inside the hole: what is near the
/// visible part is known better (Criminisi et al.; Wexler et al.).
const CONFIDENCE: f32 = 0.7;

/// Patches that are matched worse than this share of them count less than the rest.
const TYPICAL: f64 = 0.75;

/// How much each patch counts.
struct Weights(Vec<f32>);

impl Weights {
    /// Falls exponentially with the distance of the match and with the depth of the centre.
    fn new(level: &Level, field: &Field) -> Self {
        let mut inside: Vec<u32> =
            field.targets.iter().filter(|&&at| level.hole[at]).map(|&at| field.distances[at]).collect();
        let typical = if inside.is_empty() {
            1.0
        } else {
            let rank = (inside.len() - 1) as f64 * TYPICAL;
            (*inside.select_nth_unstable(rank as usize).1).max(1) as f32
        };
        let mut weights = vec![0.0; level.depths.len()];
        for &at in &field.targets {
            let match_weight = (-(field.distances[at] as f32) / typical).exp();
            let weight = match_weight * CONFIDENCE.powi(i32::from(level.depths[at]));
            weights[at] = weight.max(f32::MIN_POSITIVE);
        }
        Self(weights)
    }
}

/// Calls `count` for each patch over a pixel of the hole: with the pixel that it would copy there, and how
/// much it counts. Plain loops: chained iterators take twice as long.
#[inline(always)]
fn votes(level: &Level, field: &Field, weights: &Weights, pixel: usize, mut count: impl FnMut(usize, f32)) {
    let (x, y) = (pixel % level.width, pixel / level.width);
    let (left, right) = (x.saturating_sub(RADIUS), (x + RADIUS).min(level.width - 1));
    for row in y.saturating_sub(RADIUS)..=(y + RADIUS).min(level.height - 1) {
        let centres = row * level.width + left..row * level.width + right + 1;
        for (centre, (&source, &weight)) in
            centres.clone().zip(field.matches[centres.clone()].iter().zip(&weights.0[centres]))
        {
            if source != NONE {
                count(source as usize + pixel - centre, weight);
            }
        }
    }
}

/// Puts into the hole the weighted means of what the patches say.
pub(crate) fn mean(level: &mut Level, field: &Field) {
    let weights = Weights::new(level, field);
    let found: Vec<(usize, Texel)> = hole(level)
        .into_par_iter()
        .filter_map(|pixel| {
            let (mut sums, mut total) = ([0.0_f32; 4], 0.0);
            votes(level, field, &weights, pixel, |source, weight| {
                for (sum, value) in sums.iter_mut().zip(level.texels[source]) {
                    *sum += weight * f32::from(value);
                }
                total += weight;
            });
            (total > 0.0).then(|| (pixel, sums.map(|sum| (sum / total + 0.5) as u8)))
        })
        .collect();
    for (pixel, texel) in found {
        level.texels[pixel] = texel;
    }
}

/// For each pixel of the hole, the one that most patches would copy there: neighbours follow the same
/// patches, so that they come from the same place. A pixel that no patch covers stays what it is.
pub(crate) fn mode(level: &Level, field: &Field) -> Vec<(usize, usize)> {
    let weights = Weights::new(level, field);
    let most = |pixel: usize| {
        let mut candidates: Vec<(usize, f32)> = Vec::new();
        votes(level, field, &weights, pixel, |source, weight| {
            match candidates.iter_mut().find(|candidate| candidate.0 == source) {
                Some(candidate) => candidate.1 += weight,
                None => candidates.push((source, weight)),
            }
        });
        let best = candidates.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(source, _)| (pixel, source))
    };
    hole(level).into_par_iter().filter_map(most).collect()
}

fn hole(level: &Level) -> Vec<usize> {
    (0..level.hole.len()).filter(|&at| level.hole[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A single hidden pixel in a picture of columns, and a field in which all patches over it are matched
    /// `shift` columns to the left but the one around it, which is matched `other` columns to the left.
    fn column_picture(shift: usize, other: usize) -> (Level, Field, usize) {
        let (width, height) = (60, 20);
        let pixel = 10 * width + 40;
        let hole: Vec<bool> = (0..width * height).map(|at| at == pixel).collect();
        let texels = (0..width * height).map(|at| [(at % width) as u8, 0, 0, 9]).collect();
        let level = Level::new(width, height, texels, hole.clone(), hole);
        let mut field = Field::random(&level).expect("sources");
        for &target in &field.targets {
            let columns = if target == pixel { other } else { shift };
            field.matches[target] = (target - columns) as u32;
        }
        (level, field, pixel)
    }

    #[test]
    fn mean_by_hand() {
        let (mut level, field, pixel) = column_picture(20, 30);
        // 80 patches say column 20 and count 1 each; one says column 10, lies a step inside and counts 0.7
        mean(&mut level, &field);
        let expected = (80.0 * 20.0 + 0.7 * 10.0) / 80.7_f32;
        assert_eq!(level.texels[pixel], [(expected + 0.5) as u8, 0, 0, 9]);
    }

    #[test]
    fn mode_takes_what_most_patches_say_and_badly_matched_ones_count_less() {
        let (level, mut field, pixel) = column_picture(20, 30);
        assert_eq!(mode(&level, &field), [(pixel, pixel - 20)]);
        for &target in &field.targets {
            // all but the one around the pixel are matched far worse than is typical inside the hole
            field.distances[target] = if target == pixel { 10 } else { 1000 };
        }
        assert_eq!(mode(&level, &field), [(pixel, pixel - 30)]);
    }
}
