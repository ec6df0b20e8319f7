//! Configurations as TOML text, and with some keys changed: what is the same for all of them.

use std::{fs, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use crate::TrainError;

/// Key that tells variants of a choice apart (`masks.kind`, `objective.kind`, `data.kind`).
const KIND: &str = "kind";

/// Reads a configuration's file.
pub(crate) fn load<C>(
    path: &Path,
    from_toml: impl FnOnce(&str) -> Result<C, TrainError>,
) -> Result<C, TrainError> {
    let text = fs::read_to_string(path).map_err(|source| TrainError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
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
    toml::to_string_pretty(config).map_err(|error| TrainError::config(error.to_string()))
}

/// A configuration with one key, written with dots, set to a TOML value; text needs no quotes.
pub(crate) fn overridden<C: Serialize + DeserializeOwned>(
    config: &C,
    assignment: &str,
) -> Result<C, TrainError> {
    let (key, value) = assignment
        .split_once('=')
        .ok_or_else(|| TrainError::config(format!("`{assignment}` is no assignment; write key=value")))?;
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
        Value::Table(changes) => changed(config, changes),
        _ => Err(TrainError::config(format!("`{assignment}` is no assignment; write key=value"))),
    }
}

/// A configuration with some keys changed.
pub(crate) fn changed<C: Serialize + DeserializeOwned>(config: &C, changes: Table) -> Result<C, TrainError> {
    let mut table = Table::try_from(config).map_err(|error| TrainError::config(error.to_string()))?;
    merge(&mut table, changes);
    serde_path_to_error::deserialize(table).map_err(|error| {
        let key = error.path().to_string();
        let key = if key == "." { String::new() } else { format!("{key}: ") };
        TrainError::config(format!("{key}{}", one_line(error.into_inner().message())))
    })
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
