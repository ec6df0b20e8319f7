//! Which squares of a picture a network looks at to fill a hole.

use std::collections::BTreeSet;

use context_encoder_mask::Rect;
use context_encoder_model::Prediction;

use crate::hole::Hole;

/// A square of the picture. It may reach beyond the picture, which is mirrored there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crop {
    /// Its leftmost column; negative beyond the picture.
    pub(crate) x: i64,
    /// Its uppermost row.
    pub(crate) y: i64,
    /// Pixels a side.
    pub(crate) side: u32,
    /// What of it is predicted, and how much the prediction counts.
    pub(crate) weighting: Weighting,
}

/// How the predictions for several crops are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weighting {
    /// The crop is its hole's only one of this round: all that the network predicts is taken as it is.
    Single,
    /// The central square of half the side counts, with Hann weights that fall to 0 towards its rim.
    /// Neighbouring crops lie a quarter of the side apart, so that their weights add up to one.
    Hann,
}

impl Crop {
    /// The square of `side` pixels whose centre is the centre of `rect`.
    pub(crate) fn around(rect: Rect, side: u32, weighting: Weighting) -> Self {
        let start =
            |first: u32, length: u32| i64::from(first) + (i64::from(length) - i64::from(side)).div_euclid(2);
        Self { x: start(rect.x, rect.width), y: start(rect.y, rect.height), side, weighting }
    }

    /// The part of a rectangle inside its central half.
    pub(crate) fn central_half(&self, rect: Rect) -> Option<Rect> {
        let quarter = i64::from(self.side / 4);
        let span = |start: i64, first: u32, end: u32| {
            let from = (start + quarter).max(i64::from(first));
            let to = (start + 3 * quarter).min(i64::from(end));
            (from < to).then_some((from as u32, (to - from) as u32))
        };
        let (x, width) = span(self.x, rect.x, rect.right())?;
        let (y, height) = span(self.y, rect.y, rect.bottom())?;
        Some(Rect { x, y, width, height })
    }

    /// The same square moved into the picture, or, where it is larger, so that the picture lies in its
    /// centre.
    pub(crate) fn moved_into(self, (width, height): (u32, u32)) -> Self {
        let moved = |start: i64, length: u32| {
            let room = i64::from(length) - i64::from(self.side);
            if room >= 0 { start.clamp(0, room) } else { room.div_euclid(2) }
        };
        Self { x: moved(self.x, width), y: moved(self.y, height), ..self }
    }
}

/// The network's side over the side of the smallest crop: a tiny hole is enlarged at most so much.
const MAX_ENLARGEMENT: u32 = 4;

/// The network's side over the side of the crops for scratches and wires. A scratch of 6 pixels on twelve
/// photographs, network for the centre of 128 pixels, unrefined: crops of 32 pixels that overlap by half give
/// 23.76 dB, of 64 pixels side by side, a sixteenth as many, 23.68 dB, of 128 pixels 22.93 dB, a smooth fill
/// 22.02 dB.
const TILE_ENLARGEMENT: u32 = 2;

/// A hole this many times longer than thick is filled piece by piece.
const THIN: u32 = 3;

/// The side of a piece's crop over the hole's thickness.
const THIN_CROP: u32 = 4;

/// Crops shrunk by more than this are followed by crops of half their side.
const MAX_SHRINK: u32 = 2;

/// A crop of a later round is used when at least this share of it is visible. Deep inside a hole a network
/// would see little but its own earlier prediction, and blur it: measured on 24 photographs with holes of 220
/// pixels, all crops give 16.97 dB, these 16.99 dB in half the time, none 16.80 dB (network for the centre,
/// 128 pixels).
const MIN_VISIBLE: f64 = 0.5;

/// What a network takes and predicts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InputSpec {
    /// Pixels a side of its input.
    pub(crate) side: u32,
    /// What of its input it predicts.
    pub(crate) prediction: Prediction,
    /// Pixels of the predicted square's rim that were visible in training, on each side.
    pub(crate) overlap: u32,
    /// Whether the mean with the prediction for the mirror image is taken.
    pub(crate) mirror: bool,
}

