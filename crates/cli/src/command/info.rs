//! `info`: what a file of weights or a checkpoint holds.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use context_encoder::{
    Device, Discriminator, Model, ModelConfig,
    model::{BottleneckConfig, FeatureModel, Prediction, Preset, TrainingRecord, parameter_count},
    train::{Checkpoint, PretrainConfig, TrainConfig},
};
use miette::{IntoDiagnostic, Result};
use serde_json::{Value, json};

use crate::{
    console::{Console, ExitStatus},
    device::DeviceArgs,
};

/// Show what a file holds: weights (.safetensors) or a checkpoint (.bpk).
#[derive(Args)]
pub struct Info {
    /// The file
    file: PathBuf,
}

impl Info {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let device = DeviceArgs::processor()?;
        let is_checkpoint = self.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bpk"));
        let facts = if is_checkpoint {
            of_checkpoint(&self.file, &device)?
        } else {
            of_weights(&self.file, &device)?
        };
        console.record(&facts);
        console.result(to_text(&facts).trim_end());
        Ok(ExitStatus::Complete)
    }
}

/// A checkpoint of `train`, or of `pretrain`.
fn of_checkpoint(file: &Path, device: &Device) -> Result<Value> {
    if let Ok(Checkpoint { step, epoch, config, .. }) = Checkpoint::<PretrainConfig>::load(file) {
        let mut facts = feature_network(&config.model.init(device).into_diagnostic()?);
        facts["kind"] = json!("checkpoint of pretraining");
        facts["pretext"] = json!(config.pretext.name());
        add_progress(&mut facts, step, config.run.steps, epoch, config.run.batch_size);
        return Ok(facts);
    }
    let Checkpoint { step, epoch, config, .. } = Checkpoint::<TrainConfig>::load(file).into_diagnostic()?;
    let mut facts = inpainting_network(&config.model.init(device).into_diagnostic()?);
    facts["kind"] = json!("checkpoint");
    facts["masks"] = json!(config.masks.to_string());
    add_progress(&mut facts, step, config.run.steps, epoch, config.run.batch_size);
    Ok(facts)
}

fn add_progress(facts: &mut Value, step: u64, steps: u64, epoch: u64, batch_size: usize) {
    facts["steps"] = json!(step);
    facts["steps_in_all"] = json!(steps);
    facts["epochs"] = json!(epoch);
    facts["batch"] = json!(batch_size);
}

/// A context encoder, or one of the other two networks that the library writes.
fn of_weights(file: &Path, device: &Device) -> Result<Value> {
    let mut facts = match Model::load(file, device) {
        Ok(model) => inpainting_network(&model),
        Err(error) => {
            if let Ok(discriminator) = Discriminator::load(file, device) {
                return Ok(json!({ "kind": "discriminator", "parameters": parameter_count(&discriminator) }));
            }
            feature_network(&FeatureModel::load(file, device).map_err(|_| error).into_diagnostic()?)
        }
    };
    if let Some(record) = TrainingRecord::load(file).into_diagnostic()? {
        facts["steps"] = json!(record.steps);
        facts["pictures_seen"] = json!(record.samples);
        facts["masks"] = json!(record.masks);
        facts["data"] = json!(record.data);
    }
    Ok(facts)
}

fn feature_network(model: &FeatureModel) -> Value {
    let config = model.config();
    json!({
        "kind": "feature network (AlexNet style)",
        "size": config.size,
        "width": config.width,
        "pooling": config.pooling,
        "normalised": config.local_response_norm,
        "groups": config.groups,
        "fill": config.fill,
        "parameters": parameter_count(model),
    })
}

fn inpainting_network(model: &Model) -> Value {
    let config = model.config();
    let preset = Preset::ALL.into_iter().find(|&preset| ModelConfig::preset(preset) == *config);
    json!({
        "kind": "context encoder",
        "preset": preset.map(Preset::name),
        "size": config.size,
        "width": config.width,
        "bottleneck": match config.bottleneck {
            BottleneckConfig::Dense(channels) => format!("dense, {channels} channels"),
            BottleneckConfig::ChannelWise => "channel-wise fully connected".to_owned(),
            other => format!("{other:?}"),
        },
        "predicts": match config.prediction {
            Prediction::Centre => "the central square".to_owned(),
            Prediction::Whole => "the whole picture".to_owned(),
            other => format!("{other:?}"),
        },
        "fill": config.fill,
        "parameters": parameter_count(model),
    })
}

/// What a file of weights holds, as names and values.
pub fn facts_of_weights(file: &Path, device: &Device) -> Result<Vec<(String, String)>> {
    Ok(named(&of_weights(file, device)?))
}

/// One line for each known fact.
fn to_text(facts: &Value) -> String {
    named(facts).into_iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a String never fails.
        let _ = writeln!(text, "{name:<14}{value}");
        text
    })
}

/// Every known fact with its name, the kind of file first.
fn named(facts: &Value) -> Vec<(String, String)> {
    const KEYS: &str = "kind preset size width bottleneck predicts pooling normalised groups pretext fill parameters \
                        steps steps_in_all epochs batch pictures_seen masks data";
    let fact = |key: &str| {
        let value = match &facts[key] {
            Value::Null => return None,
            Value::String(value) => value.clone(),
            value => value.to_string(),
        };
        let name = if key == "size" { "size, px".to_owned() } else { key.replace('_', " ") };
        Some((name, value))
    };
    KEYS.split_whitespace().filter_map(fact).collect()
}
