//! TIFF files written.

use std::io::Cursor;

use image::DynamicImage;
use tiff::TiffResult;
use tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16};
use tiff::encoder::{
    Compression, DeflateLevel, DirectoryEncoder, Predictor, Rational, TiffEncoder, TiffKindStandard,
    TiffValue,
};
use tiff::tags::{Tag, Type};

use crate::Photograph;
use crate::directory::Field;
use crate::exif::Tree;
use crate::metadata::{AlphaKind, TiffStyle};
use crate::resolution::{Ratio, Unit};
use crate::tiff::{LAYOUT, PROFILE, exif_resolution, is_of_raw_files};

/// A TIFF file of 8 or 16 bits a channel, compressed as its source when that was a TIFF file too, with
/// profile, EXIF data and resolution.
pub(crate) fn encode(photo: &Photograph, image: &DynamicImage) -> TiffResult<Vec<u8>> {
    match image {
        DynamicImage::ImageLuma8(image) => write::<Gray8>(photo, image.dimensions(), image.as_raw(), false),
        DynamicImage::ImageLuma16(image) => write::<Gray16>(photo, image.dimensions(), image.as_raw(), false),
        DynamicImage::ImageRgb8(image) => write::<RGB8>(photo, image.dimensions(), image.as_raw(), false),
        DynamicImage::ImageRgb16(image) => write::<RGB16>(photo, image.dimensions(), image.as_raw(), false),
        DynamicImage::ImageRgba16(image) => write::<RGBA16>(photo, image.dimensions(), image.as_raw(), true),
        other => write::<RGBA8>(photo, (other.width(), other.height()), other.to_rgba8().as_raw(), true),
    }
}

fn write<C: ColorType>(
    photo: &Photograph,
    (width, height): (u32, u32),
    samples: &[C::Inner],
    has_alpha: bool,
) -> TiffResult<Vec<u8>>
where
    [C::Inner]: TiffValue,
{
    let style = photo.metadata.tiff;
    let (compression, predictor) = compression(style);
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file)?.with_compression(compression).with_predictor(predictor);
    let is_kept = |tag| !LAYOUT.contains(&tag) && tag != PROFILE && !is_of_raw_files(tag);
    let exif = photo.exif().and_then(|exif| Tree::read(exif, is_kept));
    let directories = exif.iter().flat_map(|tree| &tree.directories);
    let directories: Vec<_> = directories
        .map(|(tag, tree)| Ok((*tag, write_directory(&mut encoder, tree)?)))
        .collect::<TiffResult<_>>()?;
    let mut image = encoder.new_image::<C>(width, height)?;
    let directory = image.encoder();
    if let Some(profile) = photo.icc_profile() {
        directory.write_tag(Tag::IccProfile, profile)?;
    }
    // Alpha of every other format is unassociated.
    let alpha = style.map_or(Some(AlphaKind::Unassociated), |style| style.alpha);
    if let Some(kind) = alpha.filter(|_| has_alpha) {
        directory.write_tag(Tag::ExtraSamples, if kind == AlphaKind::Associated { 1_u16 } else { 2 })?;
    }
    // A camera's JPEG says its resolution in its EXIF data alone.
    if let Some(resolution) = photo.metadata.resolution.or_else(|| exif_resolution(photo.exif()?)) {
        let (unit, across, down) = resolution.ratios();
        let ratio = |(n, d): Ratio| Rational { n, d };
        let unit = match unit {
            Unit::None => 1_u16,
            Unit::Inch => 2,
            Unit::Centimetre | Unit::Metre => 3,
        };
        directory.write_tag(Tag::ResolutionUnit, unit)?;
        directory.write_tag(Tag::XResolution, ratio(across))?;
        directory.write_tag(Tag::YResolution, ratio(down))?;
    }
    write_fields(directory, exif.iter().flat_map(|tree| &tree.fields))?;
    for (tag, place) in directories {
        directory.write_tag(Tag::from_u16_exhaustive(tag), place)?;
    }
    image.write_data(samples)?;
    Ok(file.into_inner())
}

/// The compression of the source, where it is one without loss for photographs.
fn compression(style: Option<TiffStyle>) -> (Compression, Predictor) {
    let none = (Compression::Uncompressed, Predictor::None);
    let Some(style) = style else { return none };
    let compression = match style.compression {
        5 => Compression::Lzw,
        8 | 32_946 => Compression::Deflate(DeflateLevel::default()),
        // Its encoder takes no predictor.
        32_773 => return (Compression::Packbits, Predictor::None),
        _ => return none,
    };
    (compression, if style.predicted { Predictor::Horizontal } else { Predictor::None })
}

type Encoder<'a> = TiffEncoder<&'a mut Cursor<Vec<u8>>, TiffKindStandard>;

/// Writes a directory and those that it points to; returns its place.
fn write_directory(encoder: &mut Encoder<'_>, tree: &Tree<'_>) -> TiffResult<u32> {
    let directories: Vec<_> = tree
        .directories
        .iter()
        .map(|(tag, tree)| Ok((*tag, write_directory(encoder, tree)?)))
        .collect::<TiffResult<_>>()?;
    let mut directory = encoder.extra_directory()?;
    write_fields(&mut directory, &tree.fields)?;
    for (tag, place) in directories {
        directory.write_tag(Tag::from_u16_exhaustive(tag), place)?;
    }
    Ok(directory.finish_with_offsets()?.offset)
}

fn write_fields<'f, 'a: 'f>(
    directory: &mut DirectoryEncoder<'_, &mut Cursor<Vec<u8>>, TiffKindStandard>,
    fields: impl IntoIterator<Item = &'f Field<'a>>,
) -> TiffResult<()> {
    for field in fields {
        // All types that are read are those that TIFF has.
        if let Some(kind) = Type::from_u16(field.kind) {
            let entry = directory.write_entry_bytes(kind, &field.native_bytes())?;
            directory.extend_from(&[(Tag::from_u16_exhaustive(field.tag), entry)].into_iter().collect());
        }
    }
    Ok(())
}
