//! How long steps wait for pictures, as a run tells it.

use std::{collections::BTreeMap, fs};

use context_encoder::{prelude::*, train::Summary};
use tempfile::tempdir;

use crate::short_run::short_run;

#[test]
fn the_log_tells_which_share_of_an_interval_was_waiting() {
    let (folder, device) = (tempdir().expect("folder"), device("cpu").expect("a CPU backend"));
    let mut lines = Vec::new();
    let Summary { waiting, .. } = Run::start(short_run(5, 4), folder.path().join("run"), &device)
        .expect("run")
        .train(&mut Lines::new(&mut lines))
        .expect("trained");

    let log = fs::read_to_string(folder.path().join("run/log.csv")).expect("log");
    let mut rows = log.lines().map(|row| row.split(',').collect::<Vec<_>>());
    assert_eq!(rows.next().expect("a header").last(), Some(&"waiting"));
    let shares: BTreeMap<u64, f32> = rows
        .map(|row| (row[0].parse().expect("step"), row.last().expect("columns").parse().expect("share")))
        .collect();
    assert_eq!(shares.len(), 5);
    // Without threads every picture is waited for, and then a step is made of them.
    assert!(shares.values().all(|share| *share > 0.0 && *share < 100.0), "{shares:?}");
    // Two readings of two steps, and one at the end.
    assert!(shares[&1] == shares[&2] && shares[&3] == shares[&4], "{shares:?}");
    let least = shares.values().copied().fold(100.0, f32::min);
    let most = shares.values().copied().fold(0.0, f32::max);
    assert!((least..=most).contains(&waiting), "{waiting} of {shares:?}");

    let lines = String::from_utf8(lines).expect("text");
    let last = lines.lines().last().expect("lines");
    assert!(
        last.ends_with(&format!("; {waiting:.1} % of the steps' time was waiting for pictures")),
        "{last}"
    );
}
