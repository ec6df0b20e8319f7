//! TIFF's directories beside its pixels, and TIFF files written with them.

use std::collections::BTreeSet;

use crate::Loss;
use crate::directory::{FIRST_LINK, Field, Order, fields, next_link};
use crate::exif::Tree;
use crate::metadata::{AlphaKind, Metadata, TiffStyle};
use crate::resolution::{Resolution, Unit};

/// Tags that are read here.
const NEW_SUBFILE_TYPE: u16 = 254;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const SAMPLES: u16 = 277;
const ACROSS: u16 = 282;
const DOWN: u16 = 283;
const RESOLUTION_UNIT: u16 = 296;
const PREDICTOR: u16 = 317;
const SUB_DIRECTORIES: u16 = 330;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;
const XMP: u16 = 700;
const IPTC: u16 = 33_723;
const PHOTOSHOP: u16 = 34_377;
const DNG_VERSION: u16 = 50_706;

/// Compressions with loss: JPEG, old and new.
const JPEG: [u32; 2] = [6, 7];

/// How the pixels are laid out, which is written anew: true of the file that was read and not of another.
pub(crate) const LAYOUT: [u16; 42] = [
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284,
    288, 289, 296, 297, 317, 320, 322, 323, 324, 325, 338, 339, 340, 341, 347, 512, 513, 529, 530, 531, 532,
];

/// What only raw files have: directories below the first, and all that DNG defines. Some programs leave it in
/// the EXIF data of a picture that they developed, where it makes a raw file of a TIFF file.
pub(crate) fn is_of_raw_files(tag: u16) -> bool {
    tag == SUB_DIRECTORIES || (DNG_VERSION..=52_547).contains(&tag)
}

/// The color profile, which the decoder reads.
pub(crate) const PROFILE: u16 = 34_675;

/// Descriptions that EXIF data have in their first directory too: document, description, make, model,
/// software, date, artist, computer, rating, copyright, and those that Windows adds.
const DESCRIPTIONS: [u16; 17] = [
    269, 270, 271, 272, 285, 305, 306, 315, 316, 0x4746, 0x4749, 33_432, 0x9c9b, 0x9c9c, 0x9c9d, 0x9c9e,
    0x9c9f,
];

/// Directories of EXIF and GPS.
const EXIF: [u16; 2] = [0x8769, 0x8825];

/// Pages that are counted, against files whose links do not end.
const MAX_PAGES: usize = 1 << 16;

/// What the first directory says, and how many there are.
pub(crate) fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let Some((order, at)) = first(bytes) else { return metadata };
    let fields = fields(bytes, order, at);
    for field in &fields {
        match field.tag {
            XMP => metadata.lose_if(true, Loss::Xmp),
            IPTC | PHOTOSHOP => metadata.lose_if(true, Loss::Iptc),
            PROFILE => {}
            tag if LAYOUT.contains(&tag) || DESCRIPTIONS.contains(&tag) || EXIF.contains(&tag) => {}
            _ => metadata.lose_if(true, Loss::Other),
        }
    }
    let pages = further_pages(bytes, order, at);
    metadata.lose_if(pages > 0, Loss::Pages(pages));
    metadata.lose_if(number(&fields, BITS).unwrap_or(1) < 8, Loss::Bits);
    let style = style(&fields);
    let extra = find(&fields, EXTRA_SAMPLES).map_or(0, |extra| extra.numbers().count());
    metadata.lose_if(extra > usize::from(style.alpha.is_some()), Loss::Channels);
    metadata.lossy = JPEG.contains(&style.compression);
    metadata.tiff = Some(style);
    metadata.resolution = resolution(&fields);
    metadata.exif = Tree::read(bytes, |tag| DESCRIPTIONS.contains(&tag))
        .filter(|tree| !tree.is_empty())
        .and_then(|tree| tree.to_bytes());
    metadata
}

fn style(fields: &[Field<'_>]) -> TiffStyle {
    let alpha = match number(fields, EXTRA_SAMPLES) {
        Some(1) => Some(AlphaKind::Associated),
        Some(2) => Some(AlphaKind::Unassociated),
        _ => None,
    };
    let compression = number(fields, COMPRESSION).unwrap_or(1);
    TiffStyle { compression, predicted: number(fields, PREDICTOR) == Some(2), alpha }
}

/// Byte order, and where the first directory is.
fn first(bytes: &[u8]) -> Option<(Order, usize)> {
    let order = Order::of(bytes)?;
    Some((order, order.long(bytes, FIRST_LINK)?))
}

fn find<'a, 'f>(fields: &'f [Field<'a>], tag: u16) -> Option<&'f Field<'a>> {
    fields.iter().find(|field| field.tag == tag)
}

