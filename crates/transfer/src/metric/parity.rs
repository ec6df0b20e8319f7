//! Metrics and non-maximum suppression against scikit-learn and torchvision: `tests/parity/make_metrics.py`
//! says what was computed.

use serde_json::Value;

use super::*;
use crate::{
    boxes::{Detection, Rect, nms},
    voc::Object,
};

/// Both sides compute in 64 bits; only the order of sums differs.
const TOLERANCE: f64 = 1e-9;

fn expected() -> Value {
    let text = include_str!("parity.json");
    serde_json::from_str(text).expect("JSON")
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

fn assert_agrees(case: &Value, ours: impl Fn(Interpolation) -> f64) {
    for (interpolation, name) in [(Interpolation::ElevenPoint, "eleven"), (Interpolation::AllPoint, "all")] {
        let (ours, theirs) = (ours(interpolation), number(&case[name]));
        assert!((ours - theirs).abs() < TOLERANCE, "{interpolation:?}: {ours} is not {theirs}");
    }
}

#[test]
fn average_precision_agrees_with_scikit_learn() {
    for case in list(&expected()["rankings"]) {
        let labels = list(&case["kinds"]).iter().map(|kind| match kind.as_i64() {
            Some(1) => Label::Positive,
            Some(0) => Label::Difficult,
            _ => Label::Negative,
        });
        let scores = list(&case["scores"]).iter().map(|score| number(score) as f32);
        let ranking: Vec<_> = scores.zip(labels).collect();
        let positives = ranking.iter().filter(|(_, label)| *label == Label::Positive).count();
        assert_agrees(case, |interpolation| average_precision(&ranking, positives, interpolation));
    }
}

#[test]
fn detection_average_precision_follows_vocs_rules() {
    let case = &expected()["detection"];
    let rows = |name: &str| list(&case[name]).iter().map(list).collect::<Vec<_>>();
    let (truths, found) = (rows("truths"), rows("found"));
    let image = |row: &[Value]| number(&row[0]) as usize;
    let count = truths.iter().chain(&found).map(|row| image(row) + 1).max().expect("not empty");
    let mut objects = vec![Vec::new(); count];
    for row in truths {
        let difficult = row[5].as_bool().expect("yes or no");
        objects[image(row)].push(Object { class: 0, rect: rect(&row[1..]), difficult });
    }
    let mut detections = vec![Vec::new(); count];
    for row in found {
        let score = number(&row[5]) as f32;
        detections[image(row)].push(Detection { class: 0, rect: rect(&row[1..]), score });
    }
    assert!(objects.iter().flatten().any(|object| object.difficult) && number(&case["all"]) > 0.1);
    let images: Vec<_> = detections.into_iter().zip(objects.iter().map(Vec::as_slice)).collect();
    assert_agrees(case, |interpolation| detection_average_precision(&images, 0, interpolation));
}

#[test]
fn mean_iu_agrees_with_scikit_learns_confusion_matrix() {
    let case = &expected()["labels"];
    let bytes =
        |name: &str| -> Vec<u8> { list(&case[name]).iter().map(|value| number(value) as u8).collect() };
    let mut confusion = ConfusionMatrix::new(6);
    confusion.add(&bytes("answers"), &bytes("truths"));
    let Metrics::Segmentation { mean_iu, pixel_accuracy } = confusion.metrics() else { panic!("of pixels") };
    assert!((mean_iu - number(&case["mean_iu"])).abs() < TOLERANCE);
    assert!((pixel_accuracy - number(&case["accuracy"])).abs() < TOLERANCE);
}

#[test]
fn nms_agrees_with_torchvision() {
    let case = &expected()["suppression"];
    let boxes: Vec<Rect> = list(&case["boxes"]).iter().map(|values| rect(list(values))).collect();
    let scores: Vec<f32> = list(&case["scores"]).iter().map(|score| number(score) as f32).collect();
    let kept: Vec<usize> = list(&case["kept"]).iter().map(|index| number(index) as usize).collect();
    assert_eq!(nms(&boxes, &scores, 0.3, boxes.len()), kept);
}
