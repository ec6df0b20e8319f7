//! BMP's header beside its pixels.

use crate::Loss;
use crate::metadata::Metadata;
use crate::resolution::{Resolution, Unit};

/// Where the header says its own length, which is of the oldest kind when it has 12 bytes; bits of a pixel,
/// there and in all other headers; pixels of a metre, across and down; and the kind of color space.
const HEADER_LENGTH: usize = 14;
const OLDEST_BITS: usize = 24;
const BITS: usize = 28;
const PER_METRE: [usize; 2] = [38, 42];
const COLOR_SPACE: usize = 70;

/// Lengths of the oldest header, of the first with a resolution, and of the one that may have a profile.
const OLDEST: u32 = 12;
const WITH_RESOLUTION: u32 = 40;
const WITH_PROFILE: u32 = 124;

/// What the header says.
pub(crate) fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let long =
        |at: usize| bytes.get(at..at + 4).and_then(|value| value.try_into().ok()).map(u32::from_le_bytes);
    let Some(length) = long(HEADER_LENGTH) else { return metadata };
    let bits = bytes.get(if length == OLDEST { OLDEST_BITS } else { BITS });
    metadata.lose_if(bits.is_some_and(|&bits| bits <= 8), Loss::Palette);
    if length >= WITH_RESOLUTION {
        // With a sign, although no picture has a negative number of pixels.
        let pixels = PER_METRE.map(|at| long(at).filter(|&pixels| i32::try_from(pixels).is_ok()));
        if let [Some(across), Some(down)] = pixels {
            metadata.resolution = Resolution::new(Unit::Metre, (across, 1), (down, 1));
        }
    }
    let has_profile = matches!(bytes.get(COLOR_SPACE..COLOR_SPACE + 4), Some(b"DEBM" | b"KNIL"));
    metadata.lose_if(length >= WITH_PROFILE && has_profile, Loss::Profile);
    metadata
}

/// Sets the resolution in a file that was written; one without a unit has no place there.
pub(crate) fn set_resolution(bmp: &mut [u8], resolution: Resolution) {
    let (unit, across, down) = resolution.per_metre();
    if unit == Unit::None {
        return;
    }
    for (at, pixels) in PER_METRE.into_iter().zip([across, down]) {
        if let Some(place) = bmp.get_mut(at..at + 4) {
            place.copy_from_slice(&pixels.min(i32::MAX as u32).to_le_bytes());
        }
    }
}
