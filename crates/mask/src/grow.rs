//! A mask grown from its rim to a number of pixels.

use crate::Mask;

impl Mask {
    /// Hides visible pixels until at least `count` are hidden, ring by ring around what is hidden.
    ///
    /// A ring is every visible pixel with a hidden neighbour above, below, left or right; of the last ring
    /// only the first pixels, row by row, are taken, so that `count` is met exactly. An empty mask grows from
    /// its middle.
    ///
    /// # Panics
    ///
    /// When the mask has fewer than `count` pixels.
    pub(crate) fn grow_to(&mut self, count: usize) {
        let area = self.hidden().len();
        assert!(count <= area, "a mask can grow to its {area} pixels, got {count}");
        let mut hidden = self.hidden_count();
        if hidden == 0 && count > 0 {
            let middle = (self.height() / 2) as usize * self.width() as usize;
            self.hide_indices(&[middle + (self.width() / 2) as usize]);
            hidden = 1;
        }
        while hidden < count {
            let mut ring = self.ring();
            ring.truncate(count - hidden);
            self.hide_indices(&ring);
            hidden += ring.len();
        }
    }

    /// The visible pixels beside a hidden one, row by row, by their place in [`hidden`](Self::hidden).
    fn ring(&self) -> Vec<usize> {
        let (flags, width) = (self.hidden(), self.width() as usize);
        (0..flags.len())
            .filter(|&index| {
                let x = index % width;
                !flags[index]
                    && ((x > 0 && flags[index - 1])
                        || (x + 1 < width && flags[index + 1])
                        || (index >= width && flags[index - width])
                        || flags.get(index + width) == Some(&true))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(mask: &Mask) -> Vec<u8> {
        mask.hidden().iter().map(|&flag| u8::from(flag)).collect()
    }

    #[test]
    fn a_pixel_grows_to_a_plus() {
        let mut mask = Mask::from_fn(3, 3, |x, y| (x, y) == (1, 1));
        mask.grow_to(3);
        assert_eq!(flags(&mask), [0, 1, 0, 1, 1, 0, 0, 0, 0]);

        let mut mask = Mask::from_fn(3, 3, |x, y| (x, y) == (1, 1));
        mask.grow_to(5);
        assert_eq!(flags(&mask), [0, 1, 0, 1, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn a_row_does_not_grow_into_the_next_one() {
        // The last pixel of the first row and the first of the second are no neighbours.
        let mut mask = Mask::from_fn(3, 2, |x, y| (x, y) == (2, 0));
        mask.grow_to(3);
        assert_eq!(flags(&mask), [0, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn an_empty_mask_grows_from_its_middle() {
        let mut mask = Mask::visible(5, 3);
        mask.grow_to(1);
        assert!(mask.is_hidden(2, 1));
        mask.grow_to(15);
        assert!(mask.is_full());
    }

    #[test]
    fn a_mask_large_enough_stays() {
        let mut mask = Mask::from_fn(4, 4, |x, _| x < 2);
        let before = mask.clone();
        mask.grow_to(7);
        assert_eq!(mask, before);
    }

    #[test]
    #[should_panic(expected = "its 16 pixels, got 17")]
    fn growing_beyond_the_mask_is_the_callers_bug() {
        Mask::visible(4, 4).grow_to(17);
    }
}
