//! Average precision of rankings and of detections, as defined by PASCAL VOC.

use crate::{
    boxes::Detection,
    voc::{Label, Object},
};

/// How the curve of precision over recall becomes one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interpolation {
    /// VOC 2007: the mean, over recalls 0, 0.1, ..., 1, of the best precision at that recall or a higher one.
    ElevenPoint,
    /// VOC 2010 and later: the area below the curve after each precision has been raised to the best at a
    /// higher recall.
    AllPoint,
}

/// Average precision, 0 to 1, of items ranked by score, the highest first; equal scores keep their order.
///
/// With `p(k)` the fraction of positives among the first `k` and `r(k)` the fraction of all `positives` among
/// them, the curve is `P(r) = max over r(k) >= r of p(k)`; see [`Interpolation`] for what is taken of it.
/// `positives` may be more than the ranking holds, as when a detector misses some. Difficult items are
/// removed from the ranking.
///
/// NaN when there are no positives.
pub(crate) fn average_precision(
    ranking: &[(f32, Label)],
    positives: usize,
    interpolation: Interpolation,
) -> f64 {
    if positives == 0 {
        return f64::NAN;
    }
    let curve = curve(ranking, positives);
    match interpolation {
        Interpolation::ElevenPoint => {
            // Tenths, counted in whole positives, so that a recall of exactly 3/10 is not missed by rounding.
            let best = |tenth: usize| {
                let reached = |point: &&Point| point.found * 10 >= tenth * positives;
                curve.iter().filter(reached).map(|point| point.precision).fold(0.0, f64::max)
            };
            (0..=10).map(best).sum::<f64>() / 11.0
        }
        Interpolation::AllPoint => {
            let (mut area, mut best, mut right) = (0.0, 0.0_f64, None);
            for point in curve.iter().rev() {
                let next = right.replace(point.found).unwrap_or(point.found);
                area += (next - point.found) as f64 * best;
                best = best.max(point.precision);
            }
            (area + right.unwrap_or(0) as f64 * best) / positives as f64
        }
    }
}

/// A rank of the ranking that holds a positive.
struct Point {
    /// Positives up to here.
    found: usize,
    /// Their fraction among everything up to here.
    precision: f64,
}

fn curve(ranking: &[(f32, Label)], positives: usize) -> Vec<Point> {
    let mut ranked: Vec<_> = ranking.iter().filter(|(_, label)| *label != Label::Difficult).collect();
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut found = 0;
    let mut points = Vec::with_capacity(positives);
    for (rank, (_, label)) in ranked.into_iter().enumerate() {
        if *label == Label::Positive {
            found += 1;
            points.push(Point { found, precision: found as f64 / (rank + 1) as f64 });
        }
    }
    assert!(found <= positives, "{found} positives in the ranking, {positives} in all");
    points
}

/// Intersection over union from which on a detection matches an object (VOC).
const MATCH_IOU: f32 = 0.5;

/// Average precision of one class's detections in images with known objects, 0 to 1; NaN when there are none
/// to find.
///
/// Detections are taken in falling order of score. Each is compared with the object of its image that it
/// overlaps most. If their intersection over union is at least 0.5 it matches that object: a positive the
/// first time, a negative every further time, and neither when the object is difficult. Otherwise it is a
/// negative. (PASCAL VOC development kit.)
pub(crate) fn detection_average_precision(
    images: &[(Vec<Detection>, &[Object])],
    class: usize,
    interpolation: Interpolation,
) -> f64 {
    let of_class = |image: usize| {
        images[image]
            .0
            .iter()
            .filter(move |detection| detection.class == class)
            .map(move |found| (image, found))
    };
    let mut ranked: Vec<(usize, &Detection)> = (0..images.len()).flat_map(of_class).collect();
    ranked.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
    let mut matched: Vec<Vec<bool>> = images.iter().map(|(_, objects)| vec![false; objects.len()]).collect();
    let ranking: Vec<(f32, Label)> = ranked
        .into_iter()
        .map(|(image, found)| (found.score, match_object(found, images[image].1, &mut matched[image])))
        .collect();
    let objects = images.iter().flat_map(|(_, objects)| *objects);
    let positives = objects.filter(|object| object.class == class && !object.difficult).count();
    average_precision(&ranking, positives, interpolation)
}

