//! Metrics and non-maximum suppression against scikit-learn and torchvision: `tests/parity/make_metrics.py`
//! says what was computed.

use std::fs;

use context_encoder::transfer::{
    Rect,
    detect::nms,
    metric::{
        ConfusionMatrix, Detection, Interpolation, Relevance, Truth, average_precision, detection_precision,
    },
};
use serde_json::Value;

use super::fixture;

/// Both sides compute in 64 bits; only the order of sums differs.
const CLOSE: f64 = 1e-9;

fn expected() -> Value {
    let text = fs::read_to_string(fixture("metrics.json")).expect("a committed fixture");
    serde_json::from_str(&text).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn rect(values: &[Value]) -> Rect {
    let at = |index: usize| number(&values[index]) as f32;
    Rect::new(at(0), at(1), at(2), at(3))
}

fn agree(case: &Value, ours: impl Fn(Interpolation) -> f64) {
    for (how, name) in [(Interpolation::ElevenPoint, "eleven"), (Interpolation::AllPoint, "all")] {
        let (ours, theirs) = (ours(how), number(&case[name]));
        assert!((ours - theirs).abs() < CLOSE, "{how:?}: {ours} is not {theirs}");
    }
}

#[test]
fn average_precision_is_scikit_learns() {
    for case in list(&expected()["rankings"]) {
        let kinds = list(&case["kinds"]).iter().map(|kind| match kind.as_i64() {
            Some(1) => Relevance::Positive,
            Some(0) => Relevance::Difficult,
            _ => Relevance::Negative,
        });
        let scores = list(&case["scores"]).iter().map(|score| number(score) as f32);
        let ranking: Vec<_> = scores.zip(kinds).collect();
        let positives = ranking.iter().filter(|(_, kind)| *kind == Relevance::Positive).count();
        agree(case, |how| average_precision(&ranking, positives, how));
    }
}

#[test]
fn detection_follows_vocs_rules() {
    let case = &expected()["detection"];
    let picture = |values: &[Value]| number(&values[0]) as usize;
    let truths: Vec<Truth> = list(&case["truths"])
        .iter()
        .map(list)
        .map(|truth| Truth {
            picture: picture(truth),
            rect: rect(&truth[1..]),
            difficult: truth[5].as_bool().expect("yes or no"),
        })
        .collect();
    let found: Vec<Detection> = list(&case["found"])
        .iter()
        .map(list)
        .map(|found| Detection {
            picture: picture(found),
            rect: rect(&found[1..]),
            score: number(&found[5]) as f32,
        })
        .collect();
    assert!(truths.iter().any(|truth| truth.difficult) && number(&case["all"]) > 0.1);
    agree(case, |how| detection_precision(&found, &truths, how));
}

#[test]
fn mean_iu_is_that_of_scikit_learns_table() {
    let case = &expected()["labels"];
    let bytes =
        |name: &str| -> Vec<u8> { list(&case[name]).iter().map(|value| number(value) as u8).collect() };
    let mut confusion = ConfusionMatrix::new(6);
    confusion.add(&bytes("answers"), &bytes("truths"));
    assert!((confusion.mean_iu() - number(&case["mean_iu"])).abs() < CLOSE);
    assert!((confusion.pixel_accuracy() - number(&case["accuracy"])).abs() < CLOSE);
}

#[test]
fn suppression_is_torchvisions() {
    let case = &expected()["suppression"];
    let boxes: Vec<Rect> = list(&case["boxes"]).iter().map(|values| rect(list(values))).collect();
    let scores: Vec<f32> = list(&case["scores"]).iter().map(|score| number(score) as f32).collect();
    let kept: Vec<usize> = list(&case["kept"]).iter().map(|index| number(index) as usize).collect();
    assert_eq!(nms(&boxes, &scores, 0.3, boxes.len()), kept);
}
