//! Sharp fills: the network's prediction leads, patches of the picture itself make the detail.

use std::{fmt, str::FromStr};

use context_encoder_mask::Mask;
use context_encoder_refine::{Window, expected_searches, shift_map};
use image::RgbImage;
use rayon::prelude::*;

use crate::{
    Fill, InpaintError,
    channel::{Channel, Image},
    copies::{Offset, SCREENING, above_neighbours, beside, find_copies, grown, positions},
    hole::{Hole, Parts},
    multigrid::Multigrid,
    pixel_set::PixelSet,
    progress::Progress,
    thin,
};

/// What becomes of a prediction once it is [blended](crate::Blend) into the picture.
///
/// A context encoder predicts what belongs into a hole and draws it softly. The paper names the remedy
/// (section 1): as initialisation of a non-parametric method, which completes the hole with patches of the
/// picture itself.
///
/// ```
/// use context_encoder_inpaint::Refine;
///
/// assert_eq!(Refine::default(), Refine::Patches);
/// assert_eq!("none".parse(), Ok(Refine::None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refine {
    /// The network's prediction stays: what the paper's tables measure.
    None,
    /// Patches that resemble the prediction are copied from around the hole
    /// ([`context_encoder_refine`]) and joined in the gradient domain; broad colors stay the
    /// prediction's. Where the picture has no patch to copy, the prediction stays.
    #[default]
    Patches,
}

impl Refine {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::None, Self::Patches];

    /// The name used on command lines and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patches => "patches",
        }
    }
}

impl fmt::Display for Refine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Refine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|refine| refine.name() == name);
        found.ok_or_else(|| format!("there is no refinement `{name}`; choose none or patches"))
    }
}

/// Any fill, completed by patches of the picture: [`Refine::Patches`] without a network.
///
/// ```
/// use context_encoder_inpaint::{Fill, Harmonic, WithPatches};
/// use context_encoder_mask::Mask;
/// use image::{Rgb, RgbImage};
///
/// let stripes = RgbImage::from_fn(90, 60, |x, _| Rgb([if x % 10 < 5 { 200 } else { 90 }; 3]));
/// let mask = Mask::from_fn(90, 60, |x, y| (30..60).contains(&x) && (20..40).contains(&y));
/// let filled = WithPatches::new(Harmonic).fill(&stripes, &mask)?;
/// let error: u32 = filled.iter().zip(stripes.iter()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
/// assert!(error / (3 * 30 * 20) < 20); // a smooth fill is off by 55
/// # Ok::<(), context_encoder_inpaint::InpaintError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WithPatches<F> {
    fill: F,
    name: String,
}

impl<F: Fill> WithPatches<F> {
    /// Completes what `fill` fills.
    pub fn new(fill: F) -> Self {
        let name = format!("{} and patches", fill.name());
        Self { fill, name }
    }

    /// Sets the name in tables.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

impl<F: Fill> Fill for WithPatches<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        let mut filled = self.fill.fill(picture, mask)?;
        complete_all(&mut filled, mask);
        Ok(filled)
    }
}

/// Completes whatever a mask hides.
fn complete_all<S: Channel>(predicted: &mut Image<S>, mask: &Mask) {
    let Parts { holes, thin } = Parts::find(mask, NEARBY);
    with_patches(predicted, mask, &holes, &thin.pixels, &Progress::silent());
}

/// Components of a mask that lie in a square of so many pixels are completed together.
const NEARBY: u32 = 32;

/// Patches are copied from as far from the hole as twice its longer side, within these bounds, pixels.
const MARGIN: [u32; 2] = [96, 512];

/// Holes up to this longer side are filled side by side; larger ones one after the other, each by all
/// threads, so that their windows are not in memory together.
const SMALL: u32 = 512;

/// Completes the parts of a picture whose hidden pixels hold the prediction.
pub(crate) fn with_patches<S: Channel>(
    predicted: &mut Image<S>,
    mask: &Mask,
    holes: &[Hole],
    thin: &PixelSet,
    progress: &Progress<'_>,
) {
    let (small, large): (Vec<&Hole>, Vec<&Hole>) = holes.iter().partition(|hole| hole.side() <= SMALL);
    let picture = &*predicted;
    let mut completed: Vec<_> =
        small.into_par_iter().map(|hole| complete(picture, mask, hole, progress)).collect();
    completed.extend(large.into_iter().map(|hole| complete(picture, mask, hole, progress)));
    completed.push(thin::complete(picture, mask, thin, progress));
    for (x, y, pixel) in completed.into_iter().flatten() {
        predicted.put_pixel(x, y, pixel);
    }
}

/// About how many patches are searched for to complete a hole.
pub(crate) fn work(hole: &Hole) -> u64 {
    expected_searches(hole.inside.iter().filter(|&&inside| inside).count(), hole.thickness())
}

/// The pixels of one hole: column, row and value.
fn complete<S: Channel>(
    picture: &Image<S>,
    mask: &Mask,
    hole: &Hole,
    progress: &Progress<'_>,
) -> Vec<(u32, u32, S::Pixel)> {
    let offsets = offsets(picture, mask, hole, progress);
    if offsets.iter().all(|&offset| offset == [0, 0]) {
        return Vec::new();
    }
    let colors = join(picture, hole, &offsets);
    let value = |at: usize| S::to_pixel(std::array::from_fn(|color| colors[color][at]));
    hole.pixels().map(|(x, y, at)| (x, y, value(at))).collect()
}

