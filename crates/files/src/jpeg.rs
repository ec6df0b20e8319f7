//! The header of a JPEG: how it was compressed, whether it is all there, and what else it holds.

use crate::Loss;
use crate::metadata::Metadata;
use crate::resolution::{Resolution, Unit};

/// How a JPEG was compressed, so that it can be compressed the same way again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JpegStyle {
    /// Quantization table of luma, row by row.
    pub(crate) luma: [u16; 64],
    /// Quantization table of chroma, row by row.
    pub(crate) chroma: [u16; 64],
    /// Chroma subsampling: luma samples for one of chroma, across and down.
    pub(crate) sampling: (u8, u8),
    pub(crate) progressive: bool,
}

/// Place, row by row, of each coefficient in the order of the file.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The header of a JPEG.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header {
    /// How it was compressed; `None` when the header leaves it open.
    pub(crate) style: Option<JpegStyle>,
    /// Color channels: 1 gray, 3 color, 4 CMYK; 0 when it does not say.
    pub(crate) components: u8,
    /// Why it is not read, although it is sound: what it is, and what to do.
    pub(crate) unsupported: Option<&'static str>,
    /// Whether the file goes on to its end marker. A file that is damaged before its pixels is left to the
    /// decoder, which says better what is wrong.
    pub(crate) complete: bool,
}

impl Header {
    /// Why the file is not decoded although its decoder might.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.unsupported.or((!self.complete).then_some(CUT_OFF))
    }
}

const CUT_OFF: &str = "the JPEG was cut off before its end; copy or download it again";

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const TABLES: u8 = 0xdb;
const COMMENT: u8 = 0xfe;

/// Kinds of JPEG that no decoder here reads.
const TWELVE_BITS: &str = "it is a JPEG of 12 bits a channel, which is not read; convert it to PNG or TIFF";
const LOSSLESS: &str = "it is a lossless or hierarchical JPEG, which is not read; convert it to PNG";
const ARITHMETIC: &str =
    "it is a JPEG with arithmetic coding, which is not read; convert it to PNG or baseline JPEG";

/// One component of a frame: sampling across and down, and the number of its table.
type Component = ((u8, u8), u8);

/// Reads a JPEG's header.
pub(crate) fn header(bytes: &[u8]) -> Header {
    let mut tables: [Option<[u16; 64]>; 4] = [None; 4];
    let (mut components, mut progressive, mut unsupported) = (Vec::<Component>::new(), false, None);
    let mut complete = true;
    for (marker, segment, after) in segments(bytes) {
        match marker {
            TABLES => read_tables(segment, &mut tables),
            0xc0..=0xc2 => {
                (components, progressive) = (read_components(segment), marker == 0xc2);
                unsupported = (segment.first() == Some(&12)).then_some(TWELVE_BITS);
            }
            0xc3 | 0xc5..=0xc7 => unsupported = Some(LOSSLESS),
            0xc9..=0xcb | 0xcd..=0xcf => unsupported = Some(ARITHMETIC),
            START_OF_SCAN => {
                // Inside pixel data every FF is followed by 00 or a restart marker, so the end marker cannot
                // occur there by chance. It mostly is at the end.
                complete = bytes[after..].windows(2).rev().any(|pair| pair == [0xff, END_OF_IMAGE]);
                break;
            }
            _ => {}
        }
    }
    let table = |component: Option<&Component>| tables.get(usize::from(component?.1)).copied().flatten();
    let style = table(components.first()).map(|luma| {
        let chroma = components.get(1);
        let sampling = match (components.first(), chroma) {
            (Some(&((across, down), _)), Some(&((1, 1), _))) => (across, down),
            _ => (1, 1),
        };
        JpegStyle { luma, chroma: table(chroma).unwrap_or(luma), sampling, progressive }
    });
    Header { style, components: components.len() as u8, unsupported, complete }
}

/// Marker, content, and where what follows begins, of each segment up to the first scan, which counts as
/// empty.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8], usize)> {
    let mut at = 2; // after the start-of-image marker
    std::iter::from_fn(move || {
        loop {
            let (first, marker) = (*bytes.get(at)?, *bytes.get(at + 1)?);
            match (first, marker) {
                (0xff, 0xff) => at += 1,               // a fill byte
                (0xff, 0x01 | 0xd0..=0xd7) => at += 2, // markers without a segment
                (0xff, START_OF_SCAN) => {
                    at += 2;
                    return Some((marker, &bytes[..0], at));
                }
                (0xff, _) => {
                    let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
                    let segment = bytes.get(at + 4..at + 2 + length)?;
                    at += 2 + length;
                    return Some((marker, segment, at));
                }
                _ => return None,
            }
        }
    })
}

/// A segment of tables: for each, depth and number in one byte, then 64 values of one or two bytes.
fn read_tables(mut segment: &[u8], tables: &mut [Option<[u16; 64]>; 4]) {
    while let Some((&precision_and_id, rest)) = segment.split_first() {
        let wide = precision_and_id >> 4 != 0;
        let Some((values, rest)) = rest.split_at_checked(if wide { 128 } else { 64 }) else { return };
        let mut table = [0; 64];
        for (order, &place) in ZIGZAG.iter().enumerate() {
            table[place] = if wide {
                u16::from_be_bytes([values[2 * order], values[2 * order + 1]])
            } else {
                u16::from(values[order])
            };
        }
        if let Some(slot) = tables.get_mut(usize::from(precision_and_id & 15)) {
            *slot = Some(table);
        }
        segment = rest;
    }
}

