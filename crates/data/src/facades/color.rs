//! Colors: red, green and blue as displayed, 0 = black, 1 = full.

use super::random::FacadeRng;

/// A displayed color. The fourth number is always 0: with it a color fills a vector register, and one
/// instruction does the same to all channels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(16))]
pub(super) struct Color([f32; 4]);

impl Color {
    /// The color with these channels.
    #[inline]
    pub(super) const fn rgb(channels: [f32; 3]) -> Self {
        let [red, green, blue] = channels;
        Self([red, green, blue, 0.0])
    }

    /// Red, green and blue.
    #[inline]
    pub(super) const fn channels(self) -> [f32; 3] {
        let [red, green, blue, _] = self.0;
        [red, green, blue]
    }

    /// What shadows tend to: nearly black, a little blue, since the sky still lights them.
    pub(super) const SHADOW: Self = Self::rgb([0.05, 0.06, 0.09]);
    /// What highlights tend to.
    pub(super) const WHITE: Self = Self::rgb([0.97, 0.96, 0.93]);
    /// Painted iron.
    pub(super) const IRON: Self = Self::rgb([0.11, 0.11, 0.12]);

    /// Linear interpolation: `t` 0 gives this color, 1 gives `other`.
    #[inline]
    pub(super) fn lerp(mut self, other: Self, t: f32) -> Self {
        for (channel, other) in self.0.iter_mut().zip(other.0) {
            *channel += (other - *channel) * t;
        }
        self
    }

    /// All channels times `factor`.
    #[inline]
    pub(super) fn scaled(self, factor: f32) -> Self {
        Self(self.0.map(|channel| channel * factor))
    }

    /// Channel by channel: this color plus `factor` times `other`.
    #[inline]
    pub(super) fn add_scaled(mut self, other: Self, factor: f32) -> Self {
        for (channel, other) in self.0.iter_mut().zip(other.0) {
            *channel += other * factor;
        }
        self
    }

    /// Channel by channel: this color times `filter`.
    #[inline]
    pub(super) fn multiplied(mut self, filter: Self) -> Self {
        for (channel, filter) in self.0.iter_mut().zip(filter.0) {
            *channel *= filter;
        }
        self
    }

    /// A similar color: brightness varied by up to `amount`, each channel by up to a sixth of it.
    pub(super) fn jittered(self, rng: &mut FacadeRng, amount: f32) -> Self {
        let brightness = 1.0 + rng.uniform(-amount, amount);
        let spread = amount / 6.0;
        let factors = [0, 1, 2].map(|_| brightness * (1.0 + rng.uniform(-spread, spread)));
        self.multiplied(Self::rgb(factors))
    }
}

/// Plaster: creams, ochres, greys and the faded pinks and greens of old towns.
pub(super) const PLASTERS: [Color; 12] = [
    Color::rgb([0.82, 0.77, 0.67]),
    Color::rgb([0.78, 0.72, 0.61]),
    Color::rgb([0.74, 0.71, 0.65]),
    Color::rgb([0.84, 0.82, 0.77]),
    Color::rgb([0.68, 0.66, 0.62]),
    Color::rgb([0.79, 0.66, 0.45]),
    Color::rgb([0.76, 0.61, 0.43]),
    Color::rgb([0.81, 0.71, 0.50]),
    Color::rgb([0.76, 0.61, 0.54]),
    Color::rgb([0.72, 0.57, 0.48]),
    Color::rgb([0.62, 0.65, 0.56]),
    Color::rgb([0.60, 0.63, 0.66]),
];

/// Cut stone: limestone from pale to sooty, and grey granite.
pub(super) const STONES: [Color; 7] = [
    Color::rgb([0.79, 0.73, 0.63]),
    Color::rgb([0.74, 0.68, 0.58]),
    Color::rgb([0.81, 0.78, 0.71]),
    Color::rgb([0.68, 0.63, 0.54]),
    Color::rgb([0.60, 0.56, 0.50]),
    Color::rgb([0.71, 0.69, 0.66]),
    Color::rgb([0.58, 0.57, 0.56]),
];

/// Brick: reds, browns and London yellow.
pub(super) const BRICKS: [Color; 6] = [
    Color::rgb([0.56, 0.34, 0.27]),
    Color::rgb([0.61, 0.39, 0.30]),
    Color::rgb([0.49, 0.31, 0.26]),
    Color::rgb([0.53, 0.42, 0.33]),
    Color::rgb([0.67, 0.57, 0.42]),
    Color::rgb([0.60, 0.46, 0.36]),
];

/// Paint on wood and shop fronts: dark blues, greens, reds, black, and a few pale ones.
pub(super) const PAINTS: [Color; 10] = [
    Color::rgb([0.16, 0.22, 0.29]),
    Color::rgb([0.15, 0.26, 0.21]),
    Color::rgb([0.38, 0.13, 0.13]),
    Color::rgb([0.12, 0.12, 0.13]),
    Color::rgb([0.33, 0.24, 0.17]),
    Color::rgb([0.28, 0.38, 0.44]),
    Color::rgb([0.45, 0.33, 0.22]),
    Color::rgb([0.62, 0.60, 0.55]),
    Color::rgb([0.78, 0.75, 0.68]),
    Color::rgb([0.30, 0.17, 0.22]),
];

/// Window frames: mostly white, some brown, grey and dark green.
pub(super) const FRAMES: [Color; 7] = [
    Color::rgb([0.86, 0.85, 0.82]),
    Color::rgb([0.80, 0.79, 0.76]),
    Color::rgb([0.88, 0.86, 0.80]),
    Color::rgb([0.70, 0.70, 0.69]),
    Color::rgb([0.36, 0.26, 0.19]),
    Color::rgb([0.22, 0.21, 0.21]),
    Color::rgb([0.30, 0.36, 0.32]),
];

/// Shutters: white, grey, and faded green, blue and brown.
pub(super) const SHUTTERS: [Color; 7] = [
    Color::rgb([0.83, 0.82, 0.78]),
    Color::rgb([0.74, 0.73, 0.70]),
    Color::rgb([0.62, 0.65, 0.66]),
    Color::rgb([0.36, 0.45, 0.38]),
    Color::rgb([0.38, 0.47, 0.54]),
    Color::rgb([0.44, 0.33, 0.25]),
    Color::rgb([0.70, 0.66, 0.56]),
];
