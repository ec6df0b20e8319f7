//! Other backends against the reference implementation on the processor, part by part. `.ci/graphics` does
//! the same for graphics cards.
#![cfg(all(feature = "diagnostics", feature = "ndarray"))]

use context_encoder::{
    conformance::{Scale, conformance},
    device,
};

#[test]
fn every_part_conforms_on_ndarray() {
    let [ndarray, flex] = ["ndarray", "flex"].map(|name| device(name).expect("compiled in"));
    let checks = conformance(&ndarray, &flex, Scale::Small, &|_| true, &mut |_| {});
    let failed: Vec<_> = checks.iter().filter(|check| !check.passes()).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
