//! EXIF data after the image was turned upright and changed.

use image::metadata::Orientation;

/// Some writers put this before the data, although only JPEG has it there.
const PREFIX: &[u8] = b"Exif\0\0";

/// Pairs of tags whose values change places when width and height do: the picture's sides in the first
/// directory, and in the EXIF directory.
const SIDES: [(u16, u16); 2] = [(0x100, 0x101), (0xa002, 0xa003)];

/// Tag of the place of the EXIF directory.
const EXIF_DIRECTORY: u16 = 0x8769;

/// Tags of place and length of the thumbnail, in the second directory.
const THUMBNAIL: (u16, u16) = (0x201, 0x202);

/// The data without a prefix that does not belong to them.
pub(crate) fn without_prefix(mut exif: Vec<u8>) -> Vec<u8> {
    if exif.starts_with(PREFIX) {
        exif.drain(..PREFIX.len());
    }
    exif
}

/// Makes EXIF data say what is true of the upright image: orientation 1, sides exchanged when it was turned
/// by a right angle, and no thumbnail. Data that cannot be understood stay as they are.
pub(crate) fn make_upright(exif: &mut [u8], applied: Orientation) {
    // Nothing to do where there is no orientation.
    let _ = Orientation::remove_from_exif_chunk(exif);
    let Some(order) = Order::of(exif) else { return };
    let Some(first) = order.long(exif, 4) else { return };
    if exchanges_sides(applied) {
        let second = entry(exif, order, first, EXIF_DIRECTORY).and_then(|at| order.long(exif, at + 8));
        for directory in [Some(first), second].into_iter().flatten() {
            for (width, height) in SIDES {
                exchange(exif, order, directory, width, height);
            }
        }
    }
    // Without its thumbnail the second directory has no purpose.
    drop_thumbnail(exif, order, first);
}

/// Whether width and height change places.
pub(crate) fn exchanges_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// Which byte of a number comes first.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(exif: &[u8]) -> Option<Self> {
        match exif.get(..4)? {
            b"II*\0" => Some(Self::Little),
            b"MM\0*" => Some(Self::Big),
            _ => None,
        }
    }

    fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    fn long(self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let value = match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        };
        usize::try_from(value).ok()
    }
}

/// Where a directory's entry with this tag begins: tag, type, count, value; 12 bytes.
fn entry(exif: &[u8], order: Order, directory: usize, tag: u16) -> Option<usize> {
    let count = usize::from(order.short(exif, directory)?);
    (0..count).map(|index| directory + 2 + 12 * index).find(|&at| order.short(exif, at) == Some(tag))
}

/// Exchanges type, count and value of two entries.
fn exchange(exif: &mut [u8], order: Order, directory: usize, one: u16, other: u16) {
    let (Some(one), Some(other)) = (entry(exif, order, directory, one), entry(exif, order, directory, other))
    else {
        return;
    };
    if one.max(other) + 12 <= exif.len() {
        for byte in 2..12 {
            exif.swap(one + byte, other + byte);
        }
    }
}

/// Takes the second directory out of the chain, and blanks the thumbnail.
fn drop_thumbnail(exif: &mut [u8], order: Order, first: usize) -> Option<()> {
    let link = first + 2 + 12 * usize::from(order.short(exif, first)?);
    let second = order.long(exif, link)?;
    if second == 0 {
        return None;
    }
    let value = |exif: &[u8], tag| entry(exif, order, second, tag).and_then(|at| order.long(exif, at + 8));
    if let (Some(place), Some(length)) = (value(exif, THUMBNAIL.0), value(exif, THUMBNAIL.1))
        && let Some(thumbnail) = exif.get_mut(place..place.saturating_add(length))
    {
        thumbnail.fill(0);
    }
    exif.get_mut(link..link + 4)?.fill(0);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Little-endian EXIF: orientation 6, sides 30x20, an EXIF directory with the same sides, a thumbnail of
    /// 4 bytes.
    pub(crate) fn sample() -> Vec<u8> {
        let short = |tag: u16, value: u16| {
            let mut entry = [0; 12];
            entry[..2].copy_from_slice(&tag.to_le_bytes());
            entry[2] = 3;
            entry[4] = 1;
            entry[8..10].copy_from_slice(&value.to_le_bytes());
            entry
        };
        let second = 8 + 2 + 4 * 12 + 4;
        let third = second + 2 + 2 * 12 + 4;
        let thumbnail = third + 2 + 2 * 12 + 4;
        let mut exif = b"II*\0\x08\0\0\0\x04\0".to_vec();
        for (tag, value) in [(0x100, 30), (0x101, 20), (0x112, 6), (EXIF_DIRECTORY, second as u16)] {
            exif.extend(short(tag, value));
        }
        exif.extend([third as u8, 0, 0, 0, 2, 0]);
        exif.extend(short(0xa002, 30));
        exif.extend(short(0xa003, 20));
        exif.extend([0, 0, 0, 0, 2, 0]);
        exif.extend(short(THUMBNAIL.0, thumbnail as u16));
        exif.extend(short(THUMBNAIL.1, 4));
        exif.extend([0, 0, 0, 0]);
        exif.extend(*b"seen");
        exif
    }

    fn value(exif: &[u8], directory: usize, tag: u16) -> Option<u16> {
        Order::Little.short(exif, entry(exif, Order::Little, directory, tag)? + 8)
    }

    #[test]
    fn a_rotated_image_exchanges_its_sides_and_loses_its_thumbnail() {
        let mut exif = sample();
        let before = exif.len();
        make_upright(&mut exif, Orientation::Rotate90);
        assert_eq!(exif.len(), before);
        assert_eq!(Orientation::from_exif_chunk(&exif), Some(Orientation::NoTransforms));
        assert_eq!((value(&exif, 8, 0x100), value(&exif, 8, 0x101)), (Some(20), Some(30)));
        assert_eq!((value(&exif, 62, 0xa002), value(&exif, 62, 0xa003)), (Some(20), Some(30)));
        assert_eq!(Order::Little.long(&exif, 58), Some(0), "no second directory");
        assert!(exif.ends_with(&[0; 4]), "no thumbnail");
    }

    #[test]
    fn an_upright_image_keeps_its_sides() {
        let mut exif = sample();
        make_upright(&mut exif, Orientation::NoTransforms);
        assert_eq!((value(&exif, 8, 0x100), value(&exif, 8, 0x101)), (Some(30), Some(20)));
    }

    proptest! {
        #[test]
        fn damaged_data_cause_no_panic(at in 0_usize..128, value: u8, cut in 0_usize..140) {
            let mut exif = sample();
            let at = at % exif.len();
            exif[at] = value;
            exif.truncate(cut);
            let length = exif.len();
            make_upright(&mut exif, Orientation::Rotate90);
            prop_assert_eq!(exif.len(), length);
        }
    }
}
