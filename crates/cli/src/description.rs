//! How pictures are described by what surrounds their centre.

use clap::{Args, ValueEnum};
use context_encoder::{
    Device, Model,
    eval::{
        Protocol,
        retrieval::{ContextFeatures, Descriptor, Hog},
    },
    mask::Mask,
};
use image::RgbImage;
use miette::{IntoDiagnostic, Result};

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

/// What is hidden from the description.
#[derive(Args, Clone, Copy)]
pub struct HiddenChoice {
    /// How much of the centre is hidden: paper, authors or hidden
    #[arg(long, default_value = "hidden")]
    protocol: Protocol,
    /// Hide nothing: describe whole pictures
    #[arg(long, conflicts_with = "protocol")]
    visible: bool,
}

impl HiddenChoice {
    /// The mask of a square.
    pub fn mask(self, side: u32) -> Mask {
        if self.visible { Mask::visible(side, side) } else { self.protocol.mask(side) }
    }

    /// In words.
    fn about(self) -> String {
        if self.visible { "nothing hidden".to_owned() } else { format!("protocol {}", self.protocol) }
    }
}

/// Describes squares.
pub struct Description {
    by: By,
    descriptor: Box<dyn Descriptor>,
    hidden: HiddenChoice,
    side: u32,
}

impl Description {
    /// `side` is that of the network, for every description, so that all see the same.
    pub fn new(by: By, model: &Model, hidden: HiddenChoice, device: &Device) -> Self {
        let descriptor: Box<dyn Descriptor> = match by {
            By::Features => Box::new(ContextFeatures::new(model, device)),
            By::Hog => Box::new(Hog),
        };
        Self { by, descriptor, hidden, side: model.config().size as u32 }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// Side of the squares that it takes, pixels.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// One vector for each square.
    pub fn describe(&self, squares: &[RgbImage]) -> Result<Vec<Vec<f32>>> {
        let masks = vec![self.hidden.mask(self.side); squares.len()];
        self.descriptor.describe(squares, &masks).into_diagnostic()
    }

    /// In one line, so that vectors of different descriptions are not taken for each other.
    pub fn about(&self, weights: &str) -> String {
        let (name, side, hidden) = (self.name(), self.side, self.hidden.about());
        match self.by {
            By::Features => format!("{name}, {weights}, {side} px, {hidden}"),
            By::Hog => format!("{name}, {side} px, {hidden}"),
        }
    }
}
