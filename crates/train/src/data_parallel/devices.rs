//! The devices of a run.

use burn::tensor::Device;
use context_encoder_model::Precision;

use crate::TrainError;

/// Fewest pictures of a device: batch norm learns nothing from one value a channel.
const FEWEST: usize = 2;

/// The devices of a run: one, or several that split every batch equally (data parallelism).
///
/// Several may be of different kinds, and one may be named more than once: two replicas on one processor
/// share its cores.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_train::Devices;
///
/// let one = Devices::from(&Device::flex());
/// let two = Devices::try_from(vec![Device::flex(), Device::flex()])?;
/// assert_eq!((one.count(), two.count()), (1, 2));
/// # Ok::<(), context_encoder_train::TrainError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Devices {
    first: Device,
    others: Vec<Device>,
}

impl From<&Device> for Devices {
    fn from(device: &Device) -> Self {
        Self { first: device.clone(), others: Vec::new() }
    }
}

impl TryFrom<Vec<Device>> for Devices {
    type Error = TrainError;

    fn try_from(devices: Vec<Device>) -> Result<Self, TrainError> {
        let mut devices = devices.into_iter();
        match devices.next() {
            Some(first) => Ok(Self { first, others: devices.collect() }),
            None => Err(TrainError::config("no device is given; name one")),
        }
    }
}

impl Devices {
    /// How many there are, at least 1.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The one that validates and saves.
    pub fn first(&self) -> &Device {
        &self.first
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Checks that a batch, and its ghost batches, can be split.
    pub(crate) fn validate(&self, batch_size: usize, ghost_batches: usize) -> Result<(), TrainError> {
        let count = self.count();
        if !ghost_batches.is_multiple_of(count) {
            return Err(TrainError::config(format!(
                "ghost_batches is {ghost_batches}, of which {count} devices cannot have equally many; write 0 or {count}, \
                 or name as many devices as divide it"
            )));
        }
        if count == 1 || (batch_size.is_multiple_of(count) && batch_size / count >= FEWEST) {
            return Ok(());
        }
        let below = (batch_size / count).max(FEWEST) * count;
        Err(TrainError::config(format!(
            "batch_size is {batch_size}, which {count} devices cannot split equally, {FEWEST} pictures or more each; \
             write {below} or {}, or name as many devices as divide it",
            below + count
        )))
    }

    /// Checks that all of them have a compute precision.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the device that does not, and what it does.
    pub fn validate_precision(&self, precision: Precision) -> Result<(), TrainError> {
        let Some(device) = self.iter().find(|device| !device.supports_dtype(precision.dtype())) else {
            return Ok(());
        };
        let supported = Precision::ALL.into_iter().filter(|other| device.supports_dtype(other.dtype()));
        let supported: Vec<&str> = supported.map(Precision::name).collect();
        Err(TrainError::config(format!(
            "precision is {precision}, in which {device:?} does not compute; write {}",
            supported.join(" or ")
        )))
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        let names: Vec<String> = self.iter().map(|device| format!("{device:?}")).collect();
        match names.as_slice() {
            [one] => one.clone(),
            several => format!("{} devices: {}", several.len(), several.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_cannot_be_split_are_refused_with_those_that_can() {
        let devices = |count| Devices::try_from(vec![Device::flex(); count]);
        assert!(devices(0).expect_err("none").to_string().contains("name one"));
        for (count, batch, ghost_batches) in [(1, 3, 0), (2, 4, 0), (3, 9, 3), (4, 64, 8)] {
            devices(count).expect("some").validate(batch, ghost_batches).expect("split equally");
        }
        for (count, batch, advice) in
            [(4, 10, "write 8 or 12"), (2, 2, "write 4 or 6"), (8, 3, "write 16 or 24")]
        {
            let error = devices(count).expect("some").validate(batch, 0).expect_err("unequal").to_string();
            assert!(error.contains(advice) && error.contains("batch_size is"), "{error}");
        }
        let error = devices(2).expect("two").validate(12, 3).expect_err("three ghost batches").to_string();
        assert!(error.contains("ghost_batches is 3") && error.contains("write 0 or 2"), "{error}");
    }
}
