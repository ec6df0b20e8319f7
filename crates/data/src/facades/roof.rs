//! Roofs: zinc mansards, tiled and slated slopes, flat parapets, and chimneys.

use super::{
    canvas::{Canvas, Rect},
    color::{BRICKS, Color},
    light::Light,
    random::{self, FacadeRng},
};

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
    /// Samples a style; `wall` is the color of the house.
    pub(super) fn sample(rng: &mut FacadeRng, wall: Color) -> Self {
        let (kind, color, height) = match rng.integer(0, 5) {
            0..=2 => (Kind::Mansard, rng.choose(&ZINC), rng.uniform(1.8, 3.0)),
            3 => (Kind::Tiles, rng.choose(&SLATE), rng.uniform(1.8, 3.0)),
            4 => (Kind::Tiles, rng.choose(&TILE), rng.uniform(1.4, 2.6)),
            _ => (Kind::Parapet, wall, rng.uniform(0.5, 1.0)),
        };
        let dormer = Dormer::sample(rng, wall, height);
        let dormers = (kind != Kind::Parapet && rng.chance(0.7)).then_some(dormer);
        let chimney = rng.choose(&[BRICKS[0], BRICKS[3], wall]).jittered(rng, 0.15);
        Self { kind, color: color.jittered(rng, 0.08), height, dormers, chimney, salt: rng.salt() }
    }

    /// From the foot of the roof to its highest point, chimneys included.
    pub(super) fn total_height(&self) -> f32 {
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
        let whole = Rect { left, right, bottom: y, top: y + self.height };
        if !canvas.is_visible(whole.with_top(y + self.total_height())) {
            return;
        }
        if self.kind == Kind::Parapet {
            canvas.fill(whole, self.color.scaled(0.95));
            return light.bevel(canvas, whole, 0.08);
        }
        self.draw_chimneys(canvas, light, whole);
        let inset = if self.kind == Kind::Mansard { 0.3 } else { self.height * 0.15 };
        let corners = [[left, y], [right, y], [right - inset, whole.top], [left + inset, whole.top]];
        canvas.polygon(&corners, self.color, 1.0);
        let face = whole.expanded_xy(-inset, 0.0);
        match self.kind {
            Kind::Mansard => {
                let count = ((right - left) / 0.55).max(1.0) as u32;
                let step = face.width() / count as f32;
                for index in 0..=count {
                    let x = face.left + step * index as f32;
                    canvas.blend(face.with_sides(x - 0.02, x + 0.02), Color::SHADOW, 0.3);
                }
            }
            _ => {
                let count = (self.height / 0.2) as i32;
                let step = self.height / count as f32;
                for index in 0..count {
                    let course = face.with_heights(y + step * index as f32, y + step * (index + 1) as f32);
                    let tone = random::hash_unit(index, 0, self.salt) - 0.5;
                    let target = if tone > 0.0 { Color::WHITE } else { Color::SHADOW };
                    canvas.blend(course, target, tone.abs() * 0.16);
                    canvas.blend(course.with_top(course.bottom + 0.05), Color::SHADOW, 0.25);
                }
            }
        }
        canvas.fill_gradient(face, Color::WHITE, 0.16, 0.0);
        let ridge = face.above(0.0).expanded_xy(0.05, 0.07);
        canvas.fill(ridge, self.color.scaled(0.75));
        if let Some(dormer) = &self.dormers {
            for &x in axes {
                dormer.draw(canvas, light, x, y, self.color);
            }
        }
    }

    fn draw_chimneys(&self, canvas: &mut Canvas, light: &Light, roof: Rect) {
        for (index, end) in [roof.left + 0.2, roof.right - 1.4].into_iter().enumerate() {
            if random::hash_unit(index as i32, 1, self.salt) < 0.35 {
                continue;
            }
            let height = 0.7 + 0.6 * random::hash_unit(index as i32, 2, self.salt);
            let stack = Rect::new(end, roof.bottom, 1.2, self.height + height);
            canvas.fill(stack, self.chimney);
            light.bevel(canvas, stack, 0.08);
            let cap = stack.expanded_xy(0.06, 0.0).above(0.1);
            canvas.fill(cap, self.chimney.scaled(0.8));
            for pot in 0..3 {
                let pot = Rect::new(stack.left + 0.12 + 0.36 * pot as f32, cap.top, 0.22, 0.35);
                canvas.fill(pot, Color::rgb([0.60, 0.40, 0.30]));
            }
        }
    }
}

/// A window in the roof.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dormer {
    width: f32,
    height: f32,
    frame: Color,
    pointed: bool,
}

impl Dormer {
    /// Samples a style for a roof of this height over a wall of this color.
    pub(super) fn sample(rng: &mut FacadeRng, wall: Color, roof: f32) -> Self {
        Self {
            width: rng.uniform(0.9, 1.3),
            height: roof * rng.uniform(0.6, 0.75),
            frame: wall.lerp(Color::WHITE, 0.4),
            pointed: rng.chance(0.5),
        }
    }

    /// Draws the dormer around the axis `x`, over the foot of a roof of this color.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, x: f32, foot: f32, roof: Color) {
        let body = Rect::new(x - self.width / 2.0, foot + 0.25, self.width, self.height);
        canvas.blend(body.translated(light.sideways * 0.5, -0.1), Color::SHADOW, light.strength * 0.6);
        canvas.fill(body, self.frame);
        light.bevel(canvas, body, 0.04);
        let pane = body.expanded_xy(-0.15, 0.0).with_heights(body.bottom + 0.1, body.top - 0.12);
        canvas.fill(pane, Color::rgb([0.17, 0.19, 0.22]));
        canvas.fill_gradient(pane, Color::rgb([0.62, 0.69, 0.76]), 0.45, 0.1);
        canvas.fill(pane.with_sides(x - 0.03, x + 0.03), self.frame);
        light.recess_shadow(canvas, pane, 0.0, 0.1);
        let eaves = body.expanded_xy(0.1, 0.0);
        if self.pointed {
            let corners =
                [[eaves.left, body.top], [eaves.right, body.top], [x, body.top + self.width * 0.45]];
            canvas.polygon(&corners, roof.scaled(0.8), 1.0);
        } else {
            canvas.arch(eaves.above(self.width * 0.2), self.width * 0.2, roof.scaled(0.8), 1.0);
        }
    }
}
