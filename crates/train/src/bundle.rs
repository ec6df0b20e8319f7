//! A checkpoint: one file, complete or absent, with everything that a continued run needs.
//!
//! It is a burnpack: each network's tensors under its name with the identities that optimiser state is keyed by, each
//! optimiser's own burnpack as bytes under `optimizer.`, and the header below as text. See `docs/checkpoints.md`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{
    module::Module,
    optim::{ModuleOptimizer, OptimizerRecord},
    store::{
        ModuleSnapshot,
        burn_pack::{Bytes, DType, Error, Reader, Tensor, Writer},
    },
    tensor::Device,
};
use context_encoder_files::persist;
use serde::{Deserialize, Serialize};

use crate::{
    TrainError,
    loss_scale::LossScale,
    player::Player,
    recipe::{Learn, Recipe},
};

/// Version of the layout.
const FORMAT: u32 = 1;

/// What the key of every header begins with; a recipe's own key follows from its kind.
const HEADERS: &str = "context-encoder.";

/// Everything beside tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header<C> {
    format: u32,
    /// Steps done; the position in the data follows from it.
    pub(crate) step: u64,
    /// Epochs done, for readers.
    pub(crate) epoch: u64,
    /// The pictures it learned from, by [`Dataset::fingerprint`](crate::dataset::Dataset::fingerprint).
    pub(crate) pictures: u64,
    /// Tensors in each optimiser's state, to tell whether all came back.
    optimizer_tensors: Vec<usize>,
    /// Of each player, where they have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    loss_scales: Vec<LossScale>,
    pub(crate) config: C,
}

/// What is written beside the networks.
pub(crate) struct State<'a, C> {
    pub(crate) config: &'a C,
    pub(crate) step: u64,
    pub(crate) epoch: u64,
    pub(crate) pictures: u64,
}

/// Writes a learner to a temporary file; then the old file becomes [`previous`], and the new one takes its place.
///
/// The old one is kept because a step's loss judges the weights before it: weights that the last step threw out of
/// range show only in the next loss.
///
/// # Errors
/// [`TrainError::NotFinite`] when a weight is no number, [`TrainError::Checkpoint`] when writing fails; the old
/// file is then as it was.
pub(crate) fn save<C: Recipe>(
    learner: &C::Learner,
    state: &State<'_, C>,
    path: &Path,
) -> Result<(), TrainError> {
    let &State { config, step, epoch, pictures } = state;
    let mut packing =
        Packing { step, path, tensors: Vec::new(), optimizer_tensors: Vec::new(), loss_scales: Vec::new() };
    learner.pack(&mut packing)?;
    let Packing { tensors, optimizer_tensors, loss_scales, .. } = packing;
    let config = config.clone();
    let header = Header { format: FORMAT, step, epoch, pictures, optimizer_tensors, loss_scales, config };
    let header = serde_json::to_string(&header).map_err(|error| failed(path, &error))?;
    let newest = path.with_extension("next.bpk");
    Writer::new(tensors)
        .with_metadata(C::CHECKPOINT, &header)
        .auto_extension(false)
        .write_to_file(&newest)
        .map_err(|error| failed(path, &error))?;
    if path.exists() {
        fs::rename(path, previous(path)).map_err(|error| failed(path, &error))?;
    }
    persist(&newest, path).map_err(|error| failed(path, &error))
}

/// Where the checkpoint before the newest is kept.
pub(crate) fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous.bpk")
}

/// The checkpoint to continue from: the newest, or the one before it when a run was killed between the two renamings.
pub(crate) fn newest(path: &Path) -> PathBuf {
    if path.exists() {
        path.to_owned()
    } else {
        Some(previous(path)).filter(|previous| previous.exists()).unwrap_or_else(|| path.to_owned())
    }
}

/// Opens a checkpoint: its tensors, not read yet, and its header, validated.
///
/// # Errors
/// [`TrainError::Io`] when it cannot be read, [`TrainError::Checkpoint`] when it is none.
pub(crate) fn open<C: Recipe>(path: &Path) -> Result<(Reader, Header<C>), TrainError> {
    let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    if let Err(source) = fs::File::open(path) {
        return Err(TrainError::Io { action: "read", path: path.to_owned(), source });
    }
    let reader = Reader::from_file(path).map_err(|error| refuse(damage(&error)))?;
    let text = reader.metadata().get(C::CHECKPOINT).ok_or_else(|| {
        let other = reader.metadata().keys().any(|key| key.starts_with(HEADERS));
        refuse(if other {
            "it belongs to the other kind of run: `train` and `pretrain` each continue their own".to_owned()
        } else {
            "it was not written by a training run".to_owned()
        })
    })?;
    let header: Header<C> = serde_json::from_str(text).map_err(|error| {
        refuse(format!("its header cannot be understood ({error}); it may come from another version"))
    })?;
    if header.format != FORMAT {
        return Err(refuse(format!("its format is {}, this program reads {FORMAT}", header.format)));
    }
    header.config.validate()?;
    Ok((reader, header))
}

fn damage(error: &Error) -> String {
    format!(
        "it is damaged, cut short or of another format ({error}); resume from a copy, or start anew in another folder"
    )
}