fn number(fields: &[Field<'_>], tag: u16) -> Option<u32> {
    find(fields, tag)?.number()
}

/// Directories after the first.
fn further_pages(bytes: &[u8], order: Order, first: usize) -> u32 {
    let mut seen = BTreeSet::from([first]);
    let mut at = first;
    while let Some(next) = next_link(bytes, order, at).and_then(|link| order.long(bytes, link)) {
        let is_directory = next > 0 && order.short(bytes, next).is_some_and(|count| count > 0);
        if !is_directory || seen.len() > MAX_PAGES || !seen.insert(next) {
            break;
        }
        at = next;
    }
    seen.len() as u32 - 1
}

fn resolution(fields: &[Field<'_>]) -> Option<Resolution> {
    let unit = match number(fields, RESOLUTION_UNIT) {
        Some(1) => Unit::None,
        Some(3) => Unit::Centimetre,
        _ => Unit::Inch,
    };
    Resolution::new(unit, find(fields, ACROSS)?.ratio()?, find(fields, DOWN)?.ratio()?)
}

/// Why a TIFF file is not used, although it is sound: what it is, and what to do.
pub(crate) fn refusal(bytes: &[u8]) -> Option<String> {
    let (order, at) = first(bytes)?;
    let fields = fields(bytes, order, at);
    raw_refusal(bytes, order, &fields)
        .or_else(|| color_refusal(&fields))
        .or_else(|| compression_refusal(&fields))
}

/// Color spaces of the sensor: a color filter array, and linear raw data.
const SENSOR: [u32; 2] = [32_803, 34_892];

/// Directories below the first that are looked at; raw files have a few.
const MAX_SUB_DIRECTORIES: usize = 16;

/// A camera's raw file is a TIFF file whose first image may be nothing but a preview.
fn raw_refusal(bytes: &[u8], order: Order, fields: &[Field<'_>]) -> Option<String> {
    let is_dng = find(fields, DNG_VERSION).is_some();
    let below = find(fields, SUB_DIRECTORIES);
    let is_preview = number(fields, NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 1 == 1) && below.is_some();
    let of_sensor =
        |fields: &[Field<'_>]| number(fields, PHOTOMETRIC).is_some_and(|kind| SENSOR.contains(&kind));
    let places = below.into_iter().flat_map(Field::numbers).take(MAX_SUB_DIRECTORIES);
    let sensor_below = places
        .filter_map(|place| usize::try_from(place).ok())
        .any(|place| of_sensor(&crate::directory::fields(bytes, order, place)));
    // Canon's second version stands right after the header.
    let is_canon = bytes.get(8..10) == Some(b"CR");
    if !(is_dng || is_preview || sensor_below || of_sensor(fields) || is_canon) {
        return None;
    }
    let kind = if is_dng { " (DNG)" } else { "" };
    Some(format!("it is a camera's raw file{kind}; develop it to TIFF or JPEG first"))
}

fn color_refusal(fields: &[Field<'_>]) -> Option<String> {
    let samples = number(fields, SAMPLES).unwrap_or(1);
    let bits = number(fields, BITS).unwrap_or(1);
    let format = number(fields, SAMPLE_FORMAT).unwrap_or(1);
    let photometric = number(fields, PHOTOMETRIC)?;
    let colors = match photometric {
        0 | 1 if samples > 1 => {
            let reason = "it is grey with transparency, which is not read in TIFF; convert it to RGBA or PNG";
            return Some(reason.to_owned());
        }
        3 => "a palette",
        4 => "a transparency mask",
        6 => "YCbCr",
        8..=10 => "Lab",
        0..=2 | 5 => "",
        _ => "of a kind that is unknown here",
    };
    if !colors.is_empty() {
        return Some(format!("its colours are {colors}, which is not read in TIFF; convert it to RGB"));
    }
    if format == 3 {
        return Some(
            "its colours are floating-point numbers; save it with 8 or 16 bits a channel".to_owned(),
        );
    }
    let readable = matches!(bits, 8 | 16) || (bits == 1 && photometric < 2);
    (format != 1 || !readable).then(|| {
        let sign = if format == 2 { " with a sign" } else { "" };
        format!("it has {bits} bits a channel{sign}, which is not read; save it with 8 or 16 bits a channel")
    })
}

fn compression_refusal(fields: &[Field<'_>]) -> Option<String> {
    let name = match number(fields, COMPRESSION).unwrap_or(1) {
        6 => "JPEG of the old kind",
        33_003 | 33_005 | 34_712 => "JPEG 2000",
        34_887 => "LERC",
        34_925 => "LZMA",
        50_000 => "Zstandard",
        50_001 => "WebP",
        50_002 | 52_546 => "JPEG XL",
        _ => return None,
    };
    Some(format!("it is compressed with {name}, which is not read in TIFF; save it with LZW or Deflate"))
}

/// The resolution that EXIF data name.
pub(crate) fn exif_resolution(exif: &[u8]) -> Option<Resolution> {
    let (order, at) = first(exif)?;
    resolution(&fields(exif, order, at))
}
