//! A checkpoint: one file, complete or absent, with everything that a continued run needs.
//!
//! It is a burnpack: both networks' tensors under `generator.` and `discriminator.` (and the generator's
//! running average under `average.`) with the identities that
//! optimiser state is keyed by, each optimiser's own burnpack as bytes under `optimizer.`, and the header
//! below as text. See `docs/checkpoints.md`.

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
use serde::{Deserialize, Serialize};

use crate::{Learner, TrainConfig, TrainError, player::Player};

/// Version of the layout.
const FORMAT: u32 = 1;

/// Key of the header.
const HEADER: &str = "context-encoder.checkpoint";

const GENERATOR: &str = "generator";
const DISCRIMINATOR: &str = "discriminator";
const AVERAGE: &str = "average";

/// Everything beside tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    format: u32,
    /// Steps done; the position in the data follows from it.
    pub(crate) step: u64,
    /// Epochs done, for readers.
    pub(crate) epoch: u64,
    /// The pictures it learned from, by [`Dataset::fingerprint`](crate::dataset::Dataset::fingerprint).
    pub(crate) pictures: u64,
    /// Tensors in each optimiser's state, to tell whether all came back.
    optimizer_tensors: Vec<usize>,
    pub(crate) config: TrainConfig,
}

/// What is written beside the networks.
pub(crate) struct State<'a> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) step: u64,
    pub(crate) epoch: u64,
    pub(crate) pictures: u64,
}

