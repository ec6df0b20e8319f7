//! The feature-learning network, and its encoder alone, in safetensors files of their own kind.

use std::path::Path;

use burn::tensor::Device;

use super::{
    safetensors::{FEATURE_MODEL_KEY, WeightsFile, save},
    save_options::SaveOptions,
    state_dict::load_state_dict,
};
use crate::{FeatureEncoder, FeatureModel, FeatureModelConfig, ModelError};

/// The encoder's place in the files of a whole network.
const ENCODER: &str = "encoder.";

/// First parts of the names of the encoder's tensors.
const PARTS: [&str; 9] = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "norms"];

impl FeatureModel {
    /// Writes weights and configuration to a safetensors file, atomically.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        self.save_with(&SaveOptions::default(), path)
    }

    /// As [`save`](Self::save), in another precision, or with a record of how the weights were trained.
    ///
    /// # Errors
    /// As for [`Model::save_with`](crate::Model::save_with).
    pub fn save_with(&self, options: &SaveOptions, path: impl AsRef<Path>) -> Result<(), ModelError> {
        save(self, FEATURE_MODEL_KEY, self.config(), options, path.as_ref())
    }

    /// Reads a network, architecture and weights, from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// As for [`Model::load`](crate::Model::load).
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, ModelError> {
        let file = WeightsFile::read(path.as_ref())?;
        let config: FeatureModelConfig = file.configuration(FEATURE_MODEL_KEY)?;
        let mut model = config.init(device)?;
        file.load_into(&mut model)?;
        Ok(model)
    }
}

impl FeatureEncoder {
    /// Writes the encoder alone, and the configuration it came with, to a safetensors file, atomically.
    ///
    /// # Errors
    /// As for [`Model::save_with`](crate::Model::save_with).
    pub fn save_with(&self, options: &SaveOptions, path: impl AsRef<Path>) -> Result<(), ModelError> {
        save(self, FEATURE_MODEL_KEY, self.config(), options, path.as_ref())
    }

    /// Reads the encoder out of a file of a [`FeatureModel`](crate::FeatureModel) or of an encoder alone; the
    /// header says what it looks like. For files without our header there is
    /// [`FeatureModelConfig::load_encoder`].
    ///
    /// # Errors
    /// As for [`FeatureModelConfig::load_encoder`]; [`ModelError::NotWeights`] also when the file has no
    /// header of ours.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let file = WeightsFile::read(path)?;
        let config: FeatureModelConfig = file.configuration(FEATURE_MODEL_KEY)?;
        config.validate()?;
        load_tensors(&config, file, path, device)
    }
}

impl FeatureModelConfig {
    /// An encoder of this configuration with the weights of a safetensors file: those of a
    /// [`FeatureModel`](crate::FeatureModel), of which nothing but the encoder is read, or any with the
    /// encoder's names, `conv1.weight` or `encoder.conv1.weight` and so on. `size` may differ: no weight of
    /// the encoder depends on it. Whether there is batch norm is taken from the file, where its header says
    /// so.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_model::FeatureModelConfig;
    ///
    /// let (device, folder) = (Device::flex(), tempfile::tempdir()?);
    /// let path = folder.path().join("features.safetensors");
    /// let config = FeatureModelConfig::alexnet().with_width(4);
    /// config.clone().with_size(99).init(&device)?.save(&path)?;
    /// assert!(config.load_encoder(&path, &device).is_ok());
    /// let error = config.with_width(8).load_encoder(&path, &device).unwrap_err().to_string();
    /// assert!(error.contains("encoder.conv1.weight (network [12, 3, 11, 11], file [6, 3, 11, 11])"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read; [`ModelError::NotWeights`] when it is no safetensors
    /// file, belongs to an inpainting network, or was trained with another normalization;
    /// [`ModelError::Mismatch`] names every tensor of the encoder that is missing, misshapen or without a
    /// place. Never is a part of it left random.
    pub fn load_encoder(
        &self,
        path: impl AsRef<Path>,
        device: &Device,
    ) -> Result<FeatureEncoder, ModelError> {
        self.validate()?;
        let path = path.as_ref();
        let file = WeightsFile::read(path)?;
        let mut config = self.clone();
        match file.header::<Self>(FEATURE_MODEL_KEY)? {
            // The one choice that tensors do not show.
            Some(written) if written.local_response_norm != self.local_response_norm => {
                let (theirs, ours) = (written.local_response_norm, self.local_response_norm);
                return Err(file.unusable(format!(
                    "it was trained with local_response_norm = {theirs}, and {ours} is asked for; ask for {theirs}"
                )));
            }
            Some(written) => config.batch_norm = written.batch_norm,
            None => {
                if let Some(kind) = file.other_kind(FEATURE_MODEL_KEY)? {
                    return Err(file.unusable(format!("it has no feature encoder{kind}")));
                }
            }
        }
        load_tensors(&config, file, path, device)
    }
}

