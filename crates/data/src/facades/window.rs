//! Windows: glass, frame, panes and sill, between surround and shutters.

use super::{
    canvas::{Canvas, Rect},
    color::{Color, FRAMES, SHUTTERS},
    light::Light,
    random::{self, FacadeRng},
};

/// The style that all windows of a house share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    glass: Glass,
    frame: Color,
    /// Thickness of the frame and of the bars between panes, in meters.
    frame_width: f32,
    bar_width: f32,
    /// Columns and rows of panes.
    panes: [u32; 2],
    /// Height of the bar under a fanlight, as a fraction of the window's.
    transom: Option<f32>,
    /// Height of the arch, as a fraction of half the width; 0 = flat.
    arch: f32,
    /// How deep the window sits in the wall, in meters.
    recess: f32,
    surround: Surround,
    trim: Color,
    sill: bool,
    shutters: Option<Shutters>,
}

impl Window {
    /// Samples a style; `trim` is the color of the dressed stone, `bay` the width of a bay.
    pub(super) fn sample(rng: &mut FacadeRng, trim: Color, bay: f32) -> Self {
        let shutters = (bay > Shutters::BAY && rng.chance(0.22)).then(|| Shutters::sample(rng));
        // Shutters close over a flat opening, and leave no room for a hood.
        let arch = if shutters.is_none() { rng.choose(&[0.0, 0.0, 0.0, 0.0, 0.25, 1.0]) } else { 0.0 };
        let hoods = shutters.is_none() && arch <= 0.0;
        Self {
            glass: Glass::sample(rng),
            frame: rng.choose(&FRAMES).jittered(rng, 0.05),
            frame_width: rng.uniform(0.05, 0.09),
            bar_width: rng.uniform(0.025, 0.05),
            panes: rng.choose(&[[2, 1], [2, 1], [2, 3], [2, 4], [3, 2], [2, 2], [1, 1], [1, 2], [3, 4]]),
            transom: rng.chance(0.35).then(|| rng.uniform(0.66, 0.78)),
            arch,
            recess: rng.uniform(0.08, 0.3),
            surround: Surround::sample(rng, trim, hoods),
            trim,
            sill: rng.chance(0.75),
            shutters,
        }
    }

    /// Draws the window that fills the opening `area`; `number` distinguishes the windows of a house.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Rect, number: u32) {
        let rise = self.arch * area.width() / 2.0;
        self.surround.draw(canvas, light, area, rise, number);
        // The reveal is what the depth of the wall shows of itself.
        canvas.arch(area, rise, self.trim.scaled(0.72), 1.0);
        let inside = area.with_heights(area.bottom, area.top - 0.02).expanded_xy(-0.04, 0.0);
        canvas.arch(inside, rise, self.frame, 1.0);
        let lights = inside.expanded(-self.frame_width);
        let lights_rise = (rise - self.frame_width).max(0.0);
        self.glass.draw(canvas, lights, lights_rise, number);
        self.draw_bars(canvas, lights, lights_rise);
        light.recess_shadow(canvas, area, rise, self.recess);
        if self.sill {
            let sill = area.expanded_xy(0.1, 0.0).below(0.09);
            canvas.fill(sill, self.trim);
            light.bevel(canvas, sill, 0.025);
            light.drop_shadow(canvas, sill, 0.14);
        }
        if let Some(shutters) = &self.shutters {
            shutters.draw(canvas, light, area);
        }
    }

    fn draw_bars(&self, canvas: &mut Canvas, lights: Rect, rise: f32) {
        let [columns, rows] = self.panes;
        for index in 1..columns {
            let x = lights.left + lights.width() * index as f32 / columns as f32;
            // The bar where two casements meet is twice as thick.
            let half = if 2 * index == columns { self.bar_width } else { self.bar_width / 2.0 };
            canvas.fill(lights.with_sides(x - half, x + half), self.frame);
        }
        let straight = lights.with_top(lights.top - rise);
        let mut bar = |fraction: f32, width: f32| {
            let y = straight.bottom + straight.height() * fraction;
            canvas.fill(straight.with_heights(y - width / 2.0, y + width / 2.0), self.frame);
        };
        match self.transom {
            Some(fraction) => bar(fraction, self.bar_width * 2.0),
            None => (1..rows).for_each(|index| bar(index as f32 / rows as f32, self.bar_width)),
        }
        if rise > 0.0 {
            bar(1.0, self.bar_width * 1.5);
        }
    }
}

/// The frame of dressed stone around a window: bands, hoods, pediments and keystones.
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
    /// Samples a style; without `hoods`, one that keeps close to the window.
    pub(super) fn sample(rng: &mut FacadeRng, trim: Color, hoods: bool) -> Self {
        let close = [Style::None, Style::None, Style::Band, Style::Keystone];
        let tall = [Style::Band, Style::Hood, Style::Pediment, Style::Alternating];
        let style = if hoods && rng.chance(0.5) { rng.choose(&tall) } else { rng.choose(&close) };
        Self { style, margin: rng.uniform(0.1, 0.22), trim }
    }

    /// Draws what frames the opening `area` with an arch of height `rise`; `number` distinguishes windows.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Rect, rise: f32, number: u32) {
        if self.style == Style::None {
            return;
        }
        let band = area.expanded_xy(self.margin, 0.0).with_top(area.top + self.margin);
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
            light.bevel(canvas, band, 0.03);
        }
        let pointed = match self.style {
            Style::Pediment => true,
            Style::Alternating => number.is_multiple_of(2),
            Style::Hood => false,
            _ => return,
        };
        let hood = band.expanded_xy(0.1, 0.0).translated(0.0, 0.1).above(0.12);
        let frieze = band.with_heights(band.top, hood.bottom);
        canvas.fill(frieze, self.trim.scaled(0.94));
        light.drop_shadow(canvas, hood, 0.2);
        canvas.fill(hood, self.trim);
        light.bevel(canvas, hood, 0.03);
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
            canvas.polygon(&corners(-0.11), self.trim.lerp(Color::SHADOW, light.strength * 0.6), 1.0);
        }
    }
}

