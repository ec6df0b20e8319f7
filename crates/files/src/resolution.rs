//! How many pixels an inch or a centimetre of the printed picture has.

use image::ImageFormat;

/// What pixels are counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Only the ratio of the two numbers has a meaning: the aspect ratio of the pixels.
    None,
    Inch,
    Centimetre,
    Metre,
}

impl Unit {
    fn per_metre(self) -> f64 {
        match self {
            Self::None | Self::Metre => 1.0,
            Self::Centimetre => 100.0,
            Self::Inch => 1.0 / 0.0254,
        }
    }
}

/// Numerator and denominator.
pub(crate) type Ratio = (u32, u32);

/// Pixels of a unit, across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    unit: Unit,
    across: Ratio,
    down: Ratio,
}

impl Resolution {
    /// `None` for numbers that mean nothing: zero, or an aspect ratio of 1.
    pub(crate) fn new(unit: Unit, across: Ratio, down: Ratio) -> Option<Self> {
        let zero = [across.0, across.1, down.0, down.1].contains(&0);
        (!zero && (unit != Unit::None || across != down)).then_some(Self { unit, across, down })
    }

    /// Whether a format has a place for it.
    pub(crate) fn fits(self, format: ImageFormat) -> bool {
        match format {
            ImageFormat::WebP => false,
            ImageFormat::Bmp => self.unit != Unit::None,
            _ => true,
        }
    }

    /// Of an image that was turned by a right angle.
    pub(crate) fn turned(self) -> Self {
        Self { across: self.down, down: self.across, ..self }
    }

    /// In pixels of a metre as PNG and BMP have them, or the bare numbers without a unit.
    pub(crate) fn per_metre(self) -> (Unit, u32, u32) {
        let unit = if self.unit == Unit::None { Unit::None } else { Unit::Metre };
        let (across, down) = self.rounded(unit, u32::MAX);
        (unit, across, down)
    }

    /// As JPEG has it: 16 bits, of an inch unless it was of a centimetre.
    pub(crate) fn short(self) -> (Unit, u16, u16) {
        let unit = if self.unit == Unit::Metre { Unit::Inch } else { self.unit };
        let (across, down) = self.rounded(unit, u32::from(u16::MAX));
        (unit, across as u16, down as u16)
    }

    /// As TIFF has it, exactly.
    pub(crate) fn ratios(self) -> (Unit, Ratio, Ratio) {
        // Only PNG and BMP count on a metre, in whole numbers.
        let scaled = |(number, divisor): Ratio| (number, divisor.saturating_mul(100));
        match self.unit {
            Unit::Metre => (Unit::Centimetre, scaled(self.across), scaled(self.down)),
            unit => (unit, self.across, self.down),
        }
    }

    /// The nearest whole numbers of 1..=`max`.
    fn rounded(self, unit: Unit, max: u32) -> (u32, u32) {
        let scale = self.unit.per_metre() / unit.per_metre();
        let round = |(number, divisor): Ratio| {
            (f64::from(number) / f64::from(divisor) * scale).round().clamp(1.0, f64::from(max)) as u32
        };
        (round(self.across), round(self.down))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_resolution_in_every_format() {
        let png = Resolution::new(Unit::Metre, (11_811, 1), (5_906, 1)).expect("a resolution");
        assert_eq!(png.per_metre(), (Unit::Metre, 11_811, 5_906));
        assert_eq!(png.short(), (Unit::Inch, 300, 150));
        assert_eq!(png.ratios(), (Unit::Centimetre, (11_811, 100), (5_906, 100)));
        assert_eq!(png.turned().short(), (Unit::Inch, 150, 300));
        let tiff = Resolution::new(Unit::Inch, (3_000_000, 10_000), (300, 1)).expect("a resolution");
        assert_eq!(tiff.per_metre(), (Unit::Metre, 11_811, 11_811));
        let pixels = Resolution::new(Unit::None, (2, 1), (1, 1)).expect("an aspect ratio");
        assert_eq!(pixels.short(), (Unit::None, 2, 1));
    }

    #[test]
    fn numbers_without_a_meaning_are_no_resolution() {
        assert_eq!(Resolution::new(Unit::None, (1, 1), (1, 1)), None);
        assert_eq!(Resolution::new(Unit::Inch, (300, 0), (300, 1)), None);
        assert_eq!(Resolution::new(Unit::Metre, (0, 1), (0, 1)), None);
    }
}
