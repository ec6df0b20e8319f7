//! What a checkpoint says of itself, beside its tensors.

use std::path::{Path, PathBuf};

use burn::store::burn_pack::Reader;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{TrainError, loss_scale::LossScale, overrides};

/// Version of the layout.
const FORMAT: u32 = 1;

/// What the keys of all headers begin with.
const KEYS: &str = "context-encoder.";

/// Everything beside tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    /// Steps done; the position in the data follows from it.
    pub(crate) step: u64,
    /// Epochs done, for readers.
    pub(crate) epoch: u64,
    /// The training pictures, by [`fingerprint`](context_encoder_data::ImageDataset::fingerprint).
    pub(crate) pictures: u64,
    /// Tensors in each optimizer's state, to tell whether all came back.
    pub(crate) optimizer_tensors: Vec<usize>,
    /// Of each model that has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) loss_scales: Vec<LossScale>,
    /// The run's configuration, keys flat as in files.
    config: serde_json::Value,
}

impl Header {
    /// The header of a run; optimizers and loss scales are still to come.
    pub(crate) fn new<C: Serialize>(
        config: &C,
        step: u64,
        epoch: u64,
        pictures: u64,
    ) -> Result<Self, TrainError> {
        let failed = |error: serde_json::Error| TrainError::config(error.to_string());
        let config = serde_json::to_value(overrides::to_table(config)?).map_err(failed)?;
        let (optimizer_tensors, loss_scales) = (Vec::new(), Vec::new());
        Ok(Self { format: FORMAT, step, epoch, pictures, optimizer_tensors, loss_scales, config })
    }

    /// Opens a checkpoint whose header has this key: its tensors, not read yet, and its header.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be read, [`TrainError::Checkpoint`] when it is none of this kind.
    pub(crate) fn open(path: &Path, key: &str) -> Result<(Reader, Self), TrainError> {
        std::fs::File::open(path).map_err(TrainError::io("read", path))?;
        let reader = Reader::from_file(path).map_err(|error| damaged(path, &error))?;
        let text = reader.metadata().get(key).ok_or_else(|| {
            let other = reader.metadata().keys().any(|key| key.starts_with(KEYS));
            unusable(
                path,
                if other {
                    "it belongs to the other kind of run: `train` and `pretrain` each continue their own"
                } else {
                    "it was not written by a training run"
                },
            )
        })?;
        let header: Self = serde_json::from_str(text).map_err(|error| not_understood(path, &error))?;
        if header.format != FORMAT {
            let reason = format!("its format is {}, this program reads {FORMAT}", header.format);
            return Err(unusable(path, reason));
        }
        Ok((reader, header))
    }

    /// The run's configuration, not validated.
    pub(crate) fn config<C: DeserializeOwned>(&self, path: &Path) -> Result<C, TrainError> {
        overrides::from_json(self.config.clone()).map_err(|reason| not_understood(path, &reason))
    }
}

/// Where the checkpoint before the newest is kept.
pub(super) fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous.bpk")
}

/// The name of an optimizer's state in a checkpoint.
pub(super) fn optimizer_name(model: &str) -> String {
    format!("optimizer.{model}")
}

pub(super) fn unusable(path: &Path, reason: impl Into<String>) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), reason: reason.into() }
}

pub(super) fn damaged(path: &Path, error: &dyn std::fmt::Display) -> TrainError {
    let advice = "resume from a copy, or start anew in another folder";
    unusable(path, format!("it is damaged, cut short or of another format ({error}); {advice}"))
}

fn not_understood(path: &Path, error: &dyn std::fmt::Display) -> TrainError {
    unusable(path, format!("its header cannot be understood ({error}); it may come from another version"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pretext, PretrainConfig, TrainConfig};

    /// Headers as the program wrote them before keys were renamed.
    #[test]
    fn headers_of_earlier_versions_are_read() {
        let text = r#"{"format":1,"step":2,"epoch":0,"pictures":14995380765736706767,"optimizer_tensors":[42,16],"config":{"steps":2,"batch_size":4,"seed":0,"generator_rate":0.0005,"discriminator_rate":0.0002,"schedule":"constant","averaging":0.5,"workers":0,"log_every":1,"sheet_every":7,"validate_every":100,"checkpoint_every":100,"validation_pictures":1,"mask_sharing":"each-picture","shares":2,"precision":"f32","model":{"size":64,"width":1,"bottleneck":"channel-wise","prediction":"centre","fill":"mean"},"masks":{"kind":"central","overlap":0},"objective":{"kind":"joint","reconstruction":0.999,"adversarial":0.001},"reconstruction":{"distance":"l2","average":"region","overlap_weight":10.0},"data":{"kind":"folder","path":"p","resize":200,"strict":false,"cache_mib":1024,"without":"t"},"augmentation":{"smallest":0,"colour":5}}}"#;
        let path = Path::new("checkpoint.bpk");
        let header: Header = serde_json::from_str(text).expect("readable");
        assert_eq!((header.step, header.pictures), (2, 14_995_380_765_736_706_767));
        let config: TrainConfig = header.config(path).expect("readable");
        config.validate().expect("usable");
        assert_eq!((config.generator_lr, config.discriminator_lr, config.ema_decay), (5e-4, 2e-4, 0.5));
        assert_eq!((config.ghost_batches, config.run.samples_every), (2, 7));
        assert_eq!(config.run.augmentation.color, 5);
        assert!(config.run.data.describe().ends_with("without what is in t, shorter side 200 px"));
        let again = Header::new(&config, 2, 0, header.pictures).expect("plain");
        assert!(serde_json::to_string(&again).expect("plain").contains(r#""generator_lr":0.0005"#));
        assert_eq!(again.config::<TrainConfig>(path).expect("readable"), config);

        let text = r#"{"format":1,"step":2,"epoch":0,"pictures":1,"optimizer_tensors":[46],"loss_scales":[{"scale":65536.0,"good":2}],"config":{"steps":2,"batch_size":4,"seed":0,"rate":0.001,"schedule":"constant","workers":0,"log_every":1,"sheet_every":100,"validate_every":100,"checkpoint_every":100,"validation_pictures":1,"precision":"f16","model":{"size":99,"width":4,"pooling":"max","local_response_norm":true,"groups":2,"fill":"mean"},"pretext":{"kind":"denoising","dropped":0.25},"masks":{"kind":"random-region","silhouettes":null},"data":{"kind":"facades","pictures":4096},"augmentation":{"smallest":0,"colour":0}}}"#;
        let header: Header = serde_json::from_str(text).expect("readable");
        assert!(header.loss_scales[0].is_usable());
        let config: PretrainConfig = header.config(path).expect("readable");
        assert_eq!((config.lr, config.pretext), (Some(1e-3), Pretext::Denoising { drop_probability: 0.25 }));
    }
}
