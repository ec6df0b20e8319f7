//! What stands or hangs in a street: lamps, traffic signs, bollards, railings, hedges and wires.

use super::{
    super::{canvas::Canvas, color::Color, light::Light, random::FacadeRng},
    foliage::Foliage,
    lettering,
    place::Place,
};

/// One object, or one row of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Furniture {
    /// A lantern on a mast of this height, and the mast's width.
    Lamp { height: f32, width: f32 },
    /// A mast with a plate.
    Sign { height: f32, plate: Plate, color: Color, salt: u32 },
    /// Posts of this height, one each `step` meters.
    Bollards { count: u32, step: f32, height: f32, paint: Color },
    /// Bars between rails, on a wall of height `foot`.
    Railing { length: f32, height: f32, foot: f32, paint: Color, stone: Color },
    /// A hedge, or a bush when it is short.
    Hedge { length: f32, height: f32, leaves: Foliage },
    /// A litter bin, a cabinet, a kiosk: a box.
    Cabinet { width: f32, height: f32, paint: Color, poster: Color },
    /// Wires across the street at about this height.
    Wires { count: u32, height: f32, slope: f32 },
}

/// The shape of a traffic sign.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plate {
    Disc,
    Triangle,
    Board,
}

impl Furniture {
    /// Samples one.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let iron = Color::IRON.lerp(Color::rgb([0.20, 0.28, 0.25]), rng.uniform(0.0, 1.0));
        let colors = [
            Color::rgb([0.70, 0.10, 0.10]),
            Color::rgb([0.10, 0.25, 0.60]),
            Color::rgb([0.85, 0.85, 0.84]),
            Color::rgb([0.10, 0.42, 0.26]),
            Color::rgb([0.85, 0.65, 0.10]),
        ];
        let color = rng.choose(&colors).jittered(rng, 0.1);
        match rng.integer(0, 12) {
            0..=2 => Self::Lamp { height: rng.uniform(3.5, 9.0), width: rng.uniform(0.08, 0.2) },
            3..=5 => {
                let plate = rng.choose(&[Plate::Disc, Plate::Disc, Plate::Triangle, Plate::Board]);
                Self::Sign { height: rng.uniform(2.3, 3.2), plate, color, salt: rng.salt() }
            }
            6..=7 => Self::Bollards {
                count: rng.integer(2, 9),
                step: rng.uniform(1.0, 1.8),
                height: rng.uniform(0.7, 1.1),
                paint: iron,
            },
            8 => {
                let grey = rng.uniform(0.4, 0.7);
                Self::Railing {
                    length: rng.uniform(4.0, 16.0),
                    height: rng.uniform(1.0, 2.2),
                    foot: if rng.chance(0.4) { rng.uniform(0.3, 1.0) } else { 0.0 },
                    paint: iron,
                    stone: Color::rgb([grey, grey * 0.97, grey * 0.92]),
                }
            }
            9 => Self::Hedge {
                length: rng.uniform(1.0, 8.0),
                height: rng.uniform(0.8, 2.2),
                leaves: Foliage::sample(rng),
            },
            10 => Self::Cabinet {
                width: rng.uniform(0.4, 1.6),
                height: rng.uniform(0.8, 2.6),
                paint: iron.lerp(color, rng.uniform(0.0, 0.8)),
                poster: color,
            },
            _ => Self::Wires {
                count: rng.integer(1, 4),
                height: rng.uniform(4.0, 9.0),
                slope: rng.uniform(-0.15, 0.15),
            },
        }
    }

    /// Draws it.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, place: Place) {
        match *self {
            Self::Lamp { height, width } => {
                canvas.fill(place.rect(-width / 2.0, 0.0, width, height), Color::IRON);
                canvas.fill(place.rect(-width, 0.0, 2.0 * width, 0.9), Color::IRON);
                canvas.blend(place.rect(-width / 2.0, 0.0, width * 0.3, height), Color::WHITE, 0.25);
                let at = |x: f32, y: f32| place.at(x, height + y);
                let lantern = [at(-0.13, 0.0), at(0.13, 0.0), at(0.24, 0.55), at(-0.24, 0.55)];
                canvas.polygon(&lantern, Color::rgb([0.78, 0.78, 0.74]), 0.9);
                canvas.polygon(&[at(-0.3, 0.55), at(0.3, 0.55), at(0.0, 0.85)], Color::IRON, 1.0);
            }
            Self::Sign { height, plate, color, salt } => {
                canvas.fill(place.rect(-0.035, 0.0, 0.07, height), Color::rgb([0.45, 0.46, 0.47]));
                let white = Color::rgb([0.86, 0.86, 0.85]);
                let radius = |meters: f32| [meters * place.scale; 2];
                match plate {
                    Plate::Disc => {
                        canvas.ellipse(place.at(0.0, height), radius(0.34), white, 1.0);
                        canvas.ellipse(place.at(0.0, height), radius(0.31), color, 1.0);
                        canvas.fill(place.rect(-0.2, height - 0.05, 0.4, 0.1), white);
                    }
                    Plate::Triangle => {
                        let triangle = |r: f32| {
                            [(-r, -0.6 * r), (r, -0.6 * r), (0.0, r)].map(|(x, y)| place.at(x, height + y))
                        };
                        canvas.polygon(&triangle(0.42), color, 1.0);
                        canvas.polygon(&triangle(0.24), white, 1.0);
                    }
                    Plate::Board => {
                        let board = place.rect(-0.45, height - 0.4, 0.9, 0.7);
                        canvas.fill(board, color);
                        lettering::draw(
                            canvas,
                            board.expanded_xy(-0.06 * place.scale, -0.2 * place.scale),
                            white,
                            salt,
                        );
                    }
                }
            }
            Self::Bollards { count, step, height, paint } => {
                for index in 0..count {
                    let post = place.rect(step * (index as f32 - 0.5 * count as f32), 0.0, 0.12, height);
                    canvas.fill(post, paint);
                    canvas.blend(post.with_right(post.left + 0.04 * place.scale), Color::WHITE, 0.25);
                }
            }
            Self::Railing { length, height, foot, paint, stone } => {
                let half = length / 2.0;
                if foot > 0.0 {
                    let wall = place.rect(-half, 0.0, length, foot);
                    canvas.fill(wall, stone);
                    light.bevel(canvas, wall, 0.05);
                }
                /// From bar to bar, and the thickness of a bar, in meters.
                const STEP: f32 = 0.14;
                const BAR: f32 = 0.03;
                let field = place.rect(-half, foot, length, height - foot);
                if STEP * place.scale < canvas.pixel() * 2.0 {
                    canvas.blend(field, paint, BAR / STEP * 1.3);
                } else {
                    for index in 0..(length / STEP) as u32 {
                        canvas.fill(place.rect(STEP * index as f32 - half, foot, BAR, height - foot), paint);
                    }
                }
                for rail in [foot + 0.1, height - 0.25] {
                    canvas.fill(place.rect(-half, rail, length, 0.05), paint);
                }
            }
            Self::Hedge { length, height, leaves } => {
                let half = 0.5 * length * place.scale;
                let center = place.at(0.0, 0.4 * height);
                canvas.ellipse(place.at(0.0, 0.05), [half, 0.15 * place.scale], Color::SHADOW, 0.6);
                leaves.draw(canvas, light, center, [half, 0.62 * height * place.scale], place.scale);
            }
            Self::Cabinet { width, height, paint, poster } => {
                let body = place.rect(-width / 2.0, 0.0, width, height);
                canvas.fill(body, paint);
                light.bevel(canvas, body, 0.04 * place.scale);
                if height > 1.5 {
                    canvas.fill(
                        body.expanded(-0.15 * place.scale).with_bottom(body.bottom + 0.3 * body.height()),
                        poster,
                    );
                }
            }
            Self::Wires { count, height, slope } => {
                let viewport = canvas.viewport();
                for index in 0..count {
                    let y = height + 0.3 * index as f32;
                    let rise = (slope + 0.02 * index as f32) * viewport.width() / 2.0;
                    let middle = [viewport.center(), y - 0.1];
                    let (left, right) = ([viewport.left, y - rise], [viewport.right, y + rise]);
                    for (from, to) in [(left, middle), (middle, right)] {
                        canvas.line(from, to, 0.03, Color::IRON, 0.85);
                    }
                }
            }
        }
    }
}
