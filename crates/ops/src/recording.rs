//! A computation recorded on a graphics device, to be computed again in one launch.
//!
//! A training step is hundreds of launches, and a fast card is done with each before the next has been
//! prepared. What is recorded once is launched as a whole (a CUDA graph, or its like). It reads and writes
//! the very memory that it was recorded with, so everything that lasts from step to step has to stay in its
//! place: [`blend`], [`overwrite`] and [`AdamStep`](crate::AdamStep) write there inside of [`in_place`].

use std::{
    cell::Cell,
    fmt,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
};

#[cfg(feature = "cube")]
use burn::backend::{Backend, Dispatch, DispatchGraph};
use burn::tensor::{Device, Tensor};
#[cfg(feature = "cube")]
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, profiling::ProfilingLogLevel};

#[cfg(feature = "cube")]
use crate::dispatch::kernels_are_on;
use crate::dispatch::{Implementation, with_value};

thread_local! {
    static IN_PLACE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `compute` with what lasts written where it is, whoever else holds it, in this thread.
///
/// Clones of such a tensor change with it, so its owner makes sure that there are none that should not.
pub fn in_place<T>(compute: impl FnOnce() -> T) -> T {
    with_value(&IN_PLACE, true, compute)
}

/// Whether this thread computes [`in_place`].
#[cfg(feature = "cube")]
fn is_in_place() -> bool {
    IN_PLACE.get()
}

/// `(1 - weight) target + weight value` of two tensors of one shape without autodiff.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::blend;
///
/// let zero = Tensor::<1>::zeros([1], &Device::default());
/// assert_eq!(blend(zero.clone(), zero + 4.0, 0.25).into_scalar::<f32>(), 1.0);
/// ```
pub fn blend<const D: usize>(target: Tensor<D>, value: Tensor<D>, weight: f64) -> Tensor<D> {
    match Implementation::of(&target) {
        #[cfg(feature = "cube")]
        Implementation::Cube => crate::cube::blend(target, value, weight, is_in_place()),
        _ => target.mul_scalar(1.0 - weight) + value.mul_scalar(weight),
    }
}

/// The values of one tensor in the memory of another, both of one shape, in 32 bits and without autodiff;
/// where nothing can be recorded the second tensor itself.
#[allow(clippy::needless_pass_by_value, reason = "what holds the old values would hold the new ones")]
pub fn overwrite<const D: usize>(target: Tensor<D>, value: Tensor<D>) -> Tensor<D> {
    // Also where kernels are turned off since: the recorded computation reads this memory.
    match Implementation::of_device(target.device()) {
        #[cfg(feature = "cube")]
        Implementation::Cube => crate::cube::blend(target, value, 1.0, true),
        _ => value,
    }
}

/// A copy in memory of its own, of a tensor without autodiff: one that can be written [`in_place`].
pub fn copy<const D: usize>(value: Tensor<D>) -> Tensor<D> {
    match Implementation::of(&value) {
        #[cfg(feature = "cube")]
        Implementation::Cube => crate::cube::copy(value),
        _ => value.mul_scalar(1.0),
    }
}

/// What became of a computation that was to be recorded.
pub enum Recorded<T> {
    /// It is recorded, and has not been computed yet: its results hold what [`Recording::replay`] will write.
    Yes(Recording, T),
    /// The device records nothing: it was computed.
    No(T),
    /// Recording failed for this reason, and nothing was computed: neither its results nor what it would
    /// have written in place can be read any more.
    Failed(String, T),
}

/// A recorded computation.
///
/// It belongs to the thread that recorded it, as what that thread asks of the device is done in order.
pub struct Recording {
    thread: ThreadId,
    #[cfg(feature = "cube")]
    device: Device,
    #[cfg(feature = "cube")]
    graph: DispatchGraph,
}

/// A device that is ready to record; no longer when this is dropped.
pub struct ReadyToRecord {
    thread: ThreadId,
    #[cfg(feature = "cube")]
    device: Device,
    /// Until recording ends, however it does.
    #[cfg(feature = "cube")]
    open: bool,
}

impl ReadyToRecord {
    /// Records a computation, which must neither read from the device nor send something to it.
    #[cfg_attr(not(feature = "cube"), allow(unused_mut, reason = "nothing is open"))]
    pub fn record<T>(mut self, compute: impl FnOnce() -> T) -> Recorded<T> {
        #[cfg(feature = "cube")]
        if self.is_here() && Dispatch::graph_start_capture(self.device.as_dispatch()).is_ok() {
            let results = compute();
            let (thread, device) = (self.thread, self.device.clone());
            self.open = false;
            return match Dispatch::graph_stop_capture(device.as_dispatch()) {
                Ok(graph) => Recorded::Yes(Recording { thread, device, graph }, results),
                Err(error) => Recorded::Failed(error.to_string().replace("\nCaused by:\n ", ":"), results),
            };
        }
        Recorded::No(compute())
    }

    /// Whether this is the thread that records.
    pub fn is_here(&self) -> bool {
        self.thread == thread::current().id()
    }
}

/// Whether CubeCL times kernels one by one, which it cannot while it records.
#[cfg(feature = "cube")]
fn is_profiled() -> bool {
    let level = CubeClRuntimeConfig::get().profiling.logger.level;
    !matches!(level, ProfilingLogLevel::Disabled)
}

#[cfg(feature = "cube")]
impl Drop for ReadyToRecord {
    fn drop(&mut self) {
        if self.open {
            let _ = Dispatch::graph_stop_capture(self.device.as_dispatch());
        }
    }
}

impl Recording {
    /// Makes a device ready; after this the computation is run a few times as usual, so that its kernels are
    /// chosen and its memory is there, and then recorded. Nothing where there is nothing to record with.
    pub fn prepare(device: &Device) -> Option<ReadyToRecord> {
        #[cfg(feature = "cube")]
        if Implementation::of_device(device.clone()) == Implementation::Cube
            && kernels_are_on()
            && !is_profiled()
            // Recording waits for the device, which nothing in a browser may.
            && cfg!(not(target_family = "wasm"))
        {
            let (thread, device) = (thread::current().id(), device.clone().without_autodiff());
            let ready = Dispatch::graph_prepare(device.as_dispatch()).is_ok();
            return ready.then_some(ReadyToRecord { thread, device, open: true });
        }
        let _ = device;
        None
    }

    /// Computes it again, from what its inputs hold now.
    ///
    /// # Panics
    /// When the device fails, or in another thread than the one that recorded.
    pub fn replay(&self) {
        assert!(self.is_here(), "a recorded computation belongs to the thread that recorded it");
        #[cfg(feature = "cube")]
        // SAFETY: CubeCL guards the memory that was touched while recording for as long as the graph lives,
        // which is here, and one client orders all that this thread asks of the device.
        unsafe { Dispatch::graph_replay(self.device.as_dispatch(), &self.graph) }
            .expect("the device computes what it has recorded");
    }

    /// Whether this is the thread that recorded.
    pub fn is_here(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// Computes it again; a copy of one of its results, which the next time leaves alone.
    fn copy_of(&self, result: &Tensor<4>) -> Tensor<4> {
        self.replay();
        copy(result.clone())
    }
}

/// Times that a computation is run between [`Recording::prepare`] and recording it (Burn's own `capture`
/// takes as many).
pub const WARM_UP: u32 = 3;

/// Calls of a [`Replayer`] that are computed as usual, which choose kernels.
const USUAL: u32 = 2;

/// A function of one tensor without gradients and without side effects, which a graphics device records when
/// it is computed for inputs of one shape in one thread again and again. Clones are of the same function.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::Replayer;
///
/// let (replayer, one) = (Replayer::default(), Tensor::<4>::ones([1, 1, 1, 1], &Device::default()));
/// for _ in 0..8 {
///     assert_eq!(replayer.compute(one.clone(), |x| x + 1.0).into_scalar::<f32>(), 2.0);
/// }
/// ```
#[derive(Clone)]
pub struct Replayer(Arc<Mutex<Replay>>);

/// How far recording is.
enum Replay {
    /// So many calls for inputs of this shape.
    Usual(u32, [usize; 4]),
    Replaying(Box<Replayed>),
    Never,
}

/// A recorded function, with its input and its value.
struct Replayed {
    recording: Recording,
    input: Tensor<4>,
    output: Tensor<4>,
}

impl Default for Replayer {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Replay::Usual(0, [0; 4]))))
    }
}

