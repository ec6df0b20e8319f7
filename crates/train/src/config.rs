//! The configuration of inpainting: a preset, a file and overrides, in this order.

use std::path::{Path, PathBuf};

use context_encoder_data::MaskSharing;
use context_encoder_loss::{Average, Objective, Reconstruction};
use context_encoder_mask::MaskKind;
use context_encoder_model::{ModelConfig, Prediction, Preset};
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::{RunSettings, Schedule, TrainError, overrides, settings::validate_lr};

/// Key of a file that names the preset it starts from.
const PRESET: &str = "preset";

/// Everything that a training run for inpainting depends on. Two runs of equal configuration on the same kind
/// of device give equal weights.
///
/// | key | meaning | `recommended` | `paper` | `authors` |
/// |---|---|---|---|---|
/// | `model` | architecture | channel-wise | channel-wise | dense 4000, scrambled fill |
/// | `masks` | what is hidden | central, overlap 0 | central, overlap 7 | central, overlap 4 |
/// | `objective` | generator loss | joint .999/.001 | joint .999/.001 | joint .999/.001 |
/// | `reconstruction` | distance and average (alike where the centre is predicted) | L2 by region | L2 by region | L2 by patch |
/// | `mask_sharing` | pictures that share a mask | none | none | those of a batch |
/// | `generator_lr` | Adam's learning rate | 2e-3 | 2e-3 | 2e-3 |
/// | `discriminator_lr` | Adam's learning rate | 2e-4 | 2e-4 | 2e-4 |
/// | `schedule` | how both learning rates change | constant | constant | constant |
/// | `ema_decay` | decay of the moving average of the generator's weights, 0 for none | 0 | 0 | 0 |
/// | `ghost_batches` | ghost batches of batch norm in a batch, 0 for one on each device | 0 | 0 | 0 |
/// | `init_from` | initial weights of the generator, a file | random | random | random |
///
/// and those of [`RunSettings`].
///
/// ```
/// use context_encoder_model::Preset;
/// use context_encoder_train::TrainConfig;
///
/// let config = TrainConfig::preset(Preset::Paper);
/// assert_eq!(config.masks.to_string(), "central, overlap 7 px");
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// What every run has: steps, batch size, data, intervals.
    pub run: RunSettings,
    /// Learning rate of the generator's Adam.
    pub generator_lr: f64,
    /// Learning rate of the discriminator's Adam.
    pub discriminator_lr: f64,
    /// How both learning rates change in the course of the run.
    #[serde(default)]
    pub schedule: Schedule,
    /// Decay of the exponential moving average of the generator's weights, 0 to below 1; the average is then
    /// what is validated and saved. 0 for none.
    #[serde(default)]
    pub ema_decay: f64,
    /// Ghost batches: equal parts of a batch that batch norm normalizes each by its own statistics, as that
    /// many devices do; 0 for one on each device. With them a run learns the same on any number of
    /// devices.
    #[serde(default)]
    pub ghost_batches: usize,
    /// Which pictures of a batch share a mask.
    pub mask_sharing: MaskSharing,
    /// Architecture.
    pub model: ModelConfig,
    /// Initial weights of the generator, a file of the same architecture; random ones without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
    /// What is hidden.
    pub masks: MaskKind,
    /// What the generator minimizes.
    pub objective: Objective,
    /// How distance from the truth is measured.
    pub reconstruction: Reconstruction,
}

impl Default for TrainConfig {
    /// [`Preset::Recommended`].
    fn default() -> Self {
        Self::preset(Preset::Recommended)
    }
}

impl TrainConfig {
    /// The configuration of a named preset, on the built-in facades.
    pub fn preset(preset: Preset) -> Self {
        // With an overlap of 0 nothing is visible where the network must predict: the loss is over all of the
        // square.
        let recommended = Self {
            run: RunSettings::default(),
            generator_lr: 2e-3,
            discriminator_lr: 2e-4,
            schedule: Schedule::Constant,
            ema_decay: 0.0,
            ghost_batches: 0,
            mask_sharing: MaskSharing::EachPicture,
            model: ModelConfig::preset(preset),
            init_from: None,
            masks: MaskKind::Central { overlap: 0 },
            objective: Objective::joint(),
            reconstruction: Reconstruction::default(),
        };
        match preset {
            Preset::Paper => Self { masks: MaskKind::Central { overlap: 7 }, ..recommended },
            Preset::Authors => Self {
                masks: MaskKind::Central { overlap: 4 },
                mask_sharing: MaskSharing::EachBatch,
                reconstruction: Reconstruction { average: Average::Patch, ..recommended.reconstruction },
                ..recommended
            },
            Preset::Photo => {
                Self { masks: MaskKind::FreeForm, objective: Objective::Reconstruction, ..recommended }
            }
            _ => recommended,
        }
    }

