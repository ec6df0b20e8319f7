//! People on the pavement.

use super::{
    super::{canvas::Canvas, color::Color, random::FacadeRng},
    place::Place,
};

/// Someone walking or standing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    height: f32,
    /// Half the distance between the feet, in meters.
    stride: f32,
    skin: Color,
    hair: Color,
    coat: Color,
    trousers: Color,
    /// How far down the coat reaches, as a fraction of the height.
    hem: f32,
    bag: bool,
}

impl Person {
    /// Samples a person.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let clothes = [
            Color::rgb([0.09, 0.09, 0.11]),
            Color::rgb([0.14, 0.17, 0.26]),
            Color::rgb([0.25, 0.24, 0.22]),
            Color::rgb([0.48, 0.45, 0.40]),
            Color::rgb([0.55, 0.13, 0.14]),
            Color::rgb([0.24, 0.36, 0.48]),
            Color::rgb([0.80, 0.79, 0.76]),
            Color::rgb([0.60, 0.48, 0.20]),
        ];
        Self {
            height: rng.uniform(1.5, 1.9),
            stride: rng.uniform(0.04, 0.3),
            skin: Color::rgb([0.68, 0.51, 0.42]).jittered(rng, 0.35),
            hair: Color::rgb([0.22, 0.16, 0.12]).jittered(rng, 0.6),
            coat: rng.choose(&clothes).jittered(rng, 0.2),
            trousers: rng.choose(&clothes[..4]).jittered(rng, 0.3),
            hem: rng.uniform(0.3, 0.52),
            bag: rng.chance(0.4),
        }
    }

    /// Draws the person.
    pub(super) fn draw(&self, canvas: &mut Canvas, place: Place) {
        let height = self.height;
        if !canvas.is_visible(place.rect(-0.4, 0.0, 0.8, height)) {
            return;
        }
        let at = |right: f32, up: f32| place.at(right, up * height);
        let scale = place.scale;
        canvas.ellipse(at(0.0, 0.01), [0.35 * scale, 0.06 * scale], Color::SHADOW, 0.5);
        for foot in [-self.stride, self.stride] {
            canvas.line(at(foot * 0.3, 0.5), at(foot, 0.02), 0.15 * scale, self.trousers, 1.0);
        }
        let body = [at(-0.2, 0.82), at(0.2, 0.82), at(0.22, self.hem), at(-0.22, self.hem)];
        canvas.polygon(&body, self.coat, 1.0);
        let shade = [at(0.05, 0.82), at(0.2, 0.82), at(0.22, self.hem), at(0.08, self.hem)];
        canvas.polygon(&shade, Color::SHADOW, 0.35);
        for (side, reach) in [(-0.22, -self.stride * 0.6), (0.22, self.stride * 0.6)] {
            canvas.line(at(side, 0.8), at(side + reach, 0.48), 0.1 * scale, self.coat.scaled(0.85), 1.0);
        }
        canvas.ellipse(at(0.0, 0.92), [0.1 * scale, 0.13 * scale], self.skin, 1.0);
        canvas.ellipse(at(0.0, 0.955), [0.11 * scale, 0.08 * scale], self.hair, 1.0);
        if self.bag {
            canvas.fill(place.rect(0.2, 0.38 * height, 0.3, 0.28), self.trousers.scaled(1.4));
        }
    }
}
