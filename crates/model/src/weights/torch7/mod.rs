//! Networks that Torch 7 saved (`.t7`), as the authors' code leaves them: `nn.Sequential`s of layers.

mod reader;

use std::path::Path;

use burn::{
    store::burn_pack::Tensor as NamedTensor,
    tensor::{Bytes, DType, Device},
};

use self::reader::{File, Value};
use super::pytorch::{Layers, generator_layers, load_tensors};
use crate::{
    BottleneckConfig, InitialFill, Model, ModelConfig, ModelError, Prediction,
    config::{BOTTLENECK_SIDE, channels},
};

/// Batch norm's epsilon, Torch's default and this library's.
const EPSILON: f64 = 1e-5;

/// Leaky ReLU's negative slope in these networks.
const NEGATIVE_SLOPE: f64 = 0.2;

/// The authors' code sets biases of convolutions to zero before every step and saves after one: what is left
/// is that step's update, a few times the learning rate. Larger ones were trained.
const NEGLIGIBLE_BIAS: f32 = 0.01;

/// Most layers of a file, `nn.Sequential`s too. Networks here have up to 40.
const MOST_LAYERS: usize = 200;

impl Model {
    /// Reads a generator of the authors' code from a binary file of Torch 7 (`torch.save`). Its architecture
    /// follows from its layers; hidden pixels are filled as the authors' code does
    /// ([`InitialFill::Authors`]).
    ///
    /// Biases before batch norm become a part of its mean. The first and the last convolution have no batch
    /// norm, and here no bias; theirs, which the authors' code keeps at zero, are left out when they are
    /// at most 0.01, and refused otherwise. Networks with a noise input are not read.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read, [`ModelError::NotWeights`] when it is no binary file
    /// of Torch 7 or holds another network, with the name and place of what is unexpected, as `main.3` in
    /// the numbering of the public PyTorch ports.
    pub fn load_torch7(path: impl AsRef<Path>, device: &Device) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let not_weights = |reason| ModelError::NotWeights { path: path.to_owned(), reason };
        let bytes = std::fs::read(path);
        let bytes =
            bytes.map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })?;
        let file = File::parse(bytes).map_err(not_weights)?;
        let layers = flatten(&file).map_err(not_weights)?;
        let config = configuration(&layers).map_err(not_weights)?;
        check(&layers, &config).map_err(not_weights)?;
        let tensors = tensors(&layers).map_err(not_weights)?;
        let mut model = config.init(device)?;
        load_tensors(&mut model, &generator_layers(&config), tensors, path)?;
        Ok(model)
    }
}

/// A layer of the flattened network.
#[derive(Debug)]
enum Layer {
    Conv(Conv),
    BatchNorm {
        weight: Vec<f32>,
        bias: Vec<f32>,
        mean: Vec<f32>,
        variance: Vec<f32>,
    },
    /// Its kind, as Torch calls it.
    Activation(&'static str),
}

impl Layer {
    fn kind(&self) -> &'static str {
        match self {
            Self::Conv(Conv { transposed: false, .. }) => "SpatialConvolution",
            Self::Conv(Conv { transposed: true, .. }) => "SpatialFullConvolution",
            Self::BatchNorm { .. } => "SpatialBatchNormalization",
            Self::Activation(kind) => kind,
        }
    }
}

