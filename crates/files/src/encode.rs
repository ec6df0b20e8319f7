//! Photographs into files.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Cursor;
use std::path::Path;

use image::codecs::bmp::BmpEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageEncoder, ImageFormat, RgbaImage};
use jpeg_encoder::{
    ChromaSubsamplingMethod, ColorType, Encoder, EncodingError, PixelDensity, PixelDensityUnit,
    QuantizationTableType, SamplingFactor,
};

use crate::channels::{Alpha, join, to_8_bits, unassociated};
use crate::image_file;
use crate::jpeg::JpegStyle;
use crate::metadata::AlphaKind;
use crate::photograph::MAX_JPEG_EXIF;
use crate::resolution::Unit;
use crate::{PhotoError, Photograph, Pixels, atomic_write};
use crate::{bmp, png, tiff_writer};

/// Quality of a JPEG whose source was none: no loss that shows.
const QUALITY: u8 = 94;

impl Photograph {
    /// Writes the photograph atomically in the format of the file's name.
    ///
    /// # Errors
    /// [`PhotoError::Name`], [`PhotoError::Encode`] or [`PhotoError::Write`]; nothing is left behind then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PhotoError> {
        let format = self.format_for(&path)?;
        self.save_as(path, format)
    }

    /// As [`save`](Self::save), in a given format whatever the file's name.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub fn save_as(&self, path: impl AsRef<Path>, format: ImageFormat) -> Result<(), PhotoError> {
        let path = path.as_ref();
        let bytes = self.to_bytes(format)?;
        atomic_write(path, &bytes).map_err(|source| PhotoError::Write { path: path.to_owned(), source })
    }

    /// The file's bytes in a format.
    ///
    /// # Errors
    /// [`PhotoError::Encode`] when the format cannot hold the image.
    pub fn to_bytes(&self, format: ImageFormat) -> Result<Vec<u8>, PhotoError> {
        let mut bytes = Cursor::new(Vec::new());
        match format {
            ImageFormat::Jpeg => return jpeg(self),
            ImageFormat::Png => {
                let encoder =
                    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
                let image = joined(&straight(self), self.alpha.as_ref(), self.gray)?;
                write(encoder, self, &image, "PNG")?;
                let mut bytes = bytes.into_inner();
                let resolution = self.metadata.resolution.map(png::resolution_chunk).unwrap_or_default();
                png::insert(&mut bytes, &[&self.metadata.png_color[..], &resolution].concat());
                return Ok(bytes);
            }
            ImageFormat::Tiff => {
                // TIFF's encoder has no gray with transparency.
                let gray = self.gray && self.alpha.is_none();
                let image = joined(&self.pixels, self.alpha.as_ref(), gray)?;
                return tiff_writer::encode(self, &image).map_err(|error| failed("TIFF", &error));
            }
            ImageFormat::WebP => {
                write(WebPEncoder::new_lossless(&mut bytes), self, &eight(self, self.gray)?, "WebP")?;
            }
            ImageFormat::Bmp => {
                // Its encoder writes gray with transparency without the transparency.
                let gray = self.gray && self.alpha.is_none();
                write(BmpEncoder::new(&mut bytes), self, &eight(self, gray)?, "BMP")?;
                let mut bytes = bytes.into_inner();
                if let Some(resolution) = self.metadata.resolution {
                    bmp::set_resolution(&mut bytes, resolution);
                }
                return Ok(bytes);
            }
            other => {
                let reason = format!("{other:?} is not written; choose JPEG, PNG, TIFF, WebP or BMP");
                return Err(failed("this format", &reason));
            }
        }
        Ok(bytes.into_inner())
    }

    /// What a screen shows of it: 8 bits a channel, colors that are not multiplied by alpha, opaque where the
    /// file has no alpha channel.
    ///
    /// ```
    /// use context_encoder_files::Photograph;
    /// # let mut png = std::io::Cursor::new(Vec::new());
    /// # image::GrayImage::from_pixel(2, 1, image::Luma([7])).write_to(&mut png, image::ImageFormat::Png)?;
    /// # let png = png.into_inner();
    ///
    /// let photo = Photograph::from_bytes(&png)?; // two gray pixels
    /// assert_eq!(photo.to_rgba8()?.into_raw(), [7, 7, 7, 255, 7, 7, 7, 255]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PhotoError::Encode`] when the pixels were exchanged for others of another size or depth.
    pub fn to_rgba8(&self) -> Result<RgbaImage, PhotoError> {
        eight(self, false).map(DynamicImage::into_rgba8)
    }
}

