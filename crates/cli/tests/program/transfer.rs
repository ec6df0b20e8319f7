//! Transfer of encoders to other tasks, and encoders that do not fit.

use std::fs;

use context_encoder::{
    Device,
    model::{FeatureModelConfig, SaveOptions},
    transfer::Voc,
};
use tempfile::tempdir;

use crate::{ends_with, fails_with, records, weights};

#[test]
fn trained_heads_leave_weights_and_curves() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    Voc::draw_shapes(folder.join("voc"), 6, 0).expect("drawn");
    for seed in [0, 1] {
        let config = FeatureModelConfig::alexnet().with_width(4).with_size(99);
        let encoder = config.init_seeded(seed, &Device::flex()).expect("valid").into_encoder();
        encoder
            .save_with(&SaveOptions::default(), folder.join(format!("own-{seed}.safetensors")))
            .expect("saved");
    }
    let encoders = "--encoder own=own-{seed}.safetensors --encoder random --seeds 0,1 --width 4 --size 99";
    let training = "--steps 2 --every 1 --batch 2 --run heads";
    let segment = "transfer segment voc --sets train,val --kernel-size 3";
    let table = ends_with(0, folder, &format!("{segment} {encoders} {training}"));
    assert!(
        table.contains("| encoder | mean IU |") && table.contains("| own |") && table.contains('±'),
        "{table}"
    );
    for seed in [0, 1] {
        assert!(folder.join(format!("heads/own-{seed}-segment.safetensors")).is_file());
        let curve =
            fs::read_to_string(folder.join(format!("heads/random-{seed}-segment.csv"))).expect("curve");
        assert_eq!(curve.lines().count(), 3, "{curve}");
    }
    let probe = "transfer probe --voc voc --sets trainval,test --layers pool5 --json";
    let scored = records(&ends_with(0, folder, &format!("{probe} {encoders}")));
    assert_eq!(scored.iter().filter(|record| record["event"] == "scored").count(), 4);
    assert!(scored[0]["pool5 linear"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)));
}

#[test]
fn wrong_encoders_and_missing_data_are_named() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    Voc::draw_shapes(folder.join("voc"), 6, 0).expect("drawn");
    weights(folder);
    let narrow = "--encoder model.safetensors --headerless --width 4 --size 99";
    for (line, expected) in [
        ("transfer probe --voc voc --encoder model.safetensors", "it belongs to an inpainting network"),
        (&format!("transfer probe --voc voc {narrow}"), "it has no feature encoder"),
        ("reproduce table2 --voc absent", "VOC2012"),
        ("reproduce table2 --voc absent", "VOCtrainval_11-May-2012.tar"),
        ("transfer classify absent", "absent"),
    ] {
        let error = fails_with(1, folder, line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn experiments_pretrain_only_what_is_missing() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    Voc::draw_shapes(folder.join("voc"), 6, 0).expect("drawn");
    let classes = "reproduce classes --voc voc --sets trainval,test --width 4 --size 99 --layers pool5 --steps 1 \
                   --batch 2 --data-dependent-init --pretrained runs";
    let pretraining = "--pretrain batch_size=2 --pretrain validation_pictures=2 --pretrain";
    let table = ends_with(0, folder, &format!("{classes} {pretraining} steps=2"));
    assert!(table.contains("| encoder | fine-tuned | pool5 linear |"), "{table}");
    for row in ["context", "autoencoder", "denoising", "random"] {
        assert!(table.contains(&format!("| {row} | ")), "{table}");
    }
    let read = |name: &str| fs::read(folder.join("runs").join(name)).expect("a run's file");
    let [weights, log] = ["context-0/model.safetensors", "denoising-0/log.csv"].map(read);
    assert_eq!(String::from_utf8_lossy(&log).lines().count(), 3);

    // What is there is used as it is, and gives the same table.
    assert_eq!(ends_with(0, folder, &format!("{classes} {pretraining} steps=2")), table);
    assert_eq!([read("context-0/model.safetensors"), read("denoising-0/log.csv")], [weights, log]);
    let error = fails_with(1, folder, &format!("{classes} {pretraining} steps=3"));
    assert!(error.contains("runs/context-0") && error.contains("a run with other settings"), "{error}");
    assert!(error.contains("--pretrained"), "{error}");
}
