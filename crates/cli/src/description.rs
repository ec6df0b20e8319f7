//! How pictures are described by what surrounds their centre.

use clap::{Args, ValueEnum};
use context_encoder::{
    Device,
    eval::{
        Protocol,
        retrieval::{ContextFeatures, Descriptor, Hog, LayerFeatures},
    },
    mask::Mask,
    model::{FeatureEncoder, FeatureLayer},
};
use image::RgbImage;
use miette::{IntoDiagnostic, Result, miette};

use crate::weights::WeightsChoice;

/// Pictures that are read and described at once.
pub const PORTION: usize = 64;

/// What describes a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// What the network's encoder has learned to see
    Features,
    /// Histograms of oriented gradients: no learning
    Hog,
}

/// What a description sees, and with which weights.
#[derive(Args)]
pub struct DescriptionChoice {
    /// How much of the centre is hidden: paper, authors or hidden
    #[arg(long, default_value = "hidden")]
    protocol: Protocol,
    /// Hide nothing: describe whole pictures
    #[arg(long, conflicts_with = "protocol")]
    visible: bool,
    /// The weights are those of a feature network (`pretrain`), and this layer describes: pool1, pool2, conv3, conv4, conv5
    /// or pool5
    #[arg(long, requires = "weights")]
    layer: Option<FeatureLayer>,
    #[command(flatten)]
    weights: WeightsChoice,
}

impl DescriptionChoice {
    /// The mask of a square.
    pub fn mask(&self, side: u32) -> Mask {
        if self.visible { Mask::visible(side, side) } else { self.protocol.mask(side) }
    }

    /// One description for each; all take squares of the network's side, so that they see the same.
    pub fn open(&self, by: &[By], device: &Device) -> Result<Vec<Description>> {
        let (features, side) = self.features(device)?;
        let mut features = Some(features);
        let mut descriptions = Vec::with_capacity(by.len());
        for by in by {
            let descriptor: Box<dyn Descriptor> = match by {
                By::Hog => Box::new(Hog),
                By::Features => {
                    features.take().ok_or_else(|| miette!("--by names features twice; once is enough"))?
                }
            };
            let hidden = if self.visible {
                "nothing hidden".to_owned()
            } else {
                format!("protocol {}", self.protocol)
            };
            let weights = match by {
                By::Features => format!(", {}", self.weights.identity()?),
                By::Hog => String::new(),
            };
            let about = format!("{}{weights}, {side} px, {hidden}", descriptor.name());
            descriptions.push(Description { descriptor, mask: self.mask(side), side, about });
        }
        Ok(descriptions)
    }

    /// What the network has learned, and the side of the squares that it takes.
    fn features(&self, device: &Device) -> Result<(Box<dyn Descriptor>, u32)> {
        if let (Some(layer), Some(path)) = (self.layer, self.weights.file()) {
            let encoder = FeatureEncoder::load(path, device).into_diagnostic()?;
            let features = LayerFeatures::new(&encoder, layer, device);
            let side = features.side();
            return Ok((Box::new(features), side));
        }
        let features = ContextFeatures::new(&self.weights.model(device)?, device);
        let side = features.side();
        Ok((Box::new(features), side))
    }
}

/// Describes squares.
pub struct Description {
    descriptor: Box<dyn Descriptor>,
    mask: Mask,
    side: u32,
    about: String,
}

impl Description {
    /// What it is called.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// Side of the squares that it takes, pixels.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// In one line, so that vectors of different descriptions are not taken for each other.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// One vector for each square.
    pub fn describe(&self, squares: &[RgbImage]) -> Result<Vec<Vec<f32>>> {
        let masks = vec![self.mask.clone(); squares.len()];
        self.descriptor.describe(squares, &masks).into_diagnostic()
    }
}