/// An encoder with a file's weights, all of them or none; batch norm is folded in.
fn load_tensors(
    config: &FeatureModelConfig,
    file: WeightsFile<'_>,
    path: &Path,
    device: &Device,
) -> Result<FeatureEncoder, ModelError> {
    let all = file.tensors()?;
    let prefix = if all.iter().any(|tensor| is_part(&tensor.name, ENCODER)) { ENCODER } else { "" };
    let own = all.into_iter().filter(|tensor| is_part(&tensor.name, prefix));
    let own = own.map(|mut tensor| {
        tensor.name.drain(..prefix.len());
        tensor
    });
    let own: Vec<_> = own.collect();
    let mut encoder = FeatureEncoder::new(config, device);
    load_state_dict(&mut encoder, own, path)
        .map_err(|error| error.rename_tensors(|name| format!("{prefix}{name}")))?;
    Ok(encoder.without_batch_norm())
}

/// Whether a tensor belongs to the encoder, by its name in the file.
fn is_part(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix).and_then(|rest| rest.split_once('.'));
    rest.is_some_and(|(part, _)| PARTS.contains(&part))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use burn::{module::Module, tensor::Tensor};
    use safetensors::{SafeTensors, tensor::TensorView};
    use tempfile::{TempDir, tempdir};

    use super::*;
    use crate::{Model, ModelConfig, Pooling, TrainingRecord};

    fn config() -> FeatureModelConfig {
        FeatureModelConfig::alexnet().with_width(4).with_size(99)
    }

    fn picture() -> Tensor<4> {
        Tensor::full([1, 3, 99, 99], 0.5, &Device::flex())
    }

    fn features(encoder: &FeatureEncoder) -> Vec<f32> {
        encoder.forward(picture()).into_data().try_to_vec().expect("f32")
    }

    fn save_inpainting_model(path: &Path) {
        let model = ModelConfig::default().with_size(64).with_width(2).init(&Device::flex());
        model.expect("valid").save(path).expect("saved");
    }

    /// A file of a whole network, and the same without our header, its names changed and some left out.
    fn files(rename: impl Fn(&str) -> Option<String>) -> (TempDir, PathBuf, PathBuf) {
        let folder = tempdir().expect("folder");
        let [whole, plain] = ["whole", "plain"].map(|name| folder.path().join(format!("{name}.safetensors")));
        config().init_seeded(3, &Device::flex()).expect("valid").save(&whole).expect("saved");
        let bytes = fs::read(&whole).expect("file");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let tensors: Vec<(String, TensorView<'_>)> =
            file.tensors().into_iter().filter_map(|(name, view)| Some((rename(&name)?, view))).collect();
        safetensors::serialize_to_file(tensors, None, &plain).expect("saved");
        (folder, whole, plain)
    }

    #[test]
    fn comes_out_of_a_whole_network_alone_or_under_either_name() {
        let device = Device::flex();
        let strip = |name: &str| name.strip_prefix(ENCODER).map(str::to_owned);
        let (folder, whole, plain) = files(strip);
        let model = config().init_seeded(3, &device).expect("valid");
        let expected = features(model.encoder());
        assert_eq!(features(&FeatureEncoder::load(&whole, &device).expect("whole")), expected);
        assert_eq!(features(&config().load_encoder(&whole, &device).expect("whole")), expected);
        assert_eq!(features(&config().load_encoder(&plain, &device).expect("plain")), expected);
        let alone = folder.path().join("alone.safetensors");
        model.into_encoder().save_with(&SaveOptions::default(), &alone).expect("saved");
        assert_eq!(features(&FeatureEncoder::load(&alone, &device).expect("alone")), expected);
        let error = FeatureEncoder::load(&plain, &device).expect_err("no header").to_string();
        assert!(error.contains("the architecture is unknown"), "{error}");
    }

    #[test]
    fn batch_norm_comes_folded_and_its_tensors_must_be_there() {
        let (device, folder) = (Device::flex(), tempdir().expect("folder"));
        let [whole, stripped] = ["whole", "stripped"].map(|name| folder.path().join(name));
        let config = FeatureModelConfig { batch_norm: true, ..config() };
        let model = config.init_seeded(3, &device.clone().autodiff()).expect("valid");
        let _ = model.encoder().forward(picture().to_device(&device.clone().autodiff())); // other statistics
        let model = model.valid();
        model.save(&whole).expect("saved");
        let expected = features(model.encoder());
        let plain = FeatureModelConfig { batch_norm: false, ..config.clone() };
        for encoder in [
            FeatureEncoder::load(&whole, &device).expect("whole"),
            config.load_encoder(&whole, &device).expect("whole"),
            plain.load_encoder(&whole, &device).expect("whole"),
            FeatureModel::load(&whole, &device).expect("whole").into_encoder(),
        ] {
            assert!(!encoder.config().batch_norm);
            let apart =
                features(&encoder).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-4, "{apart}");
        }
        let bytes = fs::read(&whole).expect("file");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let kept = file.tensors().into_iter().filter(|(name, _)| !name.contains("norms."));
        safetensors::serialize_to_file(kept, metadata.metadata().clone(), &stripped).expect("saved");
        let error = FeatureEncoder::load(&stripped, &device).expect_err("no statistics").to_string();
        assert!(error.contains("encoder.norms.0."), "{error}");
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_left_random() {
        let device = Device::flex();
        let (_folder, _, partial) = files(|name| (!name.contains("conv3.")).then(|| name.to_owned()));
        let error = config().load_encoder(&partial, &device).expect_err("partial").to_string();
        assert!(error.ends_with("2 missing: encoder.conv3.bias, encoder.conv3.weight"), "{error}");
        let (_folder, _, missing) = files(|name| name.starts_with("decoder.").then(|| name.to_owned()));
        let error = config().load_encoder(&missing, &device).expect_err("missing").to_string();
        assert!(error.contains("10 missing: conv1.bias, conv1.weight, conv2.bias"), "{error}");
    }

    #[test]
    fn another_architecture_is_refused_by_name() {
        let device = Device::flex();
        let (folder, whole, _) = files(|name| Some(name.to_owned()));
        let refusal = |config: FeatureModelConfig, path: &Path| {
            config.load_encoder(path, &device).expect_err("another architecture").to_string()
        };
        let error = refusal(config().with_width(8), &whole);
        assert!(error.contains("encoder.conv1.bias (network [12], file [6])"), "{error}");
        let error = refusal(FeatureModelConfig { pooling: Pooling::Convolution, ..config() }, &whole);
        assert!(error.contains("6 missing: encoder.pool1.bias"), "{error}");
        let error = refusal(FeatureModelConfig { local_response_norm: false, ..config() }, &whole);
        assert!(error.contains("local_response_norm = true"), "{error}");
        let pool_free = folder.path().join("pool-free.safetensors");
        let learned =
            FeatureModelConfig { pooling: Pooling::Convolution, ..config() }.init(&device).expect("valid");
        learned.save(&pool_free).expect("saved");
        let error = refusal(config(), &pool_free);
        assert!(error.contains("6 unused: encoder.pool1.bias"), "{error}");

        let inpainting = folder.path().join("inpainting.safetensors");
        save_inpainting_model(&inpainting);
        let error = refusal(config(), &inpainting);
        assert!(error.contains("it belongs to an inpainting network"), "{error}");
        let error = FeatureEncoder::load(&inpainting, &device).expect_err("inpainting").to_string();
        assert!(error.contains("it belongs to an inpainting network"), "{error}");
        let error = refusal(config(), &folder.path().join("absent"));
        assert!(error.starts_with("cannot read"), "{error}");
    }

    fn prediction(model: &FeatureModel) -> Vec<f32> {
        model.predict(picture()).into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn a_saved_network_predicts_as_before() {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        let path = folder.path().join("features.safetensors");
        let small = FeatureModelConfig::modern().with_width(4).with_size(99);
        for config in [small.clone(), FeatureModelConfig { pooling: Pooling::Convolution, ..small }] {
            let model = config.init_seeded(9, &device).expect("valid");
            let record =
                TrainingRecord { steps: 3, samples: 12, masks: "central".into(), data: "here".into() };
            let options = SaveOptions { record: Some(record.clone()), ..SaveOptions::default() };
            model.save_with(&options, &path).expect("saved");
            let loaded = FeatureModel::load(&path, &device).expect("loaded");
            assert_eq!(loaded.config(), &config);
            assert_eq!(prediction(&loaded), prediction(&model));
            assert_ne!(prediction(&loaded), prediction(&config.init_seeded(8, &device).expect("valid")));
            assert_eq!(TrainingRecord::load(&path).expect("header"), Some(record));
        }
    }

    #[test]
    fn an_inpainting_network_is_refused() {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        let path = folder.path().join("network.safetensors");
        save_inpainting_model(&path);
        let error = FeatureModel::load(&path, &device).expect_err("inpainting").to_string();
        assert!(error.contains("it belongs to an inpainting network"), "{error}");
        FeatureModelConfig::alexnet().with_width(4).init(&device).expect("valid").save(&path).expect("saved");
        let error = Model::load(&path, &device).expect_err("features").to_string();
        assert!(error.contains("it belongs to a feature network"), "{error}");
    }
}