    /// What fits into a few minutes on two cores, one with AVX-512: many small steps of a narrow network.
    pub fn first_run() -> Self {
        let config = Self::default();
        Self {
            run: RunSettings::first_run(800),
            generator_lr: 5e-4, // the paper's 2e-3 is for batches of 64
            model: config.model.with_width(32),
            ..config
        }
    }

    /// Two steps of a tiny network, to see that everything works.
    pub fn smoke(self) -> Self {
        Self { run: self.run.smoke(), model: self.model.with_size(64).with_width(4), ..self }
    }

    /// Reads a TOML file. It holds any of the keys, starting from the preset that its key `preset` names
    /// (`recommended` if there is none), and nothing else: a misspelled key is an error.
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
    /// assert_eq!((config.run.batch_size, config.model.width), (8, 32));
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
        let (mut config, remarks) = overrides::with_changes(&Self::preset(preset), changes)?;
        config.run.remarks.0 = remarks;
        Ok(config)
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
        let (mut config, remarks) = overrides::with_override(&self, assignment)?;
        config.run.remarks = self.run.remarks;
        config.run.remarks.add(remarks);
        Ok(config)
    }

    /// As the TOML text that [`load`](Self::load) reads.
    ///
    /// # Errors
    /// [`TrainError::Config`] when a path in it is not valid text.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        overrides::to_toml(self)
    }

    /// Checks every field, and that they fit together.
    ///
    /// # Errors
    /// [`TrainError::Config`] or [`TrainError::Model`] with the key and what to write instead.
    pub fn validate(&self) -> Result<(), TrainError> {
        let refuse = |reason: String| Err(TrainError::config(reason));
        self.model.validate()?;
        for (key, lr) in [("generator_lr", self.generator_lr), ("discriminator_lr", self.discriminator_lr)] {
            validate_lr(key, lr, "2e-3 and 2e-4")?;
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            return refuse(format!("ema_decay is {}; write 0 for none, or such as 0.999", self.ema_decay));
        }
        let (batch, parts) = (self.run.batch_size, self.ghost_batches);
        if parts > 0 && !(batch.is_multiple_of(parts) && batch / parts >= 2) {
            return refuse(format!(
                "ghost_batches is {parts}, and a batch of {batch} has no such equal parts of 2 pictures or more; write 0 \
                 or a divisor of {batch} up to {}",
                batch / 2
            ));
        }
        let weights = match self.objective {
            Objective::Joint { reconstruction, adversarial } => [reconstruction, adversarial],
            _ => [1.0, 1.0],
        };
        if weights
            .iter()
            .chain([&self.reconstruction.overlap_weight])
            .any(|weight| !(weight.is_finite() && *weight >= 0.0))
        {
            return refuse("a weight in `objective` or `reconstruction` is negative or NaN".to_owned());
        }
        self.run.validate(self.model.size, &self.masks)?;
        let central = matches!(self.masks, MaskKind::Central { .. });
        if self.model.prediction == Prediction::Centre && !central {
            return refuse(format!(
                "the model predicts the centre but the masks are {}; write model.prediction = \"whole\"",
                self.masks
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataConfig;

    #[test]
    fn presets_are_usable_and_differ_as_tabled() {
        for preset in Preset::ALL {
            TrainConfig::preset(preset).validate().expect("usable");
        }
        let [paper, authors, recommended, photo] = Preset::ALL.map(TrainConfig::preset);
        assert_eq!(paper.masks, MaskKind::Central { overlap: 7 });
        assert_eq!(authors.reconstruction.average, Average::Patch);
        assert_eq!(recommended.masks, MaskKind::Central { overlap: 0 });
        assert_eq!((photo.masks, photo.objective), (MaskKind::FreeForm, Objective::Reconstruction));
    }

    #[test]
    fn settings_that_do_not_fit_together_are_refused_with_the_key() {
        let refusal = |change: fn(&mut TrainConfig)| {
            let mut config = TrainConfig::default();
            change(&mut config);
            config.validate().expect_err("unusable").to_string()
        };
        assert!(refusal(|c| c.run.batch_size = 1).contains("batch_size is 1; write 2 to"));
        assert!(refusal(|c| c.run.workers = 100_000).contains("workers is 100000"));
        assert!(refusal(|c| c.masks = MaskKind::Central { overlap: 32 }).contains("leaves nothing hidden"));
        let small = |c: &mut TrainConfig| {
            c.run.data = DataConfig::Shards { path: "p".into(), resize: 60, strict: false };
        };
        assert!(refusal(small).contains("data.resize is 60"));
        assert!(refusal(|c| c.generator_lr = f64::NAN).contains("generator_lr is NaN"));
        assert!(refusal(|c| c.masks = MaskKind::RandomBlock).contains("model.prediction = \"whole\""));
        assert!(refusal(|c| c.ghost_batches = 3).contains("a divisor of 64 up to 32"));
        assert!(refusal(|c| c.ema_decay = 1.0).contains("ema_decay is 1"));
        assert!(refusal(|c| c.run.augmentation.smallest = 100).contains("shorter sides from 100 to 160"));
        assert!(refusal(|c| c.run.log_every = 0).contains("log_every"));
        assert!(refusal(|c| c.model.size = 100).contains("choose 64, 128 or 256"));
        assert!(refusal(|c| c.reconstruction.overlap_weight = -1.0).contains("negative"));
    }

    #[test]
    fn written_configuration_reads_back_with_flat_keys() {
        for preset in Preset::ALL {
            let config = TrainConfig::preset(preset);
            let text = config.to_toml().expect("plain");
            assert!(text.contains("\nsteps = 10000\n") && !text.contains("run"), "{text}");
            assert_eq!(TrainConfig::from_toml(&text).expect("own text"), config);
        }
    }

    #[test]
    fn another_kind_replaces_the_whole_choice() {
        let text = "objective.kind = \"reconstruction\"\n[masks]\nkind = \"random-region\"\n[data]\nkind = \"folder\"\npath = \"p\"\nresize = 200";
        let config = TrainConfig::from_toml(text).expect("readable");
        assert_eq!(config.objective, Objective::Reconstruction);
        assert_eq!(config.masks, MaskKind::RandomRegion { silhouettes: None, cell: None });
        let data = DataConfig::folder("p").in_folder("p", Some(200), false).expect("no shards");
        assert_eq!(config.run.data, data);
    }

    #[test]
    fn overrides_take_text_without_quotes() {
        let config = TrainConfig::default()
            .with_override("model.prediction = whole")
            .and_then(|config| config.with_override("masks.kind=random-block"))
            .and_then(|config| config.with_override("generator_lr=1e-3"))
            .and_then(|config| config.with_override("objective.kind=reconstruction"))
            .and_then(|config| config.with_override("objective.kind=joint"))
            .expect("readable");
        assert_eq!(config.objective, Objective::joint());
        assert_eq!(config.masks, MaskKind::RandomBlock);
        assert_eq!(config.generator_lr, 1e-3);
    }

    #[test]
    fn misspelled_keys_are_named_at_every_depth() {
        for (text, key) in [
            ("stepz = 3", "unknown field `stepz`"),
            ("run = 3", "unknown field `run`"),
            ("run.steps = 3", "unknown field `run`"),
            ("rate = 1e-3", "unknown field `rate`, expected one of"),
            ("model.widht = 3", "widht"),
            ("masks = { kind = \"central\", overlop = 3 }", "overlop"),
            ("data.pictres = 3", "pictres"),
            ("objective.reconstructoin = 0.5", "reconstructoin"),
            ("model.width = \"wide\"", ": model.width: invalid type"),
            ("workers = \"many\"", ": workers: invalid type"),
            ("sheet_every = \"often\"", ": sheet_every: invalid type"),
            ("augmentation.smallest = true", ": augmentation.smallest: invalid type"),
            ("steps = 3\n[model\nwidth = 3", "line 2"),
            ("preset = \"papers\"", "no preset `papers`"),
        ] {
            let error = TrainConfig::from_toml(text).expect_err(text).to_string();
            assert!(error.contains(key) && !error.contains('\n'), "{error}");
        }
        let error = TrainConfig::from_toml("stepz = 3").expect_err("misspelled").to_string();
        assert!(error.contains("`steps`") && error.contains("`generator_lr`") && !error.contains("`run`"));
        assert!(TrainConfig::default().with_override("steps").is_err());
    }
}
