//! A configuration from a preset, a file and overrides, in this order.

use std::{fs, path::Path};

use context_encoder_model::Preset;
use toml::{Table, Value};

use crate::{TrainConfig, TrainError};

/// Key of a file that names the preset it starts from.
const PRESET: &str = "preset";

/// Key that tells variants of a choice apart (`masks.kind`, `objective.kind`, `data.kind`).
const KIND: &str = "kind";

impl TrainConfig {
    /// Reads a TOML file. It holds any of the keys of [`TrainConfig`], starting from the preset that its
    /// key `preset` names (`recommended` if there is none), and nothing else: a misspelled key is an
    /// error.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be read, [`TrainError::Config`] with the offending key.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|source| TrainError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::from_toml(&text).map_err(|error| match error {
            TrainError::Config { reason, .. } => TrainError::Config { path: Some(path.to_owned()), reason },
            other => other,
        })
    }

    /// As [`load`](Self::load), from text.
    ///
    /// ```
    /// use context_encoder_train::TrainConfig;
    ///
    /// let config = TrainConfig::from_toml("preset = \"paper\"\nbatch_size = 8\nmodel.width = 32")?;
    /// assert_eq!((config.batch_size, config.model.width), (8, 32));
    /// let error = TrainConfig::from_toml("batchsize = 8").unwrap_err().to_string();
    /// assert!(error.contains("unknown field `batchsize`"));
    /// # Ok::<(), context_encoder_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::Config`] with the offending key.
    pub fn from_toml(text: &str) -> Result<Self, TrainError> {
        let mut changes: Table = text.parse().map_err(|error: toml::de::Error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            TrainError::config(format!("line {line}: {}", one_line(error.message())))
        })?;
        let preset = match changes.remove(PRESET) {
            None => Preset::default(),
            Some(Value::String(name)) => name.parse()?,
            Some(other) => {
                return Err(TrainError::config(format!("preset is {other}; write a name in quotes")));
            }
        };
        Self::preset(preset).changed(changes)
    }

    /// Sets one key, written with dots, to a TOML value; text needs no quotes.
    ///
    /// ```
    /// use context_encoder_train::TrainConfig;
    ///
    /// let config = TrainConfig::default().with_override("model.width=16")?.with_override("masks.overlap=4")?;
    /// assert_eq!(config.model.width, 16);
    /// # Ok::<(), context_encoder_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::Config`] with the offending key.
    pub fn with_override(self, assignment: &str) -> Result<Self, TrainError> {
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
            Value::Table(changes) => self.changed(changes),
            _ => Err(TrainError::config(format!("`{assignment}` is no assignment; write key=value"))),
        }
    }

    /// As the TOML text that [`load`](Self::load) reads.
    ///
    /// # Errors
    /// [`TrainError::Config`] when a path in it is not valid text.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string_pretty(self).map_err(|error| TrainError::config(error.to_string()))
    }

    /// This configuration with some keys changed.
    fn changed(self, changes: Table) -> Result<Self, TrainError> {
        let mut table = Table::try_from(&self).map_err(|error| TrainError::config(error.to_string()))?;
        merge(&mut table, changes);
        serde_path_to_error::deserialize(table).map_err(|error| {
            let key = error.path().to_string();
            let key = if key == "." { String::new() } else { format!("{key}: ") };
            TrainError::config(format!("{key}{}", one_line(error.into_inner().message())))
        })
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
    use context_encoder_loss::Objective;
    use context_encoder_mask::MaskKind;

    use super::*;
    use crate::DataConfig;

    #[test]
    fn a_written_configuration_reads_back() {
        for preset in Preset::ALL {
            let config = TrainConfig::preset(preset);
            assert_eq!(TrainConfig::from_toml(&config.to_toml().expect("plain")).expect("own text"), config);
        }
    }

    #[test]
    fn another_kind_replaces_the_whole_choice() {
        let text = "objective.kind = \"reconstruction\"\n[masks]\nkind = \"random-region\"\n[data]\nkind = \"folder\"\npath = \"p\"\nresize = 200";
        let config = TrainConfig::from_toml(text).expect("readable");
        assert_eq!(config.objective, Objective::Reconstruction);
        assert_eq!(config.masks, MaskKind::RandomRegion { silhouettes: None });
        assert_eq!(
            config.data,
            DataConfig::Folder {
                path: "p".into(),
                resize: 200,
                strict: false,
                cache_mib: 1024,
                without: None
            }
        );
    }

    #[test]
    fn overrides_take_text_without_quotes() {
        let config = TrainConfig::default()
            .with_override("model.prediction = whole")
            .and_then(|config| config.with_override("masks.kind=random-block"))
            .and_then(|config| config.with_override("generator_rate=1e-3"))
            .and_then(|config| config.with_override("objective.kind=reconstruction"))
            .and_then(|config| config.with_override("objective.kind=joint"))
            .expect("readable");
        assert_eq!(config.objective, Objective::joint());
        assert_eq!(config.masks, MaskKind::RandomBlock);
        assert_eq!(config.generator_rate, 1e-3);
    }

    #[test]
    fn misspelled_keys_are_named_at_every_depth() {
        for (text, key) in [
            ("stepz = 3", "stepz"),
            ("model.widht = 3", "widht"),
            ("masks = { kind = \"central\", overlop = 3 }", "overlop"),
            ("data.pictres = 3", "pictres"),
            ("objective.reconstructoin = 0.5", "reconstructoin"),
        ] {
            let error = TrainConfig::from_toml(text).expect_err(text).to_string();
            assert!(error.contains(key) && !error.contains('\n'), "{error}");
        }
        let error =
            TrainConfig::from_toml("steps = 3\nmodel.width = \"wide\"").expect_err("text").to_string();
        assert!(error.contains("model.width: invalid type"), "{error}");
        let error = TrainConfig::from_toml("steps = 3\n[model\nwidth = 3").expect_err("unclosed").to_string();
        assert!(error.contains("line 2"), "{error}");
        let error = TrainConfig::from_toml("preset = \"papers\"").expect_err("no such preset").to_string();
        assert!(error.contains("no preset `papers`"), "{error}");
        assert!(TrainConfig::default().with_override("steps").is_err());
    }
}
