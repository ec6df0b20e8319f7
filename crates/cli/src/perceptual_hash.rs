//! A perceptual hash: nearly equal for images that look alike.

use image::{RgbImage, imageops};

/// Cells in each row and column of the grid that is compared.
const SIDE: u32 = 16;

/// Bits of 256 that may differ between images that look alike: scaled, compressed again, slightly brighter.
const MAX_DISTANCE: u32 = 12;

/// Cells that must differ from their right neighbour for a hash to identify an image.
const MIN_TEXTURED_CELLS: u32 = 24;

/// A difference hash of 256 bits: for each of 16x16 cells, whether it is brighter than its right neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerceptualHash([u64; 4]);

impl PerceptualHash {
    /// `None` for an image with so little texture that all such images have similar hashes.
    pub fn of(image: &RgbImage) -> Option<Self> {
        let small = imageops::thumbnail(image, SIDE + 1, SIDE);
        let luma = |x: u32, y: u32| {
            let [red, green, blue] = small.get_pixel(x, y).0.map(u32::from);
            2126 * red + 7152 * green + 722 * blue
        };
        let (mut bits, mut textured) = ([0_u64; 4], 0);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (left, right) = (luma(x, y), luma(x + 1, y));
                let bit = (y * SIDE + x) as usize;
                bits[bit / 64] |= u64::from(left > right) << (bit % 64);
                // One level of 255 is noise.
                textured += u32::from(left.abs_diff(right) > 10_000);
            }
        }
        (textured >= MIN_TEXTURED_CELLS).then_some(Self(bits))
    }

    /// Whether two images look alike, by the Hamming distance of their hashes.
    pub fn is_similar(self, other: Self) -> bool {
        let distance: u32 = self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum();
        distance <= MAX_DISTANCE
    }
}

#[cfg(test)]
mod tests {
    use context_encoder::data::Facades;
    use image::Rgb;

    use super::*;

    #[test]
    fn scaled_copies_are_similar_and_other_images_are_not() {
        let facades = Facades::new(1).with_size(192, 160);
        let hashes: Vec<_> = (0..40).filter_map(|index| PerceptualHash::of(&facades.image(index))).collect();
        assert!(hashes.len() >= 38, "{} of 40 have texture", hashes.len());
        let scaled = imageops::resize(&facades.image(0), 120, 100, imageops::FilterType::Triangle);
        assert!(PerceptualHash::of(&scaled).is_some_and(|scaled| scaled.is_similar(hashes[0])));
        for (index, hash) in hashes.iter().enumerate() {
            assert!(hashes[index + 1..].iter().all(|other| !hash.is_similar(*other)), "{index}");
        }
        assert_eq!(PerceptualHash::of(&RgbImage::from_pixel(50, 50, Rgb([9; 3]))), None);
    }
}
