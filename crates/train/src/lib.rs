//! Train context encoders: configuration, step, run, checkpoints, logs.
