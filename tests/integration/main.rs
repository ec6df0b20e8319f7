//! What the library promises as a whole: parity with PyTorch, runs that resume, errors that help, an
//! architecture that holds.

mod backends;
mod commands;
mod conformance;
mod dependencies;
mod devices;
mod features;
mod fuzz;
mod layers;
mod modules;
mod parity;
mod precision;
mod pretraining;
mod resume;
mod robustness;
mod short_run;
mod structure;
