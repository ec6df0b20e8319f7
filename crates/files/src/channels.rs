//! The channels of an image: interleaved samples split into colors and alpha, and joined again.

use image::buffer::ConvertBuffer;
use image::{DynamicImage, ImageBuffer, Pixel, Primitive, Rgb, RgbImage, Rgba};

/// The colors of a photograph, at the depth of its file. A gray image has three equal channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// 8 bits a channel.
    Eight(RgbImage),
    /// 16 bits a channel.
    Sixteen(ImageBuffer<Rgb<u16>, Vec<u16>>),
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
    /// use context_encoder_files::Pixels;
    /// let pixels = image::ImageBuffer::from_pixel(1, 1, image::Rgb([0_u16, 129, 65535]));
    /// assert_eq!(Pixels::Sixteen(pixels).to_eight().get_pixel(0, 0).0, [0, 1, 255]);
    /// ```
    pub fn to_eight(&self) -> RgbImage {
        match self {
            Self::Eight(pixels) => pixels.clone(),
            Self::Sixteen(pixels) => RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
                Rgb(pixels.get_pixel(x, y).0.map(to_8_bits))
            }),
        }
    }
}

/// The nearest of 0..=255 to a value of 0..=65535: 65535 is 257 times 255.
pub(crate) fn to_8_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// The alpha channel, of the depth of the colors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alpha {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Alpha {
    /// Whether each pixel is more transparent than opaque.
    pub(crate) fn transparent(&self) -> Vec<bool> {
        match self {
            Self::Eight(alpha) => alpha.iter().map(|&value| value <= u8::MAX / 2).collect(),
            Self::Sixteen(alpha) => alpha.iter().map(|&value| value <= u16::MAX / 2).collect(),
        }
    }

    /// Makes the chosen pixels opaque.
    pub(crate) fn make_opaque(&mut self, chosen: &[bool]) {
        match self {
            Self::Eight(alpha) => set_where(alpha, chosen, u8::MAX),
            Self::Sixteen(alpha) => set_where(alpha, chosen, u16::MAX),
        }
    }
}

/// The colors of an image with associated alpha, divided by it; those of a transparent pixel stay.
pub(crate) fn unassociated(pixels: &Pixels, alpha: &Alpha) -> Pixels {
    let mut pixels = pixels.clone();
    match (&mut pixels, alpha) {
        (Pixels::Eight(pixels), Alpha::Eight(alpha)) => {
            for (pixel, &alpha) in pixels.pixels_mut().zip(alpha) {
                pixel.0 = pixel.0.map(|value| divided(value.into(), alpha.into(), u8::MAX.into()) as u8);
            }
        }
        (Pixels::Sixteen(pixels), Alpha::Sixteen(alpha)) => {
            for (pixel, &alpha) in pixels.pixels_mut().zip(alpha) {
                pixel.0 = pixel.0.map(|value| divided(value.into(), alpha.into(), u16::MAX.into()) as u16);
            }
        }
        // Colors and alpha have one depth.
        _ => {}
    }
    pixels
}

/// `value * max / alpha`, rounded to the nearest, at most `max`.
fn divided(value: u64, alpha: u64, max: u64) -> u64 {
    (value * max + alpha / 2).checked_div(alpha).map_or(value, |value| value.min(max))
}

fn set_where<T: Copy>(values: &mut [T], chosen: &[bool], value: T) {
    for (place, _) in values.iter_mut().zip(chosen).filter(|(_, chosen)| **chosen) {
        *place = value;
    }
}

/// An image whose colors and alpha are apart.
pub(crate) struct Channels {
    pub(crate) pixels: Pixels,
    pub(crate) alpha: Option<Alpha>,
    pub(crate) gray: bool,
}

/// The channels of an image of 8 or 16 bits; `None` for any other.
pub(crate) fn split(image: DynamicImage) -> Option<Channels> {
    let gray = !image.color().has_color();
    let (pixels, alpha) = match image {
        DynamicImage::ImageLuma8(gray) => (Pixels::Eight(gray.convert()), None),
        DynamicImage::ImageLumaA8(gray) => (Pixels::Eight(gray.convert()), Some(Alpha::Eight(last(&gray)))),
        DynamicImage::ImageRgb8(rgb) => (Pixels::Eight(rgb), None),
        DynamicImage::ImageRgba8(rgba) => (Pixels::Eight(rgba.convert()), Some(Alpha::Eight(last(&rgba)))),
        DynamicImage::ImageLuma16(gray) => (Pixels::Sixteen(gray.convert()), None),
        DynamicImage::ImageLumaA16(gray) => {
            (Pixels::Sixteen(gray.convert()), Some(Alpha::Sixteen(last(&gray))))
        }
        DynamicImage::ImageRgb16(rgb) => (Pixels::Sixteen(rgb), None),
        DynamicImage::ImageRgba16(rgba) => {
            (Pixels::Sixteen(rgba.convert()), Some(Alpha::Sixteen(last(&rgba))))
        }
        _ => return None,
    };
    Some(Channels { pixels, alpha, gray })
}

/// The image that the channels make: gray (Rec. 709 luminance, rounded down) or color, with or without
/// transparency, of the pixels' depth. `None` only when they differ in size or depth.
pub(crate) fn join(pixels: &Pixels, alpha: Option<&Alpha>, gray: bool) -> Option<DynamicImage> {
    Some(match (pixels, alpha) {
        (Pixels::Eight(rgb), None) if gray => DynamicImage::ImageLuma8(rgb.convert()),
        (Pixels::Eight(rgb), None) => DynamicImage::ImageRgb8(rgb.clone()),
        (Pixels::Sixteen(rgb), None) if gray => DynamicImage::ImageLuma16(rgb.convert()),
        (Pixels::Sixteen(rgb), None) => DynamicImage::ImageRgb16(rgb.clone()),
        (Pixels::Eight(rgb), Some(Alpha::Eight(alpha))) => {
            let rgba = with_alpha(rgb, alpha)?;
            if gray { DynamicImage::ImageLumaA8(rgba.convert()) } else { rgba.into() }
        }
        (Pixels::Sixteen(rgb), Some(Alpha::Sixteen(alpha))) => {
            let rgba = with_alpha(rgb, alpha)?;
            if gray { DynamicImage::ImageLumaA16(rgba.convert()) } else { rgba.into() }
        }
        _ => return None,
    })
}

/// The last channel of each pixel.
fn last<P: Pixel>(image: &ImageBuffer<P, Vec<P::Subpixel>>) -> Vec<P::Subpixel> {
    image.as_raw().chunks_exact(usize::from(P::CHANNEL_COUNT)).filter_map(<[_]>::last).copied().collect()
}

fn with_alpha<T: Primitive>(
    rgb: &ImageBuffer<Rgb<T>, Vec<T>>,
    alpha: &[T],
) -> Option<ImageBuffer<Rgba<T>, Vec<T>>>
where
    Rgb<T>: Pixel<Subpixel = T>,
    Rgba<T>: Pixel<Subpixel = T>,
{
    let pixels = rgb.as_raw().as_chunks::<3>().0.iter().zip(alpha);
    let samples = pixels.flat_map(|(&[r, g, b], &alpha)| [r, g, b, alpha]).collect();
    ImageBuffer::from_raw(rgb.width(), rgb.height(), samples)
}
