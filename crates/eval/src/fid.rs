//! Fréchet inception distance (Heusel et al., NIPS 2017).

use std::{collections::BTreeMap, path::Path};

use burn::{
    linalg::svd,
    tensor::{
        Device, Tensor, TensorData,
        activation::relu,
        module::{avg_pool2d, conv2d, max_pool2d},
        ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
    },
};
use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::read_tensors;
use context_encoder_ops::resize;
use image::RgbImage;

use crate::{EvalError, lpips::take};

/// Side of the network's pictures, pixels.
const SIDE: usize = 299;

/// Numbers that describe a picture.
const FEATURES: usize = 2048;

/// Added to batch norm's variances.
const EPSILON: f32 = 1e-3;

/// Images that go through the network at a time.
const BATCH: usize = 16;

/// Most sweeps of the singular value decomposition for each value.
const SWEEPS: usize = 60;

/// How different two sets of images look: the Fréchet distance of two normal distributions, fitted to what
/// Inception v3 computes for each set. 0 for equal sets; lower is better. With fewer than some thousand
/// images it is larger than it would be with more: compare sets of equal size only.
///
/// The weights are not part of this library: they are the file `pt_inception-2015-12-05-6726825d.pth` of the
/// Python package pytorch-fid, and the distances are those that it gives.
pub struct Fid {
    blocks: Vec<Block>,
    device: Device,
}

/// What Inception v3 computes for a set of images: 2048 numbers each.
#[derive(Clone, Debug)]
pub struct FidFeatures(Vec<Vec<f64>>);

/// Branches side by side, whose channels are joined.
struct Block(Vec<Branch>);

/// Steps one after the other.
type Branch = Vec<Step>;

enum Step {
    /// Convolutions of the same map, whose channels are joined.
    Convolutions(Vec<Convolution>),
    /// The mean over 3x3, of what is inside the map.
    Mean,
    /// The maximum over 3x3.
    Max { stride: usize, padding: usize },
}

/// A convolution with batch norm folded in, and ReLU.
struct Convolution {
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: [usize; 2],
}

