//! Safetensors files that need nothing beside them: the configuration travels in the header.
//!
//! Tensors carry PyTorch's names (`weight`, `bias`, `running_mean`, `running_var`) on this crate's module
//! paths, so that `safetensors.torch.load_file` reads them as a state dict.

use std::{collections::BTreeMap, fs, path::Path};

use burn::{
    module::Module,
    store::{ModuleSnapshot, ModuleStore, SafetensorsStore, burn_pack::Tensor as NamedTensor},
    tensor::Device,
};
use context_encoder_files::{ForeignContent, ImageFile, atomic_write};
use safetensors::{SafeTensors, tensor::TensorInfo};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    save_options::{SaveOptions, TrainingRecord},
    state_dict::load_state_dict,
};
use crate::{Discriminator, Model, ModelConfig, ModelError};

/// Header key of a [`ModelConfig`].
pub(crate) const MODEL_KEY: &str = "context-encoder.model";

/// Header key of a [`FeatureModelConfig`](crate::FeatureModelConfig).
pub(crate) const FEATURE_MODEL_KEY: &str = "context-encoder.feature-model";

/// Header key of a [`TrainingRecord`].
const TRAINING_KEY: &str = "context-encoder.training";

impl Model {
    /// Writes weights and configuration to a safetensors file, atomically.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        self.save_with(&SaveOptions::default(), path)
    }

    /// As [`save`](Self::save), in another precision, or with a record of how the weights were trained.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_model::{Model, ModelConfig, Precision, SaveOptions};
    ///
    /// let (device, folder) = (Device::flex(), tempfile::tempdir()?);
    /// let path = folder.path().join("half.safetensors");
    /// let model = ModelConfig::default().with_size(64).with_width(4).init(&device)?;
    /// model.save_with(&SaveOptions { precision: Precision::F16, ..SaveOptions::default() }, &path)?;
    /// assert!(std::fs::metadata(&path)?.len() < 80_000); // 33 652 numbers of two bytes
    /// assert_eq!(Model::load(&path, &device)?.config(), model.config());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written, [`ModelError::NotWritten`] when a number is too
    /// large for the precision.
    pub fn save_with(&self, options: &SaveOptions, path: impl AsRef<Path>) -> Result<(), ModelError> {
        save(self, MODEL_KEY, self.config(), options, path.as_ref())
    }

    /// Reads a network, architecture and weights, from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read, [`ModelError::NotWeights`] when it is no safetensors
    /// file or carries no configuration, [`ModelError::Mismatch`] when its tensors are not those of the
    /// configuration.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, ModelError> {
        Self::from_file(WeightsFile::read(path.as_ref())?, device)
    }

    /// Reads a network from the bytes of a weights file; `origin` names them in errors.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn from_bytes(bytes: Vec<u8>, origin: impl AsRef<Path>, device: &Device) -> Result<Self, ModelError> {
        Self::from_file(WeightsFile { bytes, path: origin.as_ref() }, device)
    }

    fn from_file(file: WeightsFile<'_>, device: &Device) -> Result<Self, ModelError> {
        let config: ModelConfig = file.configuration(MODEL_KEY)?;
        let mut model = config.init(device)?;
        file.load_into(&mut model)?;
        Ok(model)
    }
}

impl Discriminator {
    /// Writes the weights to a safetensors file, atomically; `config` is the configuration of the model that
    /// the discriminator belongs to.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written.
    pub fn save(&self, config: &ModelConfig, path: impl AsRef<Path>) -> Result<(), ModelError> {
        save(self, MODEL_KEY, config, &SaveOptions::default(), path.as_ref())
    }

    /// Reads a discriminator from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// As for [`Model::load`].
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, ModelError> {
        let file = WeightsFile::read(path.as_ref())?;
        let config: ModelConfig = file.configuration(MODEL_KEY)?;
        let mut discriminator = Self::new(&config, 0, device)?;
        file.load_into(&mut discriminator)?;
        Ok(discriminator)
    }
}

impl TrainingRecord {
    /// Reads the record from a weights file, if it has one.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read, [`ModelError::NotWeights`] when it is no safetensors
    /// file or its record is damaged.
    pub fn load(path: impl AsRef<Path>) -> Result<Option<Self>, ModelError> {
        WeightsFile::read(path.as_ref())?.header(TRAINING_KEY)
    }
}

