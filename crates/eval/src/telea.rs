//! Telea's fill: fast marching from the rim inwards, each pixel from its known neighbourhood.

use std::{cmp::Reverse, collections::BinaryHeap};

use context_encoder_inpaint::{Fill, InpaintError, check_mask};
use context_encoder_mask::Mask;
use image::{Rgb, RgbImage};

/// How far a pixel's neighbourhood reaches, pixels (the article: 3 to 10).
const RADIUS: i32 = 5;

/// Keeps a weight of a neighbour at a right angle to the front above zero.
const MIN_WEIGHT: f32 = 1e-6;

/// The fast marching fill (Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004).
///
/// Hidden pixels are filled in the order of their distance from what is visible. Each is a weighted mean of
/// its known neighbours within 5 pixels, plus a step of at most 1.4 levels the way their gradients point.
/// Neighbours count more along the front's direction, when they are near, and when they are as far from the
/// rim.
///
/// The step is that of the article's program (and of OpenCV's). Its equation 2 has the gradients in full; in
/// photographs they are mostly texture, and continued across a hole they leave 11 dB where this leaves 18.
///
/// ```
/// use context_encoder_eval::Telea;
/// use context_encoder_inpaint::Fill;
/// use context_encoder_mask::Mask;
/// use image::{Rgb, RgbImage};
///
/// let wall = RgbImage::from_pixel(32, 32, Rgb([90, 80, 70]));
/// let mask = Mask::from_fn(32, 32, |x, y| (10..20).contains(&x) && (12..24).contains(&y));
/// assert_eq!(Telea.fill(&wall, &mask)?, wall);
/// # Ok::<(), context_encoder_inpaint::InpaintError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Telea;

impl Fill for Telea {
    fn name(&self) -> &str {
        "Telea"
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        check_mask(picture.dimensions(), mask)?;
        let (width, height) = picture.dimensions();
        let inside = Front::new(width as i32, height as i32, |x, y| mask.is_hidden(x as u32, y as u32));
        // The front's direction near the rim needs distances on its visible side too.
        let mut outside = Front::new(width as i32, height as i32, |x, y| !mask.is_hidden(x as u32, y as u32));
        outside.march(RADIUS as f32, |_, _| ());
        let mut painter = Painter {
            colors: picture.pixels().map(|pixel| pixel.0.map(f32::from)).collect(),
            // Rim pixels are at 0 from either side.
            beyond: outside.distances.into_iter().map(|distance| distance - 1.0).collect(),
        };
        let mut front = inside;
        front.march(f32::INFINITY, |front, at| painter.paint(front, at));
        let mut filled = picture.clone();
        for (pixel, (color, &hidden)) in filled.pixels_mut().zip(painter.colors.iter().zip(mask.hidden())) {
            if hidden {
                *pixel = Rgb(color.map(|value| value.round().clamp(0.0, 255.0) as u8));
            }
        }
        Ok(filled)
    }
}

/// State of a pixel in fast marching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The front has passed it.
    Known,
    /// It is on the front: it has a color, and a distance that may still shrink.
    Front,
    /// The front has not come to it.
    Unknown,
}

/// A front that moves from a region's rim inwards, at the same speed everywhere.
struct Front {
    width: i32,
    height: i32,
    states: Vec<State>,
    /// From the rim, pixels; infinite where the front has not come.
    distances: Vec<f32>,
    /// The front's pixels, nearest first. Distances are not negative, so their bits are in their order.
    waiting: BinaryHeap<Reverse<(u32, usize)>>,
}

