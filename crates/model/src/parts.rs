//! How a batch is divided for batch norm.

/// Several batches in one tensor, one after the other, and each in equal shares that are normalised each by its own
/// statistics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// Each enters the running statistics by itself, in order.
    pub(crate) batches: usize,
    /// Of each batch; they enter the running statistics together, by their mean: as on so many devices.
    pub(crate) shares: usize,
}

impl Parts {
    /// One batch, not divided.
    pub(crate) const ONE: Self = Self { batches: 1, shares: 1 };

    /// Parts in all.
    pub(crate) fn count(self) -> usize {
        self.batches * self.shares
    }
}
