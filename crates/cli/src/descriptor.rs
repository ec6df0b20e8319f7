//! Image descriptors of the visible surroundings of a mask.

use clap::{Args, ValueEnum};
use context_encoder::{
    Device,
    eval::{
        Protocol,
        retrieval::{Descriptor, EncoderFeatures, Hog},
    },
    mask::Mask,
    model::{FeatureEncoder, FeatureLayer},
};
use image::RgbImage;
use miette::{IntoDiagnostic, Result, miette};

use crate::weights::WeightsArgs;

/// Images that are read and described at once.
pub const BATCH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DescriptorKind {
    /// The output of the network's encoder
    Features,
    /// Histograms of oriented gradients: no learning
    Hog,
}

/// What descriptors see, and with which weights.
#[derive(Args)]
pub struct DescriptorArgs {
    /// How much of the centre is hidden: paper, authors or hidden
    #[arg(long, default_value = "hidden")]
    protocol: Protocol,
    /// Hide nothing: describe whole pictures
    #[arg(long, conflicts_with = "protocol")]
    visible: bool,
    /// The weights are those of a feature network (`pretrain`), and features are the output of this layer:
    /// pool1, pool2, conv3, conv4, conv5 or pool5
    #[arg(long, requires = "weights")]
    layer: Option<FeatureLayer>,
    #[command(flatten)]
    weights: WeightsArgs,
}

impl DescriptorArgs {
    /// The mask of a square image.
    pub fn mask(&self, side: u32) -> Mask {
        if self.visible { Mask::visible(side, side) } else { self.protocol.mask(side) }
    }

    /// One descriptor of each kind. All take images of the network's size, so that they see the same.
    pub fn open(&self, kinds: &[DescriptorKind], device: &Device) -> Result<Vec<MaskedDescriptor>> {
        let features = self.features(device)?;
        let side = features.side();
        let mut features = Some(features);
        let mut descriptors = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let descriptor: Box<dyn Descriptor> = match kind {
                DescriptorKind::Hog => Box::new(Hog),
                DescriptorKind::Features => Box::new(
                    features.take().ok_or_else(|| miette!("--by names features twice; once is enough"))?,
                ),
            };
            let hidden = if self.visible {
                "nothing hidden".to_owned()
            } else {
                format!("protocol {}", self.protocol)
            };
            let weights = match kind {
                DescriptorKind::Features => format!(", {}", self.weights.identity()?),
                DescriptorKind::Hog => String::new(),
            };
            let about = format!("{}{weights}, {side} px, {hidden}", descriptor.name());
            descriptors.push(MaskedDescriptor { descriptor, mask: self.mask(side), side, about });
        }
        Ok(descriptors)
    }

    /// The features of the network's encoder, or of the layer that was named.
    fn features(&self, device: &Device) -> Result<EncoderFeatures> {
        match (self.layer, self.weights.file()) {
            (Some(layer), Some(path)) => {
                let encoder = FeatureEncoder::load(path, device).into_diagnostic()?;
                Ok(EncoderFeatures::of_layer(&encoder, layer, device))
            }
            _ => Ok(EncoderFeatures::new(&self.weights.model(device)?, device)),
        }
    }
}

/// Describes square images under one mask.
pub struct MaskedDescriptor {
    descriptor: Box<dyn Descriptor>,
    mask: Mask,
    side: u32,
    about: String,
}

impl MaskedDescriptor {
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// Side of the images that it takes, pixels.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// Kind, weights, size and mask in one line, which files of vectors hold so that they are not mixed up.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// One vector for each image.
    pub fn describe(&self, images: &[RgbImage]) -> Result<Vec<Vec<f32>>> {
        let masks = vec![self.mask.clone(); images.len()];
        self.descriptor.describe(images, &masks).into_diagnostic()
    }
}