impl Front {
    fn new(width: i32, height: i32, is_unknown: impl Fn(i32, i32) -> bool) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let states: Vec<State> =
            places.map(|(x, y)| if is_unknown(x, y) { State::Unknown } else { State::Known }).collect();
        let distance = |state: &State| if *state == State::Known { 0.0 } else { f32::INFINITY };
        let distances = states.iter().map(distance).collect();
        let mut front = Self { width, height, states, distances, waiting: BinaryHeap::new() };
        for at in 0..front.states.len() {
            let at_rim =
                front.neighbours(at).into_iter().flatten().any(|other| front.states[other] == State::Unknown);
            if front.states[at] == State::Known && at_rim {
                front.waiting.push(Reverse((0, at)));
            }
        }
        front
    }

    /// Moves until it is so far from the rim everywhere; each pixel is shown to `reached` once, when its
    /// distance is known for the first time.
    fn march(&mut self, farthest: f32, mut reached: impl FnMut(&Self, usize)) {
        while let Some(Reverse((bits, at))) = self.waiting.pop() {
            if f32::from_bits(bits) > farthest {
                return;
            }
            self.states[at] = State::Known;
            for other in self.neighbours(at).into_iter().flatten() {
                if self.states[other] == State::Known {
                    continue;
                }
                let distance = self.arrival(other);
                if distance < self.distances[other] {
                    self.distances[other] = distance;
                    self.waiting.push(Reverse((distance.to_bits(), other)));
                }
                if self.states[other] == State::Unknown {
                    self.states[other] = State::Front;
                    reached(self, other);
                }
            }
        }
    }

    /// When the front arrives at a pixel: the eikonal equation `|grad T| = 1`, solved from the earliest
    /// neighbour along x and the earliest along y.
    fn arrival(&self, at: usize) -> f32 {
        let [left, right, above, below] = self.neighbours(at).map(|other| {
            other
                .filter(|&other| self.states[other] == State::Known)
                .map_or(f32::INFINITY, |other| self.distances[other])
        });
        let (along, across) = (left.min(right), above.min(below));
        let (first, second) = (along.min(across), along.max(across));
        if second - first < 1.0 {
            let apart = second - first;
            (first + second + (2.0 - apart * apart).sqrt()) / 2.0
        } else {
            first + 1.0
        }
    }

    /// Left, right, above, below.
    fn neighbours(&self, at: usize) -> [Option<usize>; 4] {
        let (x, y) = self.place(at);
        [(-1, 0), (1, 0), (0, -1), (0, 1)].map(|(dx, dy)| self.at(x + dx, y + dy))
    }

    fn place(&self, at: usize) -> (i32, i32) {
        (at as i32 % self.width, at as i32 / self.width)
    }

    fn at(&self, x: i32, y: i32) -> Option<usize> {
        ((0..self.width).contains(&x) && (0..self.height).contains(&y)).then(|| (y * self.width + x) as usize)
    }

    /// The gradient of a value along x and y at a pixel, from those neighbours that have one; 0 where none
    /// has.
    fn gradient<const N: usize>(
        &self,
        at: usize,
        value: impl Fn(usize) -> Option<[f32; N]>,
    ) -> [[f32; N]; 2] {
        let [left, right, above, below] = self.neighbours(at).map(|other| other.and_then(&value));
        [(left, right), (above, below)].map(|(before, after)| {
            let here = || value(at).unwrap_or([0.0; N]);
            let (from, to, apart) = match (before, after) {
                (Some(before), Some(after)) => (before, after, 2.0),
                (Some(before), None) => (before, here(), 1.0),
                (None, Some(after)) => (here(), after, 1.0),
                (None, None) => return [0.0; N],
            };
            std::array::from_fn(|channel| (to[channel] - from[channel]) / apart)
        })
    }
}

/// What is filled.
struct Painter {
    colors: Vec<[f32; 3]>,
    /// Distances of visible pixels from the rim.
    beyond: Vec<f32>,
}

