//! A configuration from a preset, a file and overrides, in this order.

use std::path::Path;

use context_encoder_model::Preset;
use toml::Value;

use crate::{TrainConfig, TrainError, overrides};

/// Key of a file that names the preset it starts from.
const PRESET: &str = "preset";

impl TrainConfig {
    /// Reads a TOML file. It holds any of the keys of [`TrainConfig`], starting from the preset that its
    /// key `preset` names (`recommended` if there is none), and nothing else: a misspelled key is an
    /// error.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the file cannot be read, [`TrainError::Config`] with the offending key.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        overrides::load(path.as_ref(), Self::from_toml)
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
        let mut changes = overrides::table(text)?;
        let preset = match changes.remove(PRESET) {
            None => Preset::default(),
            Some(Value::String(name)) => name.parse()?,
            Some(other) => {
                return Err(TrainError::config(format!("preset is {other}; write a name in quotes")));
            }
        };
        overrides::changed(&Self::preset(preset), changes)
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
        overrides::overridden(&self, assignment)
    }

    /// As the TOML text that [`load`](Self::load) reads.
    ///
    /// # Errors
    /// [`TrainError::Config`] when a path in it is not valid text.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        overrides::to_toml(self)
    }
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
