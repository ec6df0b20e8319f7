//! A small hash of what a picture shows, near for pictures that look alike.

use image::{RgbImage, imageops};

/// Side of the grid of cells that are compared.
const SIDE: u32 = 16;

/// Of 256 bits, how many may differ in pictures that look alike: scaled, compressed again, slightly brighter.
const NEAR: u32 = 12;

/// Cells that must differ from their neighbour for a picture to be told from others at all.
const TEXTURED: u32 = 24;

/// For each of 16x16 cells whether it is brighter than its right neighbour (a "difference hash" of 256 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Likeness([u64; 4]);

impl Likeness {
    /// Of a picture; `None` when it shows so little that it would be like any other empty one.
    pub fn of(picture: &RgbImage) -> Option<Self> {
        let small = imageops::thumbnail(picture, SIDE + 1, SIDE);
        let grey = |x: u32, y: u32| {
            let [red, green, blue] = small.get_pixel(x, y).0.map(u32::from);
            2126 * red + 7152 * green + 722 * blue
        };
        let (mut bits, mut textured) = ([0_u64; 4], 0);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (left, right) = (grey(x, y), grey(x + 1, y));
                let place = (y * SIDE + x) as usize;
                bits[place / 64] |= u64::from(left > right) << (place % 64);
                // One level of 255 is noise.
                textured += u32::from(left.abs_diff(right) > 10_000);
            }
        }
        (textured >= TEXTURED).then_some(Self(bits))
    }

    /// Whether two pictures look alike.
    pub fn is_near(self, other: Self) -> bool {
        let apart: u32 = self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum();
        apart <= NEAR
    }
}

#[cfg(test)]
mod tests {
    use context_encoder::data::Facades;
    use image::Rgb;

    use super::*;

    #[test]
    fn a_picture_is_like_its_scaled_copy_and_unlike_others() {
        let facades = Facades::new(1).with_size(192, 160);
        let all: Vec<Likeness> = (0..40).filter_map(|index| Likeness::of(&facades.image(index))).collect();
        assert!(all.len() >= 38, "{} of 40 show something", all.len());
        let small = imageops::resize(&facades.image(0), 120, 100, imageops::FilterType::Triangle);
        assert!(Likeness::of(&small).is_some_and(|small| small.is_near(all[0])));
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| !one.is_near(*other)), "{index} is like another");
        }
        assert_eq!(Likeness::of(&RgbImage::from_pixel(50, 50, Rgb([9; 3]))), None);
    }
}
