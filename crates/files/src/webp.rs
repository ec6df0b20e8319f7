//! WebP's chunks beside its pixels.

use crate::Loss;
use crate::metadata::Metadata;

/// Bytes before the first chunk: `RIFF`, the file's length, `WEBP`.
const SIGNATURE: usize = 12;

/// Bytes of an animation's frame before the chunks of its pixels.
const FRAME_HEADER: usize = 16;

/// What the chunks say.
pub(crate) fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let mut frames = 0_u32;
    for (kind, data) in chunks(bytes.get(SIGNATURE..).unwrap_or_default()) {
        match kind {
            b"VP8 " => metadata.lossy = true,
            b"ANMF" => {
                frames = frames.saturating_add(1);
                // Only the first frame is read.
                let pixels = data.get(FRAME_HEADER..).unwrap_or_default();
                metadata.lossy |= frames == 1 && chunks(pixels).any(|(kind, _)| kind == b"VP8 ");
            }
            b"XMP " => metadata.lose_if(true, Loss::Xmp),
            b"VP8L" | b"VP8X" | b"ALPH" | b"ANIM" | b"ICCP" | b"EXIF" => {}
            _ => metadata.lose_if(true, Loss::Other),
        }
    }
    let further = frames.saturating_sub(1);
    metadata.lose_if(further > 0, Loss::Frames(further));
    metadata
}

/// Type and data of each chunk, up to the end or to where the file is damaged.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let header = bytes.get(at..at + 8)?;
        let length = u32::from_le_bytes(header[4..].try_into().ok()?);
        let begin = at + 8;
        let end = begin.checked_add(usize::try_from(length).ok()?)?;
        let data = bytes.get(begin..end)?;
        // Chunks of an odd length are followed by a byte that fills it up.
        at = end + (end - begin) % 2;
        Some((&header[..4], data))
    })
}
