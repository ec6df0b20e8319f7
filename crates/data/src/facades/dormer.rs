//! Dormers: windows that stand in the roof.

use super::area::Area;
use super::canvas::Canvas;
use super::color::Color;
use super::light::Light;
use super::stream::Stream;

/// A window in the roof.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dormer {
    width: f32,
    height: f32,
    frame: Color,
    pointed: bool,
}

impl Dormer {
    /// Draws a style for a roof of this height over a wall of this color.
    pub(super) fn sample(stream: &mut Stream, wall: Color, roof: f32) -> Self {
        Self {
            width: stream.uniform(0.9, 1.3),
            height: roof * stream.uniform(0.6, 0.75),
            frame: wall.mix(Color::WHITE, 0.4),
            pointed: stream.chance(0.5),
        }
    }

    /// Draws the dormer around the axis `x`, over the foot of a roof of this color.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, x: f32, foot: f32, roof: Color) {
        let body = Area::new(x - self.width / 2.0, foot + 0.25, self.width, self.height);
        canvas.blend(body.moved(light.sideways * 0.5, -0.1), Color::SHADOW, light.strength * 0.6);
        canvas.fill(body, self.frame);
        light.emboss(canvas, body, 0.04);
        let pane = body.widened(-0.15, 0.0).with_heights(body.bottom + 0.1, body.top - 0.12);
        canvas.fill(pane, Color::rgb([0.17, 0.19, 0.22]));
        canvas.fade(pane, Color::rgb([0.62, 0.69, 0.76]), 0.45, 0.1);
        canvas.fill(pane.with_sides(x - 0.03, x + 0.03), self.frame);
        light.within(canvas, pane, 0.0, 0.1);
        let eaves = body.widened(0.1, 0.0);
        if self.pointed {
            let corners =
                [[eaves.left, body.top], [eaves.right, body.top], [x, body.top + self.width * 0.45]];
            canvas.polygon(&corners, roof.scaled(0.8), 1.0);
        } else {
            canvas.arch(eaves.above(self.width * 0.2), self.width * 0.2, roof.scaled(0.8), 1.0);
        }
    }
}
