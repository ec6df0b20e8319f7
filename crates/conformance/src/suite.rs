//! All parts, compared on two devices.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;
use context_encoder_ops::with_reference;

use crate::{
    check::{Check, Output},
    networks, operations,
    part::{Part, Scale},
    training,
};

/// Every part, cheapest first.
fn parts(scale: Scale) -> Vec<Part> {
    [operations::parts(), networks::parts(scale), training::parts(scale)].into_iter().flatten().collect()
}

impl Scale {
    /// The names of all parts, in the order in which [`conformance`] takes them.
    pub fn part_names(self) -> Vec<&'static str> {
        parts(self).iter().map(|part| part.name).collect()
    }
}

/// Computes the `selected` parts of the library on `device` and on `reference` and compares them; `on_check`
/// is called with each comparison as it is made. A device conforms when all parts are selected and all checks
/// [pass](Check::passes).
///
/// On `reference` everything is computed by the reference implementation ([`with_reference`]), which defines
/// what the library computes; on `device` as in normal use. So a processor's optimized kernels are checked
/// against that processor's own reference implementation. A device that panics fails the part that it was
/// computing; the others are still tried.
///
/// ```no_run
/// use burn::tensor::Device;
/// use context_encoder_conformance::{Scale, conformance};
///
/// let (device, reference) = (Device::default(), Device::flex());
/// let checks = conformance(&device, &reference, Scale::Small, &|_| true, &mut |check| println!("{check}"));
/// assert!(checks.iter().all(|check| check.passes()));
/// ```
pub fn conformance(
    device: &Device,
    reference: &Device,
    scale: Scale,
    selected: &dyn Fn(&str) -> bool,
    on_check: &mut dyn FnMut(&Check),
) -> Vec<Check> {
    let parts: Vec<Part> = parts(scale).into_iter().filter(|part| selected(part.name)).collect();
    compare(&parts, device, reference, &|outputs| outputs, on_check)
}

/// `alter` is what tests do to the device's outputs.
fn compare(
    parts: &[Part],
    device: &Device,
    reference: &Device,
    alter: &dyn Fn(Vec<Output>) -> Vec<Output>,
    on_check: &mut dyn FnMut(&Check),
) -> Vec<Check> {
    let mut checks = Vec::new();
    for part in parts {
        let expected = with_reference(|| compute(part, reference));
        let found = match (compute(part, device).map(alter), expected) {
            (Ok(got), Ok(expected)) => Check::compare(part.name, &got, &expected),
            (Err(reason), _) => vec![Check::failed(part.name, reason)],
            (_, Err(reason)) => vec![Check::failed(part.name, format!("on the reference: {reason}"))],
        };
        for check in found {
            on_check(&check);
            checks.push(check);
        }
    }
    checks
}

/// A part's outputs on a device, or why there are none.
fn compute(part: &Part, device: &Device) -> Result<Vec<Output>, String> {
    // Nothing is used again that a panic may have left half done.
    match catch_unwind(AssertUnwindSafe(|| (part.compute)(device))) {
        Ok(outputs) => outputs.map_err(|error| error.to_string()),
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

    fn on_flex(alter: &dyn Fn(Vec<Output>) -> Vec<Output>) -> Vec<Check> {
        let device = Device::flex();
        compare(&parts(Scale::Small), &device, &device, alter, &mut |_| {})
    }

    #[test]
    fn optimized_kernels_conform_to_the_reference_implementation() {
        let checks = on_flex(&|outputs| outputs);
        let failed: Vec<_> = checks.iter().filter(|check| !check.passes()).map(ToString::to_string).collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert!(checks.len() > 40, "{} checks", checks.len());
    }

    /// One value of each output is off by three times its bound: no check may pass.
    #[test]
    fn every_check_can_fail() {
        let checks = on_flex(&|outputs| outputs.into_iter().map(Output::slightly_wrong).collect());
        let passed: Vec<_> = checks.iter().filter(|check| check.passes()).map(ToString::to_string).collect();
        assert!(passed.is_empty(), "passed all the same:\n{}", passed.join("\n"));
    }

    #[test]
    fn nan_fails_every_check() {
        let checks = on_flex(&|outputs| outputs.into_iter().map(Output::with_nan).collect());
        assert!(checks.iter().all(|check| !check.passes()));
    }

    /// An activation that is wrong in one place only: its negative slope.
    #[test]
    fn a_wrong_part_fails_and_the_others_pass() {
        use burn::tensor::{Tensor, activation::leaky_relu};
        use std::cell::Cell;

        let calls = Cell::new(0);
        let wrong = Part::new("activation", move |device| {
            calls.set(calls.get() + 1);
            let slope = if calls.get() == 1 { 0.2 } else { 0.21 };
            let x = Tensor::<1>::from_floats([-2.0, -0.5, 3.0], device);
            Ok(vec![Output::forward("output", leaky_relu(x, slope))?])
        });
        let right = Part::new("constant", |device| {
            Ok(vec![Output::forward("output", Tensor::<1>::from_floats([1.0, 2.0], device))?])
        });
        let panics = Part::new("panics", |_| panic!("no such kernel"));
        let device = Device::flex();
        let checks = compare(&[wrong, right, panics], &device, &device, &|outputs| outputs, &mut |_| {});
        let passes: Vec<_> = checks.iter().map(|check| (check.part, check.passes())).collect();
        assert_eq!(passes, [("activation", false), ("constant", true), ("panics", false)]);
        assert!(checks[0].to_string().contains("6.7e-3"), "{}", checks[0]); // 0.01 * 2 of 3
        assert!(checks[2].to_string().contains("no such kernel"), "{}", checks[2]);
    }
}
