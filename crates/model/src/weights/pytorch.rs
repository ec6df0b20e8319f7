//! PyTorch checkpoints in the layout of the public ports: one `nn.Sequential` named `main`, whose index
//! counts every layer, activations included (`main.0.weight`, `main.3.running_var`, ...).

use std::{collections::BTreeMap, io, path::Path};

use burn::{
    module::Module,
    store::{
        BurnToPyTorchAdapter, ModuleSnapshot, ModuleStore, PytorchStore, SafetensorsStore,
        burn_pack::Tensor as NamedTensor,
    },
    tensor::{Device, TensorData},
};
use context_encoder_files::atomic_write;
use safetensors::{Dtype, tensor::TensorView};

use super::state_dict::load_state_dict;
use crate::{BottleneckConfig, Discriminator, InitialFill, Model, ModelConfig, ModelError};

/// Where training scripts put the weights beside other things: of the network, whatever it is, and of a
/// generator and a discriminator.
const STATES: [&str; 5] = ["state_dict", "model_state_dict", "model_state", "model", "net"];
const GENERATORS: [&str; 6] = ["netG", "net_G", "generator", "G", "netG_state_dict", "generator_state_dict"];
const DISCRIMINATORS: [&str; 6] =
    ["netD", "net_D", "discriminator", "D", "netD_state_dict", "discriminator_state_dict"];

/// How files of PyTorch begin: zip archives, and before 1.6 pickles.
const BEGINNINGS: [&[u8]; 2] = [b"PK\x03\x04", b"\x80\x02"];

/// The ports' name for their one sequential module.
const SEQUENTIAL: &str = "main.";

/// Sequentials of ports that keep encoder and decoder apart, each counted from 0.
const HALVES: [&str; 2] = ["main_encode.", "main_decode."];

/// Larger numbers of layers are no port's.
const MOST_LAYERS: usize = 1000;

/// A counter of PyTorch's batch norm that nothing here needs.
const COUNTER: &str = "num_batches_tracked";

impl Model {
    /// Reads weights from a PyTorch `.pt` or `.pth` file, or from a safetensors file, in the layout of the
    /// public ports (`main.0.weight`, ..., or `main_encode.0.weight` and `main_decode.0.weight`), alone or
    /// under a name that training scripts use: `state_dict`, `model_state_dict`, `model`, `netG`,
    /// `generator` and the like. What is beside it, as a discriminator or an optimizer's state, is left
    /// out; [`pytorch_parts_left_out`](Self::pytorch_parts_left_out) names it. Such files do not say what
    /// network they belong to; `config` does. Ports of the authors'
    /// code fit [`Preset::Authors`](crate::Preset::Authors).
    ///
    /// # Errors
    /// [`ModelError::NotWeights`] when the file cannot be understood, [`ModelError::Mismatch`] with every
    /// missing, unused and misshapen tensor under the file's own names.
    pub fn load_pytorch(
        path: impl AsRef<Path>,
        config: &ModelConfig,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let mut model = config.init(device)?;
        load(&mut model, &generator_layers(config), &GENERATORS, path.as_ref())?;
        Ok(model)
    }

    /// The parts of a PyTorch file that [`load_pytorch`](Self::load_pytorch) leaves out, such as `netD` or
    /// `optimizer_state_dict`.
    ///
    /// # Errors
    /// [`ModelError::NotWeights`] when the file cannot be understood.
    pub fn pytorch_parts_left_out(path: impl AsRef<Path>) -> Result<Vec<String>, ModelError> {
        let all = everything(path.as_ref())?;
        let prefix = nested_under(&all.keys().collect::<Vec<_>>(), &GENERATORS);
        let first = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
        let mut parts: Vec<String> =
            all.keys().filter(|name| !name.starts_with(&prefix)).map(first).collect();
        parts.dedup();
        Ok(parts)
    }

