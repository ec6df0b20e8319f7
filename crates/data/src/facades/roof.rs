//! Roofs: zinc mansards, tiled and slated slopes, flat parapets, and chimneys.

use super::area::Area;
use super::canvas::Canvas;
use super::color::{BRICKS, Color};
use super::dormer::Dormer;
use super::grain;
use super::light::Light;
use super::stream::Stream;

const ZINC: [Color; 3] =
    [Color::rgb([0.52, 0.55, 0.58]), Color::rgb([0.44, 0.48, 0.53]), Color::rgb([0.60, 0.61, 0.62])];
const SLATE: [Color; 2] = [Color::rgb([0.31, 0.33, 0.37]), Color::rgb([0.37, 0.37, 0.39])];
const TILE: [Color; 3] =
    [Color::rgb([0.52, 0.30, 0.23]), Color::rgb([0.58, 0.37, 0.27]), Color::rgb([0.43, 0.28, 0.24])];

/// The roof of a house.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roof {
    kind: Kind,
    color: Color,
    height: f32,
    dormers: Option<Dormer>,
    chimney: Color,
    salt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Steep sheets of metal with standing seams.
    Mansard,
    /// Courses of tiles or slates.
    Tiles,
    /// A low wall in front of a flat roof.
    Parapet,
}

impl Roof {
    /// Draws a style; `wall` is the color of the house.
    pub(super) fn sample(stream: &mut Stream, wall: Color) -> Self {
        let (kind, color, height) = match stream.whole(0, 5) {
            0..=2 => (Kind::Mansard, stream.pick(&ZINC), stream.uniform(1.8, 3.0)),
            3 => (Kind::Tiles, stream.pick(&SLATE), stream.uniform(1.8, 3.0)),
            4 => (Kind::Tiles, stream.pick(&TILE), stream.uniform(1.4, 2.6)),
            _ => (Kind::Parapet, wall, stream.uniform(0.5, 1.0)),
        };
        let dormer = Dormer::sample(stream, wall, height);
        let dormers = (kind != Kind::Parapet && stream.chance(0.7)).then_some(dormer);
        let chimney = stream.pick(&[BRICKS[0], BRICKS[3], wall]).jittered(stream, 0.15);
        Self { kind, color: color.jittered(stream, 0.08), height, dormers, chimney, salt: stream.salt() }
    }

    /// The highest point, chimneys included, over the foot of the roof.
    pub(super) fn reach(&self) -> f32 {
        self.height + 2.0
    }

    /// Draws the roof on the foot of height `y`, with a dormer over each of `axes`.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        left: f32,
        right: f32,
        y: f32,
        axes: &[f32],
    ) {
        let whole = Area { left, right, bottom: y, top: y + self.height };
        if !canvas.sees(whole.with_top(y + self.reach())) {
            return;
        }
        if self.kind == Kind::Parapet {
            canvas.fill(whole, self.color.scaled(0.95));
            return light.emboss(canvas, whole, 0.08);
        }
        self.draw_chimneys(canvas, light, whole);
        let inset = if self.kind == Kind::Mansard { 0.3 } else { self.height * 0.15 };
        let corners = [[left, y], [right, y], [right - inset, whole.top], [left + inset, whole.top]];
        canvas.polygon(&corners, self.color, 1.0);
        let slope = whole.widened(-inset, 0.0);
        match self.kind {
            Kind::Mansard => {
                let count = ((right - left) / 0.55).max(1.0) as u32;
                let step = slope.width() / count as f32;
                for index in 0..=count {
                    let x = slope.left + step * index as f32;
                    canvas.blend(slope.with_sides(x - 0.02, x + 0.02), Color::SHADOW, 0.3);
                }
            }
            _ => {
                let count = (self.height / 0.2) as i32;
                let step = self.height / count as f32;
                for index in 0..count {
                    let course = slope.with_heights(y + step * index as f32, y + step * (index + 1) as f32);
                    let tone = grain::unit(index, 0, self.salt) - 0.5;
                    let toward = if tone > 0.0 { Color::WHITE } else { Color::SHADOW };
                    canvas.blend(course, toward, tone.abs() * 0.16);
                    canvas.blend(course.with_top(course.bottom + 0.05), Color::SHADOW, 0.25);
                }
            }
        }
        canvas.fade(slope, Color::WHITE, 0.16, 0.0);
        let ridge = slope.above(0.0).widened(0.05, 0.07);
        canvas.fill(ridge, self.color.scaled(0.75));
        if let Some(dormer) = &self.dormers {
            for &x in axes {
                dormer.draw(canvas, light, x, y, self.color);
            }
        }
    }

    fn draw_chimneys(&self, canvas: &mut Canvas, light: &Light, roof: Area) {
        for (index, end) in [roof.left + 0.2, roof.right - 1.4].into_iter().enumerate() {
            if grain::unit(index as i32, 1, self.salt) < 0.35 {
                continue;
            }
            let height = 0.7 + 0.6 * grain::unit(index as i32, 2, self.salt);
            let stack = Area::new(end, roof.bottom, 1.2, self.height + height);
            canvas.fill(stack, self.chimney);
            light.emboss(canvas, stack, 0.08);
            let cap = stack.widened(0.06, 0.0).above(0.1);
            canvas.fill(cap, self.chimney.scaled(0.8));
            for pot in 0..3 {
                let pot = Area::new(stack.left + 0.12 + 0.36 * pot as f32, cap.top, 0.22, 0.35);
                canvas.fill(pot, Color::rgb([0.60, 0.40, 0.30]));
            }
        }
    }
}
