//! Average precision of boxes, as PASCAL VOC counts it.

use super::{Interpolation, Relevance, average_precision};
use crate::Rect;

/// Overlap from which on a box counts as found (VOC).
const ENOUGH: f32 = 0.5;

/// A box that a detector of one class found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Number of the picture.
    pub picture: usize,
    /// Where.
    pub rect: Rect,
    /// How sure, the higher the surer.
    pub score: f32,
}

/// A true object of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Number of the picture.
    pub picture: usize,
    /// Where.
    pub rect: Rect,
    /// Neither right nor wrong to find.
    pub difficult: bool,
}

/// Average precision of one class at an overlap of one half, 0 to 1; not a number when there is nothing to
/// find.
///
/// Detections are taken in falling order of score. Each is compared with the object of its picture that it
/// overlaps most. If intersection over union is at least 0.5 it has found that object: right the first time,
/// wrong every further time, and neither when the object is difficult. Otherwise it is wrong. (PASCAL VOC
/// development kit.)
///
/// ```
/// use context_encoder_transfer::{Rect, metric::{Detection, Interpolation, Truth, detection_precision}};
///
/// let rect = Rect::new(0.0, 0.0, 10.0, 10.0);
/// let truths = [Truth { picture: 0, rect, difficult: false }];
/// let twice = [0.9, 0.8].map(|score| Detection { picture: 0, rect, score });
/// assert_eq!(detection_precision(&twice, &truths, Interpolation::AllPoint), 1.0);
/// ```
pub fn detection_precision(detections: &[Detection], truths: &[Truth], how: Interpolation) -> f64 {
    let mut ranked: Vec<&Detection> = detections.iter().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = vec![false; truths.len()];
    let ranking: Vec<(f32, Relevance)> =
        ranked.into_iter().map(|detection| (detection.score, judge(detection, truths, &mut taken))).collect();
    let positives = truths.iter().filter(|truth| !truth.difficult).count();
    average_precision(&ranking, positives, how)
}

fn judge(detection: &Detection, truths: &[Truth], taken: &mut [bool]) -> Relevance {
    let here = truths.iter().enumerate().filter(|(_, truth)| truth.picture == detection.picture);
    let best = here.map(|(index, truth)| (index, detection.rect.iou(&truth.rect))).fold(
        None,
        |best: Option<(usize, f32)>, new| match best {
            Some(best) if best.1 >= new.1 => Some(best),
            _ => Some(new),
        },
    );
    match best {
        Some((index, overlap)) if overlap >= ENOUGH => {
            if truths[index].difficult {
                Relevance::Difficult
            } else if std::mem::replace(&mut taken[index], true) {
                Relevance::Negative
            } else {
                Relevance::Positive
            }
        }
        _ => Relevance::Negative,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32) -> Rect {
        Rect::new(x, 0.0, x + 10.0, 10.0)
    }

    fn detection(picture: usize, x: f32, score: f32) -> Detection {
        Detection { picture, rect: square(x), score }
    }

    fn truth(picture: usize, x: f32, difficult: bool) -> Truth {
        Truth { picture, rect: square(x), difficult }
    }

    #[test]
    fn each_truth_counts_once_and_difficult_ones_never() {
        let truths = [truth(0, 0.0, false), truth(0, 100.0, true), truth(1, 0.0, false)];
        let found = [
            detection(0, 1.0, 0.9),   // right
            detection(0, 2.0, 0.8),   // the same object again: wrong
            detection(0, 100.0, 0.7), // difficult: nothing
            detection(0, 101.0, 0.6), // difficult again: nothing
            detection(1, 6.0, 0.5),   // overlap 4/16: wrong
            detection(2, 0.0, 0.4),   // another picture: wrong
            detection(1, 3.0, 0.3),   // overlap 7/13: right
        ];
        // ranking + - - - +: precision 1 up to recall 1/2, then 2/5
        let all = detection_precision(&found, &truths, Interpolation::AllPoint);
        assert!((all - (0.5 + 0.5 * 0.4)).abs() < 1e-12, "{all}");
        let eleven = detection_precision(&found, &truths, Interpolation::ElevenPoint);
        assert!((eleven - (6.0 + 5.0 * 0.4) / 11.0).abs() < 1e-12, "{eleven}");
    }

    #[test]
    fn half_an_overlap_is_enough() {
        let truths = [Truth { picture: 0, rect: Rect::new(0.0, 0.0, 10.0, 10.0), difficult: false }];
        let half = Detection { picture: 0, rect: Rect::new(0.0, 0.0, 10.0, 5.0), score: 1.0 };
        assert_eq!(detection_precision(&[half], &truths, Interpolation::AllPoint), 1.0);
    }

    #[test]
    fn nothing_to_find_has_no_value() {
        assert!(detection_precision(&[], &[], Interpolation::AllPoint).is_nan());
        let difficult = [truth(0, 0.0, true)];
        assert!(detection_precision(&[detection(0, 0.0, 1.0)], &difficult, Interpolation::AllPoint).is_nan());
        assert_eq!(detection_precision(&[], &[truth(0, 0.0, false)], Interpolation::AllPoint), 0.0);
    }
}