/// Through an encoder of `image`, with profile and EXIF data where it takes them.
fn write(
    mut encoder: impl ImageEncoder,
    photo: &Photograph,
    image: &DynamicImage,
    format: &'static str,
) -> Result<(), PhotoError> {
    // An encoder that takes neither says so; `Photograph::losses` lists it.
    if let Some(profile) = &photo.icc_profile {
        let _ = encoder.set_icc_profile(profile.clone());
    }
    if let Some(exif) = &photo.exif {
        let _ = encoder.set_exif_metadata(exif.clone());
    }
    encoder
        .write_image(image.as_bytes(), image.width(), image.height(), image.color().into())
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
    if let Some(resolution) = photo.metadata.resolution {
        let (unit, across, down) = resolution.short();
        let unit = match unit {
            Unit::Inch => PixelDensityUnit::Inches,
            Unit::Centimetre => PixelDensityUnit::Centimeters,
            Unit::None | Unit::Metre => PixelDensityUnit::PixelAspectRatio,
        };
        encoder.set_density(PixelDensity { density: (across, down), unit });
    }
    if let Some(exif) = photo.exif.as_ref().filter(|exif| exif.len() <= MAX_JPEG_EXIF) {
        encoder.add_exif_metadata(exif).map_err(refused)?;
    }
    if let Some(profile) = &photo.icc_profile {
        encoder.add_icc_profile(profile).map_err(refused)?;
    }
    let image = joined(&over_white(photo), None, photo.gray)?;
    let colors = if photo.gray { ColorType::Luma } else { ColorType::Rgb };
    encoder.encode(image.as_bytes(), short_width, short_height, colors).map_err(refused)?;
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
    // Only here: without progression this encoder writes a scan for each color then, which `image` decodes
    // to wrong colors (jpeg-encoder 0.7.1, zune-jpeg 0.5.15).
    encoder.set_optimized_huffman_tables(style.progressive);
}

/// At 8 bits a channel, gray or in color.
fn eight(photo: &Photograph, gray: bool) -> Result<DynamicImage, PhotoError> {
    let alpha = photo.alpha.as_ref().map(|alpha| Alpha::Eight(alpha_8_bits(alpha)));
    match &*straight(photo) {
        pixels @ Pixels::Eight(_) => joined(pixels, alpha.as_ref(), gray),
        pixels @ Pixels::Sixteen(_) => joined(&Pixels::Eight(pixels.to_eight()), alpha.as_ref(), gray),
    }
}

/// The colors, not multiplied by alpha, as every format but TIFF has them.
fn straight(photo: &Photograph) -> Cow<'_, Pixels> {
    let kind = photo.metadata.tiff.and_then(|style| style.alpha);
    match &photo.alpha {
        Some(alpha) if kind == Some(AlphaKind::Associated) => Cow::Owned(unassociated(&photo.pixels, alpha)),
        _ => Cow::Borrowed(&photo.pixels),
    }
}

fn alpha_8_bits(alpha: &Alpha) -> Vec<u8> {
    match alpha {
        Alpha::Eight(alpha) => alpha.clone(),
        Alpha::Sixteen(alpha) => alpha.iter().map(|&value| to_8_bits(value)).collect(),
    }
}

/// At 8 bits a channel, over white where it is transparent.
fn over_white(photo: &Photograph) -> Pixels {
    let mut pixels = straight(photo).to_eight();
    if let Some(alpha) = &photo.alpha {
        for (pixel, alpha) in pixels.pixels_mut().zip(alpha_8_bits(alpha)) {
            pixel.0 = image_file::over_white(pixel.0, alpha);
        }
    }
    Pixels::Eight(pixels)
}

fn joined(pixels: &Pixels, alpha: Option<&Alpha>, gray: bool) -> Result<DynamicImage, PhotoError> {
    join(pixels, alpha, gray).ok_or_else(|| failed("a file", &"pixels and transparency differ in size"))
}

fn failed(format: &'static str, reason: &dyn Display) -> PhotoError {
    PhotoError::Encode { format, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use jpeg_encoder::SamplingFactor;

    use super::*;
    use crate::jpeg::header;

    #[test]
    fn a_jpeg_is_written_with_the_tables_of_its_source() {
        for (quality, sampling, progressive) in [
            (40, SamplingFactor::F_2_2, false),
            (75, SamplingFactor::F_2_1, true),
            (92, SamplingFactor::F_1_1, false),
        ] {
            let mut source = Vec::new();
            let mut encoder = Encoder::new(&mut source, quality);
            encoder.set_sampling_factor(sampling);
            encoder.set_progressive(progressive);
            encoder.encode(&[90; 3 * 16 * 16], 16, 16, ColorType::Rgb).expect("encoded");
            let photo = Photograph::from_bytes(&source).expect("an image");
            let written = photo.to_bytes(ImageFormat::Jpeg).expect("encoded");
            assert!(photo.jpeg.is_some());
            assert_eq!(header(&written).style, photo.jpeg);
        }
    }
}
