//! AlexNet's convolutions from Caffe's `.caffemodel` files, which are protocol buffers.

use std::{collections::BTreeMap, path::Path};

use burn::{
    store::burn_pack::Tensor as NamedTensor,
    tensor::{Bytes, DType, Device},
};
use context_encoder_ops::ConvGeometry;
use prost::Message;

use super::state_dict::load_state_dict;
use crate::{
    FeatureEncoder, FeatureModelConfig, ModelError,
    feature_encoder::{CONV1, CONV2, CONV3, POOL, RESPONSE_NORM},
};

/// What Caffe's networks subtract from pictures, red, green, blue in 8-bit units: ImageNet's mean, rounded.
const IMAGENET_MEAN: [f32; 3] = [123.0, 117.0, 104.0];

/// Half the range of 8-bit values: `(x + 1) HALF_RANGE` of a value in `[-1, 1]`.
const HALF_RANGE: f32 = 127.5;

/// Channels of conv1 are 3/2 of the width.
const CONV1_CHANNELS_OF_TWO_WIDTHS: usize = 3;

/// Layers between a picture and pool5 that compute nothing.
const WITHOUT_EFFECT: [&str; 5] = ["Data", "Input", "DummyData", "Split", "MemoryData"];

/// The convolutions.
const CONVS: [(&str, ConvGeometry); 5] =
    [("conv1", CONV1), ("conv2", CONV2), ("conv3", CONV3), ("conv4", CONV3), ("conv5", CONV3)];

/// Kinds of the layers that compute something, in order; normalization is there twice or not at all.
const KINDS: [&str; 15] = [
    "Convolution",
    "ReLU",
    "LRN",
    "Pooling",
    "Convolution",
    "ReLU",
    "LRN",
    "Pooling",
    "Convolution",
    "ReLU",
    "Convolution",
    "ReLU",
    "Convolution",
    "ReLU",
    "Pooling",
];

/// The layer after which nothing is read.
const LAST: &str = "pool5";

impl FeatureEncoder {
    /// Reads AlexNet from conv1 to pool5 out of a Caffe file (`.caffemodel`), and the names of the layers
    /// after pool5, which are left out. Width, groups and normalization follow from the file.
    ///
    /// Caffe's networks take blue, green, red in 0 to 255 less a mean, which the file does not say: `mean`,
    /// red, green, blue, or ImageNet's 123, 117, 104. Here the encoder takes red, green, blue in `[-1,
    /// 1]`: order, range and mean become a part of conv1.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read, [`ModelError::NotWeights`] when it is no such file or
    /// another network, with the name of the layer that is unexpected (CaffeNet, which pools before it
    /// normalizes, is one), [`ModelError::Mismatch`] with every tensor that is missing or misshapen.
    pub fn load_caffe(
        path: impl AsRef<Path>,
        mean: Option<[f32; 3]>,
        device: &Device,
    ) -> Result<(Self, Vec<String>), ModelError> {
        let path = path.as_ref();
        let not_weights = |reason| ModelError::NotWeights { path: path.to_owned(), reason };
        let bytes = std::fs::read(path);
        let bytes =
            bytes.map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })?;
        let file = Net::decode(&bytes[..])
            .map_err(|error| not_weights(format!("it is no file of Caffe, or damaged ({error})")))?;
        let network = Network::of(file).map_err(not_weights)?;
        let mut encoder = FeatureEncoder::new(&network.config, device);
        let tensors = network.tensors(mean.unwrap_or(IMAGENET_MEAN));
        load_state_dict(&mut encoder, tensors, path)?;
        Ok((encoder, network.left_out))
    }
}

/// What is read of a file.
struct Network {
    config: FeatureModelConfig,
    /// Weights and biases of conv1 to conv5, by name.
    convs: BTreeMap<String, [Values; 2]>,
    left_out: Vec<String>,
}

