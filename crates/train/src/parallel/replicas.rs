//! A learner on every device, and the threads that they learn in.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

use burn::tensor::{Device, Tensor};
use context_encoder_data::{InpaintingBatch, Sample};
use context_encoder_loss::{DiscriminatorLoss, GeneratorLoss};

use super::{Devices, Seat, meeting::Abandoned};
use crate::{StepTerms, TrainError, recipe::Learn};

/// A learner on every device. After each step they are the same; on devices of different kinds, but for the rounding of
/// Adam's arithmetic.
pub(crate) struct Replicas<L> {
    /// The first is the one that is measured and saved; never empty.
    first: L,
    others: Vec<L>,
    /// One for each learner, the first included; none where there is only one learner, which learns in the caller's.
    threads: Vec<Thread<L>>,
    /// The devices, with gradients.
    devices: Vec<Device>,
}

impl<L: Learn + Send + 'static> Replicas<L> {
    /// Makes a learner for each device; all must be the same.
    pub(crate) fn new(
        devices: &Devices,
        learner: impl Fn(&Device) -> Result<L, TrainError>,
    ) -> Result<Self, TrainError> {
        let (first, mut others) = (learner(devices.first())?, Vec::new());
        for device in devices.iter().skip(1) {
            others.push(learner(device)?);
        }
        let devices = devices.iter().map(|device| device.clone().without_autodiff().autodiff()).collect();
        if others.is_empty() {
            return Ok(Self { first, others, threads: Vec::new(), devices });
        }
        let mut seats = Seat::row(1 + others.len()).into_iter();
        let mut seated = |learner: L| match seats.next() {
            Some(seat) => learner.join(seat),
            None => unreachable!("there is a seat for each"),
        };
        let first = seated(first);
        let others: Vec<L> = others.into_iter().map(seated).collect();
        let threads =
            (0..=others.len()).map(|rank| Thread::new(rank, 1 + others.len())).collect::<Result<_, _>>()?;
        Ok(Self { first, others, threads, devices })
    }

    /// The learner that is measured and saved.
    pub(crate) fn first(&self) -> &L {
        &self.first
    }

    /// Changes every learner alike.
    pub(crate) fn each(&mut self, change: impl Fn(&mut L)) {
        change(&mut self.first);
        self.others.iter_mut().for_each(change);
    }

    /// One step of all of them, each on its share of the batch: that of device `r` of `N` begins with picture `r B / N`.
    /// The numbers are means over devices, on the first.
    ///
    /// # Panics
    /// When a device fails.
    pub(crate) fn step(self, batch: Vec<Sample>) -> (Self, StepTerms) {
        let Self { first, others, threads, devices } = self;
        if threads.is_empty() {
            let (first, terms) = first.step(&InpaintingBatch::from_samples(&batch, &devices[0]));
            return (Self { first, others, threads, devices }, terms);
        }
        let (batch, count) = (Arc::new(batch), threads.len());
        let learners = std::iter::once(first).chain(others);
        for (rank, (thread, learner)) in threads.iter().zip(learners).enumerate() {
            let (batch, device) = (batch.clone(), devices[rank].clone());
            thread.order(Box::new(move || {
                let share = batch.len() / count;
                let samples = &batch[rank * share..(rank + 1) * share];
                learner.step(&InpaintingBatch::from_samples(samples, &device))
            }));
        }
        // All have ended before anything is said of one: a panic sends the others home.
        let ends: Vec<End<L>> = threads.iter().map(Thread::end).collect();
        let (mut learners, mut terms, mut panics) = (Vec::new(), Vec::new(), Vec::new());
        for end in ends {
            match end {
                Ok((learner, term)) => {
                    learners.push(learner);
                    terms.push(term);
                }
                Err(panic) => panics.push(panic),
            }
        }
        let place = panics.iter().position(|panic| !panic.is::<Abandoned>()).unwrap_or_default();
        if !panics.is_empty() {
            resume_unwind(panics.swap_remove(place));
        }
        let first = learners.remove(0);
        let terms = mean_terms(&terms, &devices[0]);
        (Self { first, others: learners, threads, devices }, terms)
    }
}

/// What a step ended with: the learner and its numbers, or a panic.
type End<L> = Result<(L, StepTerms), Box<dyn Any + Send>>;

/// One step to be made.
type Order<L> = Box<dyn FnOnce() -> (L, StepTerms) + Send>;

/// The thread of one replica, the same for all of its steps.
struct Thread<L> {
    orders: Sender<Order<L>>,
    ends: Receiver<End<L>>,
    /// The replica's share of the processor's cores: what it computes on several threads stays among these. The replica
    /// itself is one of them.
    _cores: rayon::ThreadPool,
}

impl<L: Send + 'static> Thread<L> {
    fn new(rank: usize, count: usize) -> Result<Self, TrainError> {
        let cores = rayon::ThreadPoolBuilder::new()
            .num_threads((rayon::current_num_threads() / count).max(1))
            .thread_name(move |thread| format!("device {rank}, thread {thread}"))
            .build()
            .map_err(|error| {
                TrainError::config(format!("device {rank} of {count} got no threads: {error}"))
            })?;
        let (orders, to_do) = channel::<Order<L>>();
        let (done, ends) = channel();
        cores.spawn(move || {
            for order in to_do {
                // When nobody waits any more, the channel for orders ends too.
                let _ = done.send(catch_unwind(AssertUnwindSafe(order)));
            }
        });
        Ok(Self { orders, ends, _cores: cores })
    }

    fn order(&self, order: Order<L>) {
        assert!(self.orders.send(order).is_ok(), "a device's thread has ended");
    }

    fn end(&self) -> End<L> {
        self.ends.recv().unwrap_or_else(|error| Err(Box::new(error.to_string())))
    }
}

/// The means of the devices' numbers, on one of them. Shares are equal, and a reconstruction's share is divided by the
/// whole batch's count ([`LossMask::HiddenShard`](context_encoder_loss::LossMask::HiddenShard)), so these are the whole batch's numbers.
fn mean_terms(terms: &[StepTerms], device: &Device) -> StepTerms {
    let device = device.clone().without_autodiff();
    let mean = |term: &dyn Fn(&StepTerms) -> Option<&Tensor<1>>| {
        let mut all = terms.iter().filter_map(term).map(|term| term.clone().inner().to_device(&device));
        let first = all.next()?;
        Some(all.fold(first, |sum, term| sum + term).div_scalar(terms.len() as f64))
    };
    let adversary =
        |term: fn(&DiscriminatorLoss) -> &Tensor<1>| mean(&|terms| terms.discriminator.as_ref().map(term));
    let total = mean(&|terms| Some(&terms.generator.total));
    StepTerms {
        generator: GeneratorLoss {
            reconstruction: mean(&|terms| terms.generator.reconstruction.as_ref()),
            adversarial: mean(&|terms| terms.generator.adversarial.as_ref()),
            total: total.unwrap_or_else(|| Tensor::zeros([1], &device)),
        },
        discriminator: match [adversary(|d| &d.real), adversary(|d| &d.fake), adversary(|d| &d.total)] {
            [Some(real), Some(fake), Some(total)] => Some(DiscriminatorLoss { real, fake, total }),
            _ => None,
        },
    }
}