    /// Writes the weights as a safetensors file under the names of the public PyTorch ports (`main.0.weight`,
    /// ...), 32 bits each, atomically. In Python, `port.load_state_dict(safetensors.torch.load_file(path))`
    /// takes it; [`load_pytorch`](Self::load_pytorch) reads it back.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written, [`ModelError::NotWritten`] for a network that
    /// corrects a [smooth fill](InitialFill::Smooth), has [skip connections](ModelConfig::skips) or takes
    /// the [mask as an input](ModelConfig::mask_input).
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_model::{Model, ModelConfig};
    ///
    /// let (device, folder) = (Device::flex(), tempfile::tempdir()?);
    /// let path = folder.path().join("port.safetensors");
    /// let config = ModelConfig::default().with_size(64).with_width(2);
    /// config.init(&device)?.save_pytorch(&path)?;
    /// assert_eq!(Model::load_pytorch(&path, &config, &device)?.config(), &config);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_pytorch(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let path = path.as_ref();
        let ModelConfig { fill, skips, mask_input, .. } = *self.config();
        let lacking = match (fill, skips, mask_input) {
            (InitialFill::Smooth, ..) => "its outputs correct a smooth fill, which the ports do not add",
            (_, true, _) => "it has skip connections, which the ports have not",
            (_, _, true) => "the mask is one of its inputs, which the ports do not pass",
            _ => "",
        };
        if !lacking.is_empty() {
            let reason = format!("{lacking}; keep this network in this library's own files");
            return Err(ModelError::NotWritten { path: path.to_owned(), reason });
        }
        let failed = |source: io::Error| ModelError::Io { action: "write", path: path.to_owned(), source };
        let layers = generator_layers(self.config());
        // In inference, so that batch norm's statistics include the last training step.
        let tensors = self.valid().collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
        let bytes: Result<Vec<_>, _> = tensors.iter().map(NamedTensor::to_bytes).collect();
        let bytes = bytes.map_err(|error| failed(io::Error::other(error.to_string())))?;
        let view = |(tensor, bytes): (&NamedTensor, _)| {
            let name = port_name(&tensor.name, &layers, "");
            TensorView::new(Dtype::F32, tensor.shape.to_vec(), bytes).map(|view| (name, view))
        };
        let views: Result<Vec<_>, _> =
            tensors.iter().zip(bytes.iter().map(|bytes| &bytes[..])).map(view).collect();
        views
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(io::Error::other)
            .and_then(|bytes| atomic_write(path, &bytes))
            .map_err(failed)
    }
}

impl Discriminator {
    /// Reads weights from a PyTorch `.pt` or `.pth` file in the layout of the public ports; `config` is the
    /// configuration of the model that the discriminator belongs to.
    ///
    /// # Errors
    /// As for [`Model::load_pytorch`].
    pub fn load_pytorch(
        path: impl AsRef<Path>,
        config: &ModelConfig,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let mut discriminator = Self::new(config, 0, device)?;
        load(&mut discriminator, &discriminator_layers(config), &DISCRIMINATORS, path.as_ref())?;
        Ok(discriminator)
    }
}

/// Our module path of each layer of a port's sequential, in order; `None` for activations.
pub(super) type Layers = Vec<Option<String>>;

pub(super) fn generator_layers(config: &ModelConfig) -> Layers {
    let mut layers = down_layers("encoder.stages", config.encoder_stages());
    let bottleneck = |names: &[Option<&str>]| -> Layers {
        names.iter().map(|name| name.map(|name| format!("bottleneck.{name}"))).collect()
    };
    layers.extend(match config.bottleneck {
        BottleneckConfig::Dense(_) => {
            bottleneck(&[Some("down"), Some("down_norm"), None, Some("up"), Some("up_norm"), None])
        }
        BottleneckConfig::ChannelWise => bottleneck(&[Some("channel_wise"), Some("mix"), Some("norm"), None]),
    });
    for stage in 0..config.decoder_stages() - 1 {
        let path = format!("decoder.stages.{stage}");
        layers.extend([Some(format!("{path}.conv")), Some(format!("{path}.norm")), None]);
    }
    layers.extend([Some("decoder.to_rgb".to_owned()), None]);
    layers
}

fn discriminator_layers(config: &ModelConfig) -> Layers {
    let mut layers = down_layers("stages", config.decoder_stages());
    layers.push(Some("to_logit".to_owned()));
    layers
}

/// Stages of convolution, batch norm (not in the first) and activation.
fn down_layers(prefix: &str, stages: usize) -> Layers {
    let mut layers = Layers::new();
    for stage in 0..stages {
        layers.push(Some(format!("{prefix}.{stage}.conv")));
        if stage > 0 {
            layers.push(Some(format!("{prefix}.{stage}.norm")));
        }
        layers.push(None);
    }
    layers
}

