//! Networks as ONNX files, for runtimes in other languages.

mod feature_encoder;
mod generator;
mod graph;
mod proto;
mod smooth_fill;
#[cfg(test)]
mod tests;

use std::path::Path;

use context_encoder_files::atomic_write;
use serde::Serialize;

pub use self::generator::OnnxInput;
use self::graph::Graph;
use crate::{FeatureEncoder, Model, ModelError, weights};

impl Model {
    /// Writes the network in inference as an ONNX file (operators of version 17, 32-bit floats), atomically.
    /// Its output `prediction` is `[batch, 3, predicted, predicted]`, as that of [`forward`](Self::forward);
    /// the size of the batch is chosen with each call. The configuration is kept in the file's metadata under
    /// `context-encoder.model`.
    ///
    /// Noise, of networks that have a noise input, is zero, as in inference here.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_model::{ModelConfig, OnnxInput};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("model.onnx");
    /// let model = ModelConfig::default().with_size(64).with_width(2).init(&Device::flex())?;
    /// model.save_onnx(OnnxInput::ImageAndMask, &path)?;
    /// assert!(std::fs::metadata(&path)?.len() > 30_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written.
    pub fn save_onnx(&self, input: OnnxInput, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let graph = Graph::new(self);
        let graph = generator::graph(graph, self.config(), input);
        write(graph, "context-encoder", (weights::MODEL_KEY, self.config()), path.as_ref())
    }
}

impl FeatureEncoder {
    /// Writes the encoder as an ONNX file (operators of version 17, 32-bit floats), atomically. Its input
    /// `image` is `[batch, 3, height, width]` in `[-1, 1]`, of any size from 67x67; its outputs are the maps
    /// of all layers, `pool1` to `pool5`, as [`maps`](Self::maps) has them. The configuration is kept in
    /// the file's metadata under `context-encoder.feature-model`.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written.
    pub fn save_onnx(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let encoder = self.clone().without_batch_norm();
        let graph = feature_encoder::graph(Graph::new(&encoder), encoder.config());
        let configuration = (weights::FEATURE_MODEL_KEY, encoder.config());
        write(graph, "context-encoder-features", configuration, path.as_ref())
    }
}

fn write<C: Serialize>(
    graph: Result<Graph, String>,
    name: &str,
    (key, config): (&str, &C),
    path: &Path,
) -> Result<(), ModelError> {
    let failed = |source| ModelError::Io { action: "write", path: path.to_owned(), source };
    let graph = graph.map_err(|reason| failed(std::io::Error::other(reason)))?;
    let json = serde_json::to_string(config).map_err(|error| failed(error.into()))?;
    atomic_write(path, &graph.encode(name, (key, json))).map_err(failed)
}
