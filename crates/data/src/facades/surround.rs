//! What frames a window on the wall: bands, hoods, pediments and keystones.

use super::area::Area;
use super::canvas::Canvas;
use super::color::Color;
use super::light::Light;
use super::stream::Stream;

/// The frame of dressed stone around a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surround {
    style: Style,
    /// Width of the band, in meters.
    margin: f32,
    trim: Color,
}

/// The shape of a surround.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    None,
    Band,
    /// A band and a straight hood on top.
    Hood,
    /// A band and a triangle on top.
    Pediment,
    /// Triangles and straight hoods in turn.
    Alternating,
    /// A lintel with a wedge in the middle.
    Keystone,
}

impl Surround {
    /// Draws a style; without `hoods`, one that keeps close to the window.
    pub(super) fn sample(stream: &mut Stream, trim: Color, hoods: bool) -> Self {
        let close = [Style::None, Style::None, Style::Band, Style::Keystone];
        let tall = [Style::Band, Style::Hood, Style::Pediment, Style::Alternating];
        let style = if hoods && stream.chance(0.5) { stream.pick(&tall) } else { stream.pick(&close) };
        Self { style, margin: stream.uniform(0.1, 0.22), trim }
    }

    /// Draws what frames the opening `area` with an arch of height `rise`; `number` tells windows apart.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Area, rise: f32, number: u32) {
        if self.style == Style::None {
            return;
        }
        let band = area.widened(self.margin, 0.0).with_top(area.top + self.margin);
        if self.style == Style::Keystone {
            let lintel = band.with_bottom(area.top - rise);
            canvas.arch(lintel, rise, self.trim, 0.8);
            let (x, foot, head) = (area.center(), area.top - 0.02, area.top + self.margin * 1.7);
            canvas.polygon(
                &[[x - 0.08, foot], [x + 0.08, foot], [x + 0.13, head], [x - 0.13, head]],
                self.trim,
                1.0,
            );
            return;
        }
        canvas.arch(band, rise * 1.1, self.trim, 1.0);
        if rise <= 0.0 {
            light.emboss(canvas, band, 0.03);
        }
        let pointed = match self.style {
            Style::Pediment => true,
            Style::Alternating => number.is_multiple_of(2),
            Style::Hood => false,
            _ => return,
        };
        let hood = band.widened(0.1, 0.0).moved(0.0, 0.1).above(0.12);
        let frieze = band.with_heights(band.top, hood.bottom);
        canvas.fill(frieze, self.trim.scaled(0.94));
        light.beneath(canvas, hood, 0.2);
        canvas.fill(hood, self.trim);
        light.emboss(canvas, hood, 0.03);
        if pointed {
            let peak = hood.top + area.width() * 0.26;
            let corners = |grown: f32| {
                [
                    [hood.left - grown, hood.top - grown],
                    [hood.right + grown, hood.top - grown],
                    [hood.center(), peak + grown],
                ]
            };
            canvas.polygon(&corners(0.0), self.trim, 1.0);
            canvas.polygon(&corners(-0.11), self.trim.mix(Color::SHADOW, light.strength * 0.6), 1.0);
        }
    }
}
