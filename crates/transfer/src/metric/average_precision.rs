//! Average precision of a ranking, as PASCAL VOC counts it.

/// How the curve of precision over recall becomes one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// VOC 2007: the mean, over recalls 0, 0.1, ..., 1, of the best precision at that recall or a higher one.
    #[default]
    ElevenPoint,
    /// VOC 2010 and later: the area below the curve after each precision has been raised to the best at a
    /// higher recall.
    AllPoint,
}

/// What an item of a ranking is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relevance {
    /// What was looked for.
    Positive,
    /// Something else.
    Negative,
    /// Neither right nor wrong to find: VOC's difficult objects. It leaves the ranking without a trace.
    Difficult,
}

/// Average precision, 0 to 1, of items ranked by score, the highest first; equal scores keep their order.
///
/// With `p(k)` the share of positives among the first `k` and `r(k)` the share of all `positives` among them,
/// the curve is `P(r) = max over r(k) >= r of p(k)`; see [`Interpolation`] for what is taken of it.
/// `positives` may be more than the ranking holds, as when a detector misses some.
///
/// Not a number when there are no positives; [`mean`] leaves such classes out.
///
/// ```
/// use context_encoder_transfer::metric::{Interpolation, Relevance::*, average_precision};
///
/// // found, wrong, found: precision 1 up to recall 1/2, then 2/3
/// let ranking = [(0.9, Positive), (0.8, Negative), (0.7, Positive)];
/// let eleven = average_precision(&ranking, 2, Interpolation::ElevenPoint);
/// assert!((eleven - (6.0 + 5.0 * 2.0 / 3.0) / 11.0).abs() < 1e-12);
/// let all = average_precision(&ranking, 2, Interpolation::AllPoint);
/// assert!((all - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
/// ```
pub fn average_precision(ranking: &[(f32, Relevance)], positives: usize, how: Interpolation) -> f64 {
    if positives == 0 {
        return f64::NAN;
    }
    let curve = curve(ranking, positives);
    match how {
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

/// A place of the ranking where a positive stands.
struct Point {
    /// Positives up to here.
    found: usize,
    /// Their share among everything up to here.
    precision: f64,
}

fn curve(ranking: &[(f32, Relevance)], positives: usize) -> Vec<Point> {
    let mut ranked: Vec<_> = ranking.iter().filter(|(_, kind)| *kind != Relevance::Difficult).collect();
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut found = 0;
    let mut points = Vec::with_capacity(positives);
    for (place, (_, kind)) in ranked.into_iter().enumerate() {
        if *kind == Relevance::Positive {
            found += 1;
            points.push(Point { found, precision: found as f64 / (place + 1) as f64 });
        }
    }
    assert!(found <= positives, "{found} positives in the ranking, {positives} in all");
    points
}

/// The mean of the classes' values; classes without a value (not a number) are left out. 0 when none has one.
///
/// ```
/// assert_eq!(context_encoder_transfer::metric::mean(&[0.5, f64::NAN, 1.0]), 0.75);
/// ```
pub fn mean(values: &[f64]) -> f64 {
    let (sum, count) = values
        .iter()
        .filter(|value| !value.is_nan())
        .fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Interpolation::*, Relevance::*, *};

    #[test]
    fn ten_places_worked_out_by_hand() {
        // + - + + - - + - - -   of five positives: precisions 1, 2/3, 3/4, 4/7 at recalls .2 .4 .6 .8
        let kinds = [
            Positive, Negative, Positive, Positive, Negative, Negative, Positive, Negative, Negative,
            Negative,
        ];
        let ranking: Vec<_> = kinds.iter().enumerate().map(|(i, &kind)| (1.0 - i as f32, kind)).collect();
        let eleven = (3.0 * 1.0 + 4.0 * 0.75 + 2.0 * 4.0 / 7.0) / 11.0;
        assert!((average_precision(&ranking, 5, ElevenPoint) - eleven).abs() < 1e-12);
        let all = 0.2 * 1.0 + 0.4 * 0.75 + 0.2 * 4.0 / 7.0;
        assert!((average_precision(&ranking, 5, AllPoint) - all).abs() < 1e-12);
    }

    #[test]
    fn difficult_items_leave_no_trace() {
        let ranking = [(0.9, Difficult), (0.8, Positive), (0.7, Difficult), (0.6, Negative)];
        for how in [ElevenPoint, AllPoint] {
            assert_eq!(average_precision(&ranking, 1, how), 1.0);
            assert!(average_precision(&ranking[..1], 0, how).is_nan());
            assert_eq!(average_precision(&[], 3, how), 0.0);
        }
    }

    #[test]
    fn equal_scores_keep_their_order() {
        let ranking = [(0.5, Negative), (0.5, Positive)];
        assert_eq!(average_precision(&ranking, 1, AllPoint), 0.5);
    }

    #[test]
    fn three_tenths_are_reached() {
        // 3 of 10 found, all at once: recalls 0 to 0.3 count, four of eleven
        let ranking = [(0.9, Positive), (0.8, Positive), (0.7, Positive)];
        assert!((average_precision(&ranking, 10, ElevenPoint) - 4.0 / 11.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn perfect_rankings_are_one_and_none_is_better(kinds in prop::collection::vec(any::<bool>(), 1..40)) {
            let kind = |&positive: &bool| if positive { Positive } else { Negative };
            let positives = kinds.iter().filter(|&&positive| positive).count();
            prop_assume!(positives > 0);
            let perfect: Vec<_> = kinds.iter().map(|p| (f32::from(u8::from(*p)), kind(p))).collect();
            let given: Vec<_> = kinds.iter().enumerate().map(|(i, p)| (-(i as f32), kind(p))).collect();
            for how in [ElevenPoint, AllPoint] {
                prop_assert!((average_precision(&perfect, positives, how) - 1.0).abs() < 1e-12);
                let value = average_precision(&given, positives, how);
                prop_assert!((0.0..=1.0 + 1e-12).contains(&value));
            }
        }
    }
}
