//! TIFF's directories of fields, of which EXIF data consist too.

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// That of a file or of EXIF data with these first bytes; `None` when they are neither.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head.get(..4)? {
            b"II*\0" => Some(Self::Little),
            b"MM\0*" => Some(Self::Big),
            _ => None,
        }
    }

    /// That of this machine.
    pub(crate) fn native() -> Self {
        if cfg!(target_endian = "big") { Self::Big } else { Self::Little }
    }

    pub(crate) fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(crate) fn long(self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let value = match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        };
        usize::try_from(value).ok()
    }
}

/// Where the link to the first directory stands.
pub(crate) const FIRST_LINK: usize = 4;

/// Bytes of a field in a directory: tag, type, count, value or its place.
pub(crate) const FIELD: usize = 12;

/// Type of a 32-bit number, which the place of a directory is.
pub(crate) const LONG: u16 = 4;

/// A field of a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) tag: u16,
    /// The type of its values.
    pub(crate) kind: u16,
    order: Order,
    /// Its values, in the byte order of the file.
    value: &'a [u8],
}

impl Field<'_> {
    /// The numbers of a field of whole numbers without a sign.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        let (order, unit) = (self.order, if matches!(self.kind, 1 | 3 | 4 | 13) { self.unit() } else { 0 });
        let values = self.value.chunks_exact(if unit == 0 { usize::MAX } else { unit });
        values.filter_map(move |value| match unit {
            1 => value.first().map(|&value| u32::from(value)),
            2 => order.short(value, 0).map(u32::from),
            _ => order.long(value, 0).and_then(|value| u32::try_from(value).ok()),
        })
    }

    /// The first number.
    pub(crate) fn number(&self) -> Option<u32> {
        self.numbers().next()
    }

    /// Numerator and denominator of a fraction without a sign.
    pub(crate) fn ratio(&self) -> Option<(u32, u32)> {
        let number = |at| self.order.long(self.value, at).and_then(|value| u32::try_from(value).ok());
        (self.kind == 5).then(|| Some((number(0)?, number(4)?)))?
    }

    /// Bytes of its values.
    pub(crate) fn length(&self) -> usize {
        self.value.len()
    }

    /// How many values it has; 32 bits in a file.
    pub(crate) fn count(&self) -> u32 {
        (self.value.len() / value_bytes(self.kind).unwrap_or(1)) as u32
    }

    /// Its values in the byte order of this machine.
    pub(crate) fn native_bytes(&self) -> Vec<u8> {
        let mut bytes = self.value.to_vec();
        if self.order != Order::native() {
            bytes.chunks_exact_mut(self.unit()).for_each(<[u8]>::reverse);
        }
        bytes
    }

    /// Bytes of one number; a fraction has two.
    fn unit(&self) -> usize {
        match self.kind {
            3 | 8 => 2,
            4 | 5 | 9 | 10 | 11 | 13 => 4,
            12 => 8,
            _ => 1,
        }
    }
}

/// Bytes of one value of a type; `None` for one that TIFF does not know.
fn value_bytes(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}

/// The fields of the directory at a place; those that are damaged, or whose values lie outside the file, are
/// left out.
pub(crate) fn fields(bytes: &[u8], order: Order, at: usize) -> Vec<Field<'_>> {
    let count = usize::from(order.short(bytes, at).unwrap_or(0));
    (0..count)
        .map_while(|index| at.checked_add(2 + FIELD * index))
        .filter_map(|at| field(bytes, order, at))
        .collect()
}

fn field(bytes: &[u8], order: Order, at: usize) -> Option<Field<'_>> {
    let (tag, kind) = (order.short(bytes, at)?, order.short(bytes, at.checked_add(2)?)?);
    let length = order.long(bytes, at.checked_add(4)?)?.checked_mul(value_bytes(kind)?)?;
    let inside = at.checked_add(8)?;
    let place = if length <= 4 { inside } else { order.long(bytes, inside)? };
    Some(Field { tag, kind, order, value: bytes.get(place..place.checked_add(length)?)? })
}

/// Where the link to the directory after this one stands.
pub(crate) fn next_link(bytes: &[u8], order: Order, at: usize) -> Option<usize> {
    at.checked_add(2 + FIELD * usize::from(order.short(bytes, at)?))
}
