//! Several devices that learn together: data-parallel training.
//!
//! Every device holds a replica of the learner, makes each step on its own share of the batch, and meets the others
//! between slope and step: gradients become their mean, so that all replicas stay the same. Threads, one for each
//! device; nothing here knows which devices they are.

mod devices;
mod gradients;
mod meeting;
mod replicas;
mod seat;
mod statistics;

pub use devices::Devices;
pub(crate) use gradients::mean_gradients;
pub(crate) use replicas::Replicas;
pub use seat::Seat;
pub(crate) use statistics::mean_statistics;
