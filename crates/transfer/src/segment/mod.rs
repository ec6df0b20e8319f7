//! Which class every pixel belongs to: a fully convolutional network on a pretrained encoder (paper, section
//! 5.2.3; Long et al., CVPR 2015).

mod dataset;
mod frame;
#[cfg(test)]
mod tests;
mod upsample;

use burn::{
    module::Module,
    nn::conv::Conv2d,
    tensor::{Int, Tensor, activation::log_softmax},
};
use context_encoder_model::FeatureEncoder;
use context_encoder_ops::{Activation, ConvGeometry, ConvLayer};
use image::RgbImage;

use crate::{
    TransferError,
    classify::{HIDDEN_PER_WIDTH, device_of},
    fit::{Dropout, Head},
    init::{LayerInit, he},
    metric::ConfusionMatrix,
    voc::ClassMask,
};
pub use dataset::{SegmentationBatch, SegmentationSample, SegmentationSource};
pub use frame::PaddedFrame;
pub use upsample::Upsample;

/// Pictures scored at a time.
const BATCH: usize = 4;

/// How fine the scores are before they are enlarged to pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stride {
    /// FCN-32s: pool5 alone.
    #[default]
    S32,
    /// FCN-16s: pool2's scores are added (AlexNet's last layer of that stride but conv3 to conv5).
    S16,
    /// FCN-8s: pool1's as well.
    S8,
}

/// What a [`Segmenter`] looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmenterConfig {
    /// Labels, background included: 21 for VOC.
    pub labels: usize,
    /// How fine.
    pub stride: Stride,
    /// Side of conv6's window, odd: 7, as in FCN on deeper networks (AlexNet's fc6 sees 6x6, which has no
    /// centre).
    pub reach: usize,
}

impl SegmenterConfig {
    /// FCN-32s with a window of 7.
    pub fn new(labels: usize) -> Self {
        Self { labels, stride: Stride::S32, reach: 7 }
    }
}

/// fc6 and fc7 as convolutions on pool5, a score for each label, and a learned enlargement to pixels that
/// begins as bilinear.
///
/// ```
/// use context_encoder_model::FeatureModelConfig;
/// use context_encoder_transfer::segment::{Segmenter, SegmenterConfig};
/// use burn::tensor::Device;
///
/// let encoder = FeatureModelConfig::alexnet().with_width(4).init(&Device::flex())?.into_encoder();
/// let segmenter = Segmenter::new(encoder, SegmenterConfig { reach: 3, ..SegmenterConfig::new(21) }, 0);
/// let picture = image::RgbImage::new(50, 37); // any size
/// assert_eq!(segmenter.labels(&[&picture])[0].len(), 50 * 37);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct Segmenter {
    encoder: FeatureEncoder,
    conv6: Conv2d,
    conv7: Conv2d,
    score: Conv2d,
    /// Scores of pool2 and pool1, as far as the stride asks for them.
    skips: Vec<Conv2d>,
    /// One enlargement by two for each of them.
    doublings: Vec<Upsample>,
    enlarge: Upsample,
}

impl Segmenter {
    /// A segmenter with a fresh head drawn from `seed`: He's initialisation, zero for scores, bilinear
    /// enlargement.
    ///
    /// # Panics
    /// When `reach` is even.
    pub fn new(encoder: FeatureEncoder, config: SegmenterConfig, seed: u64) -> Self {
        let SegmenterConfig { labels, stride, reach } = config;
        assert!(reach % 2 == 1, "conv6's window has a centre: its side is odd, not {reach}");
        let width = encoder.config().width;
        let (pool1, deep) = (width * 3 / 2, width * 4);
        let hidden = HIDDEN_PER_WIDTH * width;
        let device = device_of(&encoder);
        let mut draw = LayerInit::new(seed, &device);
        let (skipped, last): (&[usize], usize) = match stride {
            Stride::S32 => (&[], 32),
            Stride::S16 => (&[deep], 16),
            Stride::S8 => (&[deep, pool1], 8),
        };
        Self {
            conv6: draw.conv([deep, hidden], reach, he(deep * reach * reach)),
            conv7: draw.conv([hidden, hidden], 1, he(hidden)),
            score: draw.conv([hidden, labels], 1, 0.0),
            skips: skipped.iter().map(|&channels| draw.conv([channels, labels], 1, 0.0)).collect(),
            doublings: skipped.iter().map(|_| Upsample::new(labels, 2, &device)).collect(),
            enlarge: Upsample::new(labels, last, &device),
            encoder,
        }
    }

