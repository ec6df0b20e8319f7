//! Other backends against plain operations on the processor, part by part. `.ci/graphics` does the same for graphics
//! cards.
#![cfg(all(feature = "trial", feature = "ndarray"))]

use context_encoder::{
    device,
    trial::{Check, Scale, conformance, conformance::Verdict},
};

/// Burn's ndarray backend has no gradient of bilinear interpolation, so the feature network cannot learn there.
const MISSING: [(&str, &str); 1] = [("bilinear resize", "bilinear interpolation backward is not supported")];

#[test]
fn every_part_conforms_on_ndarray() {
    let [ndarray, flex] = ["ndarray", "flex"].map(|name| device(name).expect("compiled in"));
    let checks = conformance(&ndarray, &flex, Scale::Small, &mut |_| {});
    let missing = |check: &Check| {
        let Verdict::Broken(reason) = &check.verdict else { return false };
        MISSING.iter().any(|(part, why)| check.part == *part && reason.contains(why))
    };
    let failed: Vec<_> = checks.iter().filter(|check| !check.passes() && !missing(check)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(checks.iter().filter(|check| missing(check)).count(), MISSING.len(), "mended in Burn: say so");
}
