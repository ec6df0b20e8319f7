//! Samples as a file interleaves them, taken apart into colours and transparency, and put together again.

use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, RgbImage, Rgba, RgbaImage};

use crate::{Pixels, Rgb16Image};

/// Transparency, one value a pixel, of the depth of the colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alpha {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

/// A picture taken apart.
pub(crate) struct Channels {
    pub(crate) pixels: Pixels,
    pub(crate) alpha: Option<Alpha>,
    pub(crate) grey: bool,
}

/// Colours, transparency and greyness of a picture of 8 or 16 bits; `None` for any other.
pub(crate) fn split(picture: DynamicImage) -> Option<Channels> {
    let (width, height) = (picture.width(), picture.height());
    let channels = usize::from(picture.color().channel_count());
    let grey = !picture.color().has_color();
    let eight = |samples: Vec<u8>| {
        let (colours, alpha) = take_apart(samples, channels);
        Some((Pixels::Eight(RgbImage::from_raw(width, height, colours)?), alpha.map(Alpha::Eight)))
    };
    let sixteen = |samples: Vec<u16>| {
        let (colours, alpha) = take_apart(samples, channels);
        Some((Pixels::Sixteen(Rgb16Image::from_raw(width, height, colours)?), alpha.map(Alpha::Sixteen)))
    };
    let (pixels, alpha) = match picture {
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
    Some(Channels { pixels, alpha, grey })
}

/// The picture that the layers make: grey or colour, with or without transparency, of the pixels' depth.
/// `None` only when the layers differ in size.
pub(crate) fn join(pixels: &Pixels, alpha: Option<&Alpha>, grey: bool) -> Option<DynamicImage> {
    let (width, height) = pixels.dimensions();
    Some(match (pixels, alpha) {
        (Pixels::Eight(colours), alpha) => {
            let alpha = match alpha {
                Some(Alpha::Eight(alpha)) => Some(alpha.as_slice()),
                Some(Alpha::Sixteen(_)) => return None,
                None => None,
            };
            let samples =
                put_together(colours.as_raw(), alpha, grey, |rgb| luminance(rgb.map(u64::from)) as u8);
            match (grey, alpha.is_some()) {
                (true, false) => GrayImage::from_raw(width, height, samples)?.into(),
                (true, true) => GrayAlphaImage::from_raw(width, height, samples)?.into(),
                (false, false) => RgbImage::from_raw(width, height, samples)?.into(),
                (false, true) => RgbaImage::from_raw(width, height, samples)?.into(),
            }
        }
        (Pixels::Sixteen(colours), alpha) => {
            let alpha = match alpha {
                Some(Alpha::Sixteen(alpha)) => Some(alpha.as_slice()),
                Some(Alpha::Eight(_)) => return None,
                None => None,
            };
            let samples =
                put_together(colours.as_raw(), alpha, grey, |rgb| luminance(rgb.map(u64::from)) as u16);
            match (grey, alpha.is_some()) {
                (true, false) => ImageBuffer::<Luma<u16>, _>::from_raw(width, height, samples)?.into(),
                (true, true) => ImageBuffer::<LumaA<u16>, _>::from_raw(width, height, samples)?.into(),
                (false, false) => Rgb16Image::from_raw(width, height, samples)?.into(),
                (false, true) => ImageBuffer::<Rgba<u16>, _>::from_raw(width, height, samples)?.into(),
            }
        }
    })
}

/// Red, green and blue of each pixel, and its transparency where there is one.
fn take_apart<T: Copy>(samples: Vec<T>, channels: usize) -> (Vec<T>, Option<Vec<T>>) {
    let pixels = samples.chunks_exact(channels);
    match channels {
        1 => (samples.iter().flat_map(|&grey| [grey; 3]).collect(), None),
        2 => (pixels.clone().flat_map(|p| [p[0]; 3]).collect(), Some(pixels.map(|p| p[1]).collect())),
        4 => {
            (pixels.clone().flat_map(|p| [p[0], p[1], p[2]]).collect(), Some(pixels.map(|p| p[3]).collect()))
        }
        _ => (samples, None),
    }
}

fn put_together<T: Copy>(
    colours: &[T],
    alpha: Option<&[T]>,
    grey: bool,
    luminance: impl Fn([T; 3]) -> T,
) -> Vec<T> {
    let pixels = colours.as_chunks::<3>().0.iter().copied();
    match (grey, alpha) {
        (true, None) => pixels.map(luminance).collect(),
        (true, Some(alpha)) => pixels.zip(alpha).flat_map(|(rgb, &alpha)| [luminance(rgb), alpha]).collect(),
        (false, None) => colours.to_vec(),
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
    fn every_layout_comes_back_bit_for_bit() {
        let bytes = |count: u32| (0..count * 15).map(|i| (i * 37 % 256) as u8).collect::<Vec<u8>>();
        let words = |count: u32| (0..count * 15).map(|i| (i * 4111 % 65536) as u16).collect::<Vec<u16>>();
        let pictures: [DynamicImage; 8] = [
            GrayImage::from_raw(5, 3, bytes(1)).expect("size").into(),
            GrayAlphaImage::from_raw(5, 3, bytes(2)).expect("size").into(),
            RgbImage::from_raw(5, 3, bytes(3)).expect("size").into(),
            RgbaImage::from_raw(5, 3, bytes(4)).expect("size").into(),
            ImageBuffer::<Luma<u16>, _>::from_raw(5, 3, words(1)).expect("size").into(),
            ImageBuffer::<LumaA<u16>, _>::from_raw(5, 3, words(2)).expect("size").into(),
            Rgb16Image::from_raw(5, 3, words(3)).expect("size").into(),
            ImageBuffer::<Rgba<u16>, _>::from_raw(5, 3, words(4)).expect("size").into(),
        ];
        for picture in pictures {
            let Channels { pixels, alpha, grey } = split(picture.clone()).expect("8 or 16 bits");
            assert_eq!(pixels.dimensions(), (5, 3));
            let joined = join(&pixels, alpha.as_ref(), grey).expect("same size");
            assert_eq!((joined.color(), joined.as_bytes()), (picture.color(), picture.as_bytes()));
        }
    }

    #[test]
    fn every_grey_is_its_own_luminance() {
        assert!((0..=65_535).all(|grey| luminance([grey; 3]) == grey));
    }
}
