//! Kernels for processors, on slices: no tensor, no gradient graph.

pub(crate) mod conv;
pub(crate) mod dense;
pub(crate) mod direct;
pub(crate) mod engine;
pub(crate) mod few;
pub(crate) mod finish;
pub(crate) mod groups;
pub(crate) mod half;
pub(crate) mod lanes;
pub(crate) mod map;
pub(crate) mod matrix;
pub(crate) mod norm;
pub(crate) mod outer;
pub(crate) mod pointwise;
pub(crate) mod pool;
pub(crate) mod response;
pub(crate) mod rows;
pub(crate) mod scratch;
pub(crate) mod single;
pub(crate) mod smooth;
pub(crate) mod square;
pub(crate) mod weights;
pub(crate) mod winograd;
