//! From a photograph's parts to a file's bytes.

use std::fmt::Display;
use std::io::Cursor;

use image::codecs::bmp::BmpEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageEncoder, ImageFormat};
use jpeg_encoder::{
    ChromaSubsamplingMethod, ColorType, Encoder, EncodingError, PixelDensity, PixelDensityUnit,
    QuantizationTableType, SamplingFactor,
};

use crate::channels::{Alpha, join};
use crate::pixels::shallow;
use crate::{JpegStyle, PhotoError, Photograph, Pixels};

/// EXIF data that fit a JPEG's segment, bytes.
pub(crate) const LONGEST_EXIF: usize = 65_527;

/// Quality of a JPEG whose source was none: no loss that shows.
const QUALITY: u8 = 94;

/// The file's bytes.
pub(crate) fn encode(photo: &Photograph, format: ImageFormat) -> Result<Vec<u8>, PhotoError> {
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => return jpeg(photo),
        ImageFormat::Png => {
            let encoder =
                PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
            write(encoder, photo, &joined(&photo.pixels, photo.alpha.as_ref(), photo.grey)?, "PNG")?;
        }
        ImageFormat::Tiff => {
            // TIFF's encoder has no grey with transparency.
            let grey = photo.grey && photo.alpha.is_none();
            write(
                TiffEncoder::new(&mut bytes),
                photo,
                &joined(&photo.pixels, photo.alpha.as_ref(), grey)?,
                "TIFF",
            )?;
        }
        ImageFormat::WebP => write(WebPEncoder::new_lossless(&mut bytes), photo, &eight(photo)?, "WebP")?,
        ImageFormat::Bmp => write(BmpEncoder::new(&mut bytes), photo, &eight(photo)?, "BMP")?,
        other => {
            let reason = format!("{other:?} is not written; choose JPEG, PNG, TIFF, WebP or BMP");
            return Err(failed("this format", &reason));
        }
    }
    Ok(bytes.into_inner())
}

/// Through an encoder of `image`, with profile and EXIF data where it takes them.
fn write(
    mut encoder: impl ImageEncoder,
    photo: &Photograph,
    picture: &DynamicImage,
    format: &'static str,
) -> Result<(), PhotoError> {
    // An encoder that takes neither says so; `Photograph::losses` has told the caller.
    if let Some(profile) = &photo.icc_profile {
        let _ = encoder.set_icc_profile(profile.clone());
    }
    if let Some(exif) = &photo.exif {
        let _ = encoder.set_exif_metadata(exif.clone());
    }
    encoder
        .write_image(picture.as_bytes(), picture.width(), picture.height(), picture.color().into())
        .map_err(|error| failed(format, &error))
}

/// With the tables and the subsampling of the source, so that size and quality stay close to it.
fn jpeg(photo: &Photograph) -> Result<Vec<u8>, PhotoError> {
    let refused = |error: EncodingError| failed("JPEG", &error);
    let (width, height) = photo.dimensions();
    let (Ok(short_width), Ok(short_height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(failed(
            "JPEG",
            &format!("{width}x{height} is more than 65535 pixels a side; write a PNG"),
        ));
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    if let Some(style) = &photo.jpeg {
        apply(style, &mut encoder);
    }
    if let Some(exif) = photo.exif.as_ref().filter(|exif| exif.len() <= LONGEST_EXIF) {
        encoder.add_exif_metadata(exif).map_err(refused)?;
    }
    if let Some(profile) = &photo.icc_profile {
        encoder.add_icc_profile(profile).map_err(refused)?;
    }
    let picture = joined(&over_white(photo), None, photo.grey)?;
    let colours = if photo.grey { ColorType::Luma } else { ColorType::Rgb };
    encoder.encode(picture.as_bytes(), short_width, short_height, colours).map_err(refused)?;
    Ok(bytes)
}

fn apply(style: &JpegStyle, encoder: &mut Encoder<&mut Vec<u8>>) {
    // The encoder writes tables of bytes.
    let table =
        |table: &[u16; 64]| QuantizationTableType::Custom(Box::new(table.map(|value| value.clamp(1, 255))));
    encoder.set_quantization_tables(table(&style.luma), table(&style.chroma));
    let (across, down) = style.sampling;
    encoder
        .set_sampling_factor(SamplingFactor::from_factors(across, down).unwrap_or(SamplingFactor::R_4_4_4));
    encoder.set_progressive(style.progressive);
    // Only here: without progression this encoder writes a scan for each colour then, which `image` decodes to wrong
    // colours (jpeg-encoder 0.7.1, zune-jpeg 0.5.15).
    encoder.set_optimized_huffman_tables(style.progressive);
    let unit = |unit: u8| match unit {
        1 => Some(PixelDensityUnit::Inches),
        2 => Some(PixelDensityUnit::Centimeters),
        _ => None,
    };
    if let Some((Some(unit), across, down)) =
        style.density.map(|(code, across, down)| (unit(code), across, down))
    {
        encoder.set_density(PixelDensity { density: (across, down), unit });
    }
}

/// At 8 bits a channel.
fn eight(photo: &Photograph) -> Result<DynamicImage, PhotoError> {
    let alpha = photo.alpha.as_ref().map(|alpha| Alpha::Eight(shallow_alpha(alpha)));
    match &photo.pixels {
        Pixels::Eight(_) => joined(&photo.pixels, alpha.as_ref(), photo.grey),
        Pixels::Sixteen(_) => joined(&Pixels::Eight(photo.pixels.to_eight()), alpha.as_ref(), photo.grey),
    }
}

fn shallow_alpha(alpha: &Alpha) -> Vec<u8> {
    match alpha {
        Alpha::Eight(alpha) => alpha.clone(),
        Alpha::Sixteen(alpha) => alpha.iter().map(|&value| shallow(value)).collect(),
    }
}

/// `(alpha * colour + (255 - alpha) * 255) / 255` for each channel at 8 bits, rounded to the nearest.
fn over_white(photo: &Photograph) -> Pixels {
    let mut pixels = photo.pixels.to_eight();
    if let Some(alpha) = &photo.alpha {
        for (pixel, alpha) in pixels.pixels_mut().zip(shallow_alpha(alpha)) {
            let alpha = u32::from(alpha);
            pixel.0 =
                pixel.0.map(|colour| ((alpha * u32::from(colour) + (255 - alpha) * 255 + 127) / 255) as u8);
        }
    }
    Pixels::Eight(pixels)
}

fn joined(pixels: &Pixels, alpha: Option<&Alpha>, grey: bool) -> Result<DynamicImage, PhotoError> {
    join(pixels, alpha, grey).ok_or_else(|| failed("a file", &"pixels and transparency differ in size"))
}

fn failed(format: &'static str, reason: &dyn Display) -> PhotoError {
    PhotoError::Encode { format, reason: reason.to_string() }
}