pub(super) fn save<M: Module, C: Serialize>(
    module: &M,
    key: &str,
    config: &C,
    options: &SaveOptions,
    path: &Path,
) -> Result<(), ModelError> {
    // In inference, so that batch norm's statistics include the last training step.
    let module = module.valid();
    options.precision.check(&module, path)?;
    let not_written = |source| ModelError::Io { action: "write", path: path.to_owned(), source };
    let failed = |reason: String| not_written(std::io::Error::other(reason));
    let json = serde_json::to_string(config).map_err(|error| failed(error.to_string()))?;
    let mut store = SafetensorsStore::from_bytes(None)
        .skip_enum_variants(true)
        .with_to_adapter(options.precision.adapter())
        .metadata(key, json);
    if let Some(record) = &options.record {
        let json = serde_json::to_string(record).map_err(|error| failed(error.to_string()))?;
        store = store.metadata(TRAINING_KEY, json);
    }
    module.save_into(&mut store).map_err(|error| failed(error.to_string()))?;
    let bytes = store.get_bytes().map_err(|error| failed(error.to_string()))?;
    let bytes = with_sorted_header(&bytes).map_err(|error| failed(error.to_string()))?;
    atomic_write(path, &bytes).map_err(not_written)
}

/// The header of a safetensors file: what is said of it, and its tensors.
#[derive(Serialize, Deserialize)]
struct FileHeader {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<String, TensorInfo>,
}

/// The same file with its header in alphabetical order, so that equal weights are equal files: the crate
/// `safetensors` writes what is said of a file in an order that differs from run to run.
fn with_sorted_header(bytes: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    const LENGTH: usize = size_of::<u64>();
    let (length, rest) = bytes.split_at_checked(LENGTH).unwrap_or_default();
    let length = length.try_into().map_or(0, u64::from_le_bytes);
    let (header, tensors) = rest.split_at_checked(length as usize).unwrap_or_default();
    let header: FileHeader = serde_json::from_slice(header)?;
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(LENGTH), b' '); // tensors begin where their type may
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, tensors].concat())
}

/// The bytes of a safetensors file, and where they came from.
pub(super) struct WeightsFile<'a> {
    bytes: Vec<u8>,
    path: &'a Path,
}

