//! Semantic segmentation: a fully convolutional network on a pretrained encoder (paper, section 5.2.3; Long
//! et al., CVPR 2015).

mod dataset;

use burn::{
    module::{Module, Param},
    nn::conv::Conv2d,
    tensor::{
        Device, Tensor, TensorData,
        activation::{log_softmax, relu},
    },
};
use context_encoder_model::FeatureEncoder;
use context_encoder_ops::{Activation, ConvGeometry, ConvLayer};
use context_encoder_train::Dropout;
use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use crate::{
    encoder::device_of,
    fit::Head,
    images::max_size,
    init::{HIDDEN_PER_WIDTH, INIT_SAMPLES, LayerInit, he, replace, spread, standardization},
    metric::{ConfusionMatrix, Metrics},
};
pub use dataset::SegmentationSample;
use dataset::{MARGINS, SegmentationBatch, pad};

/// Images evaluated at a time.
const BATCH: usize = 4;

/// The stride of the scores before they are upsampled to pixels.
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

/// The configuration of a [`Segmenter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmenterConfig {
    /// Classes, background included: 21 for VOC.
    pub classes: usize,
    /// The stride of the scores.
    pub stride: Stride,
    /// Side of conv6's kernel, odd: 7, as in FCN on deeper networks (AlexNet's fc6 sees 6x6, which has no
    /// centre).
    pub kernel_size: usize,
}

impl SegmenterConfig {
    /// FCN-32s with a kernel of 7.
    pub fn new(classes: usize) -> Self {
        Self { classes, stride: Stride::S32, kernel_size: 7 }
    }
}

/// fc6 and fc7 as convolutions on pool5, a score for each class, and bilinear upsampling to pixels; between
/// strides it is learned, as in FCN.
///
/// ```
/// use context_encoder_model::FeatureModelConfig;
/// use context_encoder_transfer::{Segmenter, SegmenterConfig};
/// use burn::tensor::Device;
///
/// let encoder = FeatureModelConfig::alexnet().with_width(4).init(&Device::flex())?.into_encoder();
/// let segmenter = Segmenter::new(encoder, SegmenterConfig { kernel_size: 3, ..SegmenterConfig::new(21) }, 0);
/// let image = image::RgbImage::new(50, 37); // any size
/// assert_eq!(segmenter.predict(&[&image])[0].len(), 50 * 37);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
// Names of fields are names of tensors in files of weights.
#[derive(Module, Debug)]
pub struct Segmenter {
    encoder: FeatureEncoder,
    conv6: Conv2d,
    conv7: Conv2d,
    score: Conv2d,
    /// Scores of pool2 and pool1, as far as the stride needs them.
    skips: Vec<Conv2d>,
    /// Upsampling by two for each of them.
    doublings: Vec<Upsample>,
    enlarge: Upsample,
}

impl Segmenter {
    /// A segmenter whose head is initialised from `seed`: He's initialisation, zero for scores, bilinear
    /// upsampling.
    ///
    /// # Panics
    /// When `kernel_size` is even.
    pub fn new(encoder: FeatureEncoder, config: SegmenterConfig, seed: u64) -> Self {
        let SegmenterConfig { classes, stride, kernel_size } = config;
        assert!(kernel_size % 2 == 1, "conv6's kernel has a centre: its side is odd, not {kernel_size}");
        let width = encoder.config().width;
        let (pool1, pool5) = (width * 3 / 2, width * 4); // channels; pool2 has as many as pool5
        let hidden = HIDDEN_PER_WIDTH * width;
        let device = device_of(&encoder);
        let mut init = LayerInit::new(seed, &device);
        let (skipped, last): (&[usize], usize) = match stride {
            Stride::S32 => (&[], 32),
            Stride::S16 => (&[pool5], 16),
            Stride::S8 => (&[pool5, pool1], 8),
        };
        Self {
            conv6: init.conv([pool5, hidden], kernel_size, he(pool5 * kernel_size * kernel_size)),
            conv7: init.conv([hidden, hidden], 1, he(hidden)),
            score: init.conv([hidden, classes], 1, 0.0),
            skips: skipped.iter().map(|&channels| init.conv([channels, classes], 1, 0.0)).collect(),
            doublings: skipped.iter().map(|_| Upsample::new(classes, 2, &device)).collect(),
            enlarge: Upsample::new(classes, last, &device).no_grad(),
            encoder,
        }
    }

