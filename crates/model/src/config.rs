//! What a context encoder looks like: its configuration, checked before anything is built, and named presets
//! of it.

use std::{fmt, str::FromStr};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{InitialFill, ModelError};

/// Side of the feature map between encoder and decoder, in cells, for every input size.
pub(crate) const BOTTLENECK_SIDE: usize = 4;

/// Channels of the dense code in the authors' inpainting network.
const AUTHORS_CODE: usize = 4000;

/// Width of [`Preset::Photo`]: 2.4 million parameters, 4.8 MB in 16 bits.
const PHOTO_WIDTH: usize = 40;

/// How encoder and decoder are joined (paper, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BottleneckConfig {
    /// A dense code of so many channels at one position: 4x4 convolution down, 4x4 up-convolution back. The
    /// authors' code uses 4000; 92 % of all parameters are here.
    Dense(usize),
    /// The channel-wise fully connected layer, followed by a 1x1 convolution that mixes channels.
    ChannelWise,
}

/// What the network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Prediction {
    /// The central square of half the side, for central masks.
    Centre,
    /// The whole picture, for masks of any shape.
    Whole,
}

/// A named starting point. What differs between them is tabled in `docs/paper-and-code.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Preset {
    /// As the paper's text has it: the channel-wise layer, true mean fill.
    Paper,
    /// As the authors' published code runs it, scrambled fill included.
    Authors,
    /// This project's advice: the paper's network, trained on the whole hidden square.
    #[default]
    Recommended,
    /// For holes of any shape in any photograph. Not the paper's: the whole picture is predicted as a
    /// correction of a smooth fill, with skip connections and the mask as an input.
    Photo,
}

impl Preset {
    /// Every preset, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Paper, Self::Authors, Self::Recommended, Self::Photo];

    /// The name used in configuration files and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Authors => "authors",
            Self::Recommended => "recommended",
            Self::Photo => "photo",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(|| ModelError::Config {
            message: format!("there is no preset `{name}`; choose paper, authors, recommended or photo"),
        })
    }
}

/// Architecture of a [`Model`](crate::Model).
///
/// | field | meaning | default | range |
/// |---|---|---|---|
/// | `size` | side of the square input, pixels | 128 | 64, 128, 256 |
/// | `width` | channels of the first layer; all others are multiples | 64 | 1..=512 |
/// | `bottleneck` | how encoder and decoder are joined | channel-wise | |
/// | `prediction` | centre or whole picture | centre | |
/// | `fill` | what replaces hidden pixels | mean | mean, authors, smooth |
/// | `skips` | whether the encoder's maps are added to the decoder's | false | whole prediction |
/// | `mask_input` | whether the mask is a fourth input channel | false | |
///
/// ```
/// use context_encoder_model::{BottleneckConfig, ModelConfig, Preset};
///
/// let config = ModelConfig::preset(Preset::Authors);
/// assert_eq!(config.bottleneck, BottleneckConfig::Dense(4000));
/// assert_eq!(config.predicted_side(), 64);
/// assert!(config.with_size(100).validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Side of the square input in pixels: 64, 128 or 256.
    pub size: usize,
    /// Channels of the first layer; the deepest has eight times as many. 64 in the paper.
    pub width: usize,
    /// How encoder and decoder are joined.
    pub bottleneck: BottleneckConfig,
    /// What the network predicts.
    pub prediction: Prediction,
    /// What replaces hidden pixels.
    pub fill: InitialFill,
    /// Skip connections: whether the encoder's map of each side is added to the decoder's of the same side,
    /// after its activation (LinkNet, Chaurasia and Culurciello 2017). Detail beside a hole then need not
    /// pass the 4x4 map. For whole prediction only.
    #[serde(default)]
    pub skips: bool,
    /// Whether the mask, 1 = hidden, is a fourth channel of the input. With a smooth fill a network cannot
    /// see where the hole is.
    #[serde(default)]
    pub mask_input: bool,
}

impl Default for ModelConfig {
    /// The compact channel-wise network, [`Preset::Recommended`].
    fn default() -> Self {
        Self::preset(Preset::Recommended)
    }
}

impl ModelConfig {
    /// Sides of square inputs that the networks are built for, in pixels.
    pub const SIZES: [usize; 3] = [64, 128, 256];

