//! Which encoders are compared.

use std::{fs, path::PathBuf};

use clap::Args;
use context_encoder::{
    Device,
    model::{FeatureEncoder, FeatureModel, FeatureModelConfig},
    transfer::data_dependent_init,
};
use image::RgbImage;
use miette::{IntoDiagnostic, Report, Result, WrapErr, miette};
use sha2::{Digest, Sha256};

/// The encoders and seeds of a comparison.
#[derive(Args, Clone)]
pub struct EncoderArgs {
    /// `random`, or a file of pretraining, or NAME=FILE; `{seed}` in it is replaced by each seed. May be
    /// repeated
    #[arg(long = "encoder", value_name = "[NAME=]FILE|random")]
    pub encoders: Vec<String>,
    /// Seeds of initial weights, data order and crops; every encoder is tried with each
    #[arg(long, value_delimiter = ',', default_value = "0", value_name = "N,N,...")]
    seeds: Vec<u64>,
    /// Width of a random encoder: 64 is AlexNet
    #[arg(long, default_value_t = 64, value_name = "N")]
    width: usize,
    /// Side of the pictures of a random encoder, pixels
    #[arg(long, default_value_t = 227, value_name = "PIXELS")]
    size: usize,
    /// A random encoder without local response normalisation and groups
    #[arg(long)]
    modern: bool,
    /// Files may hold the encoder's tensors without this program's header: --width, --size and --modern
    /// describe those
    #[arg(long)]
    headerless: bool,
    /// Shift and scale every convolution, fc6 and fc7 so that their outputs have mean 0 and standard
    /// deviation 1 on training pictures (Krähenbühl et al. 2016), before anything is trained
    #[arg(long, alias = "rescale")]
    data_dependent_init: bool,
}

/// An encoder of a comparison.
pub struct NamedEncoder {
    /// What tables call it.
    pub name: String,
    pub seed: u64,
    pub source: EncoderSource,
    pub data_dependent_init: bool,
}

/// Where an encoder comes from.
pub enum EncoderSource {
    Random(FeatureModelConfig),
    /// A file of pretraining; its header holds the configuration.
    File(PathBuf),
    /// Any safetensors file with the encoder's tensor names.
    Headerless(PathBuf, FeatureModelConfig),
}

impl NamedEncoder {
    pub fn load(&self, device: &Device) -> Result<FeatureEncoder> {
        let encoder = match &self.source {
            EncoderSource::Random(config) => {
                config.init_seeded(self.seed, device).map(FeatureModel::into_encoder)
            }
            EncoderSource::File(path) => FeatureEncoder::load(path, device),
            EncoderSource::Headerless(path, config) => {
                FeatureEncoder::load(path, device).or_else(|_| config.load_encoder(path, device))
            }
        };
        encoder.into_diagnostic()
    }

    /// Tells this encoder's weights from any other's.
    pub fn fingerprint(&self) -> Result<String> {
        let hash = |path: &PathBuf| {
            let bytes = fs::read(path)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot read {}", path.display()))?;
            let digest = Sha256::digest(bytes);
            Ok::<_, Report>(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        };
        let weights = match &self.source {
            EncoderSource::Random(config) => format!("{config:?}"),
            EncoderSource::File(path) => hash(path)?,
            EncoderSource::Headerless(path, config) => format!("{} as {config:?}", hash(path)?),
        };
        let init = if self.data_dependent_init { ", initialised on the data" } else { "" };
        Ok(format!("{weights}{init}"))
    }

    /// The encoder after data-dependent initialisation, where that was asked for.
    pub fn init_from<'a>(
        &self,
        encoder: FeatureEncoder,
        images: impl ExactSizeIterator<Item = &'a RgbImage>,
    ) -> FeatureEncoder {
        if self.data_dependent_init { data_dependent_init(encoder, images) } else { encoder }
    }
}

impl EncoderArgs {
    /// Smaller than any real one, for smoke runs.
    pub fn tiny(&self) -> Self {
        Self { width: 4, size: 99, ..self.clone() }
    }

    /// The configuration of a random encoder.
    pub fn config(&self) -> Result<FeatureModelConfig> {
        let config = if self.modern { FeatureModelConfig::modern() } else { FeatureModelConfig::alexnet() };
        let config = config.with_width(self.width).with_size(self.size);
        config.validate().into_diagnostic()?;
        Ok(config)
    }

    /// One encoder with every seed.
    pub fn with_seeds(
        &self,
        name: &str,
        source: impl Fn(u64) -> Result<EncoderSource>,
    ) -> Result<Vec<NamedEncoder>> {
        let encoder = |&seed: &u64| {
            let (name, data_dependent_init) = (name.to_owned(), self.data_dependent_init);
            Ok(NamedEncoder { name, seed, source: source(seed)?, data_dependent_init })
        };
        self.seeds.iter().map(encoder).collect()
    }

    /// Every encoder with every seed, a random one where none was named; seeds of one encoder stand together.
    pub fn all(&self) -> Result<Vec<NamedEncoder>> {
        let config = self.config()?;
        let random = ["random".to_owned()];
        let encoders = if self.encoders.is_empty() { &random } else { &self.encoders[..] };
        let mut all: Vec<NamedEncoder> = Vec::new();
        for text in encoders {
            let (name, file) = text.split_once('=').unwrap_or((text, text));
            if all.iter().any(|other| other.name == name) {
                return Err(miette!(
                    "two encoders are called `{name}`; write NAME=FILE with different names"
                ));
            }
            all.extend(self.with_seeds(name, |seed| {
                let path = PathBuf::from(file.replace("{seed}", &seed.to_string()));
                Ok(match file {
                    "random" => EncoderSource::Random(config.clone()),
                    _ if self.headerless => EncoderSource::Headerless(path, config.clone()),
                    _ => EncoderSource::File(path),
                })
            })?);
        }
        Ok(all)
    }
}
