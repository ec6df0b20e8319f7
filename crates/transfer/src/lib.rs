//! What a pretrained context encoder is good for.

mod error;
pub mod metric;
mod rect;
pub mod voc;

pub use error::TransferError;
pub use rect::Rect;