    /// The architecture of a named preset.
    pub fn preset(preset: Preset) -> Self {
        let paper = Self {
            size: 128,
            width: 64,
            bottleneck: BottleneckConfig::ChannelWise,
            prediction: Prediction::Centre,
            fill: InitialFill::Mean,
            skips: false,
            mask_input: false,
        };
        match preset {
            Preset::Paper | Preset::Recommended => paper,
            Preset::Authors => Self {
                bottleneck: BottleneckConfig::Dense(AUTHORS_CODE),
                fill: InitialFill::Authors,
                ..paper
            },
            Preset::Photo => Self {
                width: PHOTO_WIDTH,
                prediction: Prediction::Whole,
                fill: InitialFill::Smooth,
                skips: true,
                mask_input: true,
                ..paper
            },
        }
    }

    /// Sets the side of the input, in pixels.
    pub fn with_size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// Sets the channels of the first layer.
    pub fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Sets how encoder and decoder are joined.
    pub fn with_bottleneck(self, bottleneck: BottleneckConfig) -> Self {
        Self { bottleneck, ..self }
    }

    /// Sets what the network predicts.
    pub fn with_prediction(self, prediction: Prediction) -> Self {
        Self { prediction, ..self }
    }

    /// Sets what replaces hidden pixels.
    pub fn with_fill(self, fill: InitialFill) -> Self {
        Self { fill, ..self }
    }

    /// Sets whether the encoder's maps are added to the decoder's.
    pub fn with_skips(self, skips: bool) -> Self {
        Self { skips, ..self }
    }