#[derive(Debug)]
struct Conv {
    transposed: bool,
    stride: usize,
    inputs: usize,
    outputs: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The layers in the order of computation, `nn.Sequential` within `nn.Sequential` or not.
fn flatten(file: &File) -> Result<Vec<Layer>, String> {
    let mut layers = Vec::new();
    let kind = file.kind(&file.root);
    if kind != "nn.Sequential" {
        let names = file.names(&file.root).join("`, `");
        let inside = if kind == "a table" { format!(" of `{names}`") } else { String::new() };
        return Err(format!(
            "it holds {kind}{inside}, and an `nn.Sequential` is read; save the generator alone"
        ));
    }
    append(file, &file.root, &mut layers, 0, &mut 0)?;
    Ok(layers)
}

/// `visits` counts what was looked at: a module may be listed many times.
fn append(
    file: &File,
    module: &Value,
    layers: &mut Vec<Layer>,
    depth: usize,
    visits: &mut usize,
) -> Result<(), String> {
    let class = file.kind(module);
    let unexpected = |what: &str| format!("main.{}, `{class}`: {what}", layers.len());
    *visits += 1;
    if *visits > MOST_LAYERS {
        return Err(unexpected(&format!("more than {MOST_LAYERS} layers")));
    }
    let kind = class.strip_prefix("nn.").or_else(|| class.strip_prefix("cudnn.")).unwrap_or(class);
    let layer = match kind {
        "Sequential" => {
            if depth > 8 {
                return Err(unexpected("too many `nn.Sequential` within each other"));
            }
            let modules = file.list(file.field(module, "modules"));
            return modules
                .into_iter()
                .try_for_each(|module| append(file, module, layers, depth + 1, visits));
        }
        "SpatialConvolution" | "SpatialConvolutionMM" => {
            conv(file, module, false).map_err(|e| unexpected(&e))?
        }
        "SpatialFullConvolution" => conv(file, module, true).map_err(|e| unexpected(&e))?,
        "SpatialBatchNormalization" => batch_norm(file, module).map_err(|e| unexpected(&e))?,
        "LeakyReLU" => match file.field(module, "negval") {
            Value::Number(slope) if *slope == NEGATIVE_SLOPE => Layer::Activation("LeakyReLU"),
            other => {
                return Err(unexpected(&format!("its negative slope is {other:?}, not {NEGATIVE_SLOPE}")));
            }
        },
        "ReLU" => Layer::Activation("ReLU"),
        "Tanh" => Layer::Activation("Tanh"),
        _ => return Err(unexpected("not a layer of the authors' generator")),
    };
    layers.push(layer);
    Ok(())
}

fn number(file: &File, module: &Value, name: &str) -> Result<usize, String> {
    match file.field(module, name) {
        Value::Number(number) if number.fract() == 0.0 && (0.0..1e6).contains(number) => Ok(*number as usize),
        other => Err(format!("`{name}` is {other:?}, and a whole number is expected")),
    }
}

fn conv(file: &File, module: &Value, transposed: bool) -> Result<Layer, String> {
    let of = |name: &str| number(file, module, name);
    let (inputs, outputs) = (of("nInputPlane")?, of("nOutputPlane")?);
    if inputs == 0 || outputs == 0 {
        return Err(format!("it is from {inputs} to {outputs} channels"));
    }
    let geometry = [of("kW")?, of("kH")?, of("dW")?, of("dH")?, of("padW")?, of("padH")?];
    let stride = match geometry {
        [4, 4, 2, 2, 1, 1] => 2,
        [4, 4, 1, 1, 0, 0] => 1,
        [kw, kh, dw, dh, pw, ph] => {
            return Err(format!(
                "kernel {kw}x{kh}, stride {dw}x{dh} and padding {pw}x{ph}; these networks have 4x4 with 2x2 and 1x1, or 1x1 and 0x0"
            ));
        }
    };
    if transposed && file.field(module, "adjW") != &Value::Nil && (of("adjW")?, of("adjH")?) != (0, 0) {
        return Err("it adjusts its output's size".to_owned());
    }
    let (sizes, weight) = file.tensor(file.field(module, "weight")).map_err(|e| format!("`weight`: {e}"))?;
    if sizes.iter().product::<usize>() != inputs * outputs * 16 {
        return Err(format!("`weight` is {sizes:?}, not 4x4 for {inputs} and {outputs} channels"));
    }
    let bias = match file.field(module, "bias") {
        Value::Nil => vec![0.0; outputs],
        bias => file.tensor(bias).map_err(|e| format!("`bias`: {e}"))?.1,
    };
    if bias.len() != outputs {
        return Err(format!("`bias` has {} numbers for {outputs} channels", bias.len()));
    }
    Ok(Layer::Conv(Conv { transposed, stride, inputs, outputs, weight, bias }))
}

fn batch_norm(file: &File, module: &Value) -> Result<Layer, String> {
    match file.field(module, "eps") {
        Value::Number(epsilon) if *epsilon == EPSILON => {}
        other => return Err(format!("`eps` is {other:?}, not {EPSILON}")),
    }
    let vector = |name: &str| match file.tensor(file.field(module, name)) {
        Ok((_, values)) => Ok(values),
        Err(error) => Err(format!("`{name}`: {error}")),
    };
    let (weight, bias, mean) = (vector("weight")?, vector("bias")?, vector("running_mean")?);
    // Older versions keep what they multiply by.
    let variance = match file.field(module, "running_var") {
        Value::Nil => {
            let of = |factor: &f32| (f64::from(*factor).powi(-2) - EPSILON) as f32;
            vector("running_std")?.iter().map(of).collect()
        }
        _ => vector("running_var")?,
    };
    if [&bias, &mean, &variance].iter().any(|values| values.len() != weight.len()) {
        return Err("its vectors are not of one length".to_owned());
    }
    Ok(Layer::BatchNorm { weight, bias, mean, variance })
}

/// What the network is, by its convolutions: halvings, to one position, from one position, doublings.
fn configuration(layers: &[Layer]) -> Result<ModelConfig, String> {
    let convs: Vec<&Conv> = layers
        .iter()
        .filter_map(|layer| if let Layer::Conv(conv) = layer { Some(conv) } else { None })
        .collect();
    let count = |transposed: bool, stride: usize| {
        convs.iter().filter(|conv| (conv.transposed, conv.stride) == (transposed, stride)).count()
    };
    let code = convs.iter().find(|conv| !conv.transposed && conv.stride == 1);
    let (Some(first), Some(code), 1, 1) = (convs.first(), code, count(false, 1), count(true, 1)) else {
        return Err(
            "its layers are not those of the authors' generator: halving convolutions, one to a single \
                    position, one back, doubling up-convolutions"
                .to_owned(),
        );
    };
    let side = |stages: usize| BOTTLENECK_SIDE.checked_shl(stages as u32).unwrap_or(0);
    let (size, predicted) = (side(count(false, 2)), side(count(true, 2)));
    let prediction = match predicted {
        _ if predicted == size => Prediction::Whole,
        _ if predicted == size / 2 => Prediction::Centre,
        _ => {
            return Err(format!(
                "it predicts {predicted} pixels a side of {size}; half or all of them are read"
            ));
        }
    };
    let config = ModelConfig::default()
        .with_size(size)
        .with_width(first.outputs)
        .with_bottleneck(BottleneckConfig::Dense(code.outputs))
        .with_prediction(prediction)
        .with_fill(InitialFill::Authors);
    config.validate().map_err(|error| error.to_string())?;
    Ok(config)
}

/// Whether each layer is the generator's in its place, of as many channels; only then is it as large as its
/// file.
fn check(layers: &[Layer], config: &ModelConfig) -> Result<(), String> {
    let names = generator_layers(config);
    for index in 0..names.len().max(layers.len()) {
        let kind = layers.get(index).map_or("nothing", Layer::kind);
        let expected = if index < names.len() { kind_at(&names, index) } else { "nothing" };
        if kind != expected {
            return Err(format!(
                "main.{index} is `{kind}`, and the authors' generator has `{expected}` there"
            ));
        }
    }
    let mut outward = channels(config.decoder_stages(), config.width);
    outward.reverse();
    let mut expected = channels(config.encoder_stages(), config.width);
    if let BottleneckConfig::Dense(code) = config.bottleneck {
        expected.push(code);
    }
    expected.extend(outward.into_iter().chain([3]));
    let (mut before, mut expected) = (3, expected.into_iter());
    for (index, layer) in layers.iter().enumerate() {
        if let Layer::Conv(Conv { inputs, outputs, .. }) = layer {
            let after = expected.next().unwrap_or(0);
            if (*inputs, *outputs) != (before, after) {
                return Err(format!(
                    "main.{index} is from {inputs} to {outputs} channels, and the authors' generator has {before} to {after} there"
                ));
            }
            before = after;
        }
    }
    Ok(())
}

/// Torch's kind of one of the generator's layers.
fn kind_at(names: &Layers, index: usize) -> &'static str {
    let is_outward = |name: &str| name.starts_with("bottleneck.up") || name.starts_with("decoder");
    match &names[index] {
        Some(name) if name.ends_with("norm") => "SpatialBatchNormalization",
        Some(name) if is_outward(name) => "SpatialFullConvolution",
        Some(_) => "SpatialConvolution",
        None if index + 1 == names.len() => "Tanh",
        None if names[..index].iter().flatten().any(|name| is_outward(name)) => "ReLU",
        None => "LeakyReLU",
    }
}

