//! Our weights under the names of the public PyTorch ports.

use std::path::Path;

use burn::{
    module::Module,
    store::{BurnToPyTorchAdapter, ModuleSnapshot, burn_pack::Tensor as NamedTensor},
};
use safetensors::{Dtype, tensor::TensorView};

use super::pytorch::{generator_layers, port_name};
use crate::{Model, ModelError};

impl Model {
    /// Writes the weights as a safetensors file under the names of the public PyTorch ports (`main.0.weight`, ...),
    /// 32 bits each, aside first and then renamed. In Python, `port.load_state_dict(safetensors.torch.load_file(path))`
    /// takes it; [`load_pytorch`](Self::load_pytorch) reads it back.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written.
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
        let aside = path.with_extension("part");
        views
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&aside, bytes))
            .and_then(|()| std::fs::rename(&aside, path))
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
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::{BottleneckConfig, ModelConfig, Prediction};

    #[test]
    fn what_was_written_for_pytorch_answers_the_same_when_read_back() {
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
            let picture = Tensor::<4>::ones([1, 3, 64, 64], &device) * 0.25;
            let (one, other) =
                (model.predict(picture.clone()).into_data(), back.predict(picture).into_data());
            assert_eq!(one, other);
            assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
        }
    }
}
