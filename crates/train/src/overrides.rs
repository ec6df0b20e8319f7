//! Configurations as flat tables of keys: TOML files, `key=value` settings and the headers of checkpoints.
//!
//! In memory the settings of every run are a field of their own, `run`; in all of these its keys stand beside
//! the others. Keys that have been renamed are read under their old names, with a remark.

use std::{fs, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use crate::{RunSettings, TrainError};

/// Key that tells variants of a choice apart (`masks.kind`, `objective.kind`, `data.kind`).
const KIND: &str = "kind";

/// Field of a configuration that holds its [`RunSettings`]; no key.
const RUN: &str = "run";

/// Old and new names of keys.
const RENAMED: [(&str, &str); 10] = [
    ("generator_rate", "generator_lr"),
    ("discriminator_rate", "discriminator_lr"),
    ("rate", "lr"),
    ("averaging", "ema_decay"),
    ("begin_with", "init_from"),
    ("shares", "ghost_batches"),
    ("sheet_every", "samples_every"),
    ("data.without", "data.exclude"),
    ("pretext.dropped", "pretext.drop_probability"),
    ("augmentation.colour", "augmentation.color"),
];

/// Reads a configuration's file.
pub(crate) fn load<C>(
    path: &Path,
    from_toml: impl FnOnce(&str) -> Result<C, TrainError>,
) -> Result<C, TrainError> {
    let text = fs::read_to_string(path).map_err(TrainError::io("read", path))?;
    from_toml(&text).map_err(|error| match error {
        TrainError::Config { reason, .. } => TrainError::Config { path: Some(path.to_owned()), reason },
        other => other,
    })
}

/// The keys of a text.
pub(crate) fn table(text: &str) -> Result<Table, TrainError> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        TrainError::config(format!("line {line}: {}", one_line(error.message())))
    })
}

/// A configuration as text that can be read back.
pub(crate) fn to_toml<C: Serialize>(config: &C) -> Result<String, TrainError> {
    toml::to_string_pretty(&to_table(config)?).map_err(|error| TrainError::config(error.to_string()))
}

/// A configuration with one key, written with dots, set to a TOML value; text needs no quotes.
pub(crate) fn with_override<C: Serialize + DeserializeOwned>(
    config: &C,
    assignment: &str,
) -> Result<(C, Vec<String>), TrainError> {
    let no_assignment = || TrainError::config(format!("`{assignment}` is no assignment; write key=value"));
    let (key, value) = assignment.split_once('=').ok_or_else(no_assignment)?;
    let (key, value) = (key.trim(), value.trim());
    let value = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let change = key
        .split('.')
        .rev()
        .fold(value, |inner, part| Value::Table(Table::from_iter([(part.to_owned(), inner)])));
    match change {
        Value::Table(changes) => with_changes(config, changes),
        _ => Err(no_assignment()),
    }
}

/// A configuration with some keys changed, and a remark for each key that has another name now.
///
/// # Errors
/// [`TrainError::Config`] with the offending key as it was written.
pub(crate) fn with_changes<C: Serialize + DeserializeOwned>(
    config: &C,
    mut changes: Table,
) -> Result<(C, Vec<String>), TrainError> {
    let renamed = rename(&mut changes)?;
    let mut table = to_table(config)?;
    merge(&mut table, changes);
    let config = from_table(table).map_err(|mut reason| {
        for (old, new) in &renamed {
            let [old_leaf, new_leaf] = [old, new].map(|path| path.rsplit('.').next().unwrap_or(path));
            if let Some(rest) = reason.strip_prefix(&format!("{new}: ")) {
                reason = format!("{old}: {rest}");
            }
            let unknown = |leaf: &str| format!("unknown field `{leaf}`");
            reason = reason.replace(&unknown(new_leaf), &unknown(old_leaf));
        }
        TrainError::config(reason)
    })?;
    let remarks = renamed.iter().map(|(old, new)| format!("`{old}` is now called `{new}`")).collect();
    Ok((config, remarks))
}

/// The name of a key today.
pub(crate) fn current_name(key: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == key).map_or(key, |(_, new)| new)
}

/// A configuration from a checkpoint's header.
///
/// # Errors
/// The reason in words.
pub(crate) fn from_json<C: DeserializeOwned>(mut config: serde_json::Value) -> Result<C, String> {
    remove_nulls(&mut config);
    let mut table = Table::try_from(config).map_err(|error| error.to_string())?;
    rename(&mut table).map_err(|error| error.to_string())?;
    from_table(table)
}

