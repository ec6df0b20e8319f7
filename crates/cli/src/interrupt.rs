//! A run that Ctrl-C or `SIGTERM` ends with a checkpoint.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use context_encoder::train::{Progress, StepRecord, Throughput};

/// Wishes to stop after the step at hand once a signal came. A second signal ends the program at once, as it
/// would have without this.
pub struct StopOnSignals(Arc<AtomicBool>);

impl StopOnSignals {
    pub fn new() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // In this order: the first signal finds the flag not set yet. A signal that cannot be caught ends
            // the program, and the last checkpoint is there.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop));
            let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
        }
        Self(stop)
    }
}

impl Progress for StopOnSignals {
    fn steps(&mut self, _: &[StepRecord], _: &Throughput) {}

    fn should_stop(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
