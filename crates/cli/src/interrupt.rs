//! A run that Ctrl-C or `SIGTERM` ends with a checkpoint.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use context_encoder::{
    data::Skipped,
    train::{Plan, Progress, StepRecord, Throughput, Validation},
};

/// The same progress, and a wish to stop after the step at hand once a signal came. A second signal ends the
/// program at once, as it would have without this.
pub fn stop_on_signals(progress: Box<dyn Progress>) -> Box<dyn Progress> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: the first signal finds the flag not set yet. A signal that cannot be caught ends the
        // program, and the last checkpoint is there.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop));
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    Box::new(Interruptible { progress, stop })
}

struct Interruptible {
    progress: Box<dyn Progress>,
    stop: Arc<AtomicBool>,
}

impl Progress for Interruptible {
    fn begin(&mut self, plan: &Plan) {
        self.progress.begin(plan);
    }

    fn steps(&mut self, records: &[StepRecord], throughput: &Throughput) {
        self.progress.steps(records, throughput);
    }

    fn validated(&mut self, validation: &Validation) {
        self.progress.validated(validation);
    }

    fn written(&mut self, file: &Path) {
        self.progress.written(file);
    }

    fn remark(&mut self, remark: &str) {
        self.progress.remark(remark);
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.progress.skipped(picture);
    }

    fn end(&mut self) {
        self.progress.end();
    }

    fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.progress.should_stop()
    }
}