/// A configuration with all keys flat.
pub(crate) fn to_table<C: Serialize>(config: &C) -> Result<Table, TrainError> {
    let failed = |error: toml::ser::Error| TrainError::config(error.to_string());
    let mut table = Table::try_from(config).map_err(failed)?;
    if let Some(Value::Table(run)) = table.remove(RUN) {
        table.extend(run);
    }
    Ok(table)
}

/// The way back; a reason in words when a key or a value does not fit.
fn from_table<C: DeserializeOwned>(mut table: Table) -> Result<C, String> {
    if let Some(Value::Table(data)) = table.get("data")
        && data.get("kind").and_then(Value::as_str) == Some("shards")
        && data.contains_key("exclude")
    {
        return Err(
            "data.exclude: shards are not searched for the pictures of a folder; unpack them into a folder, \
                    or leave the key out"
                .to_owned(),
        );
    }
    let known = Table::try_from(RunSettings::default()).map_err(|error| error.to_string())?;
    if table.contains_key(RUN) {
        let keys = known.keys().chain(table.keys()).filter(|key| *key != RUN);
        let keys = keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        return Err(format!("{RUN}: unknown field `{RUN}`, expected one of {keys}"));
    }
    let run: Table = known.keys().filter_map(|key| table.remove_entry(key)).collect();
    table.insert(RUN.to_owned(), Value::Table(run));
    serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        // `run.steps` is written `steps`; `run_name` is a key of nobody's.
        let key = match path.strip_prefix(RUN) {
            Some("") => "",
            Some(rest) if rest.starts_with('.') => &rest[1..],
            _ => path.trim_start_matches('.'),
        };
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        // What serde expects beside the unknown key are the fields, of which this one is no key.
        let keys = known.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let message = one_line(error.into_inner().message()).replace(&format!("`{RUN}`"), &keys);
        format!("{key}{message}")
    })
}

/// Gives keys under their old names the new ones, and tells which.
fn rename(table: &mut Table) -> Result<Vec<(&'static str, &'static str)>, TrainError> {
    let mut renamed = Vec::new();
    for (old, new) in RENAMED {
        let (inner, [old_leaf, new_leaf]) = match (old.split_once('.'), new.split_once('.')) {
            (Some((outer, old_leaf)), Some((_, new_leaf))) => {
                let Some(Value::Table(inner)) = table.get_mut(outer) else { continue };
                (inner, [old_leaf, new_leaf])
            }
            _ => (&mut *table, [old, new]),
        };
        let Some(value) = inner.remove(old_leaf) else { continue };
        if inner.insert(new_leaf.to_owned(), value).is_some() {
            return Err(TrainError::config(format!(
                "`{old}` is the old name of `{new}`, and both are given; write `{new}`"
            )));
        }
        renamed.push((old, new));
    }
    Ok(renamed)
}

/// TOML has no null: what is absent is left out.
fn remove_nulls(value: &mut serde_json::Value) {
    if let serde_json::Value::Object(object) = value {
        object.retain(|_, inner| !inner.is_null());
        object.values_mut().for_each(remove_nulls);
    }
}

/// Puts changes over a table, key by key; a table of another `kind` replaces the old one whole.
fn merge(table: &mut Table, changes: Table) {
    for (key, change) in changes {
        match (table.get_mut(&key), change) {
            (Some(Value::Table(old)), Value::Table(new)) => {
                let another_kind = new.get(KIND).is_some_and(|kind| old.get(KIND) != Some(kind));
                if another_kind {
                    *old = new;
                } else {
                    merge(old, new);
                }
            }
            (_, change) => {
                table.insert(key, change);
            }
        }
    }
}

