//! The one training loop: batch, step, losses read at intervals.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// What is trained, with everything that its next step depends on: weights, optimizers, the number of the
/// step.
pub trait TrainStep: Sized {
    /// What one step sees.
    type Batch;

    /// The losses of one step, still on the device.
    type Losses;

    /// One optimization step: state and batch in, state and losses out.
    fn step(self, batch: Self::Batch) -> (Self, Self::Losses);
}

/// What happens around the steps of [`training_loop`].
pub trait Hooks<S: TrainStep> {
    /// Why training ends early.
    type Error;

    /// The batch of a step, counted from 0; `None` ends the training. The time it takes is data wait.
    fn batch(&mut self, step: u64) -> Result<Option<S::Batch>, Self::Error>;

    /// Whether losses are due to be read after so many steps. After the last step they are read in any case.
    fn is_due(&self, steps_done: u64) -> bool;

    /// Reads the losses of all steps since the last reading from the device, each with its number counted
    /// from 1, and closes the interval of `data_wait`. The last reading of a run may come without losses.
    fn read(
        &mut self,
        state: &S,
        losses: Vec<(u64, S::Losses)>,
        data_wait: &mut DataWait,
    ) -> Result<(), Self::Error>;

    /// Samples, validation, checkpoint: whatever else is due after so many steps, but for the last.
    fn after_reading(&mut self, _state: &S, _steps_done: u64) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Whether to stop before the next step.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Trains from step `steps.start` to step `steps.end`, or until the hooks stop it or run out of batches.
///
/// Nothing is read from the device between two readings that the hooks ask for, so that it is never waited
/// for.
///
/// # Errors
/// Those of the hooks.
pub fn training_loop<S: TrainStep, H: Hooks<S>>(
    mut state: S,
    steps: Range<u64>,
    hooks: &mut H,
) -> Result<S, H::Error> {
    let (mut losses, mut data_wait) = (Vec::new(), DataWait::default());
    for step in steps.clone() {
        if hooks.should_stop() {
            break;
        }
        let Some(batch) = data_wait.time(|| hooks.batch(step))? else { break };
        let step_losses;
        (state, step_losses) = state.step(batch);
        let done = step + 1;
        losses.push((done, step_losses));
        if done < steps.end && hooks.is_due(done) {
            hooks.read(&state, std::mem::take(&mut losses), &mut data_wait)?;
            hooks.after_reading(&state, done)?;
        }
    }
    hooks.read(&state, losses, &mut data_wait)?;
    Ok(state)
}

/// Time spent on steps, and how much of it went by before a batch was there.
///
/// An interval begins with the wait for its first batch and ends when the losses of its steps have been read
/// from the device; samples, validation and checkpoints lie between intervals.
#[derive(Debug, Default)]
pub struct DataWait {
    /// When the current interval began.
    start: Option<Instant>,
    waited: Duration,
    /// Sums over the intervals before.
    total: Duration,
    total_waited: Duration,
}

impl DataWait {
    /// Times what a step has to wait for.
    fn time<T>(&mut self, next: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        self.start.get_or_insert(start);
        let item = next();
        self.waited += start.elapsed();
        item
    }

    /// Ends the interval and returns the percentage of it that was waiting, 0 to 100; 0 for an interval
    /// without steps.
    pub fn end_interval(&mut self) -> f32 {
        let elapsed = self.start.take().map_or(Duration::ZERO, |start| start.elapsed());
        let waited = std::mem::take(&mut self.waited);
        self.total += elapsed;
        self.total_waited += waited;
        percent(waited, elapsed)
    }

    /// The percentage over all intervals that have ended.
    pub fn overall(&self) -> f32 {
        percent(self.total_waited, self.total)
    }
}

fn percent(part: Duration, whole: Duration) -> f32 {
    if whole.is_zero() { 0.0 } else { 100.0 * part.as_secs_f32() / whole.as_secs_f32() }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    fn pause(milliseconds: u64) {
        sleep(Duration::from_millis(milliseconds));
    }

    #[test]
    fn interval_is_waiting_and_work() {
        let mut data_wait = DataWait::default();
        for _ in 0..2 {
            data_wait.time(|| pause(30));
            pause(30);
        }
        let half = data_wait.end_interval();
        // A sleep may take longer, on a busy machine much longer, but never less.
        assert!(half > 5.0 && half < 95.0, "{half}");
        pause(200); // a validation
        data_wait.time(|| pause(20));
        let all = data_wait.end_interval();
        assert!(all > 90.0 && all <= 100.0, "{all}");
        assert!(data_wait.overall() > half && data_wait.overall() < all);
    }

    #[test]
    fn no_steps_are_no_waiting() {
        let mut data_wait = DataWait::default();
        assert_eq!((data_wait.end_interval(), data_wait.overall()), (0.0, 0.0));
        assert_eq!(percent(Duration::from_secs(1), Duration::from_secs(4)), 25.0);
    }

    /// Adds its batches up.
    struct Sum(u64);

    impl TrainStep for Sum {
        type Batch = u64;
        type Losses = u64;

        fn step(self, batch: u64) -> (Self, u64) {
            (Self(self.0 + batch), batch)
        }
    }

    /// Every third step is due; there are so many batches.
    struct Log {
        batches: u64,
        read: Vec<Vec<u64>>,
        after: Vec<u64>,
    }

    impl Hooks<Sum> for Log {
        type Error = String;

        fn batch(&mut self, step: u64) -> Result<Option<u64>, String> {
            Ok((step < self.batches).then_some(10 * step))
        }

        fn is_due(&self, steps_done: u64) -> bool {
            steps_done.is_multiple_of(3)
        }

        fn read(&mut self, _: &Sum, losses: Vec<(u64, u64)>, _: &mut DataWait) -> Result<(), String> {
            assert!(losses.iter().all(|&(number, loss)| loss == 10 * (number - 1)));
            self.read.push(losses.into_iter().map(|(number, _)| number).collect());
            Ok(())
        }

        fn after_reading(&mut self, _: &Sum, steps_done: u64) -> Result<(), String> {
            self.after.push(steps_done);
            Ok(())
        }
    }

    #[test]
    fn losses_are_read_at_intervals_and_after_the_last_step() {
        let run = |steps, batches| {
            let mut log = Log { batches, read: Vec::new(), after: Vec::new() };
            let sum = training_loop(Sum(0), steps, &mut log).expect("no error");
            (sum.0, log.read, log.after)
        };
        assert_eq!(run(0..5, 9), (100, vec![vec![1, 2, 3], vec![4, 5]], vec![3]));
        assert_eq!(run(2..6, 9), (140, vec![vec![3], vec![4, 5, 6]], vec![3]));
        assert_eq!(run(0..9, 3), (30, vec![vec![1, 2, 3], vec![]], vec![3]), "the batches ran out");
    }
}
