//! The data wait that a run reports.

use std::{collections::BTreeMap, fs};

use context_encoder::{prelude::*, train::Summary};
use tempfile::tempdir;

use crate::short_run::short_run;

#[test]
fn log_and_summary_hold_the_data_wait() {
    let (folder, device) = (tempdir().expect("folder"), device("cpu").expect("a CPU backend"));
    let mut lines = Vec::new();
    let Summary { data_wait, .. } = Run::start(short_run(5, 4), folder.path().join("run"), &device)
        .expect("run")
        .train(&mut TextProgress::new(&mut lines))
        .expect("trained");

    let log = fs::read_to_string(folder.path().join("run/log.csv")).expect("log");
    let mut rows = log.lines().map(|row| row.split(',').collect::<Vec<_>>());
    assert_eq!(rows.next().expect("a header").last(), Some(&"data_wait"));
    let waits: BTreeMap<u64, f32> = rows
        .map(|row| (row[0].parse().expect("step"), row.last().expect("columns").parse().expect("percent")))
        .collect();
    assert_eq!(waits.len(), 5);
    // Without threads every picture is waited for, and then a step is made of them.
    assert!(waits.values().all(|share| *share > 0.0 && *share < 100.0), "{waits:?}");
    // Two readings of two steps, and one at the end.
    assert!(waits[&1] == waits[&2] && waits[&3] == waits[&4], "{waits:?}");
    let least = waits.values().copied().fold(100.0, f32::min);
    let most = waits.values().copied().fold(0.0, f32::max);
    assert!((least..=most).contains(&data_wait), "{data_wait} of {waits:?}");

    let lines = String::from_utf8(lines).expect("text");
    let last = lines.lines().last().expect("lines");
    assert!(
        last.ends_with(&format!("; {data_wait:.1} % of the steps' time was data wait")),
        "{last}"
    );
}