/// Reads a checkpoint into a learner on `device`.
///
/// # Errors
/// [`TrainError::Checkpoint`] when anything is missing, damaged or of another architecture.
pub(crate) fn load<C: Recipe>(path: &Path, device: &Device) -> Result<(C::Learner, Header<C>), TrainError> {
    let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let (reader, header) = open::<C>(path)?;
    let tensors = reader.into_tensors().map_err(|error| refuse(damage(&error)))?;
    let counts = header.optimizer_tensors.clone().into_iter();
    let loss_scales = header.loss_scales.clone().into_iter();
    let mut unpacking = Unpacking { path, tensors, counts, loss_scales };
    let mut learner = C::Learner::new(&header.config, device)?.unpack(&mut unpacking)?;
    learner.set_step(header.step);
    match unpacking.tensors.first() {
        Some(tensor) => Err(refuse(format!("it holds `{}`, for which there is no place", tensor.name))),
        None => Ok((learner, header)),
    }
}

/// What goes into a checkpoint.
pub struct Packing<'a> {
    step: u64,
    path: &'a Path,
    tensors: Vec<Tensor>,
    optimizer_tensors: Vec<usize>,
    loss_scales: Vec<LossScale>,
}

impl Packing<'_> {
    /// Adds a player's tensors under `name`.
    pub(crate) fn player<M: Module>(&mut self, name: &str, player: &Player<M>) -> Result<(), TrainError> {
        // In inference, so that batch norm's statistics include the last step.
        self.network(name, &player.network.valid())?;
        self.loss_scales.extend(player.scale);
        let record = player.optimizer.to_record();
        self.optimizer_tensors.push(record.len());
        let bytes = record.into_bytes().map_err(|error| failed(self.path, &error))?;
        let length = bytes.len();
        self.tensors.push(Tensor::new(optimizer_name(name), DType::U8, vec![length], None, bytes));
        Ok(())
    }

    /// Adds a network's tensors under `name`.
    pub(crate) fn network<M: Module>(&mut self, name: &str, network: &M) -> Result<(), TrainError> {
        for mut tensor in network.collect(None, None, false) {
            let bytes = tensor.to_bytes().map_err(|error| failed(self.path, &error))?;
            if !all_finite(&bytes) {
                let what = format!("the weight `{name}.{}`", tensor.name);
                return Err(TrainError::NotFinite { what, step: self.step });
            }
            tensor.name = format!("{name}.{}", tensor.name);
            self.tensors.push(tensor);
        }
        Ok(())
    }
}

/// What comes out of a checkpoint.
pub struct Unpacking<'a> {
    path: &'a Path,
    tensors: Vec<Tensor>,
    /// Tensors of each optimiser, in the order of the players.
    counts: std::vec::IntoIter<usize>,
    /// Loss scale of each player that has one, in the same order.
    loss_scales: std::vec::IntoIter<LossScale>,
}

impl Unpacking<'_> {
    /// Takes a player's tensors out and into the player.
    pub(crate) fn player<M: Module>(
        &mut self,
        name: &str,
        mut player: Player<M>,
    ) -> Result<Player<M>, TrainError> {
        self.network(name, &mut player.network)?;
        let refuse = |reason: String| TrainError::Checkpoint { path: self.path.to_owned(), reason };
        let place = self.tensors.iter().position(|tensor| tensor.name == optimizer_name(name));
        let optimizer = place.map(|index| self.tensors.remove(index));
        let bytes = optimizer
            .ok_or_else(|| refuse(format!("the {name}'s optimiser is missing")))?
            .into_bytes()
            .map_err(|error| refuse(format!("the {name}'s optimiser is damaged ({error})")))?;
        // A run that learned in 32 bits so far begins with a fresh one.
        player.scale = player.scale.map(|scale| self.loss_scales.next().unwrap_or(scale));
        if player.scale.is_some_and(|scale| !scale.is_usable()) {
            return Err(refuse(format!("the {name}'s loss scale is none")));
        }
        let count = self.counts.next();
        player.optimizer = restore_optimizer(player.optimizer, bytes)
            .filter(|optimizer| Some(optimizer.to_record().len()) == count)
            .ok_or_else(|| refuse(format!("the {name}'s optimiser did not come back whole")))?;
        Ok(player)
    }

    /// Takes a network's tensors out and into the network.
    pub(crate) fn network<M: Module>(&mut self, name: &str, network: &mut M) -> Result<(), TrainError> {
        let mut own = Vec::new();
        for mut tensor in std::mem::take(&mut self.tensors) {
            match tensor.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
                Some(rest) => {
                    tensor.name = rest.to_owned();
                    own.push(tensor);
                }
                None => self.tensors.push(tensor),
            }
        }
        let result = network.apply(own, None, None, false);
        let misfits = result.missing.iter().map(|(name, _)| name).chain(&result.unused).cloned();
        let misfits: Vec<String> = misfits.chain(result.errors.iter().map(ToString::to_string)).collect();
        if misfits.is_empty() {
            return Ok(());
        }
        let reason = format!("these tensors of the {name} do not fit: {}", misfits.join(", "));
        Err(TrainError::Checkpoint { path: self.path.to_owned(), reason })
    }
}

/// Burn skips what it cannot match without a word, so the caller counts what came back.
fn restore_optimizer(optimizer: ModuleOptimizer, bytes: Bytes) -> Option<ModuleOptimizer> {
    OptimizerRecord::from_bytes(bytes).ok().map(|record| optimizer.load_record(record))
}

fn optimizer_name(player: &str) -> String {
    format!("optimizer.{player}")
}

/// Whether every 32-bit number is one.
fn all_finite(bytes: &[u8]) -> bool {
    bytes.as_chunks::<4>().0.iter().all(|&chunk| f32::from_le_bytes(chunk).is_finite())
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> TrainError {
    TrainError::Checkpoint {
        path: path.to_owned(),
        reason: format!("it cannot be written ({error}); the old one is kept"),
    }
}
