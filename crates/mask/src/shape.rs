//! One silhouette: cut from a mask, drawn into an image, grown to a number of pixels.

use crate::{Mask, Rect};

/// The fewest pixels of a shape worth keeping.
pub(crate) const MIN_PIXELS: usize = 64;

/// The longest side that a shape is kept at; larger ones are reduced.
const MAX_SIDE: u32 = 512;

/// A silhouette cut to its bounds, one bit a pixel, 1 = inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    width: u32,
    height: u32,
    /// How many bits are set.
    pixels: usize,
    /// Row by row without gaps.
    bits: Box<[u64]>,
}

/// Where and how a shape is drawn into an image.
pub(crate) struct Placement {
    /// Where the center of the shape's bounds is drawn, in pixels of the image.
    pub(crate) center: [f64; 2],
    /// Pixels of the image along one pixel of the shape.
    pub(crate) scale: f64,
    /// Cosine and sine of the angle of rotation, clockwise.
    pub(crate) rotation: [f64; 2],
    /// Whether left and right are exchanged before the rotation.
    pub(crate) mirrored: bool,
}

impl Shape {
    /// What a mask hides, as a shape; `None` when that is less than [`MIN_PIXELS`] or everything.
    pub(crate) fn cut_from(mask: &Mask) -> Option<Self> {
        if mask.is_full() {
            return None;
        }
        let bounds = mask.bounds()?;
        let [width, height] = reduced(bounds);
        // The middle of pixel `at` of `small` ones, among `large` ones.
        let source = |at: u32, small: u32, large: u32| {
            ((2 * u64::from(at) + 1) * u64::from(large) / (2 * u64::from(small))) as u32
        };
        let mut bits = vec![0; (width as usize * height as usize).div_ceil(64)];
        let mut pixels = 0;
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        for (index, (x, y)) in places.enumerate() {
            let x = bounds.x + source(x, width, bounds.width);
            let y = bounds.y + source(y, height, bounds.height);
            if mask.is_hidden(x, y) {
                bits[index / 64] |= 1 << (index % 64);
                pixels += 1;
            }
        }
        (pixels >= MIN_PIXELS).then(|| Self { width, height, pixels, bits: bits.into() })
    }

    /// How many pixels lie inside.
    pub(crate) fn pixels(&self) -> usize {
        self.pixels
    }

    /// The mask that hides this shape in an image of the given size; what lies outside is cut off.
    ///
    /// Each pixel's middle is traced back into the shape, so there are no gaps whatever the scale.
    pub(crate) fn draw(&self, placement: &Placement, width: u32, height: u32) -> Mask {
        let Placement { center: [center_x, center_y], scale, rotation: [cos, sin], mirrored } = *placement;
        let (columns, rows) = (f64::from(self.width), f64::from(self.height));
        let reach = 0.5 * scale * (columns * columns + rows * rows).sqrt();
        let mirror = if mirrored { -1.0 } else { 1.0 };
        Mask::from_fn(width, height, |x, y| {
            let (dx, dy) = (f64::from(x) + 0.5 - center_x, f64::from(y) + 0.5 - center_y);
            if dx.abs() > reach || dy.abs() > reach {
                return false;
            }
            let column = mirror * (cos * dx + sin * dy) / scale + 0.5 * columns;
            let row = (cos * dy - sin * dx) / scale + 0.5 * rows;
            column >= 0.0
                && column < columns
                && row >= 0.0
                && row < rows
                && self.contains(column as u32, row as u32)
        })
    }

    fn contains(&self, x: u32, y: u32) -> bool {
        let index = y as usize * self.width as usize + x as usize;
        self.bits[index / 64] >> (index % 64) & 1 == 1
    }
}

/// Width and height with the longer side at most [`MAX_SIDE`] and about the same proportion.
fn reduced(bounds: Rect) -> [u32; 2] {
    let longer = bounds.width.max(bounds.height);
    [bounds.width, bounds.height].map(|side| {
        if longer <= MAX_SIDE {
            side
        } else {
            let side = u64::from(side) * u64::from(MAX_SIDE) / u64::from(longer);
            (side as u32).max(1)
        }
    })
}

impl Mask {
    /// Hides visible pixels until at least `count` are hidden, ring by ring around what is hidden.
    ///
    /// A ring is every visible pixel with a hidden neighbour above, below, left or right; of the last ring
    /// only the first pixels, row by row, are taken, so that `count` is met exactly. An empty mask grows from
    /// its middle.
    ///
    /// # Panics
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

    /// The visible pixels beside a hidden one, row by row, by their index in [`hidden`](Self::hidden).
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

    /// An L of 12x16 pixels: a stem 4 wide and 16 high, a foot 8 wide and 4 high; 96 pixels.
    fn letter() -> Mask {
        Mask::from_fn(40, 30, |x, y| {
            let stem = (10..14).contains(&x) && (5..21).contains(&y);
            let foot = (14..22).contains(&x) && (17..21).contains(&y);
            stem || foot
        })
    }