    /// Sets whether the mask is a fourth channel of the input.
    pub fn with_mask_input(self, mask_input: bool) -> Self {
        Self { mask_input, ..self }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ModelError::Config`] names the field and its range.
    pub fn validate(&self) -> Result<(), ModelError> {
        let refuse = |message: String| Err(ModelError::Config { message });
        if !Self::SIZES.contains(&self.size) {
            return refuse(format!("size is {}; choose 64, 128 or 256", self.size));
        }
        if !(1..=512).contains(&self.width) {
            return refuse(format!("width is {}; choose 1 to 512 (64 in the paper)", self.width));
        }
        if let BottleneckConfig::Dense(channels) = self.bottleneck
            && !(1..=65_536).contains(&channels)
        {
            return refuse(format!(
                "the dense bottleneck has {channels} channels; choose 1 to 65536 (4000 in the paper)"
            ));
        }
        if self.skips && self.prediction == Prediction::Centre {
            return refuse(
                "skips join maps of the same place, which encoder and decoder have where the whole picture is predicted; \
                 write prediction = \"whole\", or skips = false"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// What the network is shown: the pictures with their hidden part [filled](InitialFill::apply_mask) and,
    /// where [`mask_input`](Self::mask_input) is set, the mask as a fourth channel.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, size, size]` in `[-1, 1]`
    /// - `masks`: `[batch, 1, size, size]`, 1 = hidden, 0 = visible
    /// - output: `[batch, 3, size, size]`, or `[batch, 4, size, size]` with the mask
    pub fn input(&self, images: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        if self.mask_input {
            let filled = self.fill.apply_mask(images, masks.clone());
            Tensor::cat(vec![filled, masks], 1)
        } else {
            self.fill.apply_mask(images, masks)
        }
    }

    /// Channels of the input: three colors, and the mask where it is one.
    pub(crate) fn input_channels(&self) -> usize {
        3 + usize::from(self.mask_input)
    }

    /// The prediction from the last layer's `output`, which corrects the smooth fill in the network's
    /// `input`, or stands for itself.
    ///
    /// # Shapes
    /// - `input`: as [`input`](Self::input) returns it
    /// - `output` and result: `[batch, 3, predicted, predicted]`
    pub(crate) fn prediction(&self, input: Tensor<4>, output: Tensor<4>) -> Tensor<4> {
        self.fill.prediction(|| self.predicted(input.narrow(1, 0, 3)), output)
    }

    /// Side of the predicted square in pixels: half the input for the centre, all of it otherwise.
    pub fn predicted_side(&self) -> usize {
        match self.prediction {
            Prediction::Centre => self.size / 2,
            Prediction::Whole => self.size,
        }
    }

    /// The part of full-size tensors that the network predicts.
    pub(crate) fn predicted(&self, full: Tensor<4>) -> Tensor<4> {
        match self.prediction {
            Prediction::Whole => full,
            Prediction::Centre => {
                let [batch, channels, height, width] = full.dims();
                let (top, left) = (height / 4, width / 4);
                full.slice([0..batch, 0..channels, top..top + height / 2, left..left + width / 2])
            }
        }
    }

    /// # Panics
    /// When the input is not `[batch, 3, size, size]`, or with four channels where the mask is one.
    pub(crate) fn expect_input(&self, input: &Tensor<4>) {
        let [_, channels, height, width] = input.dims();
        let (size, expected) = (self.size, self.input_channels());
        assert!(
            channels == expected && height == size && width == size,
            "the network takes [batch, {expected}, {size}, {size}], not {:?}",
            input.dims()
        );
    }

    /// Number of stride-2 stages from the input to the 4x4 map.
    pub(crate) fn encoder_stages(&self) -> usize {
        stages(self.size)
    }

    /// Number of stride-2 stages from the 4x4 map to the prediction.
    pub(crate) fn decoder_stages(&self) -> usize {
        stages(self.predicted_side())
    }

    /// Channels of the map between encoder and decoder: 512 at width 64.
    pub(crate) fn bottleneck_channels(&self) -> usize {
        8 * self.width
    }
}

/// Halvings from `side` to the 4x4 map.
fn stages(side: usize) -> usize {
    (side / BOTTLENECK_SIDE).ilog2() as usize
}

/// Channels after each stage that halves the picture, from the outside in, ending at eight times `width`: 64,
/// 64, 128, 256, 512 for five stages at width 64. The last four stages double; stages before them keep
/// `width`.
pub(crate) fn channels(stages: usize, width: usize) -> Vec<usize> {
    (0..stages).map(|stage| width << 3_usize.saturating_sub(stages - 1 - stage)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_follow_the_papers_figure() {
        assert_eq!(channels(4, 64), [64, 128, 256, 512]);
        assert_eq!(channels(5, 64), [64, 64, 128, 256, 512]);
        assert_eq!(channels(6, 64), [64, 64, 64, 128, 256, 512]);
        assert_eq!(ModelConfig::SIZES.map(stages), [4, 5, 6]);
    }

    #[test]
    fn refuses_what_cannot_be_built() {
        let config = ModelConfig::default();
        assert!(config.validate().is_ok());
        for wrong in [
            config.clone().with_size(96),
            config.clone().with_width(0),
            config.clone().with_bottleneck(BottleneckConfig::Dense(0)),
            config.clone().with_skips(true), // of a network for the centre
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn json_refuses_misspelled_keys() {
        let json = serde_json::to_string(&ModelConfig::default()).expect("plain data");
        assert_eq!(serde_json::from_str::<ModelConfig>(&json).expect("round trip"), ModelConfig::default());
        let misspelled = json.replace("\"width\"", "\"widht\"");
        assert!(serde_json::from_str::<ModelConfig>(&misspelled).is_err());
    }

    #[test]
    fn json_without_the_newer_keys_means_the_network_that_it_meant() {
        let old =
            r#"{"size":128,"width":64,"bottleneck":"channel-wise","prediction":"centre","fill":"mean"}"#;
        assert_eq!(serde_json::from_str::<ModelConfig>(old).expect("readable"), ModelConfig::default());
    }

    #[test]
    fn presets_have_names_and_differ_where_the_documentation_says() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse::<Preset>().expect("own name"), preset);
        }
        let error = "pape".parse::<Preset>().expect_err("no such preset").to_string();
        assert!(error.contains("choose paper, authors, recommended or photo"), "{error}");
        let [paper, authors, recommended, photo] = Preset::ALL.map(ModelConfig::preset);
        let dense = paper.clone().with_bottleneck(BottleneckConfig::Dense(AUTHORS_CODE));
        assert_eq!(dense.with_fill(InitialFill::Authors), authors);
        assert_eq!(paper, recommended); // they differ in what is hidden, which is not the network's
        assert!(photo.validate().is_ok() && photo.skips && photo.mask_input);
    }
}
