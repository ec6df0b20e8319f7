//! Metrics of classification, detection and segmentation. All are computed on the host, in 64 bits, without a
//! network.

mod average_precision;
#[cfg(test)]
mod parity;

pub(crate) use average_precision::{Interpolation, average_precision, detection_average_precision};

use serde::{Deserialize, Serialize};

use crate::voc::{IGNORED, Label};

/// How well a network does on a test set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metrics {
    /// The fraction of images whose most probable class is right, 0 to 1.
    Accuracy(f64),
    /// Average precision, averaged over classes, 0 to 1.
    MeanAveragePrecision {
        /// Of VOC 2007: interpolated at eleven recalls.
        eleven_point: f64,
        /// Of VOC 2010 and later: the area below the interpolated curve.
        all_point: f64,
    },
    /// Of pixels.
    Segmentation {
        /// Intersection over union, averaged over classes, background included, 0 to 1.
        mean_iu: f64,
        /// The fraction of pixels whose class is right, 0 to 1.
        pixel_accuracy: f64,
    },
}

impl Metrics {
    /// The metric shown in tables: accuracy, eleven-point average precision, or mean IU.
    pub fn score(&self) -> f64 {
        match *self {
            Self::Accuracy(accuracy) => accuracy,
            Self::MeanAveragePrecision { eleven_point, .. } => eleven_point,
            Self::Segmentation { mean_iu, .. } => mean_iu,
        }
    }

    /// Accuracy of `scores[image][class]`.
    pub(crate) fn accuracy(scores: &[Vec<f32>], classes: &[usize]) -> Self {
        assert_eq!(scores.len(), classes.len(), "each image has its scores");
        let predicted = |row: &[f32]| {
            row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class)
        };
        let right = scores.iter().zip(classes).filter(|(row, class)| predicted(row) == **class).count();
        Self::Accuracy(right as f64 / classes.len().max(1) as f64)
    }

    /// Mean average precision of `scores[image][class]`.
    pub(crate) fn mean_average_precision(scores: &[Vec<f32>], labels: &[&[Label]]) -> Self {
        assert_eq!(scores.len(), labels.len(), "each image has its scores");
        let classes = labels.first().map_or(0, |row| row.len());
        Self::mean_over_classes(classes, |class, interpolation| {
            let ranking: Vec<_> =
                scores.iter().zip(labels).map(|(scores, labels)| (scores[class], labels[class])).collect();
            let positives = ranking.iter().filter(|(_, label)| *label == Label::Positive).count();
            average_precision(&ranking, positives, interpolation)
        })
    }

    /// Mean average precision of each class's average precision.
    pub(crate) fn mean_over_classes(
        classes: usize,
        average_precision: impl Fn(usize, Interpolation) -> f64,
    ) -> Self {
        let mean = |interpolation| {
            nan_mean(&(0..classes).map(|class| average_precision(class, interpolation)).collect::<Vec<_>>())
        };
        Self::MeanAveragePrecision {
            eleven_point: mean(Interpolation::ElevenPoint),
            all_point: mean(Interpolation::AllPoint),
        }
    }
}

/// The mean of the values that are not NaN; 0 when all are. A class without positives has no average
/// precision.
pub(crate) fn nan_mean(values: &[f64]) -> f64 {
    let numbers: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if numbers.is_empty() { 0.0 } else { numbers.iter().sum::<f64>() / numbers.len() as f64 }
}

/// How often pixels of each class were predicted as each class, over any number of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfusionMatrix {
    classes: usize,
    /// Row: truth; column: prediction.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Empty, for classes 0 to `classes` - 1.
    pub(crate) fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts an image's pixels, but for those whose truth is [`IGNORED`].
    pub(crate) fn add(&mut self, predicted: &[u8], truths: &[u8]) {
        assert_eq!(predicted.len(), truths.len(), "each of {} pixels has one prediction", truths.len());
        for (&predicted, &truth) in predicted.iter().zip(truths).filter(|&(_, &truth)| truth != IGNORED) {
            let (predicted, truth) = (usize::from(predicted), usize::from(truth));
            assert!(
                predicted < self.classes && truth < self.classes,
                "labels {predicted} and {truth} of {} classes",
                self.classes
            );
            self.counts[truth * self.classes + predicted] += 1;
        }
    }

    /// Intersection over union of each class; NaN for a class that neither occurs nor was predicted.
    fn ious(&self) -> Vec<f64> {
        let count = |truth: usize, predicted: usize| self.counts[truth * self.classes + predicted];
        (0..self.classes)
            .map(|class| {
                let intersection = count(class, class);
                let truths: u64 = (0..self.classes).map(|predicted| count(class, predicted)).sum();
                let predictions: u64 = (0..self.classes).map(|truth| count(truth, class)).sum();
                intersection as f64 / (truths + predictions - intersection) as f64 // 0 / 0 is NaN
            })
            .collect()
    }

    /// Mean IU over the classes that occur or were predicted, and pixel accuracy.
    pub(crate) fn metrics(&self) -> Metrics {
        let right: u64 = (0..self.classes).map(|class| self.counts[class * (self.classes + 1)]).sum();
        let pixel_accuracy = right as f64 / self.counts.iter().sum::<u64>().max(1) as f64;
        Metrics::Segmentation { mean_iu: nan_mean(&self.ious()), pixel_accuracy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusion_of_three_classes_worked_out_by_hand() {
        let mut confusion = ConfusionMatrix::new(4);
        // truth 0: predicted 0 0 1; truth 1: predicted 1 2; truth 2: predicted 2; class 3 never occurs
        confusion.add(&[0, 0, 1, 1], &[0, 0, 0, 1]);
        confusion.add(&[2, 2, 3], &[1, 2, IGNORED]);
        let [first, second, third, absent] = confusion.ious()[..] else { panic!("four") };
        assert_eq!([first, second, third], [2.0 / 3.0, 1.0 / 3.0, 1.0 / 2.0]);
        assert!(absent.is_nan());
        assert_eq!(confusion.metrics(), Metrics::Segmentation { mean_iu: 0.5, pixel_accuracy: 4.0 / 6.0 });
    }

    #[test]
    #[should_panic(expected = "labels 0 and 2 of 2 classes")]
    fn labels_without_a_class_panic() {
        ConfusionMatrix::new(2).add(&[0], &[2]);
    }

    #[test]
    fn accuracy_is_the_fraction_of_right_classes() {
        let scores = [0, 1, 1, 1].map(|class| if class == 0 { vec![0.9, 0.1] } else { vec![0.2, 0.8] });
        assert_eq!(Metrics::accuracy(&scores, &[0, 0, 1, 1]), Metrics::Accuracy(0.75));
    }

    #[test]
    fn nan_is_left_out_of_means() {
        assert_eq!(nan_mean(&[0.5, f64::NAN, 1.0]), 0.75);
        assert_eq!(nan_mean(&[f64::NAN]), 0.0);
    }
}