fn load<M: Module>(
    module: &mut M,
    layers: &Layers,
    networks: &[&str],
    path: &Path,
) -> Result<(), ModelError> {
    let mut tensors = read(path, networks)?;
    join_halves(&mut tensors);
    load_tensors(module, layers, tensors, path)
}

/// Fills a module from tensors with the ports' names.
pub(super) fn load_tensors<M: Module>(
    module: &mut M,
    layers: &Layers,
    tensors: Vec<NamedTensor>,
    path: &Path,
) -> Result<(), ModelError> {
    let prefix =
        tensors.iter().find_map(|tensor| tensor.name.split_once(SEQUENTIAL)).map_or("", |(prefix, _)| prefix);
    let prefix = prefix.to_owned();
    let tensors = tensors.into_iter().map(|tensor| rename(tensor, layers)).collect();
    load_state_dict(module, tensors, path)
        .map_err(|error| error.rename_tensors(|ours| port_name(ours, layers, &prefix)))
}

/// Whether a file begins like PyTorch's.
pub(super) fn is_pytorch(bytes: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning))
}

/// The checkpoint's tensors of one of the `networks`, or of its only one, without counters.
fn read(path: &Path, networks: &[&str]) -> Result<Vec<NamedTensor>, ModelError> {
    let all = everything(path)?;
    let prefix = nested_under(&all.keys().collect::<Vec<_>>(), networks);
    let tensors: Vec<NamedTensor> = all
        .into_iter()
        .filter(|(name, _)| !name.ends_with(COUNTER))
        .filter_map(|(name, mut tensor)| {
            tensor.name = name.strip_prefix(&prefix)?.to_owned();
            Some(tensor)
        })
        .collect();
    if tensors.is_empty() {
        let reason = "it holds no tensors".to_owned();
        return Err(ModelError::NotWeights { path: path.to_owned(), reason });
    }
    Ok(tensors)
}

/// Every tensor of a PyTorch file (`.pt`, `.pth`) or a safetensors file, by its name there, whatever network
/// it belongs to.
///
/// # Errors
/// [`ModelError::Io`] when the file cannot be read, [`ModelError::NotWeights`] when it cannot be understood.
///
/// ```
/// use context_encoder_model::{ModelConfig, read_tensors};
///
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("model.safetensors");
/// ModelConfig::default().with_size(64).with_width(2).init(&burn::tensor::Device::flex())?.save(&path)?;
/// assert_eq!(read_tensors(&path)?["encoder.stages.0.conv.weight"].shape().to_vec(), [2, 3, 4, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_tensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, TensorData>, ModelError> {
    let path = path.as_ref();
    let unreadable = |error: String| ModelError::NotWeights { path: path.to_owned(), reason: error };
    let data = |(name, tensor): (String, NamedTensor)| {
        let (_, dtype, shape, _, bytes) =
            tensor.into_parts().map_err(|error| unreadable(error.to_string()))?;
        Ok((name, TensorData::from_bytes(bytes, shape, dtype)))
    };
    everything(path)?.into_iter().map(data).collect()
}

fn everything(path: &Path) -> Result<BTreeMap<String, NamedTensor>, ModelError> {
    if let Err(source) = std::fs::File::open(path) {
        return Err(ModelError::Io { action: "read", path: path.to_owned(), source });
    }
    named_tensors(path).map_err(|error| ModelError::NotWeights {
        path: path.to_owned(),
        reason: format!("it is no PyTorch checkpoint ({error})"),
    })
}

/// The names, each with a dot behind it, under which a file keeps one of the `networks`: first a network's
/// own, then that of a state, or either alone; empty if the weights are the file.
fn nested_under(names: &[&String], networks: &[&str]) -> String {
    [networks, &STATES].into_iter().fold(String::new(), |prefix, parts| {
        let longer = parts.iter().map(|part| format!("{prefix}{part}."));
        let found = longer.into_iter().find(|longer| names.iter().any(|name| name.starts_with(longer)));
        found.unwrap_or(prefix)
    })
}

/// Everything in a file of PyTorch's own format, or in a safetensors file, which the ending tells.
fn named_tensors(path: &Path) -> Result<BTreeMap<String, NamedTensor>, String> {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors")) {
        let mut store = SafetensorsStore::from_file(path);
        return store.get_all_tensors().cloned().map_err(|error| error.to_string());
    }
    // By default gaps in the numbering are closed, but activations are gaps here, and they count.
    let mut store = PytorchStore::from_file(path).map_indices_contiguous(false);
    store.get_all_tensors().cloned().map_err(|error| error.to_string())
}

