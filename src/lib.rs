//! Context encoders.
