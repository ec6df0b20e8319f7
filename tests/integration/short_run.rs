//! Training short enough for a test.

use context_encoder::train::{RunSettings, TrainConfig};

/// A small network on pictures of 64 pixels; nothing is saved before the end, nothing runs in the
/// background.
pub(crate) fn short_run(steps: u64, width: usize) -> TrainConfig {
    let mut config = TrainConfig::default();
    config.run = RunSettings {
        steps,
        batch_size: 4,
        workers: 0,
        log_every: 2,
        samples_every: 0,
        validate_every: 0,
        checkpoint_every: 0,
        validation_pictures: 2,
        ..config.run
    };
    config.model = config.model.with_size(64).with_width(width);
    config
}