/// Counts the layers of encoder and decoder on, as one sequential does. Batch norm and activation of the
/// bottleneck end the encoder in some ports, and begin the decoder in others.
fn join_halves(tensors: &mut [NamedTensor]) {
    let [encode, decode] = HALVES;
    let at = |tensor: &NamedTensor, half: &str| -> Option<(String, usize, String)> {
        let (prefix, rest) = tensor.name.split_once(half)?;
        let (index, parameter) = rest.split_once('.')?;
        let index = index.parse().ok().filter(|&index| index <= MOST_LAYERS)?;
        Some((prefix.to_owned(), index, parameter.to_owned()))
    };
    let layers = tensors.iter().filter_map(|tensor| at(tensor, encode));
    let Some(last) = layers.map(|(_, index, _)| index).max() else { return };
    let begins_with_norm = tensors
        .iter()
        .filter_map(|tensor| at(tensor, decode))
        .any(|(_, index, parameter)| index == 0 && parameter == "running_mean");
    // The encoder's last layer with weights, and the activation behind its batch norm.
    let first = last + if begins_with_norm { 1 } else { 2 };
    for tensor in tensors {
        let counted = at(tensor, encode).or_else(|| {
            at(tensor, decode).map(|(prefix, index, parameter)| (prefix, first + index, parameter))
        });
        if let Some((prefix, index, parameter)) = counted {
            tensor.name = format!("{prefix}{SEQUENTIAL}{index}.{parameter}");
        }
    }
}

/// From the port's name to ours; a tensor outside the sequential keeps its name and is reported as unused
/// later. A prefix before `main.`, as data-parallel training leaves it, is dropped.
fn rename(mut tensor: NamedTensor, layers: &Layers) -> NamedTensor {
    if let Some(name) = our_name(&tensor.name, layers) {
        tensor.name = name;
    }
    tensor
}

fn our_name(name: &str, layers: &Layers) -> Option<String> {
    let (_, rest) = name.split_once(SEQUENTIAL)?;
    let (index, parameter) = rest.split_once('.')?;
    let layer = layers.get(index.parse::<usize>().ok()?)?.as_ref()?;
    Some(format!("{layer}.{parameter}"))
}

