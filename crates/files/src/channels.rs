//! The channels of an image: interleaved samples split into colors and alpha, and joined again.

use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage,
};

/// An image of 16 bits a channel.
type Rgb16Image = ImageBuffer<Rgb<u16>, Vec<u16>>;

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

/// An image whose colors and alpha are apart.
pub(crate) struct Channels {
    pub(crate) pixels: Pixels,
    pub(crate) alpha: Option<Alpha>,
    pub(crate) gray: bool,
}

/// Colours, transparency and grayness of a image of 8 or 16 bits; `None` for any other.
pub(crate) fn split(image: DynamicImage) -> Option<Channels> {
    let (width, height) = (image.width(), image.height());
    let channels = usize::from(image.color().channel_count());
    let gray = !image.color().has_color();
    let eight = |samples: Vec<u8>| {
        let (colors, alpha) = deinterleave(samples, channels);
        Some((Pixels::Eight(RgbImage::from_raw(width, height, colors)?), alpha.map(Alpha::Eight)))
    };
    let sixteen = |samples: Vec<u16>| {
        let (colors, alpha) = deinterleave(samples, channels);
        Some((Pixels::Sixteen(Rgb16Image::from_raw(width, height, colors)?), alpha.map(Alpha::Sixteen)))
    };
    let (pixels, alpha) = match image {
        DynamicImage::ImageLuma8(buffer) => eight(buffer.into_raw()),
        DynamicImage::ImageLumaA8(buffer) => eight(buffer.into_raw()),
        DynamicImage::ImageRgb8(buffer) => eight(buffer.into_raw()),
        DynamicImage::ImageRgba8(buffer) => eight(buffer.into_raw()),
        DynamicImage::ImageLuma16(buffer) => sixteen(buffer.into_raw()),
        DynamicImage::ImageLumaA16(buffer) => sixteen(buffer.into_raw()),
        DynamicImage::ImageRgb16(buffer) => sixteen(buffer.into_raw()),
        DynamicImage::ImageRgba16(buffer) => sixteen(buffer.into_raw()),
        _ => None,
    }?;
    Some(Channels { pixels, alpha, gray })
}

/// The image that the channels make: gray or colour, with or without transparency, of the pixels' depth.
/// `None` only when they differ in size.
pub(crate) fn join(pixels: &Pixels, alpha: Option<&Alpha>, gray: bool) -> Option<DynamicImage> {
    let (width, height) = pixels.dimensions();
    Some(match (pixels, alpha) {
        (Pixels::Eight(colors), alpha) => {
            let alpha = match alpha {
                Some(Alpha::Eight(alpha)) => Some(alpha.as_slice()),
                Some(Alpha::Sixteen(_)) => return None,
                None => None,
            };
            let samples = interleave(colors.as_raw(), alpha, gray, |rgb| luminance(rgb.map(u64::from)) as u8);
            match (gray, alpha.is_some()) {
                (true, false) => GrayImage::from_raw(width, height, samples)?.into(),
                (true, true) => GrayAlphaImage::from_raw(width, height, samples)?.into(),
                (false, false) => RgbImage::from_raw(width, height, samples)?.into(),
                (false, true) => RgbaImage::from_raw(width, height, samples)?.into(),
            }
        }
        (Pixels::Sixteen(colors), alpha) => {
            let alpha = match alpha {
                Some(Alpha::Sixteen(alpha)) => Some(alpha.as_slice()),
                Some(Alpha::Eight(_)) => return None,
                None => None,
            };
            let samples =
                interleave(colors.as_raw(), alpha, gray, |rgb| luminance(rgb.map(u64::from)) as u16);
            match (gray, alpha.is_some()) {
                (true, false) => ImageBuffer::<Luma<u16>, _>::from_raw(width, height, samples)?.into(),
                (true, true) => ImageBuffer::<LumaA<u16>, _>::from_raw(width, height, samples)?.into(),
                (false, false) => Rgb16Image::from_raw(width, height, samples)?.into(),
                (false, true) => ImageBuffer::<Rgba<u16>, _>::from_raw(width, height, samples)?.into(),
            }
        }
    })
}

/// Red, green and blue of each pixel, and its transparency where there is one.
fn deinterleave<T: Copy>(samples: Vec<T>, channels: usize) -> (Vec<T>, Option<Vec<T>>) {
    let pixels = samples.chunks_exact(channels);
    match channels {
        1 => (samples.iter().flat_map(|&gray| [gray; 3]).collect(), None),
        2 => (pixels.clone().flat_map(|p| [p[0]; 3]).collect(), Some(pixels.map(|p| p[1]).collect())),
        4 => {
            (pixels.clone().flat_map(|p| [p[0], p[1], p[2]]).collect(), Some(pixels.map(|p| p[3]).collect()))
        }
        _ => (samples, None),
    }
}

fn interleave<T: Copy>(
    colors: &[T],
    alpha: Option<&[T]>,
    gray: bool,
    luminance: impl Fn([T; 3]) -> T,
) -> Vec<T> {
    let pixels = colors.as_chunks::<3>().0.iter().copied();
    match (gray, alpha) {
        (true, None) => pixels.map(luminance).collect(),
        (true, Some(alpha)) => pixels.zip(alpha).flat_map(|(rgb, &alpha)| [luminance(rgb), alpha]).collect(),
        (false, None) => colors.to_vec(),
        (false, Some(alpha)) => pixels.zip(alpha).flat_map(|([r, g, b], &alpha)| [r, g, b, alpha]).collect(),
    }
}

/// Rec. 709 luminance, rounded down; equal channels give their own value.
fn luminance([red, green, blue]: [u64; 3]) -> u64 {
    (2126 * red + 7152 * green + 722 * blue) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_color_type_comes_back_bit_for_bit() {
        let bytes = |count: u32| (0..count * 15).map(|i| (i * 37 % 256) as u8).collect::<Vec<u8>>();
        let words = |count: u32| (0..count * 15).map(|i| (i * 4111 % 65536) as u16).collect::<Vec<u16>>();
        let images: [DynamicImage; 8] = [
            GrayImage::from_raw(5, 3, bytes(1)).expect("size").into(),
            GrayAlphaImage::from_raw(5, 3, bytes(2)).expect("size").into(),
            RgbImage::from_raw(5, 3, bytes(3)).expect("size").into(),
            RgbaImage::from_raw(5, 3, bytes(4)).expect("size").into(),
            ImageBuffer::<Luma<u16>, _>::from_raw(5, 3, words(1)).expect("size").into(),
            ImageBuffer::<LumaA<u16>, _>::from_raw(5, 3, words(2)).expect("size").into(),
            Rgb16Image::from_raw(5, 3, words(3)).expect("size").into(),
            ImageBuffer::<Rgba<u16>, _>::from_raw(5, 3, words(4)).expect("size").into(),
        ];
        for image in images {
            let Channels { pixels, alpha, gray } = split(image.clone()).expect("8 or 16 bits");
            assert_eq!(pixels.dimensions(), (5, 3));
            let joined = join(&pixels, alpha.as_ref(), gray).expect("same size");
            assert_eq!((joined.color(), joined.as_bytes()), (image.color(), image.as_bytes()));
        }
    }

    #[test]
    fn every_gray_is_its_own_luminance() {
        assert!((0..=65_535).all(|gray| luminance([gray; 3]) == gray));
    }
}