struct Values {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Network {
    fn of(file: Net) -> Result<Self, String> {
        let layers: Vec<Layer> = if file.layers.is_empty() {
            file.old_layers.into_iter().map(Layer::from).collect()
        } else {
            file.layers
        };
        if layers.is_empty() {
            return Err("it holds no layers".to_owned());
        }
        let end = layers.iter().position(|layer| layer.name == LAST);
        let end = end.ok_or_else(|| {
            let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).take(12).collect();
            format!("it has no layer `{LAST}`, so it is no AlexNet; it begins with {}", names.join(", "))
        })?;
        let left_out = layers[end + 1..].iter().map(|layer| layer.name.clone()).collect();
        let (mut convs, mut normalized, mut pooled, mut groups) = (BTreeMap::new(), 0, 0, 1);
        let mut kinds = Vec::new();
        for layer in layers.into_iter().take(end + 1) {
            let (name, kind) = (layer.name.clone(), layer.kind.clone());
            match kind.as_str() {
                "Convolution" => {
                    let convolution = layer.convolution.unwrap_or_default();
                    groups = groups.max(convolution.group.unwrap_or(1));
                    let [weight, bias] = <[Blob; 2]>::try_from(layer.blobs).map_err(|blobs| {
                        format!("`{name}` has {} tensors; a weight and a bias are expected", blobs.len())
                    })?;
                    let values = [weight.values(&name)?, bias.values(&name)?];
                    convolution.check(&name)?;
                    convs.insert(name.clone(), values);
                }
                "LRN" => {
                    normalized += 1;
                    if pooled >= normalized {
                        return Err(format!(
                            "`{name}` normalizes what is pooled already, as CaffeNet does; AlexNet normalizes before it pools"
                        ));
                    }
                    layer.normalization.unwrap_or_default().check(&name)?;
                }
                "Pooling" => {
                    pooled += 1;
                    layer.pooling.unwrap_or_default().check(&name)?;
                }
                "ReLU" => match layer.relu.and_then(|relu| relu.negative_slope).unwrap_or(0.0) {
                    0.0 => {}
                    slope => return Err(format!("`{name}` has a negative slope of {slope}; AlexNet's is 0")),
                },
                _ if WITHOUT_EFFECT.contains(&kind.as_str()) => continue,
                _ => {
                    return Err(format!(
                        "`{name}` is a layer of the kind {kind}, which AlexNet has not before pool5"
                    ));
                }
            }
            kinds.push((name, kind));
        }
        let mut expected = KINDS.into_iter().filter(|kind| normalized > 0 || *kind != "LRN");
        for (name, kind) in kinds {
            let expected = expected.next().unwrap_or("nothing");
            if kind != expected {
                return Err(format!("`{name}` is a layer of the kind {kind}, where AlexNet has {expected}"));
            }
        }
        if let Some(kind) = expected.next() {
            return Err(format!("`{LAST}` is its end, where AlexNet has {kind}"));
        }
        let first = convs.get("conv1").ok_or("it has no convolution `conv1`")?[0].shape.first().copied();
        let mut config =
            FeatureModelConfig::alexnet().with_width(2 * first.unwrap_or(0) / CONV1_CHANNELS_OF_TWO_WIDTHS);
        config.groups = groups as usize;
        config.local_response_norm = normalized > 0;
        config.validate().map_err(|error| error.to_string())?;
        Ok(Self { config, convs, left_out })
    }