/// A frame's components: after depth, height, width and their number, three bytes each.
fn read_components(segment: &[u8]) -> Vec<Component> {
    let components = segment.get(6..).unwrap_or_default().as_chunks::<3>().0;
    components.iter().map(|&[_, sampling, table]| ((sampling >> 4, sampling & 15), table)).collect()
}

/// What the segments say.
pub(crate) fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    for (marker, segment, after) in segments(bytes) {
        match marker {
            0xe0 => read_jfif(segment, &mut metadata),
            // EXIF data and color profile are read by the decoder, Adobe's and Ducky's segments say how it
            // was compressed, and MPF's where further images are, which follow the picture.
            0xe1 if segment.starts_with(b"Exif\0") => {}
            0xe1 if segment.starts_with(b"http://ns.adobe.com/x") => metadata.lose_if(true, Loss::Xmp),
            0xe2 if segment.starts_with(b"ICC_PROFILE\0") || segment.starts_with(b"MPF\0") => {}
            0xec if segment.starts_with(b"Ducky") => {}
            0xed if segment.starts_with(b"Photoshop 3.0\0") => metadata.lose_if(true, Loss::Iptc),
            0xee if segment.starts_with(b"Adobe") => {}
            0xe1..=0xef => metadata.lose_if(true, Loss::Other),
            COMMENT => metadata.lose_if(true, Loss::Comment),
            START_OF_SCAN => {
                let trailer = end(bytes, after - 2).and_then(|end| bytes.get(end..)).unwrap_or_default();
                // Some cameras fill their files up.
                metadata.lose_if(trailer.iter().any(|byte| !matches!(byte, 0 | 0xff)), Loss::Trailer);
                break;
            }
            _ => {}
        }
    }
    metadata
}

/// The first segment, which says the resolution and may hold a thumbnail.
fn read_jfif(segment: &[u8], metadata: &mut Metadata) {
    let Some(fields) = segment.strip_prefix(b"JFIF\0") else {
        metadata.lose_if(segment.starts_with(b"JFXX\0"), Loss::Thumbnail);
        metadata.lose_if(!segment.starts_with(b"JFXX\0"), Loss::Other);
        return;
    };
    let Some(&[unit, x, x_low, y, y_low]) = fields.get(2..7).and_then(|fields| fields.as_array()) else {
        return;
    };
    let unit = match unit {
        1 => Unit::Inch,
        2 => Unit::Centimetre,
        _ => Unit::None,
    };
    let number = |high, low| (u32::from(u16::from_be_bytes([high, low])), 1);
    metadata.resolution = Resolution::new(unit, number(x, x_low), number(y, y_low));
    let has_thumbnail = matches!(fields.get(7..9), Some(&[across, down]) if across > 0 && down > 0);
    metadata.lose_if(has_thumbnail, Loss::Thumbnail);
}

/// Where the image ends that has a scan at this place; `None` when it was cut off.
fn end(bytes: &[u8], scan: usize) -> Option<usize> {
    let mut at = scan;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match *bytes.get(at + 1)? {
            // Inside pixel data: an escaped FF, or a restart marker.
            0 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            END_OF_IMAGE => return Some(at + 2),
            _ => at += 2 + usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A comment that contains an end marker, a fill byte, then a scan with an escaped `FF`.
    const FILE: &[u8] = b"\xff\xd8\xff\xfe\x00\x04\xff\xd9\xff\xff\xda\x00\x02\x12\xff\x00\x34\xff\xd9";

    #[test]
    fn a_file_that_was_cut_off_is_not_complete() {
        assert!(header(FILE).complete);
        assert!((11..FILE.len()).all(|cut| !header(&FILE[..cut]).complete));
        for malformed in
            [&b""[..], b"\xff", b"\xff\xd8\xff", b"\xff\xd8\xff\xdb\xff\xff\x00", b"\xff\xd8\xff\xdb\x00\x00"]
        {
            assert!(header(malformed).complete && header(malformed).style.is_none());
        }
    }

    #[test]
    fn zigzag_goes_through_every_place_once() {
        let mut places = ZIGZAG;
        places.sort_unstable();
        assert!(places.iter().enumerate().all(|(place, &found)| place == found));
    }

    #[test]
    fn tables_and_subsampling_are_those_of_the_encoder() {
        for quality in [50, 95] {
            let mut bytes = Vec::new();
            jpeg_encoder::Encoder::new(&mut bytes, quality)
                .encode(&[90; 48], 4, 4, jpeg_encoder::ColorType::Rgb)
                .expect("encoded");
            let header = header(&bytes);
            let style = header.style.expect("tables");
            assert_eq!(header.components, 3);
            assert_eq!(style.sampling, if quality < 90 { (2, 2) } else { (1, 1) });
            if quality == 50 {
                // The first two rows of table K.1 of ITU-T T.81.
                assert_eq!(style.luma[..8], [16, 11, 10, 16, 24, 40, 51, 61]);
                assert_eq!(style.luma[8..16], [12, 12, 14, 19, 26, 58, 60, 55]);
            }
        }
    }
}
