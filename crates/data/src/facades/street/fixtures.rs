//! What people have added to a wall: signs, posters, lamps, boxes, gates, graffiti, repairs and stains.

use super::{
    super::{
        canvas::{Canvas, Rect},
        color::Color,
        light::Light,
        random::{self, FacadeRng},
    },
    lettering,
};

/// The colors of signs: white and black most often, and all that catches the eye.
const SIGNS: [Color; 12] = [
    Color::rgb([0.88, 0.88, 0.86]),
    Color::rgb([0.88, 0.88, 0.86]),
    Color::rgb([0.08, 0.08, 0.09]),
    Color::rgb([0.08, 0.08, 0.09]),
    Color::rgb([0.76, 0.09, 0.10]),
    Color::rgb([0.62, 0.08, 0.12]),
    Color::rgb([0.10, 0.22, 0.56]),
    Color::rgb([0.08, 0.42, 0.25]),
    Color::rgb([0.93, 0.75, 0.12]),
    Color::rgb([0.90, 0.44, 0.10]),
    Color::rgb([0.30, 0.12, 0.36]),
    Color::rgb([0.15, 0.50, 0.62]),
];

/// One thing on a wall, around the point `x`, `y`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixture {
    kind: Kind,
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    color: Color,
    accent: Color,
    salt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A board with a word.
    Board,
    /// Letters on the bare wall.
    Letters,
    /// A sign or poster with a picture.
    Poster,
    /// A cloth over a window or door.
    Awning,
    /// An air conditioner, a meter, a lamp.
    Box,
    /// A gate, a passage or a door: an opening without glass.
    Gate,
    /// A window lit from inside.
    Lit,
    /// Strokes of paint.
    Graffiti,
    /// Another plaster.
    Repair,
    /// Where water ran down.
    Streak,
}

impl Fixture {
    /// Samples a fixture somewhere between `left` and `right`, up to height `top`.
    pub(super) fn sample(rng: &mut FacadeRng, left: f32, right: f32, top: f32) -> Self {
        let kind = rng.choose(&[
            Kind::Board,
            Kind::Board,
            Kind::Board,
            Kind::Letters,
            Kind::Letters,
            Kind::Poster,
            Kind::Poster,
            Kind::Awning,
            Kind::Box,
            Kind::Box,
            Kind::Gate,
            Kind::Lit,
            Kind::Lit,
            Kind::Graffiti,
            Kind::Repair,
            Kind::Streak,
            Kind::Streak,
        ]);
        let (width, height, low, high) = match kind {
            Kind::Board => (rng.uniform(0.5, 5.0), rng.uniform(0.3, 0.9), 2.3, 4.6),
            Kind::Letters => (rng.uniform(1.0, 6.0), rng.uniform(0.25, 0.7), 2.6, 4.8),
            Kind::Poster => (rng.uniform(0.4, 1.8), rng.uniform(0.5, 1.8), 0.7, 2.5),
            Kind::Awning => (rng.uniform(1.2, 4.0), rng.uniform(0.5, 1.1), 2.2, 3.2),
            Kind::Box => (rng.uniform(0.2, 0.9), rng.uniform(0.25, 0.7), 0.8, top),
            Kind::Gate => (rng.uniform(0.9, 3.2), rng.uniform(2.0, 3.4), 0.0, 0.01),
            Kind::Lit => (rng.uniform(0.8, 2.6), rng.uniform(1.0, 2.0), 0.5, 1.2),
            Kind::Graffiti => (rng.uniform(0.6, 2.5), rng.uniform(0.4, 1.2), 0.4, 1.5),
            Kind::Repair => (rng.uniform(0.4, 3.0), rng.uniform(0.4, 2.5), 0.0, top),
            Kind::Streak => (rng.uniform(0.1, 0.7), rng.uniform(1.0, 4.0), 0.0, top),
        };
        Self {
            kind,
            x: rng.uniform(left, right),
            y: rng.uniform(low, high.max(low + 0.01)),
            width,
            height,
            color: rng.choose(&SIGNS).jittered(rng, 0.15),
            accent: rng.choose(&SIGNS).jittered(rng, 0.15),
            salt: rng.salt(),
        }
    }

