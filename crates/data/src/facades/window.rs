//! One window: recess, frame with its panes and sill, between surround and shutters.

use super::area::Area;
use super::canvas::Canvas;
use super::color::{Color, FRAMES};
use super::glass::Glass;
use super::light::Light;
use super::shutters::Shutters;
use super::stream::Stream;
use super::surround::Surround;

/// The style that all windows of a house share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    glass: Glass,
    frame: Color,
    /// Thickness of the frame and of the bars between panes, in meters.
    frame_width: f32,
    bar_width: f32,
    /// Panes across and along.
    panes: [u32; 2],
    /// Height of the bar under a fanlight, as a share of the window.
    transom: Option<f32>,
    /// Height of the arch, as a share of half the width; 0 = flat.
    arch: f32,
    /// How deep the window sits in the wall, in meters.
    recess: f32,
    surround: Surround,
    trim: Color,
    sill: bool,
    shutters: Option<Shutters>,
}

impl Window {
    /// Draws a style; `trim` is the color of the dressed stone, `bay` the room a window has.
    pub(super) fn sample(stream: &mut Stream, trim: Color, bay: f32) -> Self {
        let shutters = (bay > Shutters::BAY && stream.chance(0.22)).then(|| Shutters::sample(stream));
        // Shutters close over a flat opening, and leave no room for a hood.
        let arch = if shutters.is_none() { stream.pick(&[0.0, 0.0, 0.0, 0.0, 0.25, 1.0]) } else { 0.0 };
        let hoods = shutters.is_none() && arch <= 0.0;
        Self {
            glass: Glass::sample(stream),
            frame: stream.pick(&FRAMES).jittered(stream, 0.05),
            frame_width: stream.uniform(0.05, 0.09),
            bar_width: stream.uniform(0.025, 0.05),
            panes: stream.pick(&[[2, 1], [2, 1], [2, 3], [2, 4], [3, 2], [2, 2], [1, 1], [1, 2], [3, 4]]),
            transom: stream.chance(0.35).then(|| stream.uniform(0.66, 0.78)),
            arch,
            recess: stream.uniform(0.08, 0.3),
            surround: Surround::sample(stream, trim, hoods),
            trim,
            sill: stream.chance(0.75),
            shutters,
        }
    }

    /// Draws the window that fills the opening `area`; `number` tells the windows of a house apart.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Area, number: u32) {
        let rise = self.arch * area.width() / 2.0;
        self.surround.draw(canvas, light, area, rise, number);
        // The reveal is what the depth of the wall shows of itself.
        canvas.arch(area, rise, self.trim.scaled(0.72), 1.0);
        let inside = area.with_heights(area.bottom, area.top - 0.02).widened(-0.04, 0.0);
        canvas.arch(inside, rise, self.frame, 1.0);
        let lights = inside.grown(-self.frame_width);
        let lights_rise = (rise - self.frame_width).max(0.0);
        self.glass.draw(canvas, lights, lights_rise, number);
        self.draw_bars(canvas, lights, lights_rise);
        light.within(canvas, area, rise, self.recess);
        if self.sill {
            let sill = area.widened(0.1, 0.0).below(0.09);
            canvas.fill(sill, self.trim);
            light.emboss(canvas, sill, 0.025);
            light.beneath(canvas, sill, 0.14);
        }
        if let Some(shutters) = &self.shutters {
            shutters.draw(canvas, light, area);
        }
    }

    fn draw_bars(&self, canvas: &mut Canvas, lights: Area, rise: f32) {
        let [across, along] = self.panes;
        for index in 1..across {
            let x = lights.left + lights.width() * index as f32 / across as f32;
            // The bar where two casements meet is twice as thick.
            let half = if 2 * index == across { self.bar_width } else { self.bar_width / 2.0 };
            canvas.fill(lights.with_sides(x - half, x + half), self.frame);
        }
        let straight = lights.with_top(lights.top - rise);
        let mut bar = |share: f32, width: f32| {
            let y = straight.bottom + straight.height() * share;
            canvas.fill(straight.with_heights(y - width / 2.0, y + width / 2.0), self.frame);
        };
        match self.transom {
            Some(share) => bar(share, self.bar_width * 2.0),
            None => (1..along).for_each(|index| bar(index as f32 / along as f32, self.bar_width)),
        }
        if rise > 0.0 {
            bar(1.0, self.bar_width * 1.5);
        }
    }
}
