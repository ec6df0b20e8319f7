//! Train context encoders (Pathak et al., CVPR 2016, sections 3.2, 3.3 and 5.1).
//!
//! - [`TrainConfig`]: everything a run depends on, from a [`Preset`], a TOML file and overrides.
//! - [`Learner`]: both networks with their optimisers; [`Learner::step`] is one step of the game.
//! - [`Run`]: a run in a folder: steps, logs, sheets, validation, checkpoints; starts or resumes.
//! - [`Pretraining`] by a [`PretrainConfig`]: the same for the network that learns features (section 5.2), and for
//!   the autoencoders that it is compared with ([`Pretext`]).
//! - [`Progress`]: who watches a run: [`Lines`] for logs, [`Terminal`] for people.
//!
//! A run's folder holds `config.toml`, `log.csv`, `validation.csv`, `samples/`, `checkpoint.bpk` (all that
//! a continued run needs) and `model.safetensors` (all that filling pictures needs).

mod adam;
mod average;
mod bundle;
mod checkpoint_record;
mod config;
mod dataset;
mod dropout;
mod error;
mod journal;
mod learner;
mod loss_scale;
mod overrides;
mod parallel;
mod player;
mod pretraining;
pub mod progress;
mod recipe;
mod run;
mod run_folder;
mod schedule;
mod session;
mod settings;
mod training_loop;
mod validation;
mod waiting;

pub use adam::Adam;
pub use checkpoint_record::{Checkpoint, CheckpointRecord};
pub use config::TrainConfig;
pub use context_encoder_model::{Precision, Preset};
pub use dataset::{Augmentation, DataConfig};
pub use dropout::Dropout;
pub use error::TrainError;
pub use journal::StepRecord;
pub use learner::{Learner, StepTerms};
pub use parallel::Devices;
pub use pretraining::{FeatureLearner, Pretext, PretrainConfig, Pretraining};
pub use progress::{Lines, Progress, Terminal};
pub use recipe::Recipe;
pub use run::{Run, Summary, Training};
pub use schedule::Schedule;
pub use training_loop::{DataWait, Hooks, TrainStep, training_loop};
pub use validation::{Validation, ValidationEntry};
