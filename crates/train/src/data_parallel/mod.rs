//! Data-parallel training on several devices.
//!
//! Every device holds a replica of the trainer and takes each step on its own part of the batch. Between
//! backward pass and optimizer step the ranks exchange gradients (all-reduce), whose means keep all replicas
//! the same. There is a thread for each device; nothing here knows which devices they are.

mod all_reduce;
mod devices;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

use all_reduce::Aborted;
use burn::tensor::Device;
use context_encoder_data::{InpaintingBatch, Sample};

use crate::{Losses, TrainError, TrainStep, task::Trainer};

pub use all_reduce::Rank;
pub use devices::Devices;

/// A trainer on every device. After each step they are the same; on devices of different kinds, but for the
/// rounding of Adam's arithmetic.
pub(crate) struct DataParallel<T> {
    /// The first is the one that is validated and saved.
    first: T,
    others: Vec<T>,
    /// One for each rank; none where there is only one, which is trained in the caller's thread.
    threads: Vec<RankThread<T>>,
    /// The devices, with gradients.
    devices: Vec<Device>,
}

impl<T: Trainer + Send + 'static> DataParallel<T> {
    /// Makes a trainer for each device; all must be the same.
    pub(crate) fn new(
        devices: &Devices,
        trainer: impl Fn(&Device) -> Result<T, TrainError>,
    ) -> Result<Self, TrainError> {
        let (first, mut others) = (trainer(devices.first())?, Vec::new());
        for device in devices.iter().skip(1) {
            others.push(trainer(device)?);
        }
        let devices = devices.iter().map(|device| device.clone().without_autodiff().autodiff()).collect();
        if others.is_empty() {
            return Ok(Self { first: first.recording_steps(), others, threads: Vec::new(), devices });
        }
        let count = 1 + others.len();
        let mut ranks = Rank::all(count).into_iter();
        let mut join = |trainer: T| match ranks.next() {
            Some(rank) => trainer.join(rank),
            None => unreachable!("there is a rank for each"),
        };
        let first = join(first);
        let others = others.into_iter().map(join).collect();
        let threads = (0..count).map(|rank| RankThread::new(rank, count)).collect::<Result<_, _>>()?;
        Ok(Self { first, others, threads, devices })
    }

    /// The trainer that is validated and saved.
    pub(crate) fn first(&self) -> &T {
        &self.first
    }

    /// Changes every trainer alike.
    pub(crate) fn each(&mut self, change: impl Fn(&mut T)) {
        change(&mut self.first);
        self.others.iter_mut().for_each(change);
    }
}

impl<T: Trainer + Send + 'static> TrainStep for DataParallel<T> {
    type Batch = Vec<Sample>;
    type Losses = Losses;

    /// One step of all ranks, each on its part of the batch: that of rank `r` of `N` begins with picture `r B
    /// / N`. The losses are means over ranks, on the first device.
    ///
    /// # Panics
    /// When a device fails.
    fn step(self, batch: Vec<Sample>) -> (Self, Losses) {
        let Self { first, others, threads, devices } = self;
        if threads.is_empty() {
            let (first, losses) = first.step(InpaintingBatch::from_samples(&batch, &devices[0]));
            return (Self { first, others, threads, devices }, losses);
        }
        let (batch, count) = (Arc::new(batch), threads.len());
        let trainers = std::iter::once(first).chain(others);
        for (rank, (thread, trainer)) in threads.iter().zip(trainers).enumerate() {
            let (batch, device) = (batch.clone(), devices[rank].clone());
            thread.send(Box::new(move || {
                let part = batch.len() / count;
                let samples = &batch[rank * part..(rank + 1) * part];
                trainer.step(InpaintingBatch::from_samples(samples, &device))
            }));
        }
        // All are waited for before any is reported: a panic aborts the others.
        let results: Vec<StepResult<T>> = threads.iter().map(RankThread::receive).collect();
        let (mut trainers, mut losses, mut panics) = (Vec::new(), Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok((trainer, loss)) => {
                    trainers.push(trainer);
                    losses.push(loss);
                }
                Err(panic) => panics.push(panic),
            }
        }
        let cause = panics.iter().position(|panic| !panic.is::<Aborted>()).unwrap_or_default();
        if !panics.is_empty() {
            resume_unwind(panics.swap_remove(cause));
        }
        let first = trainers.remove(0);
        let losses = Losses::mean(&losses, &devices[0]);
        (Self { first, others: trainers, threads, devices }, losses)
    }
}

/// What a step of one rank returns, or its panic.
type StepResult<T> = Result<(T, Losses), Box<dyn Any + Send>>;

/// One step of one rank.
type StepTask<T> = Box<dyn FnOnce() -> (T, Losses) + Send>;

/// The thread of one rank, the same for all of its steps.
struct RankThread<T> {
    tasks: Sender<StepTask<T>>,
    results: Receiver<StepResult<T>>,
    /// The rank's part of the processor's cores: what it computes on several threads stays among these. The
    /// rank itself is one of them.
    _pool: rayon::ThreadPool,
}

impl<T: Send + 'static> RankThread<T> {
    fn new(rank: usize, count: usize) -> Result<Self, TrainError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads((rayon::current_num_threads() / count).max(1))
            .thread_name(move |thread| format!("device {rank}, thread {thread}"))
            .build()
            .map_err(|error| {
                TrainError::config(format!("device {rank} of {count} got no threads: {error}"))
            })?;
        let (tasks, to_do) = channel::<StepTask<T>>();
        let (done, results) = channel();
        pool.spawn(move || {
            for task in to_do {
                // When nobody waits any more, the channel of tasks ends too.
                let _ = done.send(catch_unwind(AssertUnwindSafe(task)));
            }
        });
        Ok(Self { tasks, results, _pool: pool })
    }

    fn send(&self, task: StepTask<T>) {
        assert!(self.tasks.send(task).is_ok(), "a device's thread has ended");
    }

    fn receive(&self) -> StepResult<T> {
        self.results.recv().unwrap_or_else(|error| Err(Box::new(error.to_string())))
    }
}
