//! What a pretrained context encoder is good for.

mod canvas;
pub mod classify;
pub mod detect;
mod error;
mod first_weights;
pub mod fit;
pub mod metric;
pub mod probe;
mod rect;
mod resize;
pub mod segment;
mod source;
pub mod voc;

pub use error::TransferError;
pub use fit::{Curve, Descent, Fit, Fitted, Head};
pub use rect::Rect;
pub use source::Source;