impl fmt::Debug for Replayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replayer")
    }
}

impl Replayer {
    /// The function's value, always of the same function.
    pub fn compute(&self, x: Tensor<4>, function: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        if x.device().is_autodiff() || Implementation::of(&x).is_never_recorded() {
            return function(x);
        }
        let Ok(mut state) = self.0.lock() else { return function(x) };
        let (next, value) = match std::mem::replace(&mut *state, Replay::Never) {
            Replay::Usual(calls, dims) if dims != x.dims() || calls < USUAL => {
                let calls = if dims == x.dims() { calls + 1 } else { 1 };
                (Replay::Usual(calls, x.dims()), function(x))
            }
            Replay::Usual(..) => Replay::record(x, function),
            Replay::Replaying(replayed)
                if replayed.input.dims() == x.dims() && replayed.recording.is_here() =>
            {
                let Replayed { recording, input, output } = *replayed;
                let input = overwrite(input, x);
                let value = recording.copy_of(&output);
                (Replay::Replaying(Box::new(Replayed { recording, input, output })), value)
            }
            other => (other, function(x)),
        };
        *state = next;
        value
    }
}

impl Replay {
    /// Records the function, and computes it.
    fn record(x: Tensor<4>, function: impl Fn(Tensor<4>) -> Tensor<4>) -> (Self, Tensor<4>) {
        let device = x.device();
        let Some(ready) = Recording::prepare(&device) else { return (Self::Never, function(x)) };
        let input = copy(x.clone());
        for _ in 0..WARM_UP {
            // What nobody waits for might not be computed.
            let value = function(input.clone());
            if device.sync().is_err() {
                return (Self::Never, value);
            }
        }
        match ready.record(|| function(input.clone())) {
            Recorded::Yes(recording, output) => {
                let value = recording.copy_of(&output);
                (Self::Replaying(Box::new(Replayed { recording, input, output })), value)
            }
            Recorded::No(value) => (Self::Never, value),
            Recorded::Failed(..) => (Self::Never, function(x)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_graphics_device_nothing_is_recorded() {
        let device = Device::flex();
        let tensor = |value: f32| Tensor::<1>::from_floats([value, -value], &device);
        assert!(Recording::prepare(&device).is_none());
        let overwritten = in_place(|| overwrite(tensor(1.0), tensor(2.0)));
        overwritten.into_data().assert_eq(&tensor(2.0).into_data(), true);
        let held = tensor(4.0);
        let blended = blend(held.clone(), tensor(8.0), 0.5);
        blended.into_data().assert_eq(&tensor(6.0).into_data(), true);
        held.into_data().assert_eq(&tensor(4.0).into_data(), true);
    }
}
