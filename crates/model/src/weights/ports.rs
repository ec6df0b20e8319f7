//! Our weights under the names of the public PyTorch ports.

use std::path::Path;

use burn::{
    module::Module,
    store::{BurnToPyTorchAdapter, ModuleSnapshot, burn_pack::Tensor as NamedTensor},
};
use context_encoder_files::atomic_write;
use safetensors::{Dtype, tensor::TensorView};

use super::pytorch::{generator_layers, port_name};
use crate::{InitialFill, Model, ModelError};

impl Model {
    /// Writes the weights as a safetensors file under the names of the public PyTorch ports (`main.0.weight`, ...),
    /// 32 bits each, atomically. In Python, `port.load_state_dict(safetensors.torch.load_file(path))`
    /// takes it; [`load_pytorch`](Self::load_pytorch) reads it back.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written, [`ModelError::NotForPorts`] for a network that corrects a
    /// [smooth fill](InitialFill::Smooth).
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
        if self.config().fill == InitialFill::Smooth {
            let reason = "its answers correct a smooth fill, which the ports do not add";
            return Err(ModelError::NotForPorts { path: path.to_owned(), reason });
        }
        let failed =
            |source: std::io::Error| ModelError::Io { action: "write", path: path.to_owned(), source };
        let layers = generator_layers(self.config());
        // In inference, so that batch norm's statistics include the last training step.
        let tensors = self.valid().collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
        let tensors =
            tensors.into_iter().map(|tensor| contents(&tensor, port_name(&tensor.name, &layers, "")));
        let tensors: Vec<Contents> = tensors.collect::<Result<_, _>>().map_err(failed)?;
        let views: Result<Vec<_>, _> = tensors
            .iter()
            .map(|Contents { name, shape, bytes }| {
                TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
            })
            .collect();
        views
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(std::io::Error::other)
            .and_then(|bytes| atomic_write(path, &bytes))
            .map_err(failed)
    }
}

/// A tensor of 32-bit numbers.
struct Contents {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn contents(tensor: &NamedTensor, name: String) -> std::io::Result<Contents> {
    let bytes = tensor.to_bytes().map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(Contents { name, shape: tensor.shape.to_vec(), bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{BottleneckConfig, ModelConfig, Prediction};

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
            // Answers of fresh networks are too faint to tell them apart; their tensors are not.
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
    fn a_network_that_corrects_a_smooth_fill_is_refused() {
        let config = ModelConfig::default().with_size(64).with_width(2).with_fill(InitialFill::Smooth);
        let path = std::env::temp_dir().join("context-encoder-never-written.safetensors");
        let model = config.init(&Device::flex()).expect("valid");
        let error = model.save_pytorch(&path).expect_err("the ports would answer something else").to_string();
        assert!(error.contains("smooth fill") && !path.exists(), "{error}");
    }
}