/// The glass of all windows of a house: the sky it reflects, the dark room behind, and the curtains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glass {
    room: Color,
    sky: Color,
    /// Opacity of the reflected sky at the top and at the bottom of a window.
    reflection: [f32; 2],
    curtain: Curtain,
    /// The fraction of the windows that have the curtain.
    curtained: f32,
    cloth: Color,
    salt: u32,
}

/// What hangs behind the glass.
#[derive(Clone, Copy, Debug)]
enum Curtain {
    /// Thin cloth over the whole window.
    Net,
    /// Two strips, drawn to the sides.
    Drapes,
    /// A roller blind, let down to a height that differs from window to window.
    Blind,
}

impl Glass {
    /// Samples the glass of a house.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let bright = rng.uniform(0.1, 0.6);
        Self {
            room: Color::rgb([0.10, 0.11, 0.12]).jittered(rng, 0.35),
            sky: rng.choose(&[
                Color::rgb([0.62, 0.69, 0.76]),
                Color::rgb([0.70, 0.73, 0.75]),
                Color::rgb([0.52, 0.58, 0.64]),
            ]),
            reflection: [bright, bright * rng.uniform(0.1, 0.8)],
            curtain: rng.choose(&[Curtain::Net, Curtain::Drapes, Curtain::Drapes, Curtain::Blind]),
            curtained: rng.uniform(0.0, 0.9),
            cloth: Color::rgb([0.76, 0.74, 0.69]).jittered(rng, 0.12),
            salt: rng.salt(),
        }
    }

    /// Fills `area` under an arch of height `rise`; `number` distinguishes the windows of a house.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: Rect, rise: f32, number: u32) {
        let chance = |what: i32| random::hash_unit(number as i32, what, self.salt);
        canvas.arch(area, rise, self.room, 1.0);
        let straight = area.with_top(area.top - rise);
        if chance(0) < self.curtained {
            self.draw_curtain(canvas, straight, chance(1));
        }
        let gleam = 0.85 + 0.3 * chance(2);
        let [top, bottom] = self.reflection.map(|opacity| opacity * gleam);
        canvas.fill_gradient(straight, self.sky, top, bottom);
        if rise > 0.0 {
            canvas.arch(area.with_bottom(straight.top), rise, self.sky, top);
        }
        // The roofs across the street cut the reflected sky off along a slant.
        let low = straight.bottom + straight.height() * (0.25 + 0.2 * chance(3));
        let slant = straight.width() * 0.25;
        let corners = [
            [straight.left, straight.bottom],
            [straight.right, straight.bottom],
            [straight.right, low + slant],
            [straight.left, low],
        ];
        canvas.polygon(&corners, self.room, 0.3);
    }

    fn draw_curtain(&self, canvas: &mut Canvas, area: Rect, closed: f32) {
        /// Opacity of thin cloth, and of thick.
        const THIN: f32 = 0.45;
        const THICK: f32 = 0.75;
        match self.curtain {
            Curtain::Net => canvas.fill_gradient(area, self.cloth, THIN, THIN * 0.6),
            Curtain::Drapes => {
                let width = area.width() * (0.14 + 0.12 * closed);
                canvas.blend(area.with_right(area.left + width), self.cloth, THICK);
                canvas.blend(area.with_left(area.right - width), self.cloth, THICK);
            }
            Curtain::Blind => {
                let height = area.height() * (0.15 + 0.6 * closed);
                canvas.blend(area.with_bottom(area.top - height), self.cloth, THICK);
            }
        }
    }
}

/// The shutters of a house: two paneled leaves, open beside a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shutters {
    paint: Color,
    /// Whether the panels are of slats.
    slats: bool,
}

impl Shutters {
    /// Width that a bay must have so that open shutters do not meet, in meters.
    pub(super) const BAY: f32 = 2.3;

    /// Samples a style.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        Self { paint: rng.choose(&SHUTTERS).jittered(rng, 0.1), slats: rng.chance(0.7) }
    }

    /// Draws a pair that stands open beside the window `area`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Rect) {
        /// Distance from slat to slat, in meters.
        const SLAT: f32 = 0.07;
        let width = area.width() / 2.0;
        for leaf in
            [area.with_sides(area.left - width, area.left), area.with_sides(area.right, area.right + width)]
        {
            canvas.blend(leaf.translated(light.sideways * 0.06, -0.05), Color::SHADOW, light.strength * 0.7);
            canvas.fill(leaf, self.paint);
            light.bevel(canvas, leaf, 0.03);
            let (low, high) = (leaf.bottom + leaf.height() * 0.05, leaf.top - leaf.height() * 0.05);
            let middle = leaf.bottom + leaf.height() * 0.45;
            for (bottom, top) in [(low, middle), (middle + 0.08, high)] {
                let panel = leaf.expanded_xy(-0.07, 0.0).with_heights(bottom, top);
                if !self.slats || canvas.pixel_height() > SLAT {
                    canvas.blend(panel, Color::SHADOW, 0.18);
                    continue;
                }
                let mut y = panel.bottom;
                while y < panel.top {
                    canvas.blend(panel.with_heights(y, y + SLAT * 0.45), Color::SHADOW, 0.38);
                    y += SLAT;
                }
            }
        }
    }
}