    /// Draws it.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light) {
        let area = Rect::new(self.x - self.width / 2.0, self.y, self.width, self.height);
        if !canvas.is_visible(area.expanded(0.5)) {
            return;
        }
        let chance = |what: i32| random::hash_unit(what, 5, self.salt);
        match self.kind {
            Kind::Board => {
                light.drop_shadow(canvas, area, 0.15);
                canvas.fill(area, self.color);
                light.bevel(canvas, area, 0.03);
                lettering::draw(
                    canvas,
                    area.expanded_xy(-0.1, -0.24 * self.height),
                    self.readable(),
                    self.salt,
                );
            }
            Kind::Letters => {
                let shadow = area.translated(0.05 * light.sideways, -0.05);
                lettering::draw(canvas, shadow, Color::SHADOW.lerp(self.color, 0.3), self.salt);
                lettering::draw(canvas, area, self.color, self.salt);
            }
            Kind::Poster => {
                canvas.fill(area, self.color);
                for part in 0..4 {
                    let (left, bottom) = (chance(4 * part) * 0.7, chance(4 * part + 1) * 0.7);
                    let (width, height) = (chance(4 * part + 2) * 0.5, chance(4 * part + 3) * 0.4);
                    let patch = Rect::new(
                        area.left + left * self.width,
                        area.bottom + bottom * self.height,
                        width.min(1.0 - left) * self.width,
                        height.min(1.0 - bottom) * self.height,
                    );
                    let color = if part % 2 == 0 { self.accent } else { self.readable() };
                    canvas.blend(patch, color, 0.8);
                }
                let line =
                    area.expanded_xy(-0.08 * self.width, 0.0).with_bottom(area.top - 0.2 * self.height);
                lettering::draw(
                    canvas,
                    line.expanded_xy(0.0, -0.04 * self.height),
                    self.readable(),
                    self.salt,
                );
            }
            Kind::Awning => {
                light.drop_shadow(canvas, area, 0.9);
                let slant = 0.12 * self.width * light.sideways;
                let corners = [
                    [area.left + slant, area.bottom],
                    [area.right + slant, area.bottom],
                    [area.right, area.top],
                    [area.left, area.top],
                ];
                canvas.polygon(&corners, self.color, 1.0);
                canvas.fill_gradient(area, Color::WHITE, 0.25, 0.0);
                canvas.fill(area.translated(slant, 0.0).below(0.18), self.color.scaled(0.7));
            }
            Kind::Box => {
                light.drop_shadow(canvas, area, 0.3);
                canvas.fill(area, Color::rgb([0.74, 0.74, 0.72]).lerp(self.color, 0.2));
                light.bevel(canvas, area, 0.03);
                let grille = [area.center(), (area.bottom + area.top) / 2.0];
                let radius = 0.38 * self.width.min(self.height);
                canvas.ellipse(grille, [radius, radius], Color::rgb([0.25, 0.25, 0.26]), 0.7);
            }
            Kind::Gate => {
                let rise = if chance(0) < 0.4 { 0.45 * self.width } else { 0.0 };
                let dark = Color::rgb([0.07, 0.07, 0.08]).lerp(self.color, 0.35 * chance(1));
                canvas.arch(area, rise, dark, 1.0);
                if chance(2) < 0.5 {
                    // A roller shutter, or a passage with light at its end.
                    let slats = (self.height / 0.12) as u32;
                    for slat in 0..slats {
                        let y = area.bottom + 0.12 * slat as f32;
                        canvas.blend(area.with_heights(y, y + 0.05), Color::rgb([0.6, 0.6, 0.58]), 0.35);
                    }
                } else {
                    let end =
                        area.expanded_xy(-0.3 * self.width, 0.0).with_top(area.bottom + 0.6 * self.height);
                    canvas.blend(end, Color::rgb([0.60, 0.58, 0.52]), 0.5 * chance(3));
                }
                light.recess_shadow(canvas, area, rise, 0.35);
            }
            Kind::Lit => {
                canvas.fill(area.expanded(0.07), self.color.scaled(0.8));
                canvas.fill(area, Color::rgb([0.34, 0.26, 0.16]));
                canvas.fill_gradient(area, Color::rgb([0.97, 0.82, 0.52]), 0.55 + 0.4 * chance(0), 0.15);
                for item in 0..5 {
                    let size = 0.08 + 0.3 * chance(10 + item);
                    let left = area.left + (self.width - size) * chance(20 + item);
                    let thing =
                        Rect::new(left, area.bottom, size, self.height * (0.2 + 0.5 * chance(30 + item)));
                    let color = if item % 2 == 0 { self.accent } else { Color::rgb([0.12, 0.10, 0.09]) };
                    canvas.blend(thing, color, 0.7);
                }
                canvas.fill(
                    area.with_sides(area.center() - 0.03, area.center() + 0.03),
                    self.color.scaled(0.7),
                );
            }
            Kind::Graffiti => {
                let point = |what: i32| {
                    [
                        area.left + self.width * chance(2 * what),
                        area.bottom + self.height * chance(2 * what + 1),
                    ]
                };
                let width = 0.03 + 0.06 * chance(100);
                for stroke in 0..9 {
                    canvas.line(point(stroke), point(stroke + 1), width, self.color, 0.85);
                }
            }
            Kind::Repair => {
                let tone = if chance(0) < 0.5 { Color::WHITE } else { Color::SHADOW };
                canvas.blend(area, tone, 0.08 + 0.2 * chance(1));
            }
            Kind::Streak => {
                let tone = if chance(0) < 0.25 { Color::WHITE } else { Color::SHADOW };
                canvas.fill_gradient(area, tone, 0.15 + 0.3 * chance(1), 0.0);
            }
        }
    }

    /// A color that stands out from this fixture's own.
    fn readable(&self) -> Color {
        let [red, green, blue] = self.color.channels();
        if (red + 2.0 * green + blue) / 4.0 > 0.5 {
            Color::rgb([0.10, 0.10, 0.12])
        } else {
            Color::rgb([0.88, 0.87, 0.82])
        }
    }
}