impl<'a> WeightsFile<'a> {
    pub(super) fn read(path: &'a Path) -> Result<Self, ModelError> {
        let bytes = fs::read(path);
        let bytes =
            bytes.map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })?;
        Ok(Self { bytes, path })
    }

    pub(super) fn unusable(&self, reason: String) -> ModelError {
        ModelError::NotWeights { path: self.path.to_owned(), reason }
    }

    /// What the header has under `key`, if anything.
    pub(super) fn header<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ModelError> {
        let Some(text) = self.header_text(key)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            self.unusable(format!(
                "its header cannot be understood ({error}); it may come from a newer version"
            ))
        })
    }

    fn header_text(&self, key: &str) -> Result<Option<String>, ModelError> {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).map_err(|error| {
            self.unusable(match ForeignContent::of(&self.bytes) {
                Some(content) if !content.is_image() => content.to_string(),
                _ if ImageFile::sniff(&self.bytes) != Err(None) => {
                    "it is an image; name a file of weights".to_owned()
                }
                _ if super::pytorch::is_pytorch(&self.bytes) => {
                    "it is a PyTorch file, which does not say what network it belongs to: \
                     `context-encoder convert` or `Model::load_pytorch` reads it"
                        .to_owned()
                }
                _ => format!("it is damaged, cut short or of another format ({error})"),
            })
        })?;
        Ok(metadata.metadata().as_ref().and_then(|entries| entries.get(key).cloned()))
    }

    /// The configuration under `key`, which names the kind of network.
    pub(super) fn configuration<C: DeserializeOwned>(&self, key: &str) -> Result<C, ModelError> {
        if let Some(config) = self.header(key)? {
            return Ok(config);
        }
        let reason = self
            .other_kind(key)?
            .unwrap_or(", so the architecture is unknown; it was not written for this kind of network");
        Err(self.unusable(format!("its header has no `{key}`{reason}")))
    }

    /// What to say of a file that was written for the other kind of network than that of `key`.
    pub(super) fn other_kind(&self, key: &str) -> Result<Option<&'static str>, ModelError> {
        let (other, words) = if key == MODEL_KEY {
            (
                FEATURE_MODEL_KEY,
                ": it belongs to a feature network, as pretraining writes it; name an inpainting network's file",
            )
        } else {
            (
                MODEL_KEY,
                ": it belongs to an inpainting network; name a feature network's file, as pretraining writes it",
            )
        };
        Ok(self.header_text(other)?.map(|_| words))
    }

    /// Every tensor of the file, not read yet.
    pub(super) fn tensors(self) -> Result<Vec<NamedTensor>, ModelError> {
        let mut store = SafetensorsStore::from_bytes(Some(self.bytes));
        let tensors = store.get_all_tensors().map_err(|error| ModelError::NotWeights {
            path: self.path.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(tensors.values().cloned().collect())
    }

    /// Fills a network with the file's tensors, all of them or none.
    pub(super) fn load_into<M: Module>(self, module: &mut M) -> Result<(), ModelError> {
        let path = self.path;
        load_state_dict(module, self.tensors()?, path)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use burn::tensor::{Tensor, TensorData};
    use tempfile::{TempDir, tempdir};

    use super::*;
    use crate::{BottleneckConfig, FeatureModel, Precision, Prediction};

    fn configs() -> Vec<ModelConfig> {
        let small = ModelConfig::default().with_size(64).with_width(2);
        vec![
            small.clone(),
            small.clone().with_bottleneck(BottleneckConfig::Dense(7)),
            small.with_prediction(Prediction::Whole),
        ]
    }

    /// A file of a small model.
    fn saved() -> (TempDir, PathBuf, Vec<u8>) {
        let folder = tempdir().expect("folder");
        let path = folder.path().join("model.safetensors");
        configs()[0].init(&Device::flex()).expect("valid").save(&path).expect("saved");
        let bytes = fs::read(&path).expect("file");
        (folder, path, bytes)
    }

    /// The same with another last weight.
    fn saved_with_last(value: f32) -> (TempDir, PathBuf) {
        let (folder, path, mut bytes) = saved();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, bytes).expect("changed");
        (folder, path)
    }

    fn with_precision(precision: Precision) -> SaveOptions {
        SaveOptions { precision, ..SaveOptions::default() }
    }

    fn output(model: &Model) -> Vec<f32> {
        let device = Device::flex();
        let pixels = (0..3 * 64 * 64).map(|i| (i % 97) as f32 / 48.5 - 1.0).collect();
        let picture = Tensor::<4>::from_data(TensorData::new::<f32, _>(pixels, [1, 3, 64, 64]), &device);
        // Fresh networks predict values near 0; features are large enough to differ.
        let values = |x: Tensor<4>| x.into_data().try_to_vec::<f32>().expect("f32");
        [values(model.encode(picture.clone())), values(model.predict(picture))].concat()
    }

    #[test]
    fn other_files_are_named_for_what_they_are() {
        let device = Device::flex();
        for (bytes, part) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"[..], "`git lfs pull`"),
            (b"<!DOCTYPE html><title>Not found</title>", "a web page"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image"),
        ] {
            let error = Model::from_bytes(bytes.to_vec(), "a.safetensors", &device).expect_err("no weights");
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn equal_weights_are_equal_files() {
        let folder = tempdir().expect("folder");
        let model = ModelConfig::default().with_size(64).with_width(2).init(&Device::flex()).expect("valid");
        let save = |name| {
            let path = folder.path().join(name);
            model.save(&path).expect("saved");
            fs::read(path).expect("there")
        };
        let first = save("first");
        assert!((0..8).all(|_| save("again") == first));
        assert!(SafeTensors::deserialize(&first).expect("safetensors").len() > 20);
    }

    #[test]
    fn a_saved_model_predicts_as_before() {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        for config in configs() {
            let path = folder.path().join("model.safetensors");
            let model = config.init_seeded(9, &device).expect("valid");
            let record =
                TrainingRecord { steps: 3, samples: 12, masks: "central".into(), data: "facades".into() };
            let options = SaveOptions { record: Some(record.clone()), ..SaveOptions::default() };
            model.save_with(&options, &path).expect("saved");
            let loaded = Model::load(&path, &device).expect("loaded");
            assert_eq!(loaded.config(), &config);
            assert_eq!(output(&loaded), output(&model));
            assert_ne!(output(&loaded), output(&config.init_seeded(8, &device).expect("valid")));
            assert_eq!(TrainingRecord::load(&path).expect("header"), Some(record));
        }
    }

    #[test]
    fn half_precision_predicts_nearly_the_same_from_half_the_bytes() {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        let model = configs()[0].init_seeded(9, &device).expect("valid");
        let expected = output(&model);
        let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let path = folder.path().join("model.safetensors");
        let mut sizes = Vec::new();
        // Half a unit of the last place: 2^-12 of a weight in f16, 2^-9 in bf16; through the layers errors
        // add up.
        for (precision, most) in [(Precision::F32, 0.0), (Precision::F16, 2e-3), (Precision::Bf16, 2e-2)] {
            model.save_with(&with_precision(precision), &path).expect("saved");
            sizes.push(fs::metadata(&path).expect("written").len());
            let found = output(&Model::load(&path, &device).expect("loaded"));
            let difference =
                expected.iter().zip(&found).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(difference <= most * largest, "{precision:?}: {difference} of {largest}");
            assert!(precision == Precision::F32 || difference > 0.0);
        }
        assert!(sizes[1..].iter().all(|size| size * 100 < sizes[0] * 60), "{sizes:?}");
    }

    #[test]
    fn numbers_beyond_f16_are_refused_with_advice() {
        let ((_folder, path), device) = (saved_with_last(70_000.0), Device::flex());
        let model = Model::load(&path, &device).expect("finite");
        let error =
            model.save_with(&with_precision(Precision::F16), &path).expect_err("too large").to_string();
        assert!(error.contains("choose bf16 or f32"), "{error}");
        assert!(Model::load(&path, &device).is_ok(), "the old file is kept");
        assert!(model.save_with(&with_precision(Precision::Bf16), &path).is_ok());
    }

    #[test]
    fn names_are_pytorchs_on_our_paths() {
        let (_folder, _, bytes) = saved();
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let names = file.names();
        for name in [
            "bottleneck.channel_wise.weight",
            "bottleneck.mix.weight",
            "bottleneck.norm.running_var",
            "decoder.stages.0.norm.bias",
            "decoder.to_rgb.weight",
            "encoder.stages.0.conv.weight",
            "encoder.stages.1.norm.running_mean",
            "encoder.stages.1.norm.weight",
        ] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        assert_eq!(names.len(), 4 + 3 * 4 + 2 + 4 + 2 + 2 * 4 + 1);
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let ((folder, path, bytes), device) = (saved(), Device::flex());
        for length in [0, 4, 100, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).expect("cut");
            let error = Model::load(&path, &device).expect_err("cut").to_string();
            assert!(error.contains("damaged, cut short or of another format"), "{error}");
        }
        let error = Model::load(folder.path().join("absent"), &device).expect_err("absent").to_string();
        assert!(error.starts_with("cannot read"), "{error}");
    }

    #[test]
    fn nan_weights_are_refused() {
        let (_folder, path) = saved_with_last(f32::NAN);
        let error = Model::load(&path, &Device::flex()).expect_err("NaN").to_string();
        assert!(error.contains("not finite"), "{error}");
    }

    #[test]
    fn a_file_of_another_architecture_names_its_tensors() {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        let path = folder.path().join("discriminator.safetensors");
        let config = ModelConfig::default().with_size(64).with_width(2);
        Discriminator::new(&config, 0, &device).expect("valid").save(&config, &path).expect("saved");
        assert!(Discriminator::load(&path, &device).is_ok());
        let error = Model::load(&path, &device).expect_err("a discriminator is no model").to_string();
        assert!(error.contains("missing: bottleneck.channel_wise.weight"), "{error}");
        assert!(error.contains("unused: stages.0.conv.weight"), "{error}");
        let error = FeatureModel::load(&path, &device).expect_err("no feature model").to_string();
        assert!(error.contains("has no `context-encoder.feature-model`"), "{error}");
    }
}