fn match_object(detection: &Detection, objects: &[Object], matched: &mut [bool]) -> Label {
    let same_class = objects.iter().enumerate().filter(|(_, object)| object.class == detection.class);
    let ious = same_class.map(|(index, object)| (index, detection.rect.iou(&object.rect)));
    // The first of equals; `max_by` would take the last.
    let best = ious.fold(None, |best: Option<(usize, f32)>, new| match best {
        Some(best) if best.1 >= new.1 => Some(best),
        _ => Some(new),
    });
    match best {
        Some((index, iou)) if iou >= MATCH_IOU => {
            if objects[index].difficult {
                Label::Difficult
            } else if std::mem::replace(&mut matched[index], true) {
                Label::Negative
            } else {
                Label::Positive
            }
        }
        _ => Label::Negative,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Interpolation::*, *};
    use crate::{boxes::Rect, voc::Label::*};

    /// Ranks as text, the best first: `+` positive, `-` negative, `?` difficult.
    fn ranking(text: &str) -> Vec<(f32, Label)> {
        let label = |letter| match letter {
            '+' => Positive,
            '-' => Negative,
            _ => Difficult,
        };
        text.chars().enumerate().map(|(rank, letter)| (-(rank as f32), label(letter))).collect()
    }

    #[test]
    fn average_precision_worked_out_by_hand() {
        for (ranks, positives, eleven, all) in [
            // precisions 1, 2/3, 3/4, 4/7 at recalls .2 .4 .6 .8
            (
                "+-++--+---",
                5,
                (3.0 + 4.0 * 0.75 + 2.0 * 4.0 / 7.0) / 11.0,
                0.2 + 0.4 * 0.75 + 0.2 * 4.0 / 7.0,
            ),
            ("?+?-", 1, 1.0, 1.0),
            ("", 3, 0.0, 0.0),
            // recalls 0 to exactly 3/10 are reached, four of eleven
            ("+++", 10, 4.0 / 11.0, 0.3),
        ] {
            for (interpolation, expected) in [(ElevenPoint, eleven), (AllPoint, all)] {
                let value = average_precision(&ranking(ranks), positives, interpolation);
                assert!((value - expected).abs() < 1e-12, "{ranks} {interpolation:?}: {value}");
            }
        }
        assert!(average_precision(&ranking("?-"), 0, AllPoint).is_nan());
        let equal_scores = [(0.5, Negative), (0.5, Positive)];
        assert_eq!(average_precision(&equal_scores, 1, AllPoint), 0.5);
    }

    proptest! {
        #[test]
        fn perfect_rankings_are_one_and_none_is_better(ranks in "[+-]{0,20}[+][+-]{0,20}") {
            let given = ranking(&ranks);
            let perfect: Vec<_> =
                given.iter().map(|&(_, label)| (f32::from(label == Positive), label)).collect();
            let positives = ranks.matches('+').count();
            for interpolation in [ElevenPoint, AllPoint] {
                prop_assert!((average_precision(&perfect, positives, interpolation) - 1.0).abs() < 1e-12);
                let value = average_precision(&given, positives, interpolation);
                prop_assert!((0.0..=1.0 + 1e-12).contains(&value));
            }
        }
    }

    fn detection(x: f32, score: f32) -> Detection {
        Detection { class: 0, rect: Rect::new(x, 0.0, x + 10.0, 10.0), score }
    }

    fn object(x: f32, difficult: bool) -> Object {
        Object { class: 0, rect: detection(x, 0.0).rect, difficult }
    }

    #[test]
    fn each_object_matches_once_and_difficult_ones_never() {
        let first = [object(0.0, false), object(100.0, true)];
        let second = [object(0.0, false)];
        let of_first = vec![
            detection(1.0, 0.9),   // positive
            detection(2.0, 0.8),   // the same object again: negative
            detection(100.0, 0.7), // difficult: removed
            detection(101.0, 0.6), // difficult again: removed
        ];
        let of_second = vec![detection(6.0, 0.5), detection(3.0, 0.3)]; // IoU 4/16: negative; 7/13: positive
        let nothing_there = vec![detection(0.0, 0.4)]; // negative
        let images = [(of_first, &first[..]), (of_second, &second[..]), (nothing_there, &[][..])];
        // ranking + - - - +: precision 1 up to recall 1/2, then 2/5
        for (interpolation, expected) in
            [(AllPoint, 0.5 + 0.5 * 0.4), (ElevenPoint, (6.0 + 5.0 * 0.4) / 11.0)]
        {
            let value = detection_average_precision(&images, 0, interpolation);
            assert!((value - expected).abs() < 1e-12, "{interpolation:?}: {value}");
        }
        assert!(detection_average_precision(&images, 1, AllPoint).is_nan(), "another class");
    }

    #[test]
    fn detection_of_one_image() {
        let half = Detection { class: 0, rect: Rect::new(0.0, 0.0, 10.0, 5.0), score: 1.0 };
        for (detections, difficult, expected) in [
            (vec![half], false, 1.0), // an intersection over union of 1/2 is a match
            (vec![half], true, f64::NAN),
            (vec![], false, 0.0),
        ] {
            let objects = [object(0.0, difficult)];
            let value = detection_average_precision(&[(detections, &objects[..])], 0, AllPoint);
            assert!(value == expected || value.is_nan() && expected.is_nan(), "{value} is not {expected}");
        }
    }
}
