//! Does a device compute what another computes?

mod answer;
mod check;
mod files;
mod filling;
mod learning;
mod networks;
mod noise;
mod operations;

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;
use context_encoder_ops::implementation::with_reference;

use crate::TrialError;
use answer::Answer;
pub use check::{Check, Verdict};

/// How large the networks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Narrow networks for pictures of 64 pixels: seconds on a processor.
    #[default]
    Small,
    /// Presets `authors` and `recommended` as they are trained, 128 pixels: for graphics cards, and for who has
    /// minutes.
    Full,
}

/// What a device answers to a part.
type Answers = Result<Vec<Answer>, TrialError>;

/// One part of the library, computed on whatever device it is given.
struct Part {
    name: &'static str,
    compute: Box<dyn Fn(&Device) -> Answers>,
}

impl Part {
    fn new(name: &'static str, compute: impl Fn(&Device) -> Answers + 'static) -> Self {
        Self { name, compute: Box::new(compute) }
    }
}

/// Every part, cheapest first.
fn parts(scale: Scale) -> Vec<Part> {
    [operations::parts(), networks::parts(scale), learning::parts(scale), files::parts(), filling::parts()]
        .into_iter()
        .flatten()
        .collect()
}

/// The names of all parts, in the order in which [`conformance`] takes them.
pub fn part_names(scale: Scale) -> Vec<&'static str> {
    parts(scale).iter().map(|part| part.name).collect()
}

/// Computes the `wanted` parts of the library on `device` and on `reference` and compares; `told` hears of each
/// comparison as it is made. A device conforms when all parts are wanted and all checks [pass](Check::passes).
///
/// On `reference` everything is computed in its plain form ([`with_reference`]), which is what the library means; on `device`
/// as anybody would have it. So a processor's kernels are on trial against that processor's own plain operations. A
/// device that panics fails the part that it was computing; the others are still tried.
///
/// ```no_run
/// use burn::tensor::Device;
/// use context_encoder_trial::{Scale, conformance};
///
/// let (device, reference) = (Device::default(), Device::flex());
/// let checks = conformance(&device, &reference, Scale::Small, &|_| true, &mut |check| println!("{check}"));
/// assert!(checks.iter().all(|check| check.passes()));
/// ```
pub fn conformance(
    device: &Device,
    reference: &Device,
    scale: Scale,
    wanted: &dyn Fn(&str) -> bool,
    told: &mut dyn FnMut(&Check),
) -> Vec<Check> {
    let parts: Vec<Part> = parts(scale).into_iter().filter(|part| wanted(part.name)).collect();
    compare(&parts, device, reference, &|answers| answers, told)
}

/// `altered` is what tests do to the device's answers.
fn compare(
    parts: &[Part],
    device: &Device,
    reference: &Device,
    altered: &dyn Fn(Vec<Answer>) -> Vec<Answer>,
    told: &mut dyn FnMut(&Check),
) -> Vec<Check> {
    let mut checks = Vec::new();
    for part in parts {
        let expected = with_reference(|| answers(part, reference));
        let got = answers(part, device).map(altered);
        let found = match (got, expected) {
            (Ok(got), Ok(expected)) => Check::of(part.name, &got, &expected),
            (Err(reason), _) => vec![Check::broken(part.name, reason)],
            (_, Err(reason)) => vec![Check::broken(part.name, format!("on the reference: {reason}"))],
        };
        for check in found {
            told(&check);
            checks.push(check);
        }
    }
    checks
}

/// What a device says to a part, or why it does not.
fn answers(part: &Part, device: &Device) -> Result<Vec<Answer>, String> {
    // Nothing is used again that a panic may have left half done.
    match catch_unwind(AssertUnwindSafe(|| (part.compute)(device))) {
        Ok(answers) => answers.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(format!("panicked: {}", text.unwrap_or("no message")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flex(altered: &dyn Fn(Vec<Answer>) -> Vec<Answer>) -> Vec<Check> {
        let device = Device::flex();
        compare(&parts(Scale::Small), &device, &device, altered, &mut |_| {})
    }

    #[test]
    fn the_processors_kernels_conform_to_its_plain_operations() {
        let checks = flex(&|answers| answers);
        let failed: Vec<_> = checks.iter().filter(|check| !check.passes()).map(ToString::to_string).collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert!(checks.len() > 40, "{} checks", checks.len());
    }

    /// One value of each answer is off by thrice its bound: no check may pass.
    #[test]
    fn every_check_can_fail() {
        let checks = flex(&|answers| answers.into_iter().map(Answer::slightly_wrong).collect());
        let passed: Vec<_> = checks.iter().filter(|check| check.passes()).map(ToString::to_string).collect();
        assert!(passed.is_empty(), "passed all the same:\n{}", passed.join("\n"));
    }

    #[test]
    fn no_number_is_no_agreement() {
        let checks = flex(&|answers| answers.into_iter().map(Answer::without_numbers).collect());
        assert!(checks.iter().all(|check| !check.passes()));
    }

    /// A layer that is wrong in one place only: its slope below zero.
    #[test]
    fn a_wrong_module_is_found_and_the_others_are_not_blamed() {
        use burn::tensor::{Tensor, activation::leaky_relu};
        use std::cell::Cell;

        let asked = Cell::new(0);
        let wrong = Part::new("rectifier", move |device| {
            asked.set(asked.get() + 1);
            let slope = if asked.get() == 1 { 0.2 } else { 0.21 };
            let x = Tensor::<1>::from_floats([-2.0, -0.5, 3.0], device);
            Ok(vec![Answer::forward("output", leaky_relu(x, slope))?])
        });
        let right = Part::new("nothing", |device| {
            Ok(vec![Answer::forward("output", Tensor::<1>::from_floats([1.0, 2.0], device))?])
        });
        let broken = Part::new("breaks", |_| panic!("no such kernel"));
        let device = Device::flex();
        let checks = compare(&[wrong, right, broken], &device, &device, &|answers| answers, &mut |_| {});
        let passes: Vec<_> = checks.iter().map(|check| (check.part, check.passes())).collect();
        assert_eq!(passes, [("rectifier", false), ("nothing", true), ("breaks", false)]);
        assert!(checks[0].to_string().contains("6.7e-3"), "{}", checks[0]); // 0.01 * 2 of 3
        assert!(checks[2].to_string().contains("no such kernel"), "{}", checks[2]);
    }
}