    /// Scores of pictures in a [`PaddedFrame`].
    ///
    /// # Shapes
    /// - input: `[batch, 3, canvas height, canvas width]` in `[-1, 1]`
    /// - output: `[batch, labels, height, width]`, logits
    pub fn forward(&self, canvases: Tensor<4>, frame: PaddedFrame) -> Tensor<4> {
        self.logits(canvases, frame, &mut Dropout::none())
    }

    fn logits(&self, canvases: Tensor<4>, frame: PaddedFrame, dropout: &mut Dropout) -> Tensor<4> {
        let [pool1, pool2, _, _, _, pool5] = self.encoder.maps(canvases);
        let x = dropout.apply(convolve(&self.conv6, pool5, Activation::Relu)); // [batch, 4096, n, m]
        let x = dropout.apply(convolve(&self.conv7, x, Activation::Relu)); // [batch, 4096, n, m]
        let mut scores = convolve(&self.score, x, Activation::Identity); // [batch, labels, n, m]
        let finer = [pool2, pool1];
        for (((skip, double), map), margin) in
            self.skips.iter().zip(&self.doublings).zip(finer).zip(frame::MARGINS)
        {
            scores = double.forward(scores); // [batch, labels, 2n - 1, 2m - 1]
            let [_, _, rows, columns] = scores.dims();
            let own = convolve(skip, map, Activation::Identity);
            scores = scores + own.narrow(2, margin, rows).narrow(3, margin, columns);
        }
        let pixels = self.enlarge.forward(scores); // [batch, labels, 32 (n - 1) + 1, ...]
        pixels.narrow(2, 0, frame.height as usize).narrow(3, 0, frame.width as usize)
    }

    /// The likeliest label of every pixel of pictures of any sizes, row by row.
    pub fn labels(&self, pictures: &[&RgbImage]) -> Vec<Vec<u8>> {
        let device = device_of(self);
        let frame = PaddedFrame::around(pictures);
        let logits = self.forward(frame.pad(pictures, &device), frame);
        let [count, _, height, width] = logits.dims();
        let labels: Vec<u8> = logits.argmax(1).into_data().iter::<i64>().map(|label| label as u8).collect();
        let picture = |index: usize| {
            let (columns, rows) = pictures[index].dimensions();
            let first = index * height * width;
            (0..rows as usize)
                .flat_map(|row| &labels[first + row * width..][..columns as usize])
                .copied()
                .collect()
        };
        (0..count).map(picture).collect()
    }

    /// Mean intersection over union and the like, over pictures with class masks.
    ///
    /// # Errors
    /// None at present; what is read is checked when it is read.
    pub fn examine(
        &self,
        pictures: &[SegmentationSample],
        labels: usize,
    ) -> Result<ConfusionMatrix, TransferError> {
        let mut confusion = ConfusionMatrix::new(labels);
        for some in pictures.chunks(BATCH) {
            let answers = self.labels(&some.iter().map(|known| &known.picture).collect::<Vec<_>>());
            for (SegmentationSample { mask: ClassMask { labels, .. }, .. }, answer) in
                some.iter().zip(answers)
            {
                confusion.add(&answer, labels);
            }
        }
        Ok(confusion)
    }
}

impl Head for Segmenter {
    type Batch = SegmentationBatch;

    /// Cross entropy, averaged over the batch's pixels that count.
    fn loss(&self, batch: &SegmentationBatch, dropout: &mut Dropout) -> Tensor<1> {
        let logits = self.logits(batch.canvases.clone(), batch.frame, dropout); // [batch, labels, height, width]
        let labels: Tensor<4, Int> = batch.labels.clone();
        let right = log_softmax(logits, 1).gather(1, labels); // [batch, 1, height, width]
        let counted = batch.counted.clone();
        (right * counted.clone()).sum().neg() / counted.sum().clamp_min(1.0)
    }

    fn encoder(&self) -> &FeatureEncoder {
        &self.encoder
    }

    fn with_encoder(self, encoder: FeatureEncoder) -> Self {
        Self { encoder, ..self }
    }
}

/// A convolution that keeps a map's sides.
fn convolve(layer: &Conv2d, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    let [_, _, kernel, _] = layer.weight.dims();
    let window = ConvGeometry::new(kernel, 1, kernel / 2);
    ConvLayer::conv2d(window, 1, activation).forward(
        x,
        layer.weight.val(),
        layer.bias.as_ref().map(burn::module::Param::val),
    )
}
