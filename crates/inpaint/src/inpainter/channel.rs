//! The kinds of pixels that pictures may have.

use context_encoder_data::pixel;
use image::{ImageBuffer, Primitive, Rgb};

/// A picture of 8 or 16 bits: `RgbImage`, or `ImageBuffer<Rgb<u16>, Vec<u16>>`.
pub type Image<S> = ImageBuffer<<S as Channel>::Pixel, Vec<S>>;

/// One colour of one pixel: `u8` or `u16`, over its whole range.
///
/// Sealed: what a value means to a network is for this crate's [`pixel`] to say.
pub trait Channel: Primitive + Send + Sync + sealed::Sealed + 'static {
    /// `Rgb<Self>`.
    type Pixel: image::Pixel<Subpixel = Self> + Send + Sync;

    /// The largest value, white.
    const WHITE: f64;

    /// The value as a network sees it, in `[-1, 1]`.
    fn to_signal(self) -> f32;

    /// The nearest value to a network's, which is clamped to `[-1, 1]`.
    fn from_signal(signal: f32) -> Self;

    /// A pixel as a network sees it.
    fn signals(pixel: &Self::Pixel) -> [f32; 3];

    /// The pixel nearest to a network's.
    fn pixel(signals: [f32; 3]) -> Self::Pixel;

    /// The value as a number from 0 to [`WHITE`](Self::WHITE).
    fn level(self) -> f64;

    /// `kept` where `coverage` is 0, this value where it is 255, and the rounded mixture between.
    #[must_use]
    fn over(self, kept: Self, coverage: u8) -> Self;
}

/// The two kinds differ in their white and in the two functions that know what a value means.
macro_rules! sample {
    ($kind:ty, $white:literal, $from:path, $to:path) => {
        impl Channel for $kind {
            type Pixel = Rgb<Self>;

            const WHITE: f64 = $white;

            fn to_signal(self) -> f32 {
                $from(self)
            }

            fn from_signal(signal: f32) -> Self {
                $to(signal)
            }

            fn signals(pixel: &Rgb<Self>) -> [f32; 3] {
                pixel.0.map(Self::to_signal)
            }

            fn pixel(signals: [f32; 3]) -> Rgb<Self> {
                Rgb(signals.map(Self::from_signal))
            }

            fn level(self) -> f64 {
                f64::from(self)
            }

            fn over(self, kept: Self, coverage: u8) -> Self {
                mixture(u32::from(self), u32::from(kept), coverage) as Self
            }
        }
    };
}

sample!(u8, 255.0, pixel::from_u8, pixel::to_u8);
sample!(u16, 65_535.0, pixel::from_u16, pixel::to_u16);

fn mixture(new: u32, kept: u32, coverage: u8) -> u32 {
    let coverage = u32::from(coverage);
    (new * coverage + kept * (255 - coverage) + 127) / 255
}

mod sealed {
    /// Keeps [`Channel`](super::Channel) to this crate's kinds.
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixtures_by_hand() {
        assert_eq!([0, 128, 255].map(|coverage| 200_u8.over(100, coverage)), [100, 150, 200]);
        assert_eq!(65_535_u16.over(0, 51), 13_107);
        assert_eq!(u16::MAX.over(u16::MAX, 77), u16::MAX);
    }
}