impl InputSpec {
    /// Whether it predicts the central square of half the side alone.
    pub(crate) fn predicts_centre(&self) -> bool {
        self.prediction == Prediction::Centre
    }

    /// What is hidden in the centre of a network's input in training.
    pub(crate) fn hidden_square(&self) -> Rect {
        let side = self.side / 2 - 2 * self.overlap;
        let start = self.side / 4 + self.overlap;
        Rect { x: start, y: start, width: side, height: side }
    }

    /// The crops for a hole, round by round, from coarse to fine: each round sees what the rounds before it
    /// filled.
    pub(crate) fn crops(&self, hole: &Hole, picture: (u32, u32)) -> Vec<Vec<Crop>> {
        let long = hole.side();
        let thickness = hole.thickness();
        let thin = long > self.side / 2 && long > THIN * thickness;
        let mut rounds = Vec::new();
        let mut side = if thin {
            // A network for whole pictures keeps its own scale: on sixty photographs under strokes of 14 to
            // 36 pixels as near to the truth (20.21 and 20.18 dB) with up to half as many crops.
            let least = if self.predicts_centre() { 0 } else { self.side.min(picture.0).min(picture.1) };
            let side = self.crop_side((THIN_CROP * thickness).max(least));
            rounds.push(overlapping(hole, side));
            side
        } else {
            let crop = self.single(hole, picture);
            rounds.push(vec![crop]);
            crop.side
        };
        while side > MAX_SHRINK * self.side {
            side = whole_blocks(side / 2, self.side);
            let crops = overlapping(hole, side).into_iter();
            rounds.push(crops.filter(|crop| visible_share(hole, crop) >= MIN_VISIBLE).collect());
        }
        rounds
    }

    /// Crops side by side, of which the central halves are tiles of the picture: those in which one of
    /// `places` lies.
    pub(crate) fn tiles(&self, places: &[(u32, u32)]) -> Vec<Crop> {
        let side = self.crop_side(self.side / TILE_ENLARGEMENT);
        let tile = side / 2;
        let tiles: BTreeSet<(u32, u32)> = places.iter().map(|&(x, y)| (y / tile, x / tile)).collect();
        let start = |number: u32| i64::from(number) * i64::from(tile) - i64::from(side / 4);
        let crop =
            |(row, column)| Crop { x: start(column), y: start(row), side, weighting: Weighting::Single };
        tiles.into_iter().map(crop).collect()
    }

    /// The crop for a hole that is predicted at once.
    fn single(&self, hole: &Hole, picture: (u32, u32)) -> Crop {
        let long = hole.side();
        if self.predicts_centre() {
            let square = self.hidden_square().width;
            let side = self.crop_side((long * self.side).div_ceil(square));
            Crop::around(hole.bounds, side, Weighting::Single)
        } else {
            // The network's own scale where the hole then takes a quarter to a half of the side.
            let side = self.crop_side(self.side.clamp(2 * long, 4 * long));
            let shorter = picture.0.min(picture.1);
            // Rather less of the picture than its mirror image, while the hole leaves something to see.
            let side = if side > shorter { self.crop_side(shorter.max(long + long / 3)) } else { side };
            Crop::around(hole.bounds, side, Weighting::Single).moved_into(picture)
        }
    }

    fn crop_side(&self, side: u32) -> u32 {
        whole_blocks(side.max(self.side / MAX_ENLARGEMENT), self.side)
    }
}

/// Pixels a side of the blocks of a crop that are averaged before resampling: from two to four blocks are
/// left for each pixel of the network's input, enough for the filter to decide the result.
pub(crate) fn block(crop_side: u32, input_side: u32) -> u32 {
    (crop_side / (2 * input_side)).max(1)
}

/// The smallest side of a crop, from `side` on, that whole blocks fill and that has a whole quarter.
pub(crate) fn whole_blocks(side: u32, input_side: u32) -> u32 {
    let step = |side: u32| 4 * block(side, input_side);
    let first = side.next_multiple_of(step(side));
    // A larger crop may have larger blocks.
    first.next_multiple_of(step(first))
}

