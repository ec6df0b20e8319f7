//! The feature-learning network in safetensors files of its own kind.

use std::path::Path;

use burn::tensor::Device;

use super::{
    SaveOptions,
    safetensors::{FEATURE_MODEL_KEY, apply_bytes, configuration, read, save},
};
use crate::{FeatureModel, FeatureModelConfig, ModelError};

impl FeatureModel {
    /// Writes weights and configuration to a safetensors file, aside first and then renamed, so
    /// that the file is complete or absent.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        self.save_with(&SaveOptions::default(), path)
    }

    /// As [`save`](Self::save), with other numbers than 32-bit ones, or with a record of how the weights came about.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_model::{FeatureModel, FeatureModelConfig, SaveOptions, TrainingRecord};
    ///
    /// let (device, folder) = (Device::flex(), tempfile::tempdir()?);
    /// let path = folder.path().join("features.safetensors");
    /// let model = FeatureModelConfig::alexnet().with_width(4).with_size(99).init(&device)?;
    /// let options = SaveOptions::default().with_precision("f16".parse()?).with_record(TrainingRecord::default());
    /// model.save_with(&options, &path)?;
    /// assert_eq!(FeatureModel::load(&path, &device)?.config(), model.config());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let path = path.as_ref();
        let bytes = read(path)?;
        let config: FeatureModelConfig = configuration(&bytes, FEATURE_MODEL_KEY, path)?;
        let mut model = config.init(device)?;
        apply_bytes(&mut model, bytes, path)?;
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use tempfile::tempdir;

    use super::*;
    use crate::{Model, ModelConfig, Pooling, TrainingRecord};

    fn answer(model: &FeatureModel) -> Vec<f32> {
        let size = model.config().size;
        let picture = Tensor::full([1, 3, size, size], 0.5, &Device::flex());
        model.predict(picture).into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn a_saved_network_answers_as_before() {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        let path = folder.path().join("features.safetensors");
        let small = FeatureModelConfig::modern().with_width(4).with_size(99);
        for config in [small.clone(), small.with_pooling(Pooling::Convolution)] {
            let model = config.init_seeded(9, &device).expect("valid");
            let record =
                TrainingRecord { steps: 3, samples: 12, masks: "central".into(), data: "here".into() };
            model.save_with(&SaveOptions::default().with_record(record.clone()), &path).expect("saved");
            let loaded = FeatureModel::load(&path, &device).expect("loaded");
            assert_eq!(loaded.config(), &config);
            assert_eq!(answer(&loaded), answer(&model));
            assert_ne!(answer(&loaded), answer(&config.init_seeded(8, &device).expect("valid")));
            assert_eq!(TrainingRecord::load(&path).expect("header"), Some(record));
        }
    }

    #[test]
    fn the_other_kind_of_network_is_told_apart() {
        let (folder, device) = (tempdir().expect("folder"), Device::flex());
        let path = folder.path().join("network.safetensors");
        ModelConfig::default()
            .with_size(64)
            .with_width(2)
            .init(&device)
            .expect("valid")
            .save(&path)
            .expect("saved");
        let error = FeatureModel::load(&path, &device).expect_err("inpainting").to_string();
        assert!(error.contains("it belongs to an inpainting network"), "{error}");
        FeatureModelConfig::alexnet().with_width(4).init(&device).expect("valid").save(&path).expect("saved");
        let error = Model::load(&path, &device).expect_err("features").to_string();
        assert!(error.contains("it belongs to a feature network"), "{error}");
    }
}