    /// The letter at its own size in the middle of a 20x20 image.
    fn draw(rotation: [f64; 2], mirrored: bool) -> Mask {
        let placement = Placement { center: [10.0, 10.0], scale: 1.0, rotation, mirrored };
        Shape::cut_from(&letter()).expect("96 pixels").draw(&placement, 20, 20)
    }

    #[test]
    fn a_shape_is_cut_to_its_bounds() {
        let shape = Shape::cut_from(&letter()).expect("96 pixels");
        assert_eq!((shape.width, shape.height, shape.pixels()), (12, 16, 96));
        assert!(shape.contains(0, 0) && shape.contains(3, 15) && shape.contains(11, 12));
        assert!(!shape.contains(4, 0) && !shape.contains(11, 11));
        assert_eq!(shape.bits.len(), 3); // 192 bits
    }

    #[test]
    fn drawn_without_change() {
        let mask = draw([1.0, 0.0], false);
        let expected = Mask::from_fn(20, 20, |x, y| {
            let stem = (4..8).contains(&x) && (2..18).contains(&y);
            let foot = (8..16).contains(&x) && (14..18).contains(&y);
            stem || foot
        });
        assert_eq!(mask, expected);
    }

    #[test]
    fn mirrored_the_foot_points_left() {
        let plain = draw([1.0, 0.0], false);
        let expected = Mask::from_fn(20, 20, |x, y| plain.is_hidden(19 - x, y));
        assert_eq!(draw([1.0, 0.0], true), expected);
    }

    #[test]
    fn a_rotation_by_90_degrees_is_clockwise() {
        // What was at the bottom lies at the left: (x, y) comes from (y, 19 - x).
        let plain = draw([1.0, 0.0], false);
        let expected = Mask::from_fn(20, 20, |x, y| plain.is_hidden(y, 19 - x));
        assert_eq!(draw([0.0, 1.0], false), expected);
        assert!(expected.is_hidden(2, 10) && !expected.is_hidden(17, 15));
    }

    #[test]
    fn twice_the_scale_is_four_times_the_pixels() {
        let placement = Placement { center: [32.0, 32.0], scale: 2.0, rotation: [1.0, 0.0], mirrored: false };
        let shape = Shape::cut_from(&letter()).expect("96 pixels");
        assert_eq!(shape.draw(&placement, 64, 64).hidden_count(), 4 * 96);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let placement = Placement { center: [0.0, 0.0], scale: 1.0, rotation: [1.0, 0.0], mirrored: false };
        // Columns 6..12 and rows 8..16 of the letter: the foot's right part.
        let shape = Shape::cut_from(&letter()).expect("96 pixels");
        let mask = shape.draw(&placement, 20, 20);
        assert_eq!(mask.hidden_count(), 6 * 4);
        assert!(mask.is_hidden(0, 4) && mask.is_hidden(5, 7) && !mask.is_hidden(0, 3));
    }

    #[test]
    fn specks_and_whole_images_are_no_shapes() {
        let speck = |side| Mask::from_fn(20, 20, |x, y| x < side && y < side);
        assert_eq!(Shape::cut_from(&speck(7)), None);
        assert!(Shape::cut_from(&speck(8)).is_some());
        assert_eq!(Shape::cut_from(&speck(20)), None);
        assert_eq!(Shape::cut_from(&speck(0)), None);
    }

    #[test]
    fn large_shapes_are_reduced() {
        // A disc of 2000 pixels across fills pi/4 of its bounds, also when reduced.
        let disc = Mask::from_fn(2001, 2001, |x, y| {
            let (dx, dy) = (f64::from(x) - 1000.0, f64::from(y) - 1000.0);
            dx * dx + dy * dy <= 1e6
        });
        let shape = Shape::cut_from(&disc);
        // It touches all four edges, yet leaves the corners.
        let shape = shape.expect("a disc");
        assert_eq!((shape.width, shape.height), (512, 512));
        let fraction = shape.pixels() as f64 / (512.0 * 512.0);
        assert!((fraction - std::f64::consts::FRAC_PI_4).abs() < 1e-3, "{fraction}");
    }

    fn flags(mask: &Mask) -> Vec<u8> {
        mask.hidden().iter().map(|&flag| u8::from(flag)).collect()
    }

    #[test]
    fn a_pixel_grows_to_a_plus() {
        for (count, expected) in [(3, [0, 1, 0, 1, 1, 0, 0, 0, 0]), (5, [0, 1, 0, 1, 1, 1, 0, 1, 0])] {
            let mut mask = Mask::from_fn(3, 3, |x, y| (x, y) == (1, 1));
            mask.grow_to(count);
            assert_eq!(flags(&mask), expected);
        }
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
        mask.grow_to(7);
        assert!(mask.is_full());
    }

    #[test]
    #[should_panic(expected = "its 16 pixels, got 17")]
    fn growing_beyond_the_mask_panics() {
        Mask::visible(4, 4).grow_to(17);
    }
}
