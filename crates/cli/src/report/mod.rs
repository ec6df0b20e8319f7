//! A report of an evaluation: one HTML file that needs nothing beside it.

mod curves;
mod page;

pub use curves::validation;
pub use page::Page;
