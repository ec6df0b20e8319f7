//! What a program changes: colours, 8 or 16 bits each.

use image::{ImageBuffer, Rgb, RgbImage};

/// A picture of 16 bits a channel.
pub type Rgb16Image = ImageBuffer<Rgb<u16>, Vec<u16>>;

/// The colours of a photograph, at the depth of its file. A grey picture has three equal channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// 8 bits a channel.
    Eight(RgbImage),
    /// 16 bits a channel.
    Sixteen(Rgb16Image),
}

impl Pixels {
    /// Width and height.
    pub fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Eight(pixels) => pixels.dimensions(),
            Self::Sixteen(pixels) => pixels.dimensions(),
        }
    }

    /// Bits a channel: 8 or 16.
    pub fn depth(&self) -> u8 {
        match self {
            Self::Eight(_) => 8,
            Self::Sixteen(_) => 16,
        }
    }

    /// The pixels at 8 bits, rounded to the nearest.
    ///
    /// ```
    /// use context_encoder_files::{Rgb16Image, Pixels};
    /// let deep = Rgb16Image::from_pixel(1, 1, image::Rgb([0, 129, 65535]));
    /// assert_eq!(Pixels::Sixteen(deep).to_eight().get_pixel(0, 0).0, [0, 1, 255]);
    /// ```
    pub fn to_eight(&self) -> RgbImage {
        match self {
            Self::Eight(pixels) => pixels.clone(),
            Self::Sixteen(pixels) => RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
                Rgb(pixels.get_pixel(x, y).0.map(shallow))
            }),
        }
    }
}

/// The nearest of 0..=255 to a value of 0..=65535: 65535 is 257 times 255.
pub(crate) fn shallow(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}