/// Crops a quarter of their side apart whose central halves cover a hole and what touches it.
fn overlapping(hole: &Hole, side: u32) -> Vec<Crop> {
    let (frame, quarter) = (hole.frame, side / 4);
    let starts = |first: u32, length: u32| {
        (0..length.div_ceil(quarter) + 1)
            .map(move |step| i64::from(first) + i64::from(quarter) * (i64::from(step) - 2))
    };
    let crops = starts(frame.y, frame.height).flat_map(|y| {
        starts(frame.x, frame.width).map(move |x| Crop { x, y, side, weighting: Weighting::Hann })
    });
    crops.filter(|crop| touches(hole, crop)).collect()
}

/// Whether a crop's central half, or what lies beside it, holds a pixel of the hole.
fn touches(hole: &Hole, crop: &Crop) -> bool {
    let quarter = crop.side / 4;
    rows(hole, crop, i64::from(quarter) - 1).any(|row| row.contains(&true))
}

/// The share of a crop that the hole leaves visible.
fn visible_share(hole: &Hole, crop: &Crop) -> f64 {
    let hidden: usize = rows(hole, crop, 0).map(|row| row.iter().filter(|&&inside| inside).count()).sum();
    1.0 - hidden as f64 / f64::from(crop.side).powi(2)
}

/// The part of a hole's frame inside a crop without its outer `margin` pixels, row by row.
fn rows<'h>(hole: &'h Hole, crop: &Crop, margin: i64) -> impl Iterator<Item = &'h [bool]> {
    let frame = hole.frame;
    let span = |start: i64, first: u32, length: u32| {
        let inside = |place: i64| (place - i64::from(first)).clamp(0, i64::from(length)) as usize;
        inside(start + margin)..inside(start + i64::from(crop.side) - margin)
    };
    let columns = span(crop.x, frame.x, frame.width);
    span(crop.y, frame.y, frame.height)
        .map(move |y| &hole.inside[y * frame.width as usize..][columns.clone()])
}

#[cfg(test)]
mod tests {
    use context_encoder_mask::Mask;

    use super::*;

    const PICTURE: (u32, u32) = (1000, 800);

    fn spec(prediction: Prediction) -> InputSpec {
        InputSpec { side: 128, prediction, overlap: 0, mirror: false }
    }

    fn hole(is_hidden: impl FnMut(u32, u32) -> bool) -> Hole {
        Hole::whole(&Mask::from_fn(PICTURE.0, PICTURE.1, is_hidden)).expect("one")
    }

    fn square(x: u32, y: u32, side: u32) -> Hole {
        hole(move |column, row| (x..x + side).contains(&column) && (y..y + side).contains(&row))
    }

    #[test]
    fn crops_lie_around_holes_and_inside_pictures() {
        let hole = Rect { x: 10, y: 40, width: 20, height: 4 };
        let crop = Crop::around(hole, 40, Weighting::Single);
        assert_eq!((crop.x, crop.y), (0, 22));
        let inside = crop.moved_into((100, 50));
        assert_eq!((inside.x, inside.y), (0, 10));
        let larger = crop.moved_into((100, 30));
        assert_eq!((larger.x, larger.y), (0, -5));
    }

    #[test]
    fn crops_hold_whole_blocks_and_quarters() {
        for side in 1..4000 {
            let whole = whole_blocks(side, 128);
            assert!(whole >= side && whole.is_multiple_of(4) && whole.is_multiple_of(block(whole, 128)));
            assert!(whole - side < 8 * block(whole, 128), "{side}: {whole}");
            assert!(whole / block(whole, 128) <= 4 * 128);
        }
        assert_eq!([64, 128, 200].map(|side| whole_blocks(side, 128)), [64, 128, 200]);
    }

    #[test]
    fn hole_takes_the_central_half_of_a_centre_networks_crop() {
        for (start, side, crop_side) in [(300, 64, 128), (300, 50, 100), (0, 64, 128), (300, 3, 32)] {
            let rounds = spec(Prediction::Centre).crops(&square(start, 300, side), PICTURE);
            assert_eq!(rounds.len(), 1);
            let [crop] = rounds[0][..] else { panic!("one crop, not {:?}", rounds[0]) };
            assert_eq!(crop.side, crop_side);
            let expected = i64::from(start) + i64::from(side) / 2 - i64::from(crop_side) / 2;
            assert!((crop.x - expected).abs() <= 1, "{crop:?}");
        }
    }

