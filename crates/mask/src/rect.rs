//! A rectangle of whole pixels.

/// A rectangle of whole pixels: `x..x + width` by `y..y + height`, counted from the upper left corner.
///
/// ```
/// use context_encoder_mask::Rect;
///
/// let rect = Rect { x: 2, y: 1, width: 3, height: 2 };
/// assert_eq!((rect.right(), rect.bottom(), rect.area()), (5, 3, 6));
/// assert!(rect.contains(4, 2) && !rect.contains(5, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// The leftmost column inside.
    pub x: u32,
    /// The uppermost row inside.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// The first column to the right of it: `x + width`.
    pub fn right(&self) -> u32 {
        self.x + self.width
    }

    /// The first row below it: `y + height`.
    pub fn bottom(&self) -> u32 {
        self.y + self.height
    }

    /// How many pixels lie inside.
    pub fn area(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Whether the pixel at column `x`, row `y` lies inside.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        (self.x..self.right()).contains(&x) && (self.y..self.bottom()).contains(&y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_half_open() {
        let rect = Rect { x: 1, y: 1, width: 2, height: 1 };
        let inside: Vec<_> =
            (0..4).flat_map(|y| (0..4).map(move |x| (x, y))).filter(|&(x, y)| rect.contains(x, y)).collect();
        assert_eq!(inside, [(1, 1), (2, 1)]);
        assert_eq!(rect.area(), inside.len());
    }
}
