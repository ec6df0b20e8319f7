//! Mixed precision training.

use std::{fs, path::Path};

use context_encoder::{
    Device,
    loss::Objective,
    model::{BottleneckConfig, Precision},
    train::{PretrainConfig, Run, TrainConfig},
};
use tempfile::tempdir;

use crate::short_run::{losses, resume, short_run, train};

fn config(steps: u64, precision: Precision) -> TrainConfig {
    let mut config = short_run(steps, 8);
    (config.run.precision, config.run.log_every) = (precision, 1);
    config
}

/// The generator's losses.
fn trained(config: &TrainConfig, folder: &Path) -> Vec<f32> {
    train(config.clone(), folder);
    generator_losses(folder)
}

fn generator_losses(folder: &Path) -> Vec<f32> {
    losses(folder).into_iter().map(|row| row[0]).collect()
}

fn checkpoint(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("checkpoint.bpk")).expect("a checkpoint")
}

/// The largest relative difference of two runs' losses.
fn apart(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(got, expected)| (got - expected).abs() / expected).fold(0.0, f32::max)
}

/// The first loss is the forward pass alone. Later ones are those of weights that have moved by Adam's first
/// steps, which follow the signs of gradients: at a tenth of the usual rate, rounding changes them little.
/// With `f16` the discriminator's first step overflows and is left out, so that its logits for the first
/// prediction are those of older weights: up to 3.4e-3 of the joint loss.
#[test]
fn losses_in_16_bits_are_those_in_32_up_to_rounding() {
    let folder = tempdir().expect("folder");
    for bottleneck in [BottleneckConfig::ChannelWise, BottleneckConfig::Dense(20)] {
        for objective in [Objective::Reconstruction, Objective::joint()] {
            let run = |precision: Precision| {
                let mut config = TrainConfig { objective, generator_lr: 2e-4, ..config(6, precision) };
                config.model = config.model.with_bottleneck(bottleneck);
                trained(&config, &folder.path().join(format!("{bottleneck:?}-{objective:?}-{precision}")))
            };
            let exact = run(Precision::F32);
            let f16 = if objective.is_adversarial() { 1e-2 } else { 3e-3 };
            for (precision, bound) in [(Precision::Bf16, 1e-2), (Precision::F16, f16)] {
                let rounded = run(precision);
                let apart = apart(&rounded, &exact);
                assert!(
                    apart < bound,
                    "{objective:?}, {precision}: {apart} apart, {rounded:?} instead of {exact:?}"
                );
                assert_ne!(rounded, exact, "{precision}: nothing was rounded");
            }
        }
    }
}

#[test]
fn run_in_16_bits_resumes_bit_for_bit_with_its_loss_scale() {
    let folder = tempdir().expect("folder");
    for precision in [Precision::F16, Precision::Bf16] {
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(format!("{precision}-{name}")));
        trained(&config(4, precision), &whole);
        trained(&config(2, precision), &parts);
        resume::<TrainConfig>(&parts, &Device::flex(), 2, 4);
        assert_eq!(losses(&whole), losses(&parts), "{precision}");
        let scales = |folder: &Path| {
            let text = String::from_utf8_lossy(&checkpoint(folder)).into_owned();
            text.split("loss_scales").nth(1).map(|rest| rest.chars().take(80).collect::<String>())
        };
        assert_eq!(scales(&whole).is_some(), precision == Precision::F16, "{precision}");
        assert_eq!(scales(&whole), scales(&parts));
    }
}

#[test]
fn precision_may_change_when_a_run_is_resumed() {
    let folder = tempdir().expect("folder");
    trained(&config(2, Precision::F32), folder.path());
    let resumed =
        Run::<TrainConfig>::resume(folder.path(), &Device::flex()).expect("a checkpoint").with_steps(4);
    let resumed = resumed.with_override("precision=f16").expect("changeable");
    resumed.train(&mut ()).expect("trained");
    assert_eq!(losses(folder.path()).len(), 4);
    let error = Run::<TrainConfig>::resume(folder.path(), &Device::flex())
        .expect("a checkpoint")
        .with_override("precision=f8");
    assert!(error.err().expect("no such precision").to_string().contains("f8"));
}

#[test]
fn pretraining_in_16_bits_is_close_to_32() {
    let folder = tempdir().expect("folder");
    let run = |precision: Precision| {
        let mut config = PretrainConfig::default().smoke();
        (config.run.steps, config.run.precision, config.run.workers) = (3, precision, 0);
        let folder = folder.path().join(precision.to_string());
        train(config, &folder);
        generator_losses(&folder)
    };
    let exact = run(Precision::F32);
    for (precision, bound) in [(Precision::Bf16, 1e-2), (Precision::F16, 1e-3)] {
        let apart = apart(&run(precision), &exact);
        assert!(apart > 0.0 && apart < bound, "{precision}: {apart} apart");
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn device_without_16_bits_names_the_precisions_it_has() {
    let folder = tempdir().expect("folder");
    let ndarray = context_encoder::device("ndarray").expect("compiled in");
    let run = Run::start(config(2, Precision::Bf16), folder.path(), &ndarray).expect("not asked yet");
    let error = run.train(&mut ()).expect_err("refused").to_string();
    assert!(error.contains("precision is bf16") && error.ends_with("write f32"), "{error}");
    assert!(fs::read_dir(folder.path()).expect("folder").next().is_none(), "nothing was written");
}