/// A step as it is written down: names of convolutions, channels that they give, kernels.
#[derive(Clone, Copy)]
enum Plan {
    /// Padded, so that the map keeps its size.
    Same(&'static str, usize, [usize; 2]),
    /// 3x3 without padding, and its stride.
    Valid(&'static str, usize, usize),
    /// Two padded convolutions of 384 channels, 1x3 and 3x1.
    Both(&'static str, &'static str),
    Mean,
    Max {
        stride: usize,
        padding: usize,
    },
}

use Plan::{Both, Max, Mean, Same, Valid};

/// Halves a map.
const HALVE: Plan = Max { stride: 2, padding: 0 };

/// The network's blocks, and how each is called.
fn plan() -> Vec<(&'static str, Vec<Vec<Plan>>)> {
    let stem = vec![
        Valid("Conv2d_1a_3x3", 32, 2),
        Valid("Conv2d_2a_3x3", 32, 1),
        Same("Conv2d_2b_3x3", 64, [3, 3]),
        HALVE,
        Same("Conv2d_3b_1x1", 80, [1, 1]),
        Valid("Conv2d_4a_3x3", 192, 1),
        HALVE,
    ];
    let five = |pooled| {
        vec![
            vec![Same("branch1x1", 64, [1, 1])],
            vec![Same("branch5x5_1", 48, [1, 1]), Same("branch5x5_2", 64, [5, 5])],
            vec![
                Same("branch3x3dbl_1", 64, [1, 1]),
                Same("branch3x3dbl_2", 96, [3, 3]),
                Same("branch3x3dbl_3", 96, [3, 3]),
            ],
            vec![Mean, Same("branch_pool", pooled, [1, 1])],
        ]
    };
    let first_halving = vec![
        vec![Valid("branch3x3", 384, 2)],
        vec![
            Same("branch3x3dbl_1", 64, [1, 1]),
            Same("branch3x3dbl_2", 96, [3, 3]),
            Valid("branch3x3dbl_3", 96, 2),
        ],
        vec![HALVE],
    ];
    let seven = |channels| {
        vec![
            vec![Same("branch1x1", 192, [1, 1])],
            vec![
                Same("branch7x7_1", channels, [1, 1]),
                Same("branch7x7_2", channels, [1, 7]),
                Same("branch7x7_3", 192, [7, 1]),
            ],
            vec![
                Same("branch7x7dbl_1", channels, [1, 1]),
                Same("branch7x7dbl_2", channels, [7, 1]),
                Same("branch7x7dbl_3", channels, [1, 7]),
                Same("branch7x7dbl_4", channels, [7, 1]),
                Same("branch7x7dbl_5", 192, [1, 7]),
            ],
            vec![Mean, Same("branch_pool", 192, [1, 1])],
        ]
    };
    let second_halving = vec![
        vec![Same("branch3x3_1", 192, [1, 1]), Valid("branch3x3_2", 320, 2)],
        vec![
            Same("branch7x7x3_1", 192, [1, 1]),
            Same("branch7x7x3_2", 192, [1, 7]),
            Same("branch7x7x3_3", 192, [7, 1]),
            Valid("branch7x7x3_4", 192, 2),
        ],
        vec![HALVE],
    ];
    let last = |pool| {
        vec![
            vec![Same("branch1x1", 320, [1, 1])],
            vec![Same("branch3x3_1", 384, [1, 1]), Both("branch3x3_2a", "branch3x3_2b")],
            vec![
                Same("branch3x3dbl_1", 448, [1, 1]),
                Same("branch3x3dbl_2", 384, [3, 3]),
                Both("branch3x3dbl_3a", "branch3x3dbl_3b"),
            ],
            vec![pool, Same("branch_pool", 192, [1, 1])],
        ]
    };
    vec![
        ("", vec![stem]),
        ("Mixed_5b.", five(32)),
        ("Mixed_5c.", five(64)),
        ("Mixed_5d.", five(64)),
        ("Mixed_6a.", first_halving),
        ("Mixed_6b.", seven(128)),
        ("Mixed_6c.", seven(160)),
        ("Mixed_6d.", seven(160)),
        ("Mixed_6e.", seven(192)),
        ("Mixed_7a.", second_halving),
        ("Mixed_7b.", last(Mean)),
        // The network that distances have been published with has a maximum here.
        ("Mixed_7c.", last(Max { stride: 1, padding: 1 })),
    ]
}

impl Fid {
    /// Reads the weights from a PyTorch or safetensors file under torchvision's names.
    ///
    /// # Errors
    /// [`EvalError::Model`] when the file cannot be read, [`EvalError::Fid`] when a tensor is missing or of
    /// another shape.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, EvalError> {
        let path = path.as_ref();
        Self::from_tensors(read_tensors(path)?, device)
            .map_err(|reason| EvalError::Fid { path: path.to_owned(), reason })
    }

    fn from_tensors(tensors: BTreeMap<String, TensorData>, device: &Device) -> Result<Self, String> {
        let mut loader = Loader { tensors, device, channels: 3 };
        let block = |(name, branches): (&str, Vec<Vec<Plan>>)| loader.block(name, &branches);
        Ok(Self {
            blocks: plan().into_iter().map(block).collect::<Result<_, String>>()?,
            device: device.clone(),
        })
    }

    /// What the network computes for images, each resized to 299x299.
    pub fn features<'a>(&self, images: impl IntoIterator<Item = &'a RgbImage>) -> FidFeatures {
        let images: Vec<&RgbImage> = images.into_iter().collect();
        let mut features = Vec::with_capacity(images.len());
        // Images of one size go through the network together.
        for images in images.chunk_by(|one, next| one.dimensions() == next.dimensions()) {
            for batch in images.chunks(BATCH) {
                let batch: Vec<RgbImage> = batch.iter().map(|&image| image.clone()).collect();
                let maps = self.maps(resize(images_to_tensor(&batch, &self.device), SIDE));
                let means: Vec<f64> = maps.mean_dims(&[2, 3]).into_data().iter::<f64>().collect();
                features.extend(means.chunks(FEATURES).map(<[f64]>::to_vec));
            }
        }
        FidFeatures(features)
    }

    /// The distance of two sets: `|m - m'|^2 + tr(C + C' - 2 (C C')^0.5)` of means and covariances. None when
    /// a set has fewer than two images, or features that are not finite.
    ///
    /// Time grows with the cube of the number of images.
    pub fn distance(&self, one: &FidFeatures, other: &FidFeatures) -> Option<f64> {
        let is_finite = |set: &FidFeatures| set.0.iter().flatten().all(|value| value.is_finite());
        if one.0.len().min(other.0.len()) < 2 || !is_finite(one) || !is_finite(other) {
            return None;
        }
        let [(mean, deviations), (other_mean, other_deviations)] = [one, other].map(FidFeatures::centred);
        let square = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
        let apart: Vec<f64> = mean.iter().zip(&other_mean).map(|(one, other)| one - other).collect();
        let scale = |deviations: &[Vec<f64>]| 1.0 / (deviations.len() as f64 - 1.0);
        let trace = |deviations: &[Vec<f64>]| {
            scale(deviations) * deviations.iter().map(|row| square(row)).sum::<f64>()
        };
        // With the centred features in the rows of A and B, C = A'A / (n - 1), and the eigenvalues of C C'
        // that are not 0 are the squares of the singular values of A B'.
        let norm = (scale(&deviations) * scale(&other_deviations)).sqrt();
        let product = deviations.iter().flat_map(|row| {
            let dot = |other: &Vec<f64>| row.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
            other_deviations.iter().map(move |other| (norm * dot(other)) as f32)
        });
        let shape = [deviations.len(), other_deviations.len()];
        let product =
            Tensor::<2>::from_data(TensorData::new(product.collect::<Vec<f32>>(), shape), &self.device);
        let (_, values, _) = svd::<2, 1>(product, SWEEPS);
        let root = values.into_data().iter::<f64>().sum::<f64>();
        Some(square(&apart) + trace(&deviations) + trace(&other_deviations) - 2.0 * root)
    }