    /// Logits from padded images, for the images' largest `[width, height]` without the padding.
    ///
    /// # Shapes
    /// - input: `[batch, 3, padded height, padded width]` in `[-1, 1]`
    /// - output: `[batch, classes, height, width]`
    fn forward(&self, padded: Tensor<4>, [width, height]: [usize; 2], dropout: &mut Dropout) -> Tensor<4> {
        let [pool1, pool2, _, _, _, pool5] = self.encoder.maps(padded);
        let x = dropout.apply(convolve(&self.conv6, pool5, Activation::Relu)); // [batch, 4096, n, m]
        let x = dropout.apply(convolve(&self.conv7, x, Activation::Relu)); // [batch, 4096, n, m]
        let mut scores = convolve(&self.score, x, Activation::Identity); // [batch, classes, n, m]
        let finer = [pool2, pool1];
        for (((skip, double), map), margin) in self.skips.iter().zip(&self.doublings).zip(finer).zip(MARGINS)
        {
            scores = double.forward(scores); // [batch, classes, 2n - 1, 2m - 1]
            let [_, _, rows, columns] = scores.dims();
            let skipped = convolve(skip, map, Activation::Identity);
            scores = scores + skipped.narrow(2, margin, rows).narrow(3, margin, columns);
        }
        let pixels = self.enlarge.forward(scores); // [batch, classes, stride (n - 1) + 1, ...]
        pixels.narrow(2, 0, height).narrow(3, 0, width)
    }

    /// The most probable class of every pixel of images of any sizes, row by row.
    pub fn predict(&self, images: &[&RgbImage]) -> Vec<Vec<u8>> {
        let [width, height] = max_size(images).map(|side| side as usize);
        let logits = self.forward(pad(images, &device_of(self)), [width, height], &mut Dropout::off());
        let classes: Vec<u8> = logits.argmax(1).into_data().iter::<i64>().map(|class| class as u8).collect();
        let crop = |index: usize| {
            let (columns, rows) = images[index].dimensions();
            let first = index * height * width;
            (0..rows as usize)
                .flat_map(|row| &classes[first + row * width..][..columns as usize])
                .copied()
                .collect()
        };
        (0..images.len()).map(crop).collect()
    }

    fn cross_entropy(&self, batch: SegmentationBatch, dropout: &mut Dropout) -> Tensor<1> {
        let SegmentationBatch { padded, classes, weights } = batch;
        let [_, _, height, width] = classes.dims();
        let logits = self.forward(padded, [width, height], dropout); // [batch, classes, height, width]
        let log_likelihood = log_softmax(logits, 1).gather(1, classes); // [batch, 1, height, width]
        (log_likelihood * weights.clone()).sum().neg() / weights.sum().clamp_min(1.0)
    }
}

impl Head for Segmenter {
    type Sample = SegmentationSample;

    /// Cross entropy, averaged over the batch's pixels that count.
    fn loss(&self, samples: Vec<(&SegmentationSample, ChaCha8Rng)>, dropout: &mut Dropout) -> Tensor<1> {
        self.cross_entropy(SegmentationBatch::new(samples, &device_of(self)), dropout)
    }

    /// Mean IU and pixel accuracy.
    fn evaluate(&self, samples: &[SegmentationSample]) -> Metrics {
        let [_, classes, ..] = self.enlarge.weight.dims();
        let mut confusion = ConfusionMatrix::new(classes);
        for samples in samples.chunks(BATCH) {
            let predictions = self.predict(&samples.iter().map(|sample| &sample.image).collect::<Vec<_>>());
            for (sample, predicted) in samples.iter().zip(predictions) {
                confusion.add(&predicted, &sample.mask.classes);
            }
        }
        confusion.metrics()
    }

