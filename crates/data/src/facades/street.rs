//! The street: pavement, curb and road, and what stands in front of the houses.

use super::area::Area;
use super::canvas::Canvas;
use super::color::Color;
use super::grain::{self, Blotches};
use super::light::Light;
use super::stream::Stream;

/// Height of the curb's upper edge on the picture, in meters below the foot of the houses.
const CURB: f32 = 0.55;

/// The street of one picture; `x` is counted from the middle of the picture.
#[derive(Clone, Debug)]
pub(super) struct Street {
    pavement: Color,
    road: Color,
    lamp: Option<f32>,
    tree: Option<Tree>,
    car: Option<(f32, Color)>,
    salt: u32,
}

/// A young street tree.
#[derive(Clone, Copy, Debug)]
struct Tree {
    x: f32,
    /// Height of the crown's middle and its radius, in meters.
    middle: f32,
    radius: f32,
    leaves: Color,
}

impl Street {
    /// Draws a street, often empty.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        let grey = stream.uniform(0.42, 0.62);
        let pavement = Color::rgb([grey, grey * 0.98, grey * 0.95]);
        let lacquer = [
            Color::rgb([0.14, 0.15, 0.17]),
            Color::rgb([0.62, 0.63, 0.64]),
            Color::rgb([0.80, 0.80, 0.79]),
            Color::rgb([0.35, 0.12, 0.12]),
            Color::rgb([0.15, 0.20, 0.32]),
        ];
        let tree = Tree {
            x: stream.uniform(-8.0, 8.0),
            middle: stream.uniform(4.0, 7.0),
            radius: stream.uniform(1.4, 2.6),
            leaves: stream.pick(&[
                Color::rgb([0.24, 0.31, 0.15]),
                Color::rgb([0.31, 0.37, 0.18]),
                Color::rgb([0.38, 0.34, 0.17]),
            ]),
        };
        Self {
            pavement,
            road: pavement.scaled(stream.uniform(0.6, 0.85)),
            lamp: stream.chance(0.15).then(|| stream.uniform(-7.0, 7.0)),
            tree: stream.chance(0.14).then_some(tree),
            car: stream.chance(0.3).then(|| (stream.uniform(-8.0, 8.0), stream.pick(&lacquer))),
            salt: stream.salt(),
        }
    }

    /// Covers the ground in front of the houses.
    pub(super) fn draw_ground(&self, canvas: &mut Canvas) {
        let view = canvas.view();
        let pixel = canvas.pixel();
        let stains = Blotches { cell: [0.7, 0.12], salt: self.salt };
        let mut tones = vec![0.0; canvas.width];
        canvas.rows(view.with_top(0.0), |y, left, row| {
            let base = if y > -CURB { self.pavement } else { self.road };
            let tones = &mut tones[..row.len()];
            tones.fill(1.0);
            stains.add_row(y, left, pixel, 0.06, tones);
            for (color, tone) in row.iter_mut().zip(&*tones) {
                *color = base.scaled(*tone);
            }
        });
        let curb = view.with_heights(-CURB - 0.1, -CURB);
        canvas.fill(curb, self.pavement.scaled(1.1));
        canvas.fade(curb.below(0.12), Color::SHADOW, 0.5, 0.1);
        canvas.fade(view.with_heights(-0.25, 0.0), Color::SHADOW, 0.45, 0.0);
    }

    /// Draws what stands between the viewer and the houses; `middle` is the x of the picture's middle.
    pub(super) fn draw_things(&self, canvas: &mut Canvas, light: &Light, middle: f32) {
        if let Some(tree) = &self.tree {
            tree.draw(canvas, light, middle + tree.x, self.salt);
        }
        if let Some((x, lacquer)) = self.car {
            draw_car(canvas, light, middle + x, lacquer);
        }
        if let Some(x) = self.lamp {
            let x = middle + x;
            canvas.fill(Area::new(x - 0.06, -CURB, 0.12, 5.0), Color::IRON);
            canvas.fill(Area::new(x - 0.12, -CURB, 0.24, 1.0), Color::IRON);
            let lantern = [[x - 0.14, 4.5], [x + 0.14, 4.5], [x + 0.24, 5.1], [x - 0.24, 5.1]];
            canvas.polygon(&lantern, Color::rgb([0.72, 0.72, 0.68]), 0.85);
            canvas.polygon(&[[x - 0.3, 5.1], [x + 0.3, 5.1], [x, 5.4]], Color::IRON, 1.0);
        }
    }
}