/// TOML's own messages may span lines; ours are one.
fn one_line(message: &str) -> String {
    message.trim().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataConfig, Pretext, PretrainConfig, TrainConfig, checkpoint::Header};

    #[test]
    fn old_names_of_keys_are_read_with_a_remark() {
        let text = "generator_rate = 1e-3\ndiscriminator_rate = 1e-4\naveraging = 0.5\nbegin_with = \"w\"\nshares = 2\n\
                    sheet_every = 7\naugmentation.colour = 5\n[data]\nkind = \"folder\"\npath = \"p\"\nresize = 200\nwithout = \"t\"";
        let mut expected = TrainConfig::default();
        (expected.generator_lr, expected.discriminator_lr, expected.ema_decay) = (1e-3, 1e-4, 0.5);
        (expected.init_from, expected.ghost_batches) = (Some("w".into()), 2);
        (expected.run.samples_every, expected.run.augmentation.color) = (7, 5);
        let data = DataConfig::folder("p").in_folder("p", Some(200), false).expect("no shards");
        expected.run.data = data.excluding(Some("t".as_ref())).expect("no shards");
        let config = TrainConfig::from_toml(text).expect("old names");
        assert_eq!(config, expected);
        let config = config.with_override("averaging=0.25").expect("old name");
        assert_eq!(config.run.remarks.0.len(), 8); // each once
        assert_eq!(config.run.remarks.0[2], "`averaging` is now called `ema_decay`");
        let error = TrainConfig::from_toml("shares = 2\nghost_batches = 2").expect_err("twice").to_string();
        assert!(error.contains("both are given; write `ghost_batches`"), "{error}");

        let text = "rate = 2e-3\npretext = { kind = \"denoising\", dropped = 0.5 }";
        let config = PretrainConfig::from_toml(text).expect("old names");
        assert_eq!(config.lr, Some(2e-3));
        assert_eq!(config.pretext, Pretext::Denoising { drop_probability: 0.5 });
        assert_eq!(config.run.remarks.0[1], "`pretext.dropped` is now called `pretext.drop_probability`");
    }

    #[test]
    fn unknown_keys_are_named_as_they_were_written() {
        let error = |assignment: &str| {
            TrainConfig::default().with_override(assignment).expect_err(assignment).to_string()
        };
        assert!(
            error("run_name=x").contains("run_name: unknown field `run_name`"),
            "{}",
            error("run_name=x")
        );
        assert!(error("run.steps=2").contains("unknown field `run`"), "{}", error("run.steps=2"));
        let shards = "data={kind=\"shards\", path=\"p\", resize=64, exclude=\"t\"}";
        assert!(error(shards).contains("unpack them into a folder"), "{}", error(shards));
    }

    /// Headers as the program wrote them before keys were renamed.
    #[test]
    fn headers_of_earlier_versions_are_read() {
        let header = |text: &str| serde_json::from_str::<Header>(text).expect("readable");
        let path = Path::new("checkpoint.bpk");
        let inpainting = header(
            r#"{"format":1,"step":2,"epoch":0,"pictures":14995380765736706767,"optimizer_tensors":[42,16],"config":{
            "steps":2,"batch_size":4,"seed":0,"generator_rate":0.0005,"discriminator_rate":0.0002,
            "schedule":"constant","averaging":0.5,"workers":0,"log_every":1,"sheet_every":7,"validate_every":100,
            "checkpoint_every":100,"validation_pictures":1,"mask_sharing":"each-picture","shares":2,"precision":"f32",
            "model":{"size":64,"width":1,"bottleneck":"channel-wise","prediction":"centre","fill":"mean"},
            "masks":{"kind":"central","overlap":0},
            "objective":{"kind":"joint","reconstruction":0.999,"adversarial":0.001},
            "reconstruction":{"distance":"l2","average":"region","overlap_weight":10.0},
            "data":{"kind":"folder","path":"p","resize":200,"strict":false,"cache_mib":1024,"without":"t"},
            "augmentation":{"smallest":0,"colour":5}}}"#,
        );
        assert_eq!((inpainting.step, inpainting.pictures), (2, 14_995_380_765_736_706_767));
        let config: TrainConfig = inpainting.config(path).expect("readable");
        assert_eq!((config.generator_lr, config.discriminator_lr, config.ema_decay), (5e-4, 2e-4, 0.5));
        assert_eq!((config.ghost_batches, config.run.samples_every), (2, 7));
        assert_eq!(config.run.augmentation.color, 5);
        assert!(config.run.data.describe().ends_with("without what is in t, shorter side 200 px"));
        let again = Header::new(&config, 2, 0, inpainting.pictures).expect("plain");
        assert!(serde_json::to_string(&again).expect("plain").contains(r#""generator_lr":0.0005"#));
        assert_eq!(again.config::<TrainConfig>(path).expect("readable"), config);

        let pretraining = header(
            r#"{"format":1,"step":2,"epoch":0,"pictures":1,"optimizer_tensors":[46],
            "loss_scales":[{"scale":65536.0,"good":2}],"config":{"steps":2,"batch_size":4,"seed":0,"rate":0.001,
            "schedule":"constant","workers":0,"log_every":1,"sheet_every":100,"validate_every":100,
            "checkpoint_every":100,"validation_pictures":1,"precision":"f16",
            "model":{"size":99,"width":4,"pooling":"max","local_response_norm":true,"groups":2,"fill":"mean"},
            "pretext":{"kind":"denoising","dropped":0.25},"masks":{"kind":"random-region","silhouettes":null},
            "data":{"kind":"facades","pictures":4096},"augmentation":{"smallest":0,"colour":0}}}"#,
        );
        assert!(pretraining.loss_scales[0].is_usable());
        let config: PretrainConfig = pretraining.config(path).expect("readable");
        assert_eq!((config.lr, config.pretext), (Some(1e-3), Pretext::Denoising { drop_probability: 0.25 }));
    }
}