    fn data_dependent_init(mut self, samples: &[SegmentationSample]) -> Self {
        let images: Vec<&RgbImage> = spread(samples, INIT_SAMPLES).map(|sample| &sample.image).collect();
        if images.is_empty() {
            return self;
        }
        let [.., pool5] = self.encoder.maps(pad(&images, &device_of(&self)));
        let x = normalize_map(&mut self.conv6, pool5);
        normalize_map(&mut self.conv7, x);
        self
    }

    fn encoder(&self) -> &FeatureEncoder {
        &self.encoder
    }

    fn with_encoder(self, encoder: FeatureEncoder) -> Self {
        Self { encoder, ..self }
    }
}

/// Shifts and scales every channel of a convolution so that its map for these inputs has mean 0 and standard
/// deviation 1; and that map behind its ReLU.
fn normalize_map(layer: &mut Conv2d, x: Tensor<4>) -> Tensor<4> {
    let map = convolve(layer, x, Activation::Identity).detach();
    let [_, channels, _, _] = map.dims();
    let (scale, shift) = standardization(map.clone().permute([0, 2, 3, 1]).flatten(0, 2));
    let value = layer.weight.val() * scale.clone().reshape([channels, 1, 1, 1]);
    replace(&mut layer.weight, value);
    if let Some(bias) = &mut layer.bias {
        let value = bias.val() * scale.clone().squeeze_dim(0) + shift.clone().squeeze_dim(0);
        replace(bias, value);
    }
    relu(map * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1]))
}

/// A convolution with "same" padding.
fn convolve(layer: &Conv2d, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    let [_, _, kernel, _] = layer.weight.dims();
    let window = ConvGeometry::new(kernel, 1, kernel / 2);
    let bias = layer.bias.as_ref().map(Param::val);
    ConvLayer::conv2d(window, 1, activation).forward(x, layer.weight.val(), bias)
}

/// A transposed convolution that upsamples maps by a factor: `n` positions become `factor (n - 1) + 1`, the
/// old ones exactly `factor` apart. Its kernel has the odd side `2 factor - 1`, so that it has a centre.
/// Initialised as bilinear interpolation of each class by itself.
#[derive(Module, Debug)]
struct Upsample {
    /// `[classes, classes, kernel, kernel]`.
    weight: Param<Tensor<4>>,
    #[module(skip)]
    factor: usize,
}

impl Upsample {
    fn new(classes: usize, factor: usize, device: &Device) -> Self {
        let side = 2 * factor - 1;
        let triangle = |at: usize| 1.0 - (at as f32 - (factor - 1) as f32).abs() / factor as f32;
        let mut values = vec![0.0; classes * classes * side * side];
        for class in 0..classes {
            let first = (class * classes + class) * side * side;
            for (at, value) in values[first..first + side * side].iter_mut().enumerate() {
                *value = triangle(at / side) * triangle(at % side);
            }
        }
        let weight = Param::from_data(TensorData::new(values, [classes, classes, side, side]), device);
        Self { weight, factor }
    }

    /// # Shapes
    /// - input: `[batch, classes, n, m]`
    /// - output: `[batch, classes, factor (n - 1) + 1, factor (m - 1) + 1]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let window = ConvGeometry::new(2 * self.factor - 1, self.factor, self.factor - 1);
        ConvLayer::conv_transpose2d(window, Activation::Identity).forward(x, self.weight.val(), None)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;
    use context_encoder_model::FeatureModelConfig;

    use super::*;
    use crate::{Fit, voc::Voc};

    fn segmenter(width: usize, config: SegmenterConfig, device: &Device) -> Segmenter {
        let encoder = FeatureModelConfig::alexnet().with_width(width);
        Segmenter::new(encoder.init_seeded(2, device).expect("valid").into_encoder(), config, 0)
    }

