//! Pictures of 8 and of 16 bits.

use context_encoder_data::pixel;
use image::{ImageBuffer, Primitive, Rgb};

/// A picture of 8 or 16 bits: `RgbImage`, or `ImageBuffer<Rgb<u16>, Vec<u16>>`.
pub type Image<S> = ImageBuffer<<S as Channel>::Pixel, Vec<S>>;

/// One channel of one pixel: `u8` or `u16`, over its whole range.
///
/// Sealed: what a value means to a network is for [`context_encoder_data::pixel`] to say.
pub trait Channel: Primitive + Send + Sync + sealed::Sealed + 'static {
    /// `Rgb<Self>`.
    type Pixel: image::Pixel<Subpixel = Self> + Send + Sync;

    /// The largest value, white.
    const WHITE: f64;

    /// The value as a network takes it, in `[-1, 1]`.
    fn to_normalized(self) -> f32;

    /// The nearest value to a predicted one, which is clamped to `[-1, 1]`.
    fn from_normalized(value: f32) -> Self;

    /// A pixel as a network takes it.
    fn normalized(pixel: &Self::Pixel) -> [f32; 3];

    /// The pixel nearest to a predicted one.
    fn to_pixel(values: [f32; 3]) -> Self::Pixel;

    /// The value as a number from 0 to [`WHITE`](Self::WHITE).
    fn level(self) -> f64;

    /// Alpha compositing: `below` where `alpha` is 0, this value where it is 255, and the rounded mixture
    /// between.
    #[must_use]
    fn over(self, below: Self, alpha: u8) -> Self;
}

/// The two kinds differ in their white and in the two functions that know what a value means.
macro_rules! channel {
    ($kind:ty, $white:literal, $from:path, $to:path) => {
        impl Channel for $kind {
            type Pixel = Rgb<Self>;

            const WHITE: f64 = $white;

            fn to_normalized(self) -> f32 {
                $from(self)
            }

            fn from_normalized(value: f32) -> Self {
                $to(value)
            }

            fn normalized(pixel: &Rgb<Self>) -> [f32; 3] {
                pixel.0.map(Self::to_normalized)
            }

            fn to_pixel(values: [f32; 3]) -> Rgb<Self> {
                Rgb(values.map(Self::from_normalized))
            }

            fn level(self) -> f64 {
                f64::from(self)
            }

            fn over(self, below: Self, alpha: u8) -> Self {
                mixture(u32::from(self), u32::from(below), alpha) as Self
            }
        }
    };
}

channel!(u8, 255.0, pixel::from_u8, pixel::to_u8);
channel!(u16, 65_535.0, pixel::from_u16, pixel::to_u16);

fn mixture(above: u32, below: u32, alpha: u8) -> u32 {
    let alpha = u32::from(alpha);
    (above * alpha + below * (255 - alpha) + 127) / 255
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
    fn compositing_by_hand() {
        assert_eq!([0, 128, 255].map(|alpha| 200_u8.over(100, alpha)), [100, 150, 200]);
        assert_eq!(65_535_u16.over(0, 51), 13_107);
        assert_eq!(u16::MAX.over(u16::MAX, 77), u16::MAX);
    }
}
