//! What happens to a value before it is written: bias and activation.

use pulp::Simd;

use super::{
    lanes::{Lanes, load},
    scratch::Buffer,
};

/// `max(v, slope v)` of `v = scale value + shift`, one scale and shift for each channel.
pub(crate) struct Finish {
    /// Scale and shift, zeros behind the last channel up to a whole register.
    affine: Option<[Buffer; 2]>,
    /// 1 changes nothing, 0 is the rectifier, in between is the leaky rectifier.
    slope: f32,
}

impl Finish {
    /// Values as they are.
    pub(crate) const NOTHING: Self = Self { affine: None, slope: 1.0 };

    /// # Panics
    /// When the slope is not within `0..=1`.
    pub(crate) fn new(affine: Option<(&[f32], &[f32])>, slope: f32) -> Self {
        assert!((0.0..=1.0).contains(&slope), "the slope below zero is {slope}, not within 0..=1");
        Self { affine: affine.map(|(scale, shift)| [whole(scale), whole(shift)]), slope }
    }

    /// A shift alone, and a slope.
    pub(crate) fn with_bias(bias: Option<&[f32]>, slope: f32) -> Self {
        let ones = bias.map(|bias| vec![1.0; bias.len()]);
        Self::new(ones.as_deref().zip(bias), slope)
    }

    /// The same for some of the channels.
    pub(crate) fn part(&self, first: usize, count: usize) -> Self {
        let part = |values: &Buffer| whole(&values[first..first + count]);
        Self { affine: self.affine.as_ref().map(|affine| affine.each_ref().map(part)), slope: self.slope }
    }

    /// Whether values stay as they are.
    pub(crate) fn is_nothing(&self) -> bool {
        self.affine.is_none() && self.slope == 1.0
    }

    /// Finishes a register of the channels of `chunk`.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&self, simd: S, value: S::f32s, chunk: usize) -> S::f32s {
        let value = match &self.affine {
            Some([scale, shift]) => {
                let at = chunk * S::F32_LANES;
                let (scale, shift) = (&scale[at..][..S::F32_LANES], &shift[at..][..S::F32_LANES]);
                // SAFETY: both slices are one register.
                unsafe { simd.mul_add_e_f32s(value, load::<S>(scale.as_ptr()), load::<S>(shift.as_ptr())) }
            }
            None => value,
        };
        if self.slope == 1.0 {
            return value;
        }
        simd.max_f32s(value, simd.mul_f32s(value, simd.splat_f32s(self.slope)))
    }

    /// Finishes values that were written without, rows of `channels`.
    pub(crate) fn apply_all(&self, values: &mut [f32], channels: usize) {
        if self.is_nothing() {
            return;
        }
        for row in values.chunks_exact_mut(channels) {
            for (channel, value) in row.iter_mut().enumerate() {
                if let Some([scale, shift]) = &self.affine {
                    *value = scale[channel].mul_add(*value, shift[channel]);
                }
                *value = value.max(self.slope * *value);
            }
        }
    }
}

/// Zeros behind the last value up to a whole register.
fn whole(values: &[f32]) -> Buffer {
    let lanes = Lanes::detect();
    let mut padded = Buffer::zeroed(lanes.chunks(values.len()) * lanes.width);
    padded[..values.len()].copy_from_slice(values);
    padded
}