impl Painter {
    /// Fills the pixel that the front has come to.
    fn paint(&mut self, front: &Front, at: usize) {
        let has_color = |at: usize| front.states[at] != State::Unknown;
        // Signed: visible pixels are before the rim.
        let time = |at: usize| match front.distances[at] {
            0.0 => Some([-self.beyond[at].min(RADIUS as f32)]),
            distance => distance.is_finite().then_some([distance]),
        };
        let [[along], [across]] = front.gradient(at, time);
        let (x, y) = front.place(at);
        let [here] = time(at).unwrap_or_default();
        let (mut sum, mut steps, mut weights) = ([0.0; 3], [[0.0; 2]; 3], 0.0);
        for dy in -RADIUS..=RADIUS {
            for dx in -RADIUS..=RADIUS {
                let squared = dx * dx + dy * dy;
                if squared == 0 || squared > RADIUS * RADIUS {
                    continue;
                }
                let Some(other) = front.at(x + dx, y + dy) else { continue };
                if other == at || !has_color(other) {
                    continue;
                }
                let (dx, dy, squared) = (-dx as f32, -dy as f32, squared as f32); // from there to here
                let direction = ((dx * along + dy * across) / squared.sqrt()).abs().max(MIN_WEIGHT);
                let level = 1.0 / (1.0 + (here - time(other).unwrap_or_default()[0]).abs());
                let weight = direction * level / squared;
                let color = |at: usize| has_color(at).then(|| self.colors[at]);
                // The pixel itself has no color yet.
                let [by_x, by_y] =
                    front.gradient(other, |place| if place == at { None } else { color(place) });
                for channel in 0..3 {
                    sum[channel] += weight * self.colors[other][channel];
                    steps[channel][0] += weight * by_x[channel] * dx;
                    steps[channel][1] += weight * by_y[channel] * dy;
                }
                weights += weight;
            }
        }
        if weights > 0.0 {
            // Whole levels: what rounding leaves of a flat wall's gradient would be a step of full length.
            let step = steps.map(|[x, y]| (x + y) / (x.hypot(y) + f32::MIN_POSITIVE));
            self.colors[at] =
                [0, 1, 2].map(|channel| (sum[channel] / weights + step[channel]).round().clamp(0.0, 255.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_times_by_hand() {
        // A strip that is known at its left end: the front goes straight.
        let mut strip = Front::new(6, 1, |x, _| x > 0);
        strip.march(f32::INFINITY, |_, _| ());
        assert_eq!(strip.distances, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        // A corner between two known sides: (1 + 1 + sqrt 2) / 2.
        let mut corner = Front::new(3, 3, |x, y| x > 0 && y > 0);
        corner.march(f32::INFINITY, |_, _| ());
        let expected = 0.5_f32.sqrt(); // (0 + 0 + sqrt 2) / 2
        assert!((corner.distances[4] - expected).abs() < 1e-6);
        // From 0 above and 0.7071 to its left: (0.7071 + sqrt(2 - 0.5)) / 2.
        assert!((corner.distances[5] - (expected + 1.5_f32.sqrt()) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn single_hidden_pixel_by_hand() {
        // The front comes from all four sides, so it has no direction and neighbours weigh by distance and
        // level alone.
        let picture = RgbImage::from_fn(3, 3, |x, y| Rgb([if (x, y) == (2, 1) { 240 } else { 40 }; 3]));
        let mask = Mask::from_fn(3, 3, |x, y| (x, y) == (1, 1));
        let filled = Telea.fill(&picture, &mask).expect("usable");
        // The pixel is sqrt(1/2) inside, its sides are on the rim, its corners as far beyond it. Squared
        // distances are 1 and 2.
        let root = 0.5_f32.sqrt();
        let (side, corner) = (1.0 / (1.0 + root), 0.5 / (1.0 + 2.0 * root));
        // Two corners see a gradient down or up towards the bright side; the step along y is 1.
        let mean = (side * (3.0 * 40.0 + 240.0) + corner * 4.0 * 40.0) / (4.0 * (side + corner));
        let expected = mean + 1.0;
        let found = filled.get_pixel(1, 1)[0];
        assert!((f32::from(found) - expected).abs() <= 0.5, "{found}, not {expected}");
    }

    #[test]
    fn fill_stays_near_visible_values_and_visible_pixels_stay() {
        let picture = RgbImage::from_fn(40, 30, |x, y| {
            Rgb([(100 + x) as u8, (100 + y) as u8, (x * y % 30 + 100) as u8])
        });
        let brightest = picture.iter().max().copied().unwrap_or_default();
        for mask in [
            Mask::from_fn(40, 30, |x, y| (12..26).contains(&x) && (8..22).contains(&y)),
            Mask::from_fn(40, 30, |x, y| x < 9 || y > 25),
            Mask::from_fn(40, 30, |x, y| (x * 7 + y * 3) % 5 == 0),
        ] {
            let filled = Telea.fill(&picture, &mask).expect("usable");
            for ((x, y, pixel), was) in filled.enumerate_pixels().zip(picture.pixels()) {
                assert!(mask.is_hidden(x, y) || pixel == was);
                // Steps of up to 1.4 add up across the hole, 14 pixels at most.
                assert!(pixel.0.iter().all(|&value| (80..=brightest + 20).contains(&value)), "{pixel:?}");
            }
        }
    }
}
