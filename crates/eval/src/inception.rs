//! Inception v3 up to its last map, as FID has been published with.

use std::collections::BTreeMap;

use burn::tensor::{
    Device, Tensor, TensorData,
    activation::relu,
    module::{avg_pool2d, conv2d, max_pool2d},
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};

use crate::lpips::take;

/// Side of the network's pictures, pixels.
pub(crate) const SIDE: usize = 299;

/// Channels of the last map.
pub(crate) const FEATURES: usize = 2048;

/// Added to batch norm's variances.
const EPSILON: f32 = 1e-3;

/// The network.
pub(crate) struct Inception(Vec<Block>);

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

impl Inception {
    /// Takes weights by torchvision's names, or says what is wrong with them.
    pub(crate) fn from_tensors(
        tensors: BTreeMap<String, TensorData>,
        device: &Device,
    ) -> Result<Self, String> {
        let mut loader = Loader { tensors, device, channels: 3 };
        let block = |(name, branches): (&str, Vec<Vec<Plan>>)| loader.block(name, &branches);
        Ok(Self(plan().into_iter().map(block).collect::<Result<_, String>>()?))
    }

    /// `[batch, 2048, 8, 8]` of `[batch, 3, 299, 299]` in `[-1, 1]`.
    pub(crate) fn maps(&self, images: Tensor<4>) -> Tensor<4> {
        self.0.iter().fold(images, |x, Block(branches)| {
            let branch = |steps: &Branch| steps.iter().fold(x.clone(), |x, step| step.forward(x));
            Tensor::cat(branches.iter().map(branch).collect(), 1)
        })
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
pub(crate) use tests::formula_weights;

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights that a formula gives, as it did in Python.
    pub(crate) fn formula_weights() -> BTreeMap<String, TensorData> {
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

    #[test]
    fn tensors_that_are_missing_or_misshapen_are_named() {
        let refusal = |tensors| Inception::from_tensors(tensors, &Device::flex()).err().expect("refused");
        let mut missing = formula_weights();
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
