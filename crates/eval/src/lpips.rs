//! Learned perceptual image patch similarity (Zhang et al., CVPR 2018).

use std::{collections::BTreeMap, path::Path};

use burn::tensor::{
    Device, Tensor, TensorData,
    activation::relu,
    module::{conv2d, max_pool2d},
    ops::{ConvOptions, MaxPoolOptions},
};
use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::read_tensors;
use image::RgbImage;

use crate::EvalError;

/// AlexNet's convolutions (torchvision's): name, shape of the weights, stride, padding, and whether a maximum
/// over 3x3 with stride 2 comes before.
const LAYERS: [(&str, [usize; 4], usize, usize, bool); 5] = [
    ("net.slice1.0", [64, 3, 11, 11], 4, 2, false),
    ("net.slice2.3", [192, 64, 5, 5], 1, 2, true),
    ("net.slice3.6", [384, 192, 3, 3], 1, 1, true),
    ("net.slice4.8", [256, 384, 3, 3], 1, 1, false),
    ("net.slice5.10", [256, 256, 3, 3], 1, 1, false),
];

/// What is subtracted from pixels in `[-1, 1]`, and what they are divided by, for each channel.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// Keeps lengths of features that are all zero from being divided by.
const EPSILON: f32 = 1e-10;

/// Images that go through the network at a time.
const BATCH: usize = 16;

/// How different two images look: the distance of AlexNet's features, each position's scaled to length 1,
/// with a learned weight for each channel (LPIPS version 0.1, `net='alex'`). 0 for equal images; lower is
/// better.
///
/// The weights are not part of this library. Whoever has the Python package writes them in one line:
/// `torch.save(lpips.LPIPS(net='alex').state_dict(), 'lpips.pth')`.
pub struct Lpips {
    layers: Vec<Layer>,
    device: Device,
}

struct Layer {
    weight: Tensor<4>,
    bias: Tensor<1>,
    /// `[1, channels, 1, 1]`: what each channel's difference counts.
    importance: Tensor<4>,
    stride: usize,
    padding: usize,
    pooled_before: bool,
}

impl Lpips {
    /// Reads the weights from a PyTorch or safetensors file under the names of the Python package.
    ///
    /// # Errors
    /// [`EvalError::Model`] when the file cannot be read, [`EvalError::Lpips`] when a tensor is missing or of
    /// another shape.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, EvalError> {
        let path = path.as_ref();
        let mut tensors = read_tensors(path)?;
        let mut layers = Vec::with_capacity(LAYERS.len());
        for (number, (name, shape, stride, padding, pooled_before)) in LAYERS.into_iter().enumerate() {
            let mut take = |name: String, shape: &[usize]| {
                let reason = |reason| EvalError::Lpips { path: path.to_owned(), reason };
                take(&mut tensors, &name, shape).map_err(reason)
            };
            let channels = shape[0];
            let weight = take(format!("{name}.weight"), &shape)?;
            let bias = take(format!("{name}.bias"), &[channels])?;
            let importance = take(format!("lin{number}.model.1.weight"), &[1, channels, 1, 1])?;
            layers.push(Layer {
                weight: Tensor::from_data(weight, device),
                bias: Tensor::from_data(bias, device),
                importance: Tensor::from_data(importance, device),
                stride,
                padding,
                pooled_before,
            });
        }
        Ok(Self { layers, device: device.clone() })
    }

    /// The distance of each image from its truth.
    ///
    /// # Panics
    /// When there is not one truth for each image, or they differ in size.
    pub fn distances(&self, images: &[RgbImage], truths: &[RgbImage]) -> Vec<f64> {
        assert_eq!(images.len(), truths.len(), "one truth for each image");
        let batches = images.chunks(BATCH).zip(truths.chunks(BATCH));
        let distances = |(images, truths)| {
            let distances = self
                .distances_of(images_to_tensor(images, &self.device), images_to_tensor(truths, &self.device));
            distances.into_data().iter::<f64>().collect::<Vec<f64>>()
        };
        batches.flat_map(distances).collect()
    }

    /// `[batch]` of two `[batch, 3, height, width]` in `[-1, 1]`.
    fn distances_of(&self, images: Tensor<4>, truths: Tensor<4>) -> Tensor<1> {
        let count = images.dims()[0];
        let channels = |values: [f32; 3]| Tensor::<1>::from_data(values, &self.device).reshape([1, 3, 1, 1]);
        let mut features = (Tensor::cat(vec![images, truths], 0) - channels(SHIFT)) / channels(SCALE);
        let mut distances = Tensor::zeros([count], &self.device);
        for layer in &self.layers {
            features = layer.forward(features);
            let length = features.clone().powf_scalar(2.0).sum_dim(1).sqrt() + EPSILON;
            let mut halves = (features.clone() / length).chunk(2, 0).into_iter();
            let difference = halves.next().zip(halves.next()).map(|(image, truth)| image - truth);
            if let Some(difference) = difference {
                let weighted = difference.powf_scalar(2.0) * layer.importance.clone();
                distances = distances + weighted.sum_dim(1).mean_dims(&[2, 3]).reshape([count]);
            }
        }
        distances
    }
}