impl Tree {
    fn draw(&self, canvas: &mut Canvas, light: &Light, x: f32, salt: u32) {
        /// Tufts of leaves in the crown.
        const TUFTS: i32 = 300;
        let crown = Area::new(x, self.middle, 0.0, 0.0).grown(self.radius * 1.3);
        if !canvas.sees(crown.with_bottom(-CURB)) {
            return;
        }
        let bark = Color::rgb([0.23, 0.20, 0.17]);
        let corners =
            [[x - 0.14, -CURB], [x + 0.14, -CURB], [x + 0.08, self.middle], [x - 0.08, self.middle]];
        canvas.polygon(&corners, bark, 1.0);
        for limb in [-0.6, -0.2, 0.25, 0.65] {
            let tip = [x + limb * self.radius, self.middle + self.radius * 0.5];
            canvas.line([x, self.middle - self.radius * 0.8], tip, 0.09, bark, 1.0);
        }
        for tuft in 0..TUFTS {
            let place = |what: i32| 2.0 * grain::unit(tuft, what, salt) - 1.0;
            let (across, up) = (place(0), place(1));
            if across * across + up * up > 1.0 {
                continue;
            }
            // Leaves toward the sun are lighter than those in the depth of the crown.
            let lit = 0.5 * (up - across * light.sideways) + 0.35 * place(2);
            let toward = if lit > 0.0 { Color::rgb([0.62, 0.66, 0.40]) } else { Color::SHADOW };
            let color = self.leaves.mix(toward, lit.abs() * 0.55);
            let size = self.radius * (0.08 + 0.04 * place(3));
            let center = [x + across * self.radius, self.middle + up * self.radius * 1.15];
            canvas.ellipse(center, [size * 1.2, size], color, 0.9);
        }
    }
}

/// Draws a parked car, seen from the side, with its middle at `x`.
fn draw_car(canvas: &mut Canvas, light: &Light, x: f32, lacquer: Color) {
    /// Height of the tires' lowest point: the car stands on the road, nearer than the houses.
    const ROAD: f32 = -CURB - 0.3;
    if !canvas.sees(Area::new(x - 2.6, ROAD, 5.2, 1.8)) {
        return;
    }
    let at = |across: f32, up: f32| [x + across, ROAD + up];
    canvas.ellipse(at(0.0, 0.05), [2.5, 0.16], Color::SHADOW, 0.75);
    let cabin = [at(-1.55, 0.85), at(1.35, 0.85), at(0.75, 1.48), at(-1.05, 1.48)];
    canvas.polygon(&cabin, lacquer, 1.0);
    let glass = [at(-1.32, 0.9), at(1.1, 0.9), at(0.65, 1.4), at(-0.98, 1.4)];
    canvas.polygon(&glass, Color::rgb([0.13, 0.15, 0.17]), 1.0);
    canvas.fill(Area::new(x - 0.2, ROAD + 0.85, 0.09, 0.6), lacquer);
    let body = [at(-2.25, 0.3), at(2.25, 0.3), at(2.2, 0.75), at(1.4, 0.93), at(-1.9, 0.93), at(-2.25, 0.8)];
    canvas.polygon(&body, lacquer, 1.0);
    let side = Area::new(x - 2.2, ROAD + 0.3, 4.4, 0.35);
    canvas.fade(side, Color::SHADOW, 0.0, 0.5);
    canvas.blend(Area::new(x - 1.9, ROAD + 0.84, 3.3, 0.05), Color::WHITE, light.strength);
    for wheel in [-1.4, 1.4] {
        canvas.ellipse(at(wheel, 0.32), [0.33, 0.33], Color::rgb([0.07, 0.07, 0.08]), 1.0);
        canvas.ellipse(at(wheel, 0.32), [0.19, 0.19], Color::rgb([0.48, 0.48, 0.49]), 1.0);
    }
}
