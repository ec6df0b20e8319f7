//! PNG's chunks beside its pixels.

use crate::Loss;
use crate::metadata::{ColorSpace, Metadata};
use crate::resolution::{Resolution, Unit};

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

/// Bytes of signature and header chunk, after which other chunks may stand.
const HEADER: usize = SIGNATURE + 25;

/// Bytes that a chunk about colors has at most: eight chromaticities.
const MAX_COLOR: usize = 32;

/// Color type of a palette, and of gray without transparency.
const PALETTE: u8 = 3;
const GRAY: u8 = 0;

/// Chunks that the decoder reads or that are written anew, and those that were true of the file as it was:
/// when it was changed, and how often it has each color of its palette.
const KNOWN: [&[u8; 4]; 12] = [
    b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"tIME",
    b"hIST",
];

/// sRGB's gamma and chromaticities.
const SRGB_GAMMA: u32 = 45_455;
const SRGB_CHROMATICITIES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];

/// A chunk: its type, its data, and all its bytes.
struct Chunk<'a> {
    kind: &'a [u8],
    data: &'a [u8],
    whole: &'a [u8],
}

/// What the chunks say.
pub(crate) fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let (mut pixels_begun, mut frames, mut color_kinds) = (false, 0, Vec::new());
    for chunk in chunks(bytes) {
        match chunk.kind {
            b"IHDR" => read_header(chunk.data, &mut metadata),
            b"IDAT" => pixels_begun = true,
            // The frame whose control stands before the pixels is the picture itself.
            b"fcTL" => frames += u32::from(pixels_begun),
            b"pHYs" => metadata.resolution = resolution(chunk.data),
            b"tEXt" | b"zTXt" | b"iTXt" => metadata.lose_if(true, text(chunk.data)),
            b"gAMA" | b"cHRM" | b"sRGB" | b"cICP" | b"mDCV" | b"cLLI" => {
                // A damaged chunk, a second one and one in a wrong place are ignored by every decoder.
                let is_first = !pixels_begun && !color_kinds.contains(&chunk.kind);
                if is_first && chunk.data.len() <= MAX_COLOR && is_sound(chunk.whole) {
                    color_kinds.push(chunk.kind);
                    metadata.color_space = metadata.color_space.max(color_space(&chunk));
                    metadata.png_color.extend_from_slice(chunk.whole);
                }
            }
            kind => metadata.lose_if(!KNOWN.iter().any(|known| *known == kind), Loss::Other),
        }
    }
    // Beside sRGB, gamma and chromaticities repeat it for old decoders.
    if color_kinds.contains(&&b"sRGB"[..]) && metadata.color_space == ColorSpace::Calibrated {
        metadata.color_space = ColorSpace::Default;
    }
    metadata.lose_if(frames > 0, Loss::Frames(frames));
    metadata
}

/// Puts chunks into a file, after its header.
pub(crate) fn insert(png: &mut Vec<u8>, chunks: &[u8]) {
    if png.len() >= HEADER {
        png.splice(HEADER..HEADER, chunks.iter().copied());
    }
}

/// The chunk of a resolution.
pub(crate) fn resolution_chunk(resolution: Resolution) -> Vec<u8> {
    let (unit, across, down) = resolution.per_metre();
    let mut data = Vec::from(b"pHYs");
    data.extend(across.to_be_bytes());
    data.extend(down.to_be_bytes());
    data.push(u8::from(unit == Unit::Metre));
    [&[0, 0, 0, 9], &data[..], &crc(&data).to_be_bytes()].concat()
}

/// Chunks up to the end, or to where the file is damaged.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut at = SIGNATURE;
    std::iter::from_fn(move || {
        let length = usize::try_from(big_endian(bytes, at)?).ok()?;
        let whole = bytes.get(at..at.checked_add(length)?.checked_add(12)?)?;
        at += whole.len();
        Some(Chunk { kind: &whole[4..8], data: &whole[8..8 + length], whole })
    })
}

fn read_header(data: &[u8], metadata: &mut Metadata) {
    let [bits, colors] = [8, 9].map(|at| data.get(at).copied());
    metadata.lose_if(colors == Some(PALETTE), Loss::Palette);
    metadata.lose_if(colors == Some(GRAY) && bits.is_some_and(|bits| bits < 8), Loss::Bits);
}

fn resolution(data: &[u8]) -> Option<Resolution> {
    let unit = if data.get(8)? == &1 { Unit::Metre } else { Unit::None };
    Resolution::new(unit, (big_endian(data, 0)?, 1), (big_endian(data, 4)?, 1))
}

/// What a chunk of text holds: other programs put XMP and IPTC data there.
fn text(data: &[u8]) -> Loss {
    let keyword = data.split(|&byte| byte == 0).next().unwrap_or_default();
    match keyword {
        b"XML:com.adobe.xmp" => Loss::Xmp,
        b"Raw profile type iptc" | b"Raw profile type 8bim" => Loss::Iptc,
        _ => Loss::Text,
    }
}

fn color_space(chunk: &Chunk<'_>) -> ColorSpace {
    let number = |index: usize| big_endian(chunk.data, 4 * index);
    let is_srgb = match chunk.kind {
        b"gAMA" => number(0) == Some(SRGB_GAMMA),
        b"cHRM" => SRGB_CHROMATICITIES.iter().enumerate().all(|(index, &value)| number(index) == Some(value)),
        b"sRGB" => true,
        _ => return ColorSpace::CodePoints,
    };
    if is_srgb { ColorSpace::Default } else { ColorSpace::Calibrated }
}

/// Whether a chunk's checksum is right.
fn is_sound(whole: &[u8]) -> bool {
    let Some((content, checksum)) = whole.split_last_chunk() else { return false };
    content.get(4..).is_some_and(|content| crc(content) == u32::from_be_bytes(*checksum))
}

/// The checksum of type and data: CRC-32 of ISO 3309, bit by bit since these chunks are short.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

fn big_endian(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}