    /// The tensors under this library's names, conv1's for its range of values.
    fn tensors(&self, mean: [f32; 3]) -> Vec<NamedTensor> {
        let mut tensors = Vec::new();
        for (name, [weight, bias]) in &self.convs {
            let (mut values, mut biases) = (weight.values.clone(), bias.values.clone());
            let area = CONV1.kernel * CONV1.kernel;
            if name == "conv1" && weight.shape.get(1..) == Some(&[3, CONV1.kernel, CONV1.kernel]) {
                for (filter, bias) in values.chunks_exact_mut(3 * area).zip(&mut biases) {
                    // From blue, green, red.
                    let (blue, rest) = filter.split_at_mut(area);
                    blue.swap_with_slice(&mut rest[area..]);
                    for (color, mean) in filter.chunks_exact_mut(area).zip(mean) {
                        *bias += color.iter().sum::<f32>() * (HALF_RANGE - mean);
                        color.iter_mut().for_each(|weight| *weight *= HALF_RANGE);
                    }
                }
            }
            let named = |parameter: &str, shape: &[usize], values: &[f32]| {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                let name = format!("{name}.{parameter}");
                NamedTensor::new(name, DType::F32, shape.to_vec(), None, Bytes::from_bytes_vec(bytes))
            };
            tensors.push(named("weight", &weight.shape, &values));
            tensors.push(named("bias", &[biases.len()], &biases));
        }
        tensors
    }
}

// Of `caffe.proto` the fields that are read. Files before 2014 have `layers` with numbers for kinds.

#[derive(Clone, PartialEq, Message)]
struct Net {
    #[prost(message, repeated, tag = "2")]
    old_layers: Vec<OldLayer>,
    #[prost(message, repeated, tag = "100")]
    layers: Vec<Layer>,
}

#[derive(Clone, PartialEq, Message)]
struct Layer {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(message, repeated, tag = "7")]
    blobs: Vec<Blob>,
    #[prost(message, optional, tag = "106")]
    convolution: Option<Convolution>,
    #[prost(message, optional, tag = "118")]
    normalization: Option<Normalization>,
    #[prost(message, optional, tag = "121")]
    pooling: Option<Pool>,
    #[prost(message, optional, tag = "123")]
    relu: Option<Relu>,
}

#[derive(Clone, PartialEq, Message)]
struct OldLayer {
    #[prost(string, tag = "4")]
    name: String,
    #[prost(int32, tag = "5")]
    kind: i32,
    #[prost(message, repeated, tag = "6")]
    blobs: Vec<Blob>,
    #[prost(message, optional, tag = "10")]
    convolution: Option<Convolution>,
    #[prost(message, optional, tag = "18")]
    normalization: Option<Normalization>,
    #[prost(message, optional, tag = "19")]
    pooling: Option<Pool>,
    #[prost(message, optional, tag = "30")]
    relu: Option<Relu>,
}