/// For each pixel of the hole's frame where its copy comes from; itself where there is none.
fn offsets<S: Channel>(picture: &Image<S>, mask: &Mask, hole: &Hole, progress: &Progress<'_>) -> Vec<Offset> {
    let [least, most] = MARGIN;
    let window = grown(hole.bounds, (2 * hole.side()).clamp(least, most), picture.dimensions());
    let in_hole = |(x, y)| hole.frame.contains(x, y) && hole.inside[hole.index(x, y)];
    let inside: Vec<bool> = positions(window).map(in_hole).collect();
    let mut offsets = vec![[0, 0]; hole.inside.len()];
    let search = |window: Window<'_>| shift_map(window, progress.part(|| work(hole)));
    for ((x, y), offset) in find_copies(picture, mask, window, &inside, search) {
        offsets[hole.index(x, y)] = offset;
    }
    offsets
}

/// Joins the copies: each color at each pixel of the frame, in `[-1, 1]`.
fn join<S: Channel>(picture: &Image<S>, hole: &Hole, offsets: &[Offset]) -> [Vec<f32>; 3] {
    let multigrid = Multigrid::screened(hole.frame.width as usize, &hole.inside, SCREENING);
    let size = picture.dimensions();
    let above_neighbours = |at: usize| {
        let (x, y) = hole.position(at);
        let beside = beside(x, y, size).map(|place| {
            let near = place.map(|(x, y)| hole.index(x, y));
            near.filter(|&near| hole.inside[near]).map(|near| offsets[near])
        });
        above_neighbours(picture, (x, y), offsets[at], beside)
    };
    let sources: Vec<[f32; 3]> = (0..hole.inside.len())
        .into_par_iter()
        .map(|at| if hole.inside[at] { above_neighbours(at) } else { [0.0; 3] })
        .collect();
    let seen = |at: usize| {
        let (x, y) = hole.position(at);
        S::normalized(picture.get_pixel(x, y))
    };
    [0, 1, 2].map(|color| {
        multigrid.solve_poisson(|at| seen(at)[color], |at| sources[at][color] + SCREENING * seen(at)[color])
    })
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn names_round_trip() {
        for refine in Refine::ALL {
            assert_eq!(refine.to_string().parse(), Ok(refine));
        }
        assert!("patch".parse::<Refine>().expect_err("unknown").contains("choose none or patches"));
    }

    /// Stripes of eight pixels, and a hole that was predicted as their mean.
    fn stripes(side: u32) -> (RgbImage, RgbImage, Mask) {
        let stripe = |x: u32| if x % 8 < 4 { Rgb([200, 60, 40]) } else { Rgb([90, 160, 220]) };
        let truth = RgbImage::from_fn(side, side, |x, _| stripe(x));
        let third = side / 3;
        let mask = Mask::from_fn(side, side, |x, y| {
            (third..2 * third).contains(&x) && (third..2 * third).contains(&y)
        });
        let predicted = RgbImage::from_fn(side, side, |x, y| {
            if mask.is_hidden(x, y) { Rgb([145, 110, 130]) } else { stripe(x) }
        });
        (truth, predicted, mask)
    }

    #[test]
    fn stripes_go_on_through_a_smooth_prediction() {
        let (truth, mut filled, mask) = stripes(72);
        let mean_error = |filled: &RgbImage| {
            let errors = filled.iter().zip(truth.iter()).map(|(a, b)| f64::from(a.abs_diff(*b)));
            errors.sum::<f64>() / f64::from(3 * 24 * 24)
        };
        assert!(mean_error(&filled) > 60.0);
        complete_all(&mut filled, &mask);
        let error = mean_error(&filled);
        assert!(error < 12.0, "{error} of 255");
        let visible =
            |(x, y): (u32, u32)| mask.is_hidden(x, y) || filled.get_pixel(x, y) == truth.get_pixel(x, y);
        assert!((0..72).all(|y| (0..72).all(|x| visible((x, y)))));
    }

    #[test]
    fn sixteen_bits_and_many_holes_at_once_give_the_same_picture() {
        let (_, mut eight, mask) = stripes(72);
        let deep = |value: u8| u16::from(value) * 257;
        let mut sixteen: Image<u16> = Image::from_fn(72, 72, |x, y| Rgb(eight.get_pixel(x, y).0.map(deep)));
        complete_all(&mut eight, &mask);
        complete_all(&mut sixteen, &mask);
        for (a, b) in eight.iter().zip(sixteen.iter()) {
            assert!(deep(*a).abs_diff(*b) <= 257, "{a} {b}");
        }
    }

    #[test]
    fn a_prediction_stays_where_there_is_nothing_to_copy() {
        let mask = Mask::from_fn(20, 20, |x, y| (4..16).contains(&x) && (4..16).contains(&y));
        let predicted = RgbImage::from_fn(20, 20, |x, y| Rgb([(x * 9) as u8, (y * 7) as u8, 50]));
        let mut filled = predicted.clone();
        complete_all(&mut filled, &mask);
        assert_eq!(filled, predicted); // no patch of 9x9 pixels is visible
    }

    #[test]
    fn constant_color_of_the_rim_is_kept_at_the_border_of_a_picture() {
        let mask = Mask::from_fn(80, 60, |x, y| x < 30 && y > 30);
        let mut filled = RgbImage::from_pixel(80, 60, Rgb([17, 99, 201]));
        complete_all(&mut filled, &mask);
        assert!(filled.pixels().all(|pixel| *pixel == Rgb([17, 99, 201])));
    }
}