/// Writes a learner: aside first; then the old file becomes [`previous`], and the new one takes its place.
///
/// The old one is kept because a step's loss judges the weights before it: weights that the last step threw out of
/// range show only in the next loss.
///
/// # Errors
/// [`TrainError::NotFinite`] when a weight is no number, [`TrainError::Checkpoint`] when writing fails; the old
/// file is then as it was.
pub(crate) fn save(learner: &Learner, state: &State<'_>, path: &Path) -> Result<(), TrainError> {
    let &State { config, step, epoch, pictures } = state;
    let mut tensors = Vec::new();
    let mut optimizer_tensors = Vec::new();
    optimizer_tensors.push(collect(&learner.generator, GENERATOR, step, path, &mut tensors)?);
    if let Some(player) = &learner.discriminator {
        optimizer_tensors.push(collect(player, DISCRIMINATOR, step, path, &mut tensors)?);
    }
    if let Some(average) = &learner.average {
        collect_network(&average.network, AVERAGE, step, path, &mut tensors)?;
    }
    let header = Header { format: FORMAT, step, epoch, pictures, optimizer_tensors, config: config.clone() };
    let header = serde_json::to_string(&header).map_err(|error| failed(path, &error))?;
    let newest = path.with_extension("next.bpk");
    Writer::new(tensors)
        .with_metadata(HEADER, &header)
        .auto_extension(false)
        .write_to_file(&newest)
        .map_err(|error| failed(path, &error))?;
    if path.exists() {
        fs::rename(path, previous(path)).map_err(|error| failed(path, &error))?;
    }
    fs::rename(&newest, path).map_err(|error| failed(path, &error))
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
pub(crate) fn open(path: &Path) -> Result<(Reader, Header), TrainError> {
    let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    if let Err(source) = fs::File::open(path) {
        return Err(TrainError::Io { action: "read", path: path.to_owned(), source });
    }
    let reader = Reader::from_file(path).map_err(|error| refuse(damage(&error)))?;
    let text = reader
        .metadata()
        .get(HEADER)
        .ok_or_else(|| refuse("it was not written by a training run".to_owned()))?;
    let header: Header = serde_json::from_str(text).map_err(|error| {
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
pub(crate) fn load(path: &Path, device: &Device) -> Result<(Learner, Header), TrainError> {
    let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let (reader, header) = open(path)?;
    let mut tensors = reader.into_tensors().map_err(|error| refuse(damage(&error)))?;
    let mut learner = Learner::new(&header.config, device)?;
    let mut counts = header.optimizer_tensors.iter().copied();
    learner.generator = restore(learner.generator, GENERATOR, &mut tensors, counts.next(), path)?;
    if let Some(player) = learner.discriminator {
        learner.discriminator = Some(restore(player, DISCRIMINATOR, &mut tensors, counts.next(), path)?);
    }
    if let Some(average) = &mut learner.average {
        restore_network(&mut average.network, AVERAGE, &mut tensors, path)?;
    }
    learner.step = header.step;
    match tensors.first() {
        Some(tensor) => Err(refuse(format!("it holds `{}`, for which there is no place", tensor.name))),
        None => Ok((learner, header)),
    }
}

/// Adds a player's tensors under `name`; returns how many its optimiser has.
fn collect<M: Module>(
    player: &Player<M>,
    name: &str,
    step: u64,
    path: &Path,
    tensors: &mut Vec<Tensor>,
) -> Result<usize, TrainError> {
    // In inference, so that batch norm's statistics include the last step.
    collect_network(&player.network.valid(), name, step, path, tensors)?;
    let record = player.optimizer.to_record();
    let count = record.len();
    let bytes = record.into_bytes().map_err(|error| failed(path, &error))?;
    let length = bytes.len();
    tensors.push(Tensor::new(optimizer_name(name), DType::U8, vec![length], None, bytes));
    Ok(count)
}

/// Adds a network's tensors under `name`.
fn collect_network<M: Module>(
    network: &M,
    name: &str,
    step: u64,
    path: &Path,
    tensors: &mut Vec<Tensor>,
) -> Result<(), TrainError> {
    for mut tensor in network.collect(None, None, false) {
        let bytes = tensor.to_bytes().map_err(|error| failed(path, &error))?;
        if !all_finite(&bytes) {
            return Err(TrainError::NotFinite { what: format!("the weight `{name}.{}`", tensor.name), step });
        }
        tensor.name = format!("{name}.{}", tensor.name);
        tensors.push(tensor);
    }
    Ok(())
}

/// Takes a player's tensors out of a checkpoint and into the player.
fn restore<M: Module>(
    mut player: Player<M>,
    name: &str,
    tensors: &mut Vec<Tensor>,
    optimizer_tensors: Option<usize>,
    path: &Path,
) -> Result<Player<M>, TrainError> {
    let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    restore_network(&mut player.network, name, tensors, path)?;
    let place = tensors.iter().position(|tensor| tensor.name == optimizer_name(name));
    let optimizer = place.map(|index| tensors.remove(index));
    let bytes = optimizer
        .ok_or_else(|| refuse(format!("the {name}'s optimiser is missing")))?
        .into_bytes()
        .map_err(|error| refuse(format!("the {name}'s optimiser is damaged ({error})")))?;
    player.optimizer = restore_optimizer(player.optimizer, bytes)
        .filter(|optimizer| Some(optimizer.to_record().len()) == optimizer_tensors)
        .ok_or_else(|| refuse(format!("the {name}'s optimiser did not come back whole")))?;
    Ok(player)
}

/// Takes a network's tensors out of a checkpoint and into the network.
fn restore_network<M: Module>(
    network: &mut M,
    name: &str,
    tensors: &mut Vec<Tensor>,
    path: &Path,
) -> Result<(), TrainError> {
    let mut own = Vec::new();
    for mut tensor in std::mem::take(tensors) {
        match tensor.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
            Some(rest) => {
                tensor.name = rest.to_owned();
                own.push(tensor);
            }
            None => tensors.push(tensor),
        }
    }
    let result = network.apply(own, None, None, false);
    let misfits = result.missing.iter().map(|(name, _)| name).chain(&result.unused).cloned();
    let misfits: Vec<String> = misfits.chain(result.errors.iter().map(ToString::to_string)).collect();
    if misfits.is_empty() {
        return Ok(());
    }
    let reason = format!("these tensors of the {name} do not fit: {}", misfits.join(", "));
    Err(TrainError::Checkpoint { path: path.to_owned(), reason })
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