/// The port's name of one of our tensors, behind `prefix`; our own when the port has no such layer.
fn port_name(ours: &str, layers: &Layers, prefix: &str) -> String {
    layers
        .iter()
        .enumerate()
        .find_map(|(index, layer)| {
            let parameter = ours.strip_prefix(layer.as_deref()?)?.strip_prefix('.')?;
            Some(format!("{prefix}{SEQUENTIAL}{index}.{parameter}"))
        })
        .unwrap_or_else(|| ours.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prediction, Preset};

    #[test]
    fn the_authors_layout_is_counted_as_in_the_public_ports() {
        let layers = generator_layers(&ModelConfig::preset(Preset::Authors));
        let at = |index: usize| layers[index].as_deref();
        assert_eq!(layers.len(), 31);
        assert_eq!(at(0), Some("encoder.stages.0.conv"));
        assert_eq!(at(1), None);
        assert_eq!(at(3), Some("encoder.stages.1.norm"));
        assert_eq!(at(14), Some("bottleneck.down"));
        assert_eq!(at(18), Some("bottleneck.up_norm"));
        assert_eq!(at(20), Some("decoder.stages.0.conv"));
        assert_eq!(at(29), Some("decoder.to_rgb"));
        let discriminator = discriminator_layers(&ModelConfig::preset(Preset::Authors));
        assert_eq!(discriminator[11].as_deref(), Some("to_logit"));
    }

    #[test]
    fn prefixes_before_the_sequential_are_dropped() {
        let layers = generator_layers(&ModelConfig::default());
        assert_eq!(
            our_name("module.main.0.weight", &layers).as_deref(),
            Some("encoder.stages.0.conv.weight")
        );
        assert_eq!(our_name("main.1.weight", &layers), None); // an activation has no weights
        assert_eq!(our_name("fc.weight", &layers), None);
    }

    #[test]
    fn what_was_written_for_pytorch_is_the_same_network_when_read_back() {
        let (folder, device) = (tempfile::tempdir().expect("folder"), Device::flex());
        let small = ModelConfig::default().with_size(64).with_width(2);
        for config in [
            small.clone(),
            small.clone().with_bottleneck(BottleneckConfig::Dense(5)),
            small.with_prediction(Prediction::Whole),
        ] {
            let path = folder.path().join("port.safetensors");
            let model = config.init_seeded(3, &device).expect("valid");
            model.save_pytorch(&path).expect("written");
            let names = std::fs::read(&path).expect("there");
            let names = safetensors::SafeTensors::deserialize(&names).expect("safetensors").names().join(" ");
            assert!(names.contains("main.0.weight") && !names.contains("encoder"), "{names}");
            let back = Model::load_pytorch(&path, &config, &device).expect("read");
            // Outputs of fresh networks are too small to tell them apart; their tensors are not.
            let tensors = |model: &Model| -> Vec<(String, Vec<u8>)> {
                let all = model.collect(None, None, true).into_iter();
                all.map(|tensor| (tensor.name.clone(), tensor.to_bytes().expect("read").to_vec())).collect()
            };
            assert_eq!(tensors(&model), tensors(&back));
            assert_ne!(tensors(&model), tensors(&config.init_seeded(4, &device).expect("valid")));
            assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
        }
    }

    #[test]
    fn encoder_and_decoder_in_sequentials_of_their_own_are_the_same_network() {
        let (folder, device) = (tempfile::tempdir().expect("folder"), Device::flex());
        let config =
            ModelConfig::default().with_size(64).with_width(2).with_bottleneck(BottleneckConfig::Dense(5));
        let whole = folder.path().join("whole.safetensors");
        config.init_seeded(3, &device).expect("valid").save_pytorch(&whole).expect("written");
        let bytes = std::fs::read(&whole).expect("there");
        let whole = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        // The bottleneck's convolution is layer 11, its batch norm 12; one port ends the encoder with the
        // activation behind them, another with the convolution.
        for first in [14, 12] {
            let halved = |name: String| {
                let (index, parameter) =
                    name.strip_prefix("main.").and_then(|rest| rest.split_once('.')).expect("a port's name");
                match index.parse::<usize>().expect("a number") {
                    index if index < first => format!("module.main_encode.{index}.{parameter}"),
                    index => format!("module.main_decode.{}.{parameter}", index - first),
                }
            };
            let tensors: Vec<_> =
                whole.tensors().into_iter().map(|(name, view)| (halved(name), view)).collect();
            let path = folder.path().join("halves.safetensors");
            std::fs::write(&path, safetensors::serialize(tensors, None).expect("serialized"))
                .expect("written");
            let back = Model::load_pytorch(&path, &config, &device).expect("read");
            let again = folder.path().join("again.safetensors");
            back.save_pytorch(&again).expect("written");
            let again = std::fs::read(again).expect("there");
            let again = safetensors::SafeTensors::deserialize(&again).expect("safetensors");
            for (name, view) in whole.tensors() {
                assert_eq!(again.tensor(&name).expect("kept").data(), view.data(), "{name}");
            }
        }
    }

    #[test]
    fn weights_are_found_under_the_names_that_training_scripts_use() {
        let prefix = |names: &[&str], networks: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            nested_under(&names.iter().collect::<Vec<_>>(), networks)
        };
        let both = ["netD.main.0.weight", "netG.main.0.weight", "optimizerG.state.0.exp_avg"];
        assert_eq!(prefix(&both, &GENERATORS), "netG.");
        assert_eq!(prefix(&both, &DISCRIMINATORS), "netD.");
        let lightning = ["generator.state_dict.main.0.weight", "discriminator.state_dict.main.0.weight"];
        assert_eq!(prefix(&lightning, &GENERATORS), "generator.state_dict.");
        assert_eq!(prefix(&["epoch", "model_state_dict.main.0.weight"], &GENERATORS), "model_state_dict.");
        assert_eq!(prefix(&["main.0.weight"], &GENERATORS), "");
    }

    #[test]
    fn a_network_that_corrects_a_smooth_fill_is_refused() {
        let config = ModelConfig::default().with_size(64).with_width(2).with_fill(InitialFill::Smooth);
        let path = std::env::temp_dir().join("context-encoder-never-written.safetensors");
        let model = config.init(&Device::flex()).expect("valid");
        let error =
            model.save_pytorch(&path).expect_err("the ports would predict something else").to_string();
        assert!(error.contains("smooth fill") && !path.exists(), "{error}");
    }
}
