//! EXIF data: after the image was turned upright and changed, and out of a TIFF file.

use image::metadata::Orientation;

use crate::directory::{FIELD, FIRST_LINK, Field, LONG, Order, fields, next_link};

/// Some writers put this before the data, although only JPEG has it there.
const PREFIX: &[u8] = b"Exif\0\0";

/// Pairs of tags whose values change places when width and height do: the picture's sides in the first
/// directory, and in the EXIF directory.
const SIDES: [(u16, u16); 2] = [(0x100, 0x101), (0xa002, 0xa003)];

/// Tags of the places of further directories: EXIF and GPS in the first, interoperability in EXIF's.
const EXIF_DIRECTORY: u16 = 0x8769;
const GPS_DIRECTORY: u16 = 0x8825;
const INTEROPERABILITY_DIRECTORY: u16 = 0xa005;

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
/// by a right angle, and no thumbnail. Data that cannot be understood stay as they are. True when there was a
/// thumbnail.
pub(crate) fn make_upright(exif: &mut [u8], applied: Orientation) -> bool {
    // Nothing to do where there is no orientation.
    let _ = Orientation::remove_from_exif_chunk(exif);
    let Some(order) = Order::of(exif) else { return false };
    let Some(first) = order.long(exif, FIRST_LINK) else { return false };
    if exchanges_sides(applied) {
        let second = entry(exif, order, first, EXIF_DIRECTORY).and_then(|at| order.long(exif, at + 8));
        for directory in [Some(first), second].into_iter().flatten() {
            for (width, height) in SIDES {
                exchange(exif, order, directory, width, height);
            }
        }
    }
    // Without its thumbnail the second directory has no purpose.
    drop_thumbnail(exif, order, first).unwrap_or(false)
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

/// Takes the second directory out of the chain, and blanks the thumbnail; true when there was one.
fn drop_thumbnail(exif: &mut [u8], order: Order, first: usize) -> Option<bool> {
    let link = next_link(exif, order, first)?;
    let second = order.long(exif, link)?;
    if second == 0 {
        return None;
    }
    let value = |exif: &[u8], tag| entry(exif, order, second, tag).and_then(|at| order.long(exif, at + 8));
    let mut found = false;
    if let (Some(place), Some(length)) = (value(exif, THUMBNAIL.0), value(exif, THUMBNAIL.1))
        && let Some(thumbnail) = exif.get_mut(place..place.saturating_add(length))
    {
        thumbnail.fill(0);
        found = true;
    }
    exif.get_mut(link..link + 4)?.fill(0);
    Some(found)
}

/// A directory of EXIF data, with those that its fields point to.
pub(crate) struct Tree<'a> {
    pub(crate) fields: Vec<Field<'a>>,
    /// Each with the tag that points to it.
    pub(crate) directories: Vec<(u16, Self)>,
}

impl<'a> Tree<'a> {
    /// The first directory of EXIF data or of a TIFF file, without fields that `is_wanted` refuses.
    pub(crate) fn read(bytes: &'a [u8], is_wanted: impl Fn(u16) -> bool) -> Option<Self> {
        let order = Order::of(bytes)?;
        let first = order.long(bytes, FIRST_LINK)?;
        // Fields and values that do not overlap cannot be longer than the file.
        let mut budget = bytes.len();
        let mut tree = Self::at(bytes, order, first, &[EXIF_DIRECTORY, GPS_DIRECTORY], &mut budget);
        tree.fields.retain(|field| is_wanted(field.tag));
        Some(tree)
    }

    fn at(bytes: &'a [u8], order: Order, at: usize, pointers: &[u16], budget: &mut usize) -> Self {
        let mut tree = Self { fields: Vec::new(), directories: Vec::new() };
        for field in fields(bytes, order, at) {
            if !pointers.contains(&field.tag) {
                if let Some(left) = budget.checked_sub(field.length().max(FIELD)) {
                    *budget = left;
                    tree.fields.push(field);
                }
                continue;
            }
            // Of several that point to one kind of directory, the first counts.
            let is_first = tree.directories.iter().all(|(tag, _)| *tag != field.tag);
            let place = field.number().filter(|_| is_first).and_then(|place| usize::try_from(place).ok());
            if let Some(place) = place {
                let below: &[u16] =
                    if field.tag == EXIF_DIRECTORY { &[INTEROPERABILITY_DIRECTORY] } else { &[] };
                tree.directories.push((field.tag, Self::at(bytes, order, place, below, budget)));
            }
        }
        tree
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.directories.iter().all(|(_, directory)| directory.is_empty())
    }

    /// As EXIF data by themselves; `None` for more than 4 GiB.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let begin: &[u8; 4] = if Order::native() == Order::Little { b"II*\0" } else { b"MM\0*" };
        let mut exif = Vec::from(*begin);
        exif.extend((FIRST_LINK as u32 + 4).to_ne_bytes());
        self.append(&mut exif)?;
        Some(exif)
    }

    /// Appends the directory, its values and what it points to; returns where it begins.
    fn append(&self, exif: &mut Vec<u8>) -> Option<u32> {
        let at = place(exif)?;
        // Each field with its value, or with the directory that it points to.
        let fields = self.fields.iter().map(|field| (field.tag, Ok(field)));
        let directories = self.directories.iter().map(|(tag, directory)| (*tag, Err(directory)));
        let mut entries: Vec<_> = fields.chain(directories).collect();
        entries.sort_by_key(|(tag, _)| *tag);
        exif.extend(u16::try_from(entries.len()).ok()?.to_ne_bytes());
        let begin = exif.len();
        // The last four bytes are the link to a next directory: there is none.
        exif.resize(begin + FIELD * entries.len() + 4, 0);
        for (index, (tag, content)) in entries.into_iter().enumerate() {
            let (kind, count, value) = match content {
                Ok(field) => (field.kind, field.count(), field.native_bytes()),
                Err(directory) => (LONG, 1, directory.append(exif)?.to_ne_bytes().to_vec()),
            };
            let mut inside = [0; 4];
            match inside.get_mut(..value.len()) {
                Some(inside) => inside.copy_from_slice(&value),
                None => {
                    inside = place(exif)?.to_ne_bytes();
                    exif.extend(value);
                }
            }
            let entry = [&tag.to_ne_bytes()[..], &kind.to_ne_bytes(), &count.to_ne_bytes(), &inside].concat();
            exif.get_mut(begin + FIELD * index..)?.get_mut(..FIELD)?.copy_from_slice(&entry);
        }
        Some(at)
    }
}

/// Where the next value or directory begins: at an even place.
fn place(exif: &mut Vec<u8>) -> Option<u32> {
    exif.resize(exif.len().next_multiple_of(2), 0);
    u32::try_from(exif.len()).ok()
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
        assert!(make_upright(&mut exif, Orientation::Rotate90), "it had a thumbnail");
        assert!(!make_upright(&mut exif.clone(), Orientation::NoTransforms), "it has none any more");
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
            // What remains of it can be taken apart and put together, without growing.
            let again = Tree::read(&exif, |_| true).and_then(|tree| tree.to_bytes());
            prop_assert!(again.is_none_or(|again| again.len() <= 2 * length + 64));
        }
    }
}
