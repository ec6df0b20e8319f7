//! All parts, compared on two devices.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;
use context_encoder_ops::with_reference;

use crate::{
    check::{Arithmetic, Check, Output},
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
    compare(&parts, device, reference, Arithmetic::of(device), &|outputs| outputs, on_check)
}

/// `alter` is what tests do to the device's outputs.
fn compare(
    parts: &[Part],
    device: &Device,
    reference: &Device,
    arithmetic: Arithmetic,
    alter: &dyn Fn(Vec<Output>) -> Vec<Output>,
    on_check: &mut dyn FnMut(&Check),
) -> Vec<Check> {
    let mut checks = Vec::new();
    for part in parts {
        let expected = with_reference(|| compute(part, reference));
        let found = match (compute(part, device).map(alter), expected) {
            (Ok(got), Ok(expected)) => Check::compare(part.name, &got, &expected, arithmetic),
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
    use std::cell::Cell;

    use super::*;

    fn on_flex(arithmetic: Arithmetic, alter: &dyn Fn(Vec<Output>) -> Vec<Output>) -> Vec<Check> {
        let device = Device::flex();
        compare(&parts(Scale::Small), &device, &device, arithmetic, alter, &mut |_| {})
    }

    /// What passed of these checks, a line for each.
    fn passed<'a>(checks: impl IntoIterator<Item = &'a Check>) -> String {
        let passed = checks.into_iter().filter(|check| check.passes()).map(ToString::to_string);
        passed.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn optimized_kernels_conform_to_the_reference_implementation() {
        assert_eq!(Arithmetic::of(&Device::flex()), Arithmetic::F32);
        let checks = on_flex(Arithmetic::F32, &|outputs| outputs);
        let failed: Vec<_> = checks.iter().filter(|check| !check.passes()).map(ToString::to_string).collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert!(checks.len() > 40, "{} checks", checks.len());
    }

    /// One value of each output is off by three times its bound: no check may pass.
    #[test]
    fn every_check_can_fail() {
        let wrong = |output: Output| output.slightly_wrong(Arithmetic::F32);
        let checks = on_flex(Arithmetic::F32, &|outputs| outputs.into_iter().map(wrong).collect());
        let passed = passed(&checks);
        assert!(passed.is_empty(), "passed all the same:\n{passed}");
    }

    /// All gradients are 2 % too large: by the widest bounds that there are, none of them may pass, and the
    /// rest does.
    #[test]
    fn gradients_that_are_two_percent_wrong_fail() {
        let (gradients, others) = (Cell::new(0), Cell::new(0));
        let off = |outputs: Vec<Output>| {
            let count = outputs.iter().filter(|output| output.is_gradients()).count();
            gradients.set(gradients.get() + count);
            others.set(others.get() + outputs.len() - count);
            outputs.into_iter().map(Output::with_gradients_off).collect()
        };
        let checks = on_flex(Arithmetic::Tf32, &off);
        let passed_count = checks.iter().filter(|check| check.passes()).count();
        assert!(gradients.get() > 20, "{} checks of gradients", gradients.get());
        assert_eq!(passed_count, others.get(), "passed:\n{}", passed(&checks));
    }

    #[test]
    fn nan_fails_every_check() {
        let checks = on_flex(Arithmetic::F32, &|outputs| outputs.into_iter().map(Output::with_nan).collect());
        assert!(checks.iter().all(|check| !check.passes()));
    }

    /// An activation that is wrong in one place only: its negative slope.
    #[test]
    fn a_wrong_part_fails_and_the_others_pass() {
        use burn::tensor::{Tensor, activation::leaky_relu};

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
        let parts = [wrong, right, panics];
        let checks = compare(&parts, &device, &device, Arithmetic::F32, &|outputs| outputs, &mut |_| {});
        let passes: Vec<_> = checks.iter().map(|check| (check.part, check.passes())).collect();
        assert_eq!(passes, [("activation", false), ("constant", true), ("panics", false)]);
        assert!(checks[0].to_string().contains("6.7e-3"), "{}", checks[0]); // 0.01 * 2 of 3
        assert!(checks[2].to_string().contains("no such kernel"), "{}", checks[2]);
    }
}
