//! Random changes of contrast, brightness and color.

use image::RgbImage;
use rand::{Rng, RngExt};

/// A change of contrast around mid-grey, of brightness, and of the gain of each channel.
///
/// A value `v` of a channel becomes `127.5 + contrast * gain * (v - 127.5) + brightness`, clamped to `[0,
/// 255]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColorJitter {
    /// Factor of each channel, red, green, blue: contrast times gain.
    factors: [f32; 3],
    /// Added to each channel.
    brightness: f32,
}

impl ColorJitter {
    pub(crate) const MAX_PERCENT: u8 = 50;

    /// Draws one: for `percent` = p, contrast within `1 +- p/100`, gains within `1 +- p/400`, brightness
    /// within `p/2` levels; for 0 draws nothing from `rng`.
    pub(crate) fn sample(percent: u8, rng: &mut dyn Rng) -> Self {
        if percent == 0 {
            return Self { factors: [1.0; 3], brightness: 0.0 };
        }
        let strength = f32::from(percent) / 100.0;
        let mut around_zero = |most: f32| most * (2.0 * rng.random::<f32>() - 1.0);
        let contrast = 1.0 + around_zero(strength);
        let brightness = around_zero(50.0 * strength);
        let factors = [(); 3].map(|()| contrast * (1.0 + around_zero(strength / 4.0)));
        Self { factors, brightness }
    }

    pub(crate) fn apply(&self, image: &mut RgbImage) {
        if self.factors == [1.0; 3] && self.brightness == 0.0 {
            return;
        }
        let table = self.factors.map(|factor| -> Vec<u8> {
            let changed = |v: u8| (127.5 + factor * (f32::from(v) - 127.5) + self.brightness).round() as u8;
            (0..=255).map(changed).collect()
        });
        for pixel in image.pixels_mut() {
            for (value, table) in pixel.0.iter_mut().zip(&table) {
                *value = table[usize::from(*value)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::{Purpose, rng_for};

    #[test]
    fn contrast_turns_around_mid_grey_and_values_are_clamped() {
        let mut image = RgbImage::from_fn(3, 1, |x, _| Rgb([[0, 100, 250][x as usize]; 3]));
        ColorJitter { factors: [2.0, 0.5, 1.0], brightness: 10.0 }.apply(&mut image);
        let values: Vec<[u8; 3]> = image.pixels().map(|pixel| pixel.0).collect();
        // 127.5 + 2 (100 - 127.5) + 10 = 82.5, and so on
        assert_eq!(values, [[0, 74, 10], [83, 124, 110], [255, 199, 255]]);
    }

    #[test]
    fn samples_stay_within_their_range_and_zero_percent_draws_nothing() {
        let mut rng = rng_for(1, Purpose::Crop, 0, 0);
        for _ in 0..500 {
            let jitter = ColorJitter::sample(20, &mut rng);
            assert!(jitter.brightness.abs() <= 10.0);
            assert!(jitter.factors.iter().all(|factor| (0.8 * 0.95..=1.2 * 1.05).contains(factor)));
        }
        let mut untouched = rng.clone();
        ColorJitter::sample(0, &mut rng);
        assert_eq!(rng.random::<u64>(), untouched.random::<u64>());
    }
}