    #[test]
    fn overlap_makes_the_crop_larger() {
        let authors = InputSpec { overlap: 4, ..spec(Prediction::Centre) };
        assert_eq!(authors.hidden_square(), Rect { x: 36, y: 36, width: 56, height: 56 });
        let rounds = authors.crops(&square(300, 300, 56), PICTURE);
        assert_eq!(rounds[0][0].side, 128);
    }

    #[test]
    fn whole_networks_crop_stays_in_the_picture_and_at_its_scale_where_it_can() {
        let rounds = spec(Prediction::Whole).crops(&square(0, 790, 10), PICTURE);
        assert_eq!((rounds[0][0].x, rounds[0][0].y, rounds[0][0].side), (0, 760, 40));
        let rounds = spec(Prediction::Whole).crops(&square(500, 300, 40), PICTURE);
        assert_eq!(rounds[0][0].side, 128);
    }

    #[test]
    fn large_holes_are_refined_near_their_rim() {
        let large = square(200, 200, 400);
        let rounds = spec(Prediction::Centre).crops(&large, PICTURE);
        let sides: Vec<u32> = rounds.iter().map(|round| round[0].side).collect();
        // halves, brought to whole blocks
        assert_eq!(sides, [804, 404, 204]);
        assert!(rounds[2].len() > 8);
        assert!(
            rounds[2].iter().all(|crop| visible_share(&large, crop) >= MIN_VISIBLE && touches(&large, crop))
        );
        assert!(rounds[2].len() < overlapping(&large, 204).len());
    }

    #[test]
    fn tiles_of_a_wire_lie_side_by_side() {
        let wire: Vec<(u32, u32)> = (10..900).map(|x| (x, 100 + x / 2)).collect();
        let crops = spec(Prediction::Centre).tiles(&wire);
        assert!(crops.len() < 60 && crops.iter().all(|crop| crop.side == 64));
        let picture = Rect { x: 0, y: 0, width: PICTURE.0, height: PICTURE.1 };
        for (x, y) in wire {
            let over = |crop: &&Crop| crop.central_half(picture).is_some_and(|half| half.contains(x, y));
            assert_eq!(crops.iter().filter(over).count(), 1, "({x}, {y})");
        }
        assert!(spec(Prediction::Centre).tiles(&[]).is_empty());
    }

    #[test]
    fn crops_for_a_stroke_are_no_larger_than_the_picture() {
        let stroke =
            Hole::whole(&Mask::from_fn(600, 40, |x, y| (100..400).contains(&x) && (15..29).contains(&y)));
        let rounds = spec(Prediction::Whole).crops(&stroke.expect("one"), (600, 40));
        assert_eq!(rounds[0][0].side, 4 * 14);
    }

    #[test]
    fn long_scratch_is_covered_piece_by_piece() {
        let scratch = hole(|x, y| y.abs_diff(100 + x / 2) < 5 && (100..900).contains(&x));
        for prediction in [Prediction::Centre, Prediction::Whole] {
            let rounds = spec(prediction).crops(&scratch, PICTURE);
            assert_eq!(rounds.len(), 1);
            let side = rounds[0][0].side;
            // a network for whole pictures sees them at its own scale
            assert!(rounds[0].len() > 20 && (side == 128) == (prediction == Prediction::Whole), "{side}");
            for (x, y, _) in scratch.pixels() {
                // the central halves of four crops meet in every place
                let over = |crop: &&Crop| {
                    let quarter = i64::from(crop.side / 4);
                    let inside = |start: i64, place: u32| {
                        (start + quarter..start + 3 * quarter).contains(&i64::from(place))
                    };
                    inside(crop.x, x) && inside(crop.y, y)
                };
                assert_eq!(rounds[0].iter().filter(over).count(), 4, "({x}, {y})");
            }
        }
    }
}
