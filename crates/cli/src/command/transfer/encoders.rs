//! Which encoders are compared.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{
    Device,
    model::{FeatureEncoder, FeatureModelConfig},
    transfer::{EncoderSource, data_dependent_init},
};
use image::RgbImage;
use miette::{IntoDiagnostic, Result, miette};

/// The encoders and seeds of a comparison.
#[derive(Args, Clone)]
pub struct EncoderArgs {
    /// `random`, or a file of pretraining, or NAME=FILE; `{seed}` in it is replaced by each seed. May be
    /// repeated
    #[arg(long = "encoder", value_name = "[NAME=]FILE|random")]
    encoders: Vec<String>,
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
    /// The files hold the encoder's tensors without this program's header: --width, --size and --modern
    /// describe them
    #[arg(long)]
    headerless: bool,
    /// Shift and scale every convolution so that its outputs have mean 0 and standard deviation 1 on
    /// training pictures (Krähenbühl et al. 2016), before anything is trained
    #[arg(long, alias = "rescale")]
    data_dependent_init: bool,
}

/// An encoder of a comparison.
pub struct NamedEncoder {
    /// What tables call it.
    pub name: String,
    pub seed: u64,
    source: EncoderSource,
    data_dependent_init: bool,
}

impl NamedEncoder {
    /// The encoder on a device.
    pub fn load(&self, device: &Device) -> Result<FeatureEncoder> {
        self.source.load(device).into_diagnostic()
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

    /// Whether encoders were named.
    pub fn are_named(&self) -> bool {
        !self.encoders.is_empty()
    }

    /// The seeds that every encoder is tried with.
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// The configuration of a random encoder.
    pub fn random(&self) -> Result<FeatureModelConfig> {
        let config = if self.modern { FeatureModelConfig::modern() } else { FeatureModelConfig::alexnet() };
        let config = config.with_width(self.width).with_size(self.size);
        config.validate().into_diagnostic()?;
        Ok(config)
    }

    /// An encoder with a name.
    pub fn named(&self, name: &str, seed: u64, source: EncoderSource) -> NamedEncoder {
        let data_dependent_init = self.data_dependent_init;
        NamedEncoder { name: name.to_owned(), seed, source, data_dependent_init }
    }

    /// Every encoder with every seed, a random one where none was named; seeds of one encoder stand together.
    pub fn all(&self) -> Result<Vec<NamedEncoder>> {
        let config = self.random()?;
        let random = ["random".to_owned()];
        let encoders = if self.are_named() { &self.encoders[..] } else { &random };
        let mut all: Vec<NamedEncoder> = Vec::new();
        for text in encoders {
            let (name, file) = text.split_once('=').unwrap_or((text, text));
            if all.iter().any(|other| other.name == name) {
                return Err(miette!(
                    "two encoders are called `{name}`; write NAME=FILE with different names"
                ));
            }
            for &seed in &self.seeds {
                let path = || PathBuf::from(file.replace("{seed}", &seed.to_string()));
                let config = config.clone();
                let source = match file {
                    "random" => EncoderSource::Random { config, seed },
                    _ if self.headerless => EncoderSource::Headerless { path: path(), config },
                    _ => EncoderSource::File(path()),
                };
                all.push(self.named(name, seed, source));
            }
        }
        Ok(all)
    }
}
