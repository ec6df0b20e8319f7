//! Mean intersection over union of labelled pixels.

/// The label of pixels that do not count: VOC's border.
pub const IGNORED: u8 = 255;

/// How often pixels of each class were given each label, over any number of pictures.
///
/// ```
/// use context_encoder_transfer::metric::{ConfusionMatrix, IGNORED};
///
/// let mut confusion = ConfusionMatrix::new(2);
/// confusion.add(&[0, 0, 1, 1, 1], &[0, 1, 1, 1, IGNORED]);
/// // background: 1 of 2 pixels that are or were called background; object: 2 of 3
/// assert!((confusion.mean_iu() - (1.0 / 2.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
/// assert_eq!(confusion.pixel_accuracy(), 0.75);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    /// Row: truth; column: answer.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Nothing counted yet, for labels 0 to `classes` - 1.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts a picture's pixels. Those whose truth is [`IGNORED`] are passed over, whatever the answer.
    ///
    /// # Panics
    /// When there are not as many answers as truths, or a label is no class.
    pub fn add(&mut self, answers: &[u8], truths: &[u8]) {
        assert_eq!(answers.len(), truths.len(), "each of {} pixels has one answer", truths.len());
        for (&answer, &truth) in answers.iter().zip(truths).filter(|&(_, &truth)| truth != IGNORED) {
            let (answer, truth) = (usize::from(answer), usize::from(truth));
            assert!(
                answer < self.classes && truth < self.classes,
                "labels {answer} and {truth} of {} classes",
                self.classes
            );
            self.counts[truth * self.classes + answer] += 1;
        }
    }

    /// Of each class: pixels that are it and were called it, over pixels that are it or were called it. Not a
    /// number where there are none.
    pub fn intersection_over_union(&self) -> Vec<f64> {
        let count = |truth: usize, answer: usize| self.counts[truth * self.classes + answer];
        (0..self.classes)
            .map(|class| {
                let both = count(class, class);
                let are: u64 = (0..self.classes).map(|answer| count(class, answer)).sum();
                let called: u64 = (0..self.classes).map(|truth| count(truth, class)).sum();
                both as f64 / (are + called - both) as f64 // 0 / 0 is no number
            })
            .collect()
    }

    /// The mean over classes of [`intersection_over_union`](Self::intersection_over_union), background
    /// included; classes that neither occur nor were answered are left out. 0 to 1.
    pub fn mean_iu(&self) -> f64 {
        super::mean(&self.intersection_over_union())
    }

    /// The share of right pixels, 0 to 1.
    pub fn pixel_accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|class| self.counts[class * (self.classes + 1)]).sum();
        right as f64 / self.counts.iter().sum::<u64>().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_classes_worked_out_by_hand() {
        let mut confusion = ConfusionMatrix::new(4);
        // truth 0: called 0 0 1; truth 1: called 1 2; truth 2: called 2; class 3 never occurs
        confusion.add(&[0, 0, 1, 1], &[0, 0, 0, 1]);
        confusion.add(&[2, 2, 3], &[1, 2, IGNORED]);
        let [first, second, third, absent] = confusion.intersection_over_union()[..] else { panic!("four") };
        assert_eq!([first, second, third], [2.0 / 3.0, 1.0 / 3.0, 1.0 / 2.0]);
        assert!(absent.is_nan());
        assert!((confusion.mean_iu() - 0.5).abs() < 1e-12);
        assert_eq!(confusion.pixel_accuracy(), 4.0 / 6.0);
    }

    #[test]
    #[should_panic(expected = "labels 0 and 2 of 2 classes")]
    fn unknown_labels_are_the_callers_bug() {
        ConfusionMatrix::new(2).add(&[0], &[2]);
    }
}
