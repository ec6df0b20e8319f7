//! Train context encoders (Pathak et al., CVPR 2016, sections 3.2, 3.3, 5.1 and 5.2).
//!
//! - [`TrainConfig`] and [`PretrainConfig`]: everything a run depends on, from a preset, a TOML file and
//!   overrides; what every run has is in their [`RunSettings`].
//! - [`InpaintingTrainer`]: generator and discriminator with their optimizers; its `step` is one adversarial
//!   training step. [`FeatureTrainer`] is the same for the network of feature learning and its baselines
//!   ([`Pretext`]).
//! - [`Run`]: a run in a folder: steps, logs, samples, validation, checkpoints; starts or resumes.
//! - [`Progress`]: who reports a run: [`TextProgress`] for logs, Burn's display for terminals.
//! - [`training_loop`] with [`TrainStep`] and [`Hooks`], [`Adam`], [`Dropout`] and [`Schedule`]: what
//!   training of other networks shares with it.
//!
//! A run's folder holds `config.toml`, `log.csv`, `validation.csv`, `samples/`, `checkpoint.bpk` (all that a
//! resumed run needs) and `model.safetensors` (all that filling pictures needs).

mod adam;
mod checkpoint;
mod config;
mod csv_log;
mod data_parallel;
mod dataset;
mod dropout;
mod ema;
mod error;
mod features;
mod inpainting;
mod loss_scale;
mod losses;
mod optimized_model;
mod overrides;
mod pretrain_config;
mod progress;
mod recorded_step;
mod recorder;
mod run;
mod schedule;
mod session;
mod settings;
mod task;
mod tensorboard;
mod training_loop;
mod validation;

pub use adam::Adam;
pub use config::TrainConfig;
pub use data_parallel::Devices;
pub use dataset::{Augmentation, DataConfig, Scenes};
pub use dropout::Dropout;
pub use error::TrainError;
pub use features::FeatureTrainer;
pub use inpainting::InpaintingTrainer;
pub use losses::{Losses, StepRecord};
pub use pretrain_config::{Pretext, PretrainConfig};
pub use progress::{Plan, Progress, TextProgress, Throughput};
pub use run::{Checkpoint, Run};
pub use schedule::Schedule;
pub use session::Summary;
pub use settings::RunSettings;
pub use task::Task;
pub use tensorboard::TensorBoard;
pub use training_loop::{DataWait, Hooks, TrainStep, training_loop};
pub use validation::Validation;
