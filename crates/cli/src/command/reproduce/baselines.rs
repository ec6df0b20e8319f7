//! The encoders that an experiment compares: context encoder, autoencoders and random weights, pretrained
//! where they are missing.

use std::path::{Path, PathBuf};

use clap::Args;
use context_encoder::{
    Device,
    train::{Pretext, PretrainConfig, Run, Task},
    transfer::Classifier,
};
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use crate::{
    command::{
        masks::MaskKindName,
        transfer::{EncoderArgs, EncoderSource, NamedEncoder},
    },
    console::Console,
    training::progress,
};

/// The pretraining runs of an experiment.
#[derive(Args, Clone)]
pub struct Baselines {
    #[command(flatten)]
    encoders: EncoderArgs,
    /// Folder of pictures to pretrain on, without labels; otherwise those of DIR/train, or all of the
    /// devkit's year, those to test on among them
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// What is hidden from the context encoder
    #[arg(long, value_enum, default_value_t = MaskKindName::RandomRegion)]
    masks: MaskKindName,
    /// A setting of pretraining, such as `steps=20000`, the paper's otherwise; may be repeated
    #[arg(long = "pretrain", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Folder of the pretraining runs: those that are there are continued or used as they are
    #[arg(long, default_value = "runs/pretrained", value_name = "DIR")]
    pretrained: PathBuf,
}

impl Baselines {
    /// The smallest of everything, below a folder that goes away.
    pub fn tiny(&self, folder: &Path) -> Self {
        let settings = ["steps=2", "batch_size=4", "validation_pictures=2", "workers=0"];
        Self {
            encoders: self.encoders.tiny(),
            pictures: None,
            settings: settings.map(str::to_owned).to_vec(),
            pretrained: folder.join("pretrained"),
            ..self.clone()
        }
    }

    /// Side of the pictures that encoders pretrained here see, pixels.
    pub fn size(&self) -> Result<usize> {
        Ok(self.encoders.config()?.size)
    }

    /// The encoders that were named; without any, each pretext and random weights, with every seed. `own` are
    /// the pictures of the task.
    pub fn load(&self, own: &Path, device: &Device, console: &Console) -> Result<Vec<NamedEncoder>> {
        if !self.encoders.encoders.is_empty() {
            return self.encoders.all();
        }
        let pictures = self.pictures.as_deref().unwrap_or(own);
        let mut all = Vec::new();
        for pretext in Pretext::ALL {
            all.extend(self.encoders.with_seeds(pretext.name(), |seed| {
                let folder = self.pretrained.join(format!("{pretext}-{seed}"));
                let config = self.configuration(pretext, seed, pictures)?;
                let weights = pretrained(config, &folder, device, console)
                    .wrap_err_with(|| format!("pretraining in {}", folder.display()))?;
                Ok(EncoderSource::File(weights))
            })?);
        }
        let config = self.encoders.config()?;
        all.extend(self.encoders.with_seeds("random", |_| Ok(EncoderSource::Random(config.clone())))?);
        Ok(all)
    }

    fn configuration(&self, pretext: Pretext, seed: u64, pictures: &Path) -> Result<PretrainConfig> {
        let model = self.encoders.config()?;
        let all = PretrainConfig::default()
            .with_folder(pictures, Some(Classifier::shorter_side(model.size)), false)
            .into_diagnostic()?;
        let mut context = PretrainConfig { model, masks: self.masks.with(0, None), ..all.clone() };
        context.run.seed = seed;
        // All learn at the rate for these masks; but autoencoders hide nothing of the kind, and serve for any
        // masks.
        let lr = Some(context.lr());
        let masks = if pretext == Pretext::Context { context.masks.clone() } else { all.masks };
        let config = PretrainConfig { pretext, lr, masks, ..context };
        let mut config = self
            .settings
            .iter()
            .try_fold(config, |config, setting| config.with_override(setting))
            .into_diagnostic()?;
        config.make_paths_absolute();
        Ok(config)
    }
}

/// The weights of a run, which is begun, continued, or found complete.
fn pretrained(config: PretrainConfig, folder: &Path, device: &Device, console: &Console) -> Result<PathBuf> {
    let steps = config.run.steps;
    let run = if Run::<PretrainConfig>::is_in(folder) {
        let run = Run::<PretrainConfig>::resume(folder, device).into_diagnostic()?;
        if *run.config() != config {
            return Err(miette!(
                help = "choose another folder with --pretrained, or the settings in its config.toml",
                "the folder holds a run with other settings"
            ));
        }
        match Run::<PretrainConfig>::weights_in(folder) {
            Some(weights) if run.step() == steps => return Ok(weights),
            _ => run,
        }
    } else {
        Run::start(config, folder, device).into_diagnostic()?
    };
    let summary = run.train(&mut *progress(console)).into_diagnostic()?;
    if summary.step < steps {
        let step = summary.step;
        return Err(miette!("stopped at step {step} of {steps}; the same command goes on from there"));
    }
    Ok(summary.weights)
}
