//! Which encoders are compared.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{model::FeatureModelConfig, transfer::Source};
use miette::{Result, miette};

/// The choice of encoders and seeds.
#[derive(Args, Clone)]
pub struct EncoderChoice {
    /// `random`, or a file of pretraining, or NAME=FILE; `{seed}` in it is replaced by each seed. May be repeated
    #[arg(long = "encoder", value_name = "[NAME=]FILE|random", default_value = "random")]
    encoders: Vec<String>,
    /// Seeds of first weights, order and crops; every encoder is tried with each
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
    /// The files hold the encoder's tensors without this program's header: --width, --size and --modern describe them
    #[arg(long)]
    headerless: bool,
}

/// An encoder to try.
pub struct Named {
    /// What tables call it.
    pub name: String,
    pub seed: u64,
    pub source: Source,
}

impl EncoderChoice {
    /// Smaller than any real one, for trials.
    pub fn tiny(&self) -> Self {
        Self { width: 4, size: 99, ..self.clone() }
    }

    /// Every encoder with every seed; seeds of one encoder stand together.
    pub fn all(&self) -> Result<Vec<Named>> {
        let mut config =
            if self.modern { FeatureModelConfig::modern() } else { FeatureModelConfig::alexnet() };
        config = config.with_width(self.width).with_size(self.size);
        let mut all: Vec<Named> = Vec::new();
        for text in &self.encoders {
            let (name, place) = match text.split_once('=') {
                Some((name, place)) => (name.to_owned(), place),
                None => (text.clone(), text.as_str()),
            };
            if all.iter().any(|other| other.name == name) {
                return Err(miette!(
                    "two encoders are called `{name}`; write NAME=FILE with different names"
                ));
            }
            for &seed in &self.seeds {
                let path = || PathBuf::from(place.replace("{seed}", &seed.to_string()));
                let source = match place {
                    "random" => Source::Random { config: config.clone(), seed },
                    _ if self.headerless => Source::Plain { path: path(), config: config.clone() },
                    _ => Source::File(path()),
                };
                all.push(Named { name: name.clone(), seed, source });
            }
        }
        Ok(all)
    }
}
