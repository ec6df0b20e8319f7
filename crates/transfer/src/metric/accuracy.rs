//! The share of right answers.

/// How many of the answers are the truth, 0 to 1; 0 when nothing was asked.
///
/// ```
/// use context_encoder_transfer::metric::accuracy;
/// assert_eq!(accuracy(&[2, 0, 1, 1], &[2, 1, 1, 1]), 0.75);
/// ```
///
/// # Panics
/// When there are not as many answers as truths.
pub fn accuracy(answers: &[usize], truths: &[usize]) -> f64 {
    assert_eq!(answers.len(), truths.len(), "each of {} truths has one answer", truths.len());
    let right = answers.iter().zip(truths).filter(|(answer, truth)| answer == truth).count();
    right as f64 / truths.len().max(1) as f64
}