impl From<OldLayer> for Layer {
    fn from(old: OldLayer) -> Self {
        let kind = match old.kind {
            4 => "Convolution".to_owned(),
            5 | 12 => "Data".to_owned(),
            15 => "LRN".to_owned(),
            17 => "Pooling".to_owned(),
            18 => "ReLU".to_owned(),
            22 => "Split".to_owned(),
            other => format!("number {other}"),
        };
        let OldLayer { name, blobs, convolution, normalization, pooling, relu, .. } = old;
        Self { name, kind, blobs, convolution, normalization, pooling, relu }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Convolution {
    #[prost(uint32, repeated, tag = "3")]
    pad: Vec<u32>,
    #[prost(uint32, optional, tag = "5")]
    group: Option<u32>,
    #[prost(uint32, repeated, tag = "6")]
    stride: Vec<u32>,
    #[prost(uint32, optional, tag = "9")]
    pad_h: Option<u32>,
    #[prost(uint32, optional, tag = "10")]
    pad_w: Option<u32>,
    #[prost(uint32, optional, tag = "13")]
    stride_h: Option<u32>,
    #[prost(uint32, optional, tag = "14")]
    stride_w: Option<u32>,
    #[prost(uint32, repeated, tag = "18")]
    dilation: Vec<u32>,
}

impl Convolution {
    /// Whether it moves as AlexNet's of this name; its kernel is its weight's.
    fn check(&self, name: &str) -> Result<(), String> {
        let ours = CONVS.iter().find(|(ours, _)| *ours == name);
        let (_, ours) = ours.ok_or_else(|| format!("`{name}` is a convolution that AlexNet has not"))?;
        let stride = sides(&self.stride, [self.stride_h, self.stride_w], 1);
        let pad = sides(&self.pad, [self.pad_h, self.pad_w], 0);
        let dilation = sides(&self.dilation, [None; 2], 1);
        if (stride, pad, dilation) != ([ours.stride as u32; 2], [ours.padding as u32; 2], [1; 2]) {
            return Err(format!(
                "`{name}` has stride {stride:?}, pad {pad:?} and dilation {dilation:?}, not AlexNet's {}, {} and 1",
                ours.stride, ours.padding
            ));
        }
        Ok(())
    }
}

/// A number for height and width: one for both, one for each, or each under a name of its own.
fn sides(listed: &[u32], own: [Option<u32>; 2], default: u32) -> [u32; 2] {
    let of = |side: usize| own[side].or(listed.get(side).or(listed.first()).copied()).unwrap_or(default);
    [of(0), of(1)]
}

#[derive(Clone, PartialEq, Message)]
struct Pool {
    /// 0 is of maxima.
    #[prost(int32, optional, tag = "1")]
    method: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    kernel_size: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    stride: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    pad: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    kernel_h: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    kernel_w: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    stride_h: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    stride_w: Option<u32>,
    #[prost(uint32, optional, tag = "9")]
    pad_h: Option<u32>,
    #[prost(uint32, optional, tag = "10")]
    pad_w: Option<u32>,
    #[prost(bool, optional, tag = "12")]
    global_pooling: Option<bool>,
}

impl Pool {
    /// Whether it is AlexNet's.
    fn check(&self, name: &str) -> Result<(), String> {
        if self.method.unwrap_or(0) != 0 || self.global_pooling.unwrap_or(false) {
            return Err(format!("`{name}` does not pool maxima of neighbors, as AlexNet does"));
        }
        let kernel = sides(self.kernel_size.as_slice(), [self.kernel_h, self.kernel_w], 0);
        let stride = sides(self.stride.as_slice(), [self.stride_h, self.stride_w], 1);
        let pad = sides(self.pad.as_slice(), [self.pad_h, self.pad_w], 0);
        let ours = [POOL.kernel, POOL.stride, POOL.padding];
        if [kernel, stride, pad] != ours.map(|number| [number as u32; 2]) {
            return Err(format!(
                "`{name}` pools with (kernel, stride, pad) = ({kernel:?}, {stride:?}, {pad:?}), not AlexNet's {ours:?}"
            ));
        }
        Ok(())
    }
}

#[derive(Clone, PartialEq, Message)]
struct Relu {
    #[prost(float, optional, tag = "1")]
    negative_slope: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct Normalization {
    #[prost(uint32, optional, tag = "1")]
    local_size: Option<u32>,
    #[prost(float, optional, tag = "2")]
    alpha: Option<f32>,
    #[prost(float, optional, tag = "3")]
    beta: Option<f32>,
    #[prost(int32, optional, tag = "4")]
    within_channel: Option<i32>,
    #[prost(float, optional, tag = "5")]
    k: Option<f32>,
}

impl Normalization {
    /// Whether it is AlexNet's; Caffe's defaults stand for what is missing.
    fn check(&self, name: &str) -> Result<(), String> {
        let theirs = (self.local_size.unwrap_or(5), self.alpha.unwrap_or(1.0), self.beta.unwrap_or(0.75));
        let ours = (RESPONSE_NORM.size as u32, RESPONSE_NORM.alpha as f32, 0.75);
        if theirs != ours
            || self.k.unwrap_or(1.0) != RESPONSE_NORM.k as f32
            || self.within_channel.unwrap_or(0) != 0
        {
            return Err(format!(
                "`{name}` normalizes with (size, alpha, beta) = {theirs:?}, not AlexNet's {ours:?} across channels"
            ));
        }
        Ok(())
    }
}

/// A tensor.
#[derive(Clone, PartialEq, Message)]
struct Blob {
    /// Of older files: number, channels, height, width.
    #[prost(int32, tag = "1")]
    num: i32,
    #[prost(int32, tag = "2")]
    channels: i32,
    #[prost(int32, tag = "3")]
    height: i32,
    #[prost(int32, tag = "4")]
    width: i32,
    #[prost(float, repeated, tag = "5")]
    data: Vec<f32>,
    #[prost(message, optional, tag = "7")]
    shape: Option<BlobShape>,
}

#[derive(Clone, PartialEq, Message)]
struct BlobShape {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
}

impl Blob {
    fn values(self, name: &str) -> Result<Values, String> {
        let Self { num, channels, height, width, data, shape } = self;
        let dims =
            shape.map_or_else(|| [num, channels, height, width].map(i64::from).to_vec(), |shape| shape.dims);
        let shape: Vec<usize> = dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
        let count = shape.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim));
        if count != Some(data.len()) {
            return Err(format!(
                "`{name}` has {} numbers for a tensor of {dims:?}; it is damaged",
                data.len()
            ));
        }
        Ok(Values { shape, values: data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, kind: &str) -> Layer {
        Layer { name: name.to_owned(), kind: kind.to_owned(), ..Layer::default() }
    }

    /// What is said of a file of these layers.
    fn error(layers: Vec<Layer>) -> String {
        let net = Net { layers, ..Net::default() };
        Network::of(net).err().expect("refused")
    }

    fn conv1(numbers: usize) -> Layer {
        let blob = |dims: Vec<i64>, count| Blob {
            data: vec![0.5; count],
            shape: Some(BlobShape { dims }),
            ..Blob::default()
        };
        let blobs = vec![blob(vec![6, 3, 11, 11], numbers), blob(vec![6], 6)];
        let convolution = Some(Convolution { stride: vec![4], ..Convolution::default() });
        Layer { blobs, convolution, ..layer("conv1", "Convolution") }
    }

    fn pool(name: &str) -> Layer {
        let pooling = Some(Pool { kernel_size: Some(3), stride: Some(2), ..Pool::default() });
        Layer { pooling, ..layer(name, "Pooling") }
    }

    /// An AlexNet without normalization and, but for conv1, almost without weights.
    fn alexnet() -> Vec<Layer> {
        let conv = |name: &str, pad: u32| {
            let blob = || Blob { shape: Some(BlobShape { dims: vec![0] }), ..Blob::default() };
            let convolution = Some(Convolution { pad: vec![pad], ..Convolution::default() });
            Layer { blobs: vec![blob(), blob()], convolution, ..layer(name, "Convolution") }
        };
        let relu = |name| layer(name, "ReLU");
        let mut layers = vec![layer("data", "Data"), conv1(6 * 3 * 121), relu("relu1"), pool("pool1")];
        layers.extend([conv("conv2", 2), relu("relu2"), pool("pool2"), conv("conv3", 1), relu("relu3")]);
        layers.extend([conv("conv4", 1), relu("relu4"), conv("conv5", 1), relu("relu5"), pool("pool5")]);
        layers
    }

    #[test]
    fn layers_that_compute_something_else_are_named() {
        /// What is said of an AlexNet with a change to the layer at a place.
        fn changed(at: usize, change: impl Fn(&mut Layer)) -> String {
            let mut layers = alexnet();
            change(&mut layers[at]);
            error(layers)
        }
        let convolution = |change: fn(&mut Convolution)| {
            changed(4, |layer| change(layer.convolution.as_mut().expect("a convolution")))
        };
        for text in [
            convolution(|conv| conv.stride = vec![1, 2]),
            convolution(|conv| conv.pad = Vec::new()),
            convolution(|conv| conv.pad_w = Some(1)),
            convolution(|conv| conv.dilation = vec![2]),
        ] {
            assert!(
                text.contains("`conv2` has stride [1, ") && text.contains("AlexNet's 1, 2 and 1"),
                "{text}"
            );
        }
        let pooling =
            |change: fn(&mut Pool)| changed(3, |layer| change(layer.pooling.as_mut().expect("a pooling")));
        assert!(pooling(|pool| pool.method = Some(1)).contains("`pool1` does not pool maxima"));
        assert!(pooling(|pool| pool.global_pooling = Some(true)).contains("`pool1` does not pool maxima"));
        assert!(
            pooling(|pool| pool.kernel_size = Some(2)).contains("`pool1` pools with (kernel, stride, pad)")
        );
        assert!(pooling(|pool| pool.stride_h = Some(3)).contains("([3, 3], [3, 2], [0, 0])"));
        let leaky = changed(2, |layer| layer.relu = Some(Relu { negative_slope: Some(0.1) }));
        assert!(leaky.contains("`relu1` has a negative slope of 0.1"), "{leaky}");
        let text = changed(4, |layer| layer.name = "conv2a".to_owned());
        assert!(text.contains("`conv2a` is a convolution that AlexNet has not"), "{text}");

        let without = |name: &str| error(alexnet().into_iter().filter(|layer| layer.name != name).collect());
        assert!(
            without("relu3").contains("`conv4` is a layer of the kind Convolution, where AlexNet has ReLU")
        );
        assert!(
            without("pool2")
                .contains("`conv3` is a layer of the kind Convolution, where AlexNet has Pooling")
        );
        let mut once = alexnet();
        let normalization = Some(Normalization { alpha: Some(1e-4), ..Normalization::default() });
        once.insert(3, Layer { normalization, ..layer("norm1", "LRN") });
        assert!(error(once).contains("`pool2` is a layer of the kind Pooling, where AlexNet has LRN"));
    }

    #[test]
    fn what_is_unexpected_is_named() {
        let whole = 6 * 3 * 121;
        assert!(error(Vec::new()).contains("no layers"));
        assert!(
            error(vec![layer("data", "Data"), layer("fc6", "InnerProduct")])
                .contains("begins with data, fc6")
        );
        let strange = vec![layer("bn1", "BatchNorm"), layer("pool5", "Pooling")];
        assert!(error(strange).contains("`bn1` is a layer of the kind BatchNorm"));
        assert!(
            error(vec![layer("conv1", "Convolution"), layer("pool5", "Pooling")])
                .contains("`conv1` has 0 tensors")
        );
        assert!(error(vec![conv1(7), layer("pool5", "Pooling")]).contains("`conv1` has 7 numbers"));
        let caffenet = vec![conv1(whole), pool("pool1"), layer("norm1", "LRN"), pool("pool5")];
        assert!(error(caffenet).contains("`norm1` normalizes what is pooled already"));
        let other = vec![conv1(whole), layer("norm1", "LRN"), pool("pool1"), pool("pool5")];
        assert!(error(other).contains("alpha"), "Caffe's default is not AlexNet's");
    }

    #[test]
    fn order_range_and_mean_become_a_part_of_conv1() {
        let mut layers = alexnet();
        layers.push(layer("fc6", "x"));
        let net = Net { layers, ..Net::default() };
        let mut network = Network::of(net).expect("an AlexNet");
        assert_eq!((network.config.width, network.config.local_response_norm), (4, false));
        assert_eq!(network.left_out, ["fc6"]);
        let [weight, _] = network.convs.get_mut("conv1").expect("conv1");
        weight.values[..121].fill(0.0); // blue
        let tensors = network.tensors([127.5, 126.5, 0.0]);
        let values = |index: usize| -> Vec<f32> {
            let bytes = tensors[index].to_bytes().expect("values").to_vec();
            bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
        };
        let weight = values(0);
        assert_eq!((weight[0], weight[121], weight[2 * 121]), (63.75, 63.75, 0.0)); // red, green, blue
        // 0.5 for each of 121 positions of green, one less than the middle; red is in the middle, blue has no
        // weight.
        assert_eq!(values(1)[0], 0.5 + 60.5);
        assert_eq!(values(1)[1], 0.5 + 60.5 + 60.5 * 127.5);
    }
}