    #[test]
    fn hidden_layers_have_deviation_one_after_initialisation() {
        let device = Device::flex().autodiff();
        let folder = tempfile::tempdir().expect("folder");
        let voc = Voc::draw_shapes(folder.path(), 4, 1).expect("drawn");
        let samples = SegmentationSample::from_voc(&voc, "trainval").expect("read");
        let segmenter = segmenter(4, SegmenterConfig { kernel_size: 3, ..SegmenterConfig::new(4) }, &device);
        let segmenter = segmenter.data_dependent_init(&samples);
        let images: Vec<&RgbImage> = samples.iter().map(|sample| &sample.image).collect();
        let [.., pool5] = segmenter.encoder.maps(pad(&images, &device));
        let x = convolve(&segmenter.conv6, pool5, Activation::Identity);
        let y = convolve(&segmenter.conv7, relu(x.clone()), Activation::Identity);
        for map in [x, y] {
            let (scale, shift) = standardization(map.permute([0, 2, 3, 1]).flatten(0, 2));
            let off: f32 = (scale - 1.0).abs().max().into_scalar();
            assert!(off < 1e-2 && shift.abs().max().into_scalar::<f32>() < 1e-2, "{off}");
        }
        assert!(segmenter.conv6.weight.is_require_grad(), "still trained");
        assert!(!segmenter.enlarge.weight.is_require_grad(), "bilinear, as in FCN");
    }

    #[test]
    fn images_of_any_size_are_segmented_at_every_stride() {
        let device = Device::flex();
        let images = [RgbImage::new(40, 33), RgbImage::new(1, 70)];
        let images: Vec<&RgbImage> = images.iter().collect();
        for stride in [Stride::S32, Stride::S16, Stride::S8] {
            let segmenter = segmenter(4, SegmenterConfig { classes: 4, stride, kernel_size: 3 }, &device);
            let logits = segmenter.forward(pad(&images, &device), [40, 70], &mut Dropout::off());
            assert_eq!(logits.dims(), [2, 4, 70, 40]);
            let predicted = segmenter.predict(&images);
            assert_eq!([predicted[0].len(), predicted[1].len()], [40 * 33, 70]);
        }
    }

    #[test]
    fn pixels_without_weight_do_not_change_the_loss() {
        let device = Device::flex();
        let segmenter = segmenter(4, SegmenterConfig { kernel_size: 1, ..SegmenterConfig::new(4) }, &device);
        let image = RgbImage::new(8, 4);
        let loss = |weights: Tensor<4>| {
            let classes = Tensor::<4, Int>::zeros([1, 1, 4, 8], &device);
            let batch = SegmentationBatch { padded: pad(&[&image], &device), classes, weights };
            segmenter.cross_entropy(batch, &mut Dropout::off()).into_scalar::<f32>()
        };
        // Scores are initialised as zeros, so every class has a quarter.
        let half = Tensor::ones([1, 1, 4, 8], &device).slice_fill([0..1, 0..1, 0..2, 0..8], 0.0);
        assert!((loss(half) - 4.0_f32.ln()).abs() < 1e-6);
        assert_eq!(loss(Tensor::zeros([1, 1, 4, 8], &device)), 0.0);
    }

    #[test]
    fn few_images_are_memorised() {
        let folder = tempfile::tempdir().expect("folder");
        let voc = Voc::draw_shapes(folder.path(), 6, 1).expect("drawn");
        let samples = SegmentationSample::from_voc(&voc, "trainval").expect("read");
        let config = SegmenterConfig { classes: 4, stride: Stride::S8, kernel_size: 3 };
        let segmenter = segmenter(8, config, &Device::flex().autodiff());
        let fit = Fit { steps: 250, batch_size: 4, lr: 2e-3, ..Fit::default() };
        let fitted = fit.run(segmenter, &samples, &samples, &mut |_| ()).expect("trained");
        assert!(fitted.metrics.score() > 0.9, "{:?}", fitted.curve);
    }

    #[test]
    fn upsampling_is_initialised_as_bilinear() {
        let map = Tensor::<4>::from_floats([[[[0.0, 4.0], [8.0, 12.0]]]], &Device::flex());
        let large = Upsample::new(1, 2, &Device::flex()).forward(map);
        let values = large.into_data().try_to_vec::<f32>().expect("f32");
        assert_eq!(values, [0.0, 2.0, 4.0, 4.0, 6.0, 8.0, 8.0, 10.0, 12.0]);
    }
}
