//! Cars, vans and buses, parked along the pavement or seen from behind.

use super::{
    super::{canvas::Canvas, color::Color, light::Light, random::FacadeRng},
    place::Place,
};

const GLASS: Color = Color::rgb([0.12, 0.14, 0.16]);
const TIRE: Color = Color::rgb([0.06, 0.06, 0.07]);

/// A vehicle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vehicle {
    shape: Shape,
    lacquer: Color,
    /// 1 = heading right, -1 = heading left.
    heading: f32,
    /// A band or lettering along the side of a van or bus.
    band: Option<Color>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// A car: length, height, and where the roof begins and ends, as fractions of the length.
    Car([f32; 4]),
    /// A box on wheels: length, height, number of side windows.
    Van(f32, f32, u32),
    /// A car seen from the front or from behind: width and height.
    End(f32, f32),
}

impl Vehicle {
    /// Samples a vehicle seen from the side.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let shape = match rng.integer(0, 9) {
            0..=7 => Shape::Car([
                rng.uniform(3.6, 4.8),
                rng.uniform(1.38, 1.7),
                rng.uniform(0.06, 0.28),
                rng.uniform(0.58, 0.72),
            ]),
            8 => Shape::Van(rng.uniform(4.6, 6.5), rng.uniform(1.9, 2.7), rng.integer(1, 4)),
            _ => Shape::Van(rng.uniform(9.0, 13.0), rng.uniform(2.9, 3.3), rng.integer(6, 9)),
        };
        Self::with_shape(rng, shape)
    }

    /// Samples a car seen from the front or from behind.
    pub(super) fn sample_end(rng: &mut FacadeRng) -> Self {
        let shape = Shape::End(rng.uniform(1.65, 1.95), rng.uniform(1.4, 1.9));
        Self::with_shape(rng, shape)
    }

    fn with_shape(rng: &mut FacadeRng, shape: Shape) -> Self {
        let lacquer = rng.choose(&[
            Color::rgb([0.10, 0.10, 0.11]),
            Color::rgb([0.16, 0.17, 0.19]),
            Color::rgb([0.30, 0.31, 0.33]),
            Color::rgb([0.56, 0.57, 0.58]),
            Color::rgb([0.72, 0.73, 0.73]),
            Color::rgb([0.86, 0.86, 0.85]),
            Color::rgb([0.50, 0.09, 0.09]),
            Color::rgb([0.12, 0.21, 0.42]),
            Color::rgb([0.35, 0.48, 0.62]),
            Color::rgb([0.13, 0.27, 0.19]),
            Color::rgb([0.72, 0.45, 0.12]),
        ]);
        let band = rng.choose(&[
            Color::rgb([0.15, 0.45, 0.38]),
            Color::rgb([0.65, 0.15, 0.14]),
            Color::rgb([0.85, 0.85, 0.82]),
            Color::rgb([0.12, 0.25, 0.55]),
        ]);
        Self {
            shape,
            lacquer: lacquer.jittered(rng, 0.15),
            heading: if rng.chance(0.5) { 1.0 } else { -1.0 },
            band: rng.chance(0.5).then_some(band),
        }
    }

    /// Draws the vehicle.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, place: Place) {
        match self.shape {
            Shape::Car(shape) => self.draw_car(canvas, light, place, shape),
            Shape::Van(length, height, windows) => {
                self.draw_van(canvas, light, place, [length, height], windows)
            }
            Shape::End(width, height) => self.draw_end(canvas, light, place, [width, height]),
        }
    }

    fn draw_car(&self, canvas: &mut Canvas, light: &Light, place: Place, shape: [f32; 4]) {
        let [length, height, rear, front] = shape;
        let half = length / 2.0;
        if !canvas.is_visible(place.rect(-half, -0.1, length, height + 0.2)) {
            return;
        }
        // x from the rear bumper, 0, to the front bumper, `length`.
        let at = |x: f32, y: f32| place.at(self.heading * (x - half), y);
        let belt = 0.58 * height;
        let (roof_rear, roof_front) = (rear * length, (front - 0.08) * length);
        self.draw_shadow(canvas, place, half);
        let cabin = [
            at(roof_rear - 0.1 * length, belt),
            at(roof_rear + 0.04 * length, height),
            at(roof_front - 0.06 * length, height),
            at(front * length + 0.08 * length, belt),
        ];
        canvas.polygon(&cabin, self.lacquer, 1.0);
        let (low, high) = (belt + 0.02, height - 0.09);
        let glass = [
            at(roof_rear - 0.04 * length, low),
            at(roof_rear + 0.06 * length, high),
            at(roof_front - 0.07 * length, high),
            at(front * length + 0.05 * length, low),
        ];
        canvas.polygon(&glass, GLASS, 1.0);
        // Sky in the windows.
        let middle = (low + high) / 2.0;
        let [rear_edge, front_edge] = [(glass[0], glass[1]), (glass[3], glass[2])]
            .map(|(foot, head)| [(foot[0] + head[0]) / 2.0, place.at(0.0, middle)[1]]);
        canvas.polygon(&[rear_edge, glass[1], glass[2], front_edge], Color::rgb([0.62, 0.68, 0.74]), 0.3);
        for pillar in [0.35, 0.65] {
            let x = roof_rear + (roof_front - roof_rear) * pillar;
            canvas.line(at(x, belt), at(x, height - 0.04), 0.07 * place.scale, self.lacquer, 1.0);
        }
        let body = [
            at(0.0, 0.32),
            at(0.02 * length, 0.8 * belt),
            at(0.05 * length, belt + 0.03),
            at(0.72 * length, belt + 0.03),
            at(0.93 * length, 0.86 * belt),
            at(length, 0.6 * belt),
            at(length, 0.3),
        ];
        canvas.polygon(&body, self.lacquer, 1.0);
        self.shade_body(canvas, light, place, half, belt);
        let lamp = place.rect(self.heading * (half - 0.28) - 0.14, 0.66 * belt, 0.28, 0.12);
        canvas.blend(lamp, Color::WHITE, 0.7);
        let lamp = place.rect(self.heading * (0.12 - half) - 0.1, 0.72 * belt, 0.2, 0.16);
        canvas.blend(lamp, Color::rgb([0.55, 0.05, 0.05]), 0.85);
        for wheel in [0.2 * length, 0.8 * length] {
            draw_wheel(canvas, at(wheel, 0.31), 0.32 * place.scale);
        }
    }

    fn draw_van(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        place: Place,
        [length, height]: [f32; 2],
        windows: u32,
    ) {
        let half = length / 2.0;
        if !canvas.is_visible(place.rect(-half, -0.1, length, height + 0.2)) {
            return;
        }
        let at = |x: f32, y: f32| place.at(self.heading * (x - half), y);
        self.draw_shadow(canvas, place, half);
        let hood = if length > 8.0 { 0.1 } else { 1.0 };
        let body = [
            at(0.0, 0.35),
            at(0.0, height - 0.1),
            at(0.1, height),
            at(length - hood - 0.3, height),
            at(length - 0.6 * hood, 0.55 * height),
            at(length, 0.5 * height),
            at(length, 0.35),
        ];
        canvas.polygon(&body, self.lacquer, 1.0);
        self.shade_body(canvas, light, place, half, 0.5 * height);
        if let Some(band) = self.band {
            canvas.fill(place.rect(-half, 0.28 * height, length, 0.14 * height), band);
        }
        let (low, high) = (0.52 * height, 0.86 * height);
        let room = length - hood - 0.4;
        let width = if length > 8.0 { room / windows as f32 } else { 1.1 };
        for index in 0..windows {
            let right = room - width * index as f32;
            let pane = [
                at(right - width + 0.12, low),
                at(right - width + 0.12, high),
                at(right, high),
                at(right, low),
            ];
            canvas.polygon(&pane, GLASS, 1.0);
            canvas.polygon(&pane, Color::rgb([0.60, 0.66, 0.72]), 0.15 + 0.1 * (index % 3) as f32);
        }
        for wheel in [0.16 * length, 0.82 * length] {
            draw_wheel(canvas, at(wheel, 0.36), 0.37 * place.scale);
        }
    }

    fn draw_end(&self, canvas: &mut Canvas, light: &Light, place: Place, [width, height]: [f32; 2]) {
        let half = width / 2.0;
        if !canvas.is_visible(place.rect(-half, -0.1, width, height + 0.2)) {
            return;
        }
        self.draw_shadow(canvas, place, half);
        let belt = 0.56 * height;
        for side in [-1.0, 1.0] {
            canvas.fill(place.rect(side * (half - 0.14) - 0.11, 0.0, 0.22, 0.5), TIRE);
        }
        let at = |x: f32, y: f32| place.at(x, y);
        let cabin =
            [at(-0.92 * half, belt), at(-0.7 * half, height), at(0.7 * half, height), at(0.92 * half, belt)];
        canvas.polygon(&cabin, self.lacquer, 1.0);
        let (low, high) = (belt + 0.04, height - 0.1);
        let glass =
            [at(-0.82 * half, low), at(-0.65 * half, high), at(0.65 * half, high), at(0.82 * half, low)];
        canvas.polygon(&glass, GLASS, 1.0);
        let gleam = [glass[1], glass[2], at(0.74 * half, (low + high) / 2.0)];
        canvas.polygon(&gleam, Color::rgb([0.60, 0.66, 0.72]), 0.4);
        let body = [
            at(-0.97 * half, 0.25),
            at(-half, 0.5),
            at(-0.94 * half, belt + 0.02),
            at(0.94 * half, belt + 0.02),
            at(half, 0.5),
            at(0.97 * half, 0.25),
        ];
        canvas.polygon(&body, self.lacquer, 1.0);
        self.shade_body(canvas, light, place, half, belt);
        let lamp = if self.heading > 0.0 { Color::WHITE } else { Color::rgb([0.55, 0.06, 0.06]) };
        for side in [-1.0, 1.0] {
            canvas.blend(place.rect(side * 0.76 * half - 0.16, 0.68 * belt, 0.32, 0.15), lamp, 0.85);
        }
        canvas.fill(place.rect(-0.26, 0.42, 0.52, 0.11), Color::rgb([0.82, 0.82, 0.76]));
        canvas.blend(place.rect(-half * 0.9, 0.25, width * 0.9, 0.12), TIRE, 0.6);
    }

    /// The dark under a vehicle.
    fn draw_shadow(&self, canvas: &mut Canvas, place: Place, half: f32) {
        let radii = [1.08 * half * place.scale, 0.16 * place.scale];
        canvas.ellipse(place.at(0.0, 0.04), radii, Color::SHADOW, 0.8);
        canvas.fill(place.rect(-0.9 * half, 0.05, 1.8 * half, 0.4), TIRE);
    }

    /// Sky on the shoulder, street in the doors.
    fn shade_body(&self, canvas: &mut Canvas, light: &Light, place: Place, half: f32, belt: f32) {
        let side = place.rect(-0.97 * half, 0.34, 1.94 * half, belt - 0.3);
        canvas.fill_gradient(side, Color::SHADOW, 0.0, 0.55);
        canvas.blend(place.rect(-0.9 * half, belt - 0.06, 1.7 * half, 0.06), Color::WHITE, light.strength);
    }
}

fn draw_wheel(canvas: &mut Canvas, center: [f32; 2], radius: f32) {
    canvas.ellipse(center, [radius * 1.2, radius * 1.2], Color::SHADOW, 0.7);
    canvas.ellipse(center, [radius, radius], TIRE, 1.0);
    canvas.ellipse(center, [radius * 0.62, radius * 0.62], Color::rgb([0.45, 0.46, 0.47]), 1.0);
    canvas.ellipse(center, [radius * 0.2, radius * 0.2], TIRE, 0.7);
}
