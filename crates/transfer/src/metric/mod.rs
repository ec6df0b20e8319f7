//! How good answers are. Everything here is counted on the host, in 64 bits, without a network.

mod accuracy;
mod average_precision;
mod confusion;
mod detection;

pub use accuracy::accuracy;
pub use average_precision::{Interpolation, Relevance, average_precision, mean};
pub use confusion::{ConfusionMatrix, IGNORED};
pub use detection::{Detection, Truth, detection_precision};
