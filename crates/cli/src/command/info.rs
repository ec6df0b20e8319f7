//! `info`: what a file of weights or a checkpoint holds.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use context_encoder::{
    Device, Discriminator, Model, ModelConfig,
    model::{
        BottleneckConfig, FeatureModel, FeatureModelConfig, Prediction, Preset, TrainingRecord,
        parameter_count,
    },
    train::{Checkpoint, CheckpointRecord, PretrainConfig},
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
        let checkpoint = self.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bpk"));
        let facts =
            if checkpoint { of_checkpoint(&self.file, &device)? } else { of_weights(&self.file, &device)? };
        console.record(&facts);
        console.result(to_text(&facts).trim_end());
        Ok(ExitStatus::Complete)
    }
}

/// A checkpoint of `train`, or of `pretrain`.
fn of_checkpoint(file: &Path, device: &Device) -> Result<Value> {
    if let Ok(Checkpoint { step, epoch, config }) = Checkpoint::<PretrainConfig>::load(file) {
        let mut facts = feature_network(&config.model);
        facts["kind"] = json!("checkpoint of pretraining");
        facts["pretext"] = json!(config.pretext.name());
        facts["parameters"] = json!(parameter_count(&config.model.init(device).into_diagnostic()?));
        facts["steps"] = json!(step);
        facts["steps_in_all"] = json!(config.steps);
        facts["epochs"] = json!(epoch);
        facts["batch"] = json!(config.batch_size);
        return Ok(facts);
    }
    let CheckpointRecord { step, epoch, config } = CheckpointRecord::load(file).into_diagnostic()?;
    let mut facts = inpainting_network(&config.model);
    facts["kind"] = json!("checkpoint");
    facts["parameters"] = json!(parameter_count(&config.model.init(device).into_diagnostic()?));
    facts["steps"] = json!(step);
    facts["steps_in_all"] = json!(config.steps);
    facts["epochs"] = json!(epoch);
    facts["batch"] = json!(config.batch_size);
    facts["masks"] = json!(config.masks.to_string());
    Ok(facts)
}

/// A context encoder; or the other two networks that the library writes.
fn of_weights(file: &Path, device: &Device) -> Result<Value> {
    let error = match Model::load(file, device) {
        Ok(model) => {
            let mut facts = inpainting_network(model.config());
            facts["kind"] = json!("context encoder");
            facts["parameters"] = json!(parameter_count(&model));
            add_record(&mut facts, file)?;
            return Ok(facts);
        }
        Err(error) => error,
    };
    if let Ok(discriminator) = Discriminator::load(file, device) {
        return Ok(json!({ "kind": "discriminator", "parameters": parameter_count(&discriminator) }));
    }
    if let Ok(model) = FeatureModel::load(file, device) {
        let mut facts = feature_network(model.config());
        facts["kind"] = json!("feature network (AlexNet style)");
        facts["parameters"] = json!(parameter_count(&model));
        add_record(&mut facts, file)?;
        return Ok(facts);
    }
    Err(error).into_diagnostic()
}

/// The training record of weights that have one.
fn add_record(facts: &mut Value, file: &Path) -> Result<()> {
    if let Some(record) = TrainingRecord::load(file).into_diagnostic()? {
        facts["steps"] = json!(record.steps);
        facts["pictures_seen"] = json!(record.samples);
        facts["masks"] = json!(record.masks);
        facts["data"] = json!(record.data);
    }
    Ok(())
}

/// The architecture of a feature network.
fn feature_network(config: &FeatureModelConfig) -> Value {
    json!({
        "size": config.size,
        "width": config.width,
        "pooling": config.pooling,
        "normalised": config.local_response_norm,
        "groups": config.groups,
        "fill": config.fill,
    })
}

/// The architecture of a context encoder, and its preset.
fn inpainting_network(config: &ModelConfig) -> Value {
    let preset = Preset::ALL.into_iter().find(|&preset| ModelConfig::preset(preset) == *config);
    json!({
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
    })
}

/// One line for each known fact, the kind of file first.
fn to_text(facts: &Value) -> String {
    const ORDER: [(&str, &str); 19] = [
        ("kind", "kind"),
        ("preset", "preset"),
        ("size", "size, px"),
        ("width", "width"),
        ("bottleneck", "bottleneck"),
        ("predicts", "predicts"),
        ("pooling", "pooling"),
        ("normalised", "normalised"),
        ("groups", "groups"),
        ("pretext", "pretext"),
        ("fill", "fill"),
        ("parameters", "parameters"),
        ("steps", "steps"),
        ("steps_in_all", "steps in all"),
        ("epochs", "epochs"),
        ("batch", "batch"),
        ("pictures_seen", "pictures seen"),
        ("masks", "masks"),
        ("data", "data"),
    ];
    ORDER.iter().fold(String::new(), |mut text, (key, name)| {
        let value = match &facts[*key] {
            Value::Null => return text,
            Value::String(value) => value.clone(),
            value => value.to_string(),
        };
        // Writing to a String never fails.
        let _ = writeln!(text, "{name:<14}{value}");
        text
    })
}