    /// `[batch, 2048, 8, 8]` of `[batch, 3, 299, 299]` in `[-1, 1]`.
    fn maps(&self, images: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(images, |x, Block(branches)| {
            let branch = |steps: &Branch| steps.iter().fold(x.clone(), |x, step| step.forward(x));
            Tensor::cat(branches.iter().map(branch).collect(), 1)
        })
    }
}

impl FidFeatures {
    /// The mean, and what each image's features are above it.
    fn centred(&self) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut mean = vec![0.0; FEATURES];
        for row in &self.0 {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / self.0.len() as f64);
        }
        let above = |row: &Vec<f64>| row.iter().zip(&mean).map(|(value, mean)| value - mean).collect();
        let deviations = self.0.iter().map(above).collect();
        (mean, deviations)
    }
}

impl Step {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Convolutions(all) => {
                Tensor::cat(all.iter().map(|convolution| convolution.forward(x.clone())).collect(), 1)
            }
            Self::Mean => {
                let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
                avg_pool2d(x, options.with_count_include_pad(false))
            }
            &Self::Max { stride, padding } => {
                let options = MaxPoolOptions::new([3, 3]).with_stride([stride; 2]);
                max_pool2d(x, options.with_padding([padding; 2]))
            }
        }
    }
}

impl Convolution {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions::new([self.stride; 2], self.padding, [1, 1], 1);
        relu(conv2d(x, self.weight.clone(), Some(self.bias.clone()), options))
    }
}

/// Reads one block after the other.
struct Loader<'a> {
    tensors: BTreeMap<String, TensorData>,
    device: &'a Device,
    /// Of the map so far.
    channels: usize,
}

