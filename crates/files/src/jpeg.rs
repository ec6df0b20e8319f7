//! The header of a JPEG: how it was compressed, and whether it is all there.

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
    /// Unit (0 none, 1 inch, 2 centimetre), dots across and down.
    pub(crate) density: Option<(u8, u16, u16)>,
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
    /// Whether the file goes on to its end marker. A file that is damaged before its pixels is left to the
    /// decoder, which says better what is wrong.
    pub(crate) complete: bool,
}

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const TABLES: u8 = 0xdb;
const JFIF: u8 = 0xe0;

/// One component of a frame: sampling across and down, and the number of its table.
type Component = ((u8, u8), u8);

/// Reads a JPEG's header.
pub(crate) fn header(bytes: &[u8]) -> Header {
    let mut tables: [Option<[u16; 64]>; 4] = [None; 4];
    let (mut components, mut progressive, mut density) = (Vec::<Component>::new(), false, None);
    let mut complete = true;
    for (marker, segment, after) in segments(bytes) {
        match marker {
            TABLES => read_tables(segment, &mut tables),
            JFIF => density = read_density(segment).or(density),
            0xc0..=0xc2 => (components, progressive) = (read_components(segment), marker == 0xc2),
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
        JpegStyle { luma, chroma: table(chroma).unwrap_or(luma), sampling, progressive, density }
    });
    Header { style, components: components.len() as u8, complete }
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

fn read_density(segment: &[u8]) -> Option<(u8, u16, u16)> {
    let fields = segment.strip_prefix(b"JFIF\0")?.get(2..7)?;
    let [unit, x, x_low, y, y_low] = *fields else { return None };
    Some((unit, u16::from_be_bytes([x, x_low]), u16::from_be_bytes([y, y_low])))
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