impl Layer {
    fn forward(&self, mut features: Tensor<4>) -> Tensor<4> {
        if self.pooled_before {
            features = max_pool2d(features, MaxPoolOptions::new([3, 3]).with_stride([2, 2]));
        }
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], 1);
        relu(conv2d(features, self.weight.clone(), Some(self.bias.clone()), options))
    }
}

/// A tensor of this shape in 32 bits, or what is wrong with it.
pub(crate) fn take(
    tensors: &mut BTreeMap<String, TensorData>,
    name: &str,
    shape: &[usize],
) -> Result<TensorData, String> {
    let tensor = tensors.remove(name).ok_or_else(|| format!("it has no tensor {name}"))?;
    if tensor.shape().to_vec() != shape {
        return Err(format!("{name} has the shape {:?} in place of {shape:?}", tensor.shape().to_vec()));
    }
    Ok(tensor.convert::<f32>())
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use safetensors::{Dtype, tensor::TensorView};

    use super::*;

    /// Weights that a formula gives, as it did in Python.
    fn write_weights(path: &Path, channels_of_first: usize) {
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        let mut add = |name: String, shape: Vec<usize>, scale: f64, is_positive: bool| {
            let count: usize = shape.iter().product();
            let seed = tensors.len() as f64;
            let value = |index: usize| {
                let wave = (index as f64 * 0.731 + seed).sin();
                (scale * if is_positive { wave.abs() } else { wave }) as f32
            };
            let bytes = (0..count).flat_map(|index| value(index).to_le_bytes()).collect();
            tensors.push((name, shape, bytes));
        };
        for (number, (name, mut shape, ..)) in LAYERS.into_iter().enumerate() {
            if number == 0 {
                shape[0] = channels_of_first;
            }
            let inputs = (shape[1] * shape[2] * shape[3]) as f64;
            add(format!("{name}.weight"), shape.to_vec(), (2.0 / inputs).sqrt(), false);
            add(format!("{name}.bias"), vec![shape[0]], 0.1, false);
            add(format!("lin{number}.model.1.weight"), vec![1, shape[0], 1, 1], 1.0, true);
        }
        let views = tensors.iter().map(|(name, shape, bytes)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
        });
        std::fs::write(path, safetensors::serialize(views, None).expect("serialized")).expect("written");
    }

    #[test]
    fn distances_are_those_of_the_python_package() {
        let (folder, device) = (tempfile::tempdir().expect("folder"), Device::flex());
        let path = folder.path().join("lpips.safetensors");
        write_weights(&path, 64);
        let lpips = Lpips::load(&path, &device).expect("read");
        let wave = RgbImage::from_fn(80, 64, |x, y| Rgb([(3 * x) as u8, (4 * y) as u8, (x * y % 256) as u8]));
        let grey = RgbImage::from_pixel(80, 64, Rgb([128; 3]));
        let mut edited = wave.clone();
        for (x, y, pixel) in edited.enumerate_pixels_mut() {
            if (20..50).contains(&x) && (10..40).contains(&y) {
                *pixel = Rgb([90, 120, 60]);
            }
        }
        let distances = lpips.distances(&[wave.clone(), grey, edited], &[wave.clone(), wave.clone(), wave]);
        // lpips 0.1.4 with these weights: `LPIPS(net='alex')` on pixels in [-1, 1].
        for (distance, expected) in distances.iter().zip([0.0, 1.138_472, 0.298_130]) {
            assert!((distance - expected).abs() < 1e-4, "{distances:?}");
        }
    }

    #[test]
    fn weights_of_another_network_are_named() {
        let (folder, device) = (tempfile::tempdir().expect("folder"), Device::flex());
        let path = folder.path().join("lpips.safetensors");
        write_weights(&path, 32);
        let error = Lpips::load(&path, &device).err().expect("misshapen").to_string();
        assert!(error.contains("net.slice1.0.weight has the shape [32, 3, 11, 11]"), "{error}");
        assert!(error.contains("torch.save"), "{error}");
    }
}