impl Loader<'_> {
    fn block(&mut self, name: &str, branches: &[Vec<Plan>]) -> Result<Block, String> {
        let mut total = 0;
        let mut branch = |plan: &Vec<Plan>| {
            let mut channels = self.channels;
            let steps = plan.iter().map(|&plan| self.step(name, plan, &mut channels)).collect();
            total += channels;
            steps
        };
        let branches = branches.iter().map(&mut branch).collect::<Result<_, String>>()?;
        self.channels = total;
        Ok(Block(branches))
    }

    fn step(&mut self, block: &str, plan: Plan, channels: &mut usize) -> Result<Step, String> {
        let mut convolution = |name: &str, out: usize, kernel: [usize; 2], stride, padding| {
            self.convolution(
                &format!("{block}{name}"),
                [out, *channels, kernel[0], kernel[1]],
                stride,
                padding,
            )
        };
        let same = |kernel: [usize; 2]| kernel.map(|side| side / 2);
        Ok(match plan {
            Same(name, out, kernel) => {
                let step = convolution(name, out, kernel, 1, same(kernel))?;
                *channels = out;
                Step::Convolutions(vec![step])
            }
            Valid(name, out, stride) => {
                let step = convolution(name, out, [3, 3], stride, [0, 0])?;
                *channels = out;
                Step::Convolutions(vec![step])
            }
            Both(wide, high) => {
                let wide = convolution(wide, 384, [1, 3], 1, [0, 1])?;
                let high = convolution(high, 384, [3, 1], 1, [1, 0])?;
                *channels = 2 * 384;
                Step::Convolutions(vec![wide, high])
            }
            Mean => Step::Mean,
            Max { stride, padding } => Step::Max { stride, padding },
        })
    }

    /// Folds batch norm into the weights.
    fn convolution(
        &mut self,
        name: &str,
        shape: [usize; 4],
        stride: usize,
        padding: [usize; 2],
    ) -> Result<Convolution, String> {
        let [out, ..] = shape;
        let weight = take(&mut self.tensors, &format!("{name}.conv.weight"), &shape)?;
        let mut statistic = |which: &str| {
            let data = take(&mut self.tensors, &format!("{name}.bn.{which}"), &[out])?;
            Ok::<_, String>(Tensor::<1>::from_data(data, self.device))
        };
        let scale = statistic("weight")? / (statistic("running_var")? + EPSILON).sqrt();
        let bias = statistic("bias")? - statistic("running_mean")? * scale.clone();
        let weight = Tensor::from_data(weight, self.device) * scale.reshape([out, 1, 1, 1]);
        Ok(Convolution { weight, bias, stride, padding })
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// Weights that a formula gives, as it did in Python.
    fn tensors() -> BTreeMap<String, TensorData> {
        let mut tensors = BTreeMap::new();
        let mut channels = 3;
        let mut convolution = |name: String, shape: [usize; 4]| {
            let seed = name.bytes().map(f64::from).sum::<f64>();
            let wave = |index: usize, shift: f64| (index as f64 * 0.731 + seed + shift).sin();
            let [out, inputs, height, width] = shape;
            let scale = 2.0 / ((inputs * height * width) as f64).sqrt();
            let weight = (0..out * inputs * height * width).map(|index| (scale * wave(index, 0.0)) as f32);
            tensors
                .insert(format!("{name}.conv.weight"), TensorData::new(weight.collect::<Vec<f32>>(), shape));
            for (shift, which, base, scale) in [
                (1.0, "weight", 1.0, 0.1),
                (2.0, "bias", 0.0, 0.1),
                (3.0, "running_mean", 0.0, 0.1),
                (4.0, "running_var", 1.0, 0.5),
            ] {
                let values = (0..out).map(|index| (base + scale * wave(index, shift)) as f32);
                tensors.insert(
                    format!("{name}.bn.{which}"),
                    TensorData::new(values.collect::<Vec<f32>>(), [out]),
                );
            }
        };
        for (block, branches) in plan() {
            let mut total = 0;
            for branch in branches {
                let mut inputs = channels;
                for step in branch {
                    let shapes = match step {
                        Same(name, out, [height, width]) => vec![(name, [out, inputs, height, width])],
                        Valid(name, out, _) => vec![(name, [out, inputs, 3, 3])],
                        Both(wide, high) => vec![(wide, [384, inputs, 1, 3]), (high, [384, inputs, 3, 1])],
                        Mean | Max { .. } => Vec::new(),
                    };
                    inputs = if shapes.is_empty() {
                        inputs
                    } else {
                        shapes.iter().map(|(_, [out, ..])| out).sum()
                    };
                    for (name, shape) in shapes {
                        convolution(format!("{block}{name}"), shape);
                    }
                }
                total += inputs;
            }
            channels = total;
        }
        tensors
    }

    fn image(number: u32) -> RgbImage {
        let color = |x: u32, y: u32| {
            [(3 * x + 20 * number) as u8, (4 * y * (number + 1)) as u8, (x * y * (number + 2) % 256) as u8]
        };
        RgbImage::from_fn(60, 48, |x, y| Rgb(color(x, y)))
    }

    #[test]
    fn distances_are_those_of_the_python_package() {
        let fid = Fid::from_tensors(tensors(), &Device::flex()).expect("complete");
        let images: Vec<RgbImage> = (0..7).map(image).collect();
        let [one, other] = [&images[..3], &images[3..]].map(|images| fid.features(images));
        let distance = fid.distance(&one, &other).expect("more than one each");
        // pytorch-fid 0.3.0 with these weights: 138.00370, with a singular matrix under its root.
        assert!((distance - 138.0).abs() < 1e-3 * 138.0, "{distance}");
        assert!(fid.distance(&one, &one).expect("three").abs() < 1e-4 * 138.0);
        assert!(fid.distance(&fid.features(&images[..1]), &other).is_none());
    }

    #[test]
    fn tensors_that_are_missing_or_misshapen_are_named() {
        let refusal = |tensors| Fid::from_tensors(tensors, &Device::flex()).err().expect("refused");
        let mut missing = tensors();
        let shorter = missing.remove("Mixed_6b.branch7x7_2.conv.weight").expect("there");
        assert_eq!(refusal(missing.clone()), "it has no tensor Mixed_6b.branch7x7_2.conv.weight");
        assert_eq!(shorter.shape().to_vec(), [128, 128, 1, 7]);
        missing.insert(
            "Mixed_6b.branch7x7_2.conv.weight".to_owned(),
            TensorData::zeros::<f32, _>([128, 128, 7, 1]),
        );
        assert!(refusal(missing).contains("has the shape [128, 128, 7, 1] in place of [128, 128, 1, 7]"));
    }
}