/// The tensors under the names of the public PyTorch ports, whose order of layers is this one.
fn tensors(layers: &[Layer]) -> Result<Vec<NamedTensor>, String> {
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: Vec<usize>, values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push(NamedTensor::new(name, DType::F32, shape, None, Bytes::from_bytes_vec(bytes)));
    };
    for (index, layer) in layers.iter().enumerate() {
        let name = |parameter: &str| format!("main.{index}.{parameter}");
        match layer {
            Layer::Activation(_) => {}
            Layer::Conv(Conv { transposed, inputs, outputs, weight, bias, .. }) => {
                let channels = if *transposed { [*inputs, *outputs] } else { [*outputs, *inputs] };
                add(name("weight"), [&channels[..], &[4, 4]].concat(), weight);
                let normalized = matches!(layers.get(index + 1), Some(Layer::BatchNorm { .. }));
                let largest = bias.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                if !normalized && (largest.is_nan() || largest > NEGLIGIBLE_BIAS) {
                    return Err(format!(
                        "`{}` has values up to {largest}; these networks have no bias there",
                        name("bias")
                    ));
                }
            }
            Layer::BatchNorm { weight, bias, mean, variance } => {
                // The bias before it moves the mean that it takes away.
                let before = match index.checked_sub(1).map(|before| &layers[before]) {
                    Some(Layer::Conv(conv)) if conv.outputs == mean.len() => conv.bias.clone(),
                    _ => return Err(format!("main.{index} normalizes what is no convolution's")),
                };
                let mean: Vec<f32> = mean.iter().zip(before).map(|(mean, bias)| mean - bias).collect();
                for (parameter, values) in
                    [("weight", weight), ("bias", bias), ("running_mean", &mean), ("running_var", variance)]
                {
                    add(name(parameter), vec![values.len()], values);
                }
            }
        }
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is written by hand: kinds and numbers as 32-bit integers, strings behind their length.
    #[derive(Default)]
    struct Bytes(Vec<u8>);

    impl Bytes {
        fn ints(mut self, values: &[i32]) -> Self {
            self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            self
        }

        fn text(self, text: &str) -> Self {
            let mut bytes = self.ints(&[text.len() as i32]);
            bytes.0.extend(text.as_bytes());
            bytes
        }

        /// An object of a class, up to its fields.
        fn object(self, number: i32, class: &str) -> Self {
            self.ints(&[4, number]).text("V 1").text(class)
        }

        fn number(self, number: f64) -> Self {
            let mut bytes = self.ints(&[1]);
            bytes.0.extend(number.to_le_bytes());
            bytes
        }

        /// What is said of the file.
        fn error(self) -> String {
            File::parse(self.0).and_then(|file| flatten(&file).map(drop)).expect_err("refused")
        }
    }

    fn sequential_of(class: &str) -> Bytes {
        let sequential = Bytes::default().object(1, "nn.Sequential").ints(&[3, 2, 1, 2]).text("modules");
        sequential.ints(&[3, 3, 1]).number(1.0).object(4, class)
    }

    #[test]
    fn what_is_unexpected_is_named() {
        let both = Bytes::default().ints(&[3, 1, 1, 2]).text("netG").ints(&[0]);
        assert!(both.error().contains("a table of `netG`, and an `nn.Sequential` is read"));
        let other = sequential_of("nn.ParallelTable").ints(&[3, 5, 0]).error();
        assert!(other.contains("main.0, `nn.ParallelTable`: not a layer"), "{other}");
        let slope = sequential_of("nn.LeakyReLU").ints(&[3, 5, 1, 2]).text("negval").number(0.1).error();
        assert!(
            slope.contains("main.0, `nn.LeakyReLU`: its negative slope is Number(0.1), not 0.2"),
            "{slope}"
        );
        let conv = sequential_of("nn.SpatialConvolution")
            .ints(&[3, 5, 1, 2])
            .text("nInputPlane")
            .number(3.5)
            .error();
        assert!(conv.contains("`nInputPlane` is Number(3.5), and a whole number"), "{conv}");
        assert!(Bytes::default().ints(&[8, 1]).error().contains("a Lua function"));
        assert!(Bytes::default().object(1, "tds.Hash").ints(&[0]).error().contains("it holds tds.Hash, and"));
    }

    /// The layers of a network of 64 pixels and width 1 that predicts the whole picture, without weights.
    fn layers() -> (Vec<Layer>, ModelConfig) {
        let config = ModelConfig::preset(crate::Preset::Authors)
            .with_size(64)
            .with_width(1)
            .with_bottleneck(BottleneckConfig::Dense(5))
            .with_prediction(Prediction::Whole);
        let names = generator_layers(&config);
        let mut channels = [3, 1, 2, 4, 8, 5, 8, 4, 2, 1, 3].windows(2);
        let layer = |index| match kind_at(&names, index) {
            "SpatialBatchNormalization" => {
                Layer::BatchNorm { weight: vec![], bias: vec![], mean: vec![], variance: vec![] }
            }
            kind @ ("LeakyReLU" | "ReLU" | "Tanh") => Layer::Activation(kind),
            kind => {
                let stride =
                    if names[index].as_ref().is_some_and(|name| name.starts_with("b")) { 1 } else { 2 };
                let transposed = kind == "SpatialFullConvolution";
                let channels = channels.next().expect("a pair");
                let (inputs, outputs) = (channels[0], channels[1]);
                Layer::Conv(Conv { transposed, stride, inputs, outputs, weight: vec![], bias: vec![] })
            }
        };
        ((0..names.len()).map(layer).collect(), config)
    }

    #[test]
    fn kinds_and_channels_are_compared_in_their_places() {
        let (mut layers, config) = layers();
        assert_eq!(configuration(&layers).expect("a generator"), config);
        check(&layers, &config).expect("the generator");
        let last = layers.len() - 1;
        for (index, wrong, expected) in [
            (1, "ReLU", "has `LeakyReLU` there"),
            (13, "Tanh", "has `LeakyReLU` there"),
            (16, "LeakyReLU", "has `ReLU` there"),
            (last, "ReLU", "has `Tanh` there"),
        ] {
            let right = std::mem::replace(&mut layers[index], Layer::Activation(wrong));
            let error = check(&layers, &config).expect_err("another network");
            assert!(
                error.contains(&format!("main.{index} is `{wrong}`")) && error.contains(expected),
                "{error}"
            );
            layers[index] = right;
        }
        layers.push(Layer::Activation("Tanh"));
        assert!(check(&layers, &config).expect_err("too long").contains("has `nothing` there"));
        layers.pop();
        if let Layer::Conv(conv) = &mut layers[11] {
            conv.inputs = 1;
        }
        let error = check(&layers, &config).expect_err("other channels");
        assert!(
            error.contains("main.11 is from 1 to 5 channels, and the authors' generator has 8 to 5"),
            "{error}"
        );
    }

    #[test]
    fn endless_doublings_are_refused() {
        let (mut layers, _) = layers();
        for _ in 0..58 {
            let (weight, bias) = (vec![], vec![]);
            layers.push(Layer::Conv(Conv {
                transposed: true,
                stride: 2,
                inputs: 1,
                outputs: 1,
                weight,
                bias,
            }));
        }
        assert!(configuration(&layers).expect_err("too large").contains("pixels a side of 64"));
    }

    #[test]
    fn modules_that_are_listed_many_times_end() {
        // Each `nn.Sequential` holds the next one eight times.
        let mut bytes = Bytes::default();
        let nested = |bytes: Bytes, number: i32| {
            let bytes = bytes.object(number, "nn.Sequential").ints(&[3, number + 1, 1, 2]).text("modules");
            bytes.ints(&[3, number + 2, 8]).number(1.0)
        };
        for level in 0..8 {
            bytes = nested(bytes, 1 + 3 * level);
        }
        bytes = bytes.object(30, "nn.Sequential").ints(&[3, 31, 0]);
        for level in (0..8).rev() {
            let inner = if level == 7 { 30 } else { 4 + 3 * level };
            for index in 2..=8 {
                bytes = bytes.number(f64::from(index)).ints(&[4, inner]);
            }
        }
        let error = bytes.error();
        assert!(error.contains("more than 200 layers"), "{error}");
    }

    #[test]
    fn tables_may_hold_themselves_but_not_without_end() {
        let itself = Bytes::default().ints(&[3, 1, 1, 2]).text("self").ints(&[3, 1]);
        assert!(itself.error().contains("`self`"));
        let deep = (0..1000).fold(Bytes::default(), |bytes, number| bytes.ints(&[3, number, 1, 0]));
        assert!(deep.error().contains("deep"));
    }
}
