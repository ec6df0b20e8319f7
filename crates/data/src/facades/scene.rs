//! A scene: a row of houses, the sky above and the street before them, and where the camera stands.

use super::{
    canvas::{Canvas, Rect},
    color::Color,
    house::House,
    light::Light,
    random::{self, FacadeRng, ValueNoise},
};

/// All that one image shows.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// The houses from left to right, each with the x of its left end.
    houses: Vec<(f32, House)>,
    light: Light,
    sky: Sky,
    street: Street,
    /// What the canvas must show, and the part of its height that the image shows, in meters.
    viewport: Rect,
    height: f32,
}

impl Scene {
    /// Samples a scene whose canvas must extend `extent` half image heights to the side and upward.
    pub(super) fn sample(rng: &mut FacadeRng, extent: [f32; 2]) -> Self {
        let light = Light::sample(rng);
        let sky = Sky::sample(rng);
        let street = Street::sample(rng);
        let house = House::sample(rng);
        // From a close look at two windows to a whole house.
        let height = match rng.integer(0, 9) {
            0..=1 => rng.uniform(4.5, 7.0),
            2..=6 => rng.uniform(7.0, 12.0),
            _ => rng.uniform(12.0, 21.0),
        };
        let middle = Self::aim(rng, house.eaves(), height);
        let x = house.width() * rng.uniform(0.15, 0.85);
        let (right, up) = (extent[0] * height / 2.0, extent[1] * height / 2.0);
        let viewport = Rect { left: x - right, right: x + right, bottom: middle - up, top: middle + up };
        let (mut start, mut end) = (0.0, house.width());
        let mut houses = vec![(start, house)];
        while start > viewport.left {
            let next = House::sample(rng);
            start -= next.width();
            houses.insert(0, (start, next));
        }
        while end < viewport.right {
            let next = House::sample(rng);
            let width = next.width();
            houses.push((end, next));
            end += width;
        }
        Self { houses, light, sky, street, viewport, height }
    }

    /// Height of the image's middle when it shows `height` meters of a house with these eaves.
    fn aim(rng: &mut FacadeRng, eaves: f32, height: f32) -> f32 {
        let lowest = height * rng.uniform(0.38, 0.5);
        let highest = (eaves + 2.5 - height / 2.0).max(lowest);
        // Half of all images stand on the street, the rest look anywhere up the wall.
        if rng.chance(0.5) { lowest } else { rng.uniform(lowest, highest) }
    }

    /// Draws the scene for an image of this height in pixels.
    pub(super) fn draw(&self, pixels: u32) -> Canvas {
        let mut canvas = Canvas::new(self.viewport, pixels as f32 / self.height);
        let lowest = self.houses.iter().fold(f32::INFINITY, |low, (_, house)| low.min(house.eaves()));
        self.sky.draw(&mut canvas, lowest - 1.0);
        for (left, house) in &self.houses {
            house.draw(&mut canvas, &self.light, *left);
        }
        self.street.draw_ground(&mut canvas);
        self.light.shade_scene(&mut canvas);
        self.street.draw_objects(&mut canvas, &self.light, self.viewport.center());
        canvas
    }
}

/// The sky of one image: a gradient, and clouds of noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sky {
    zenith: Color,
    pub(super) horizon: Color,
    /// How much of the sky is clouded, as an offset on the noise.
    cover: f32,
    salt: u32,
}

impl Sky {
    /// Samples clear, cloudy and white skies.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let zenith = rng.choose(&[
            Color::rgb([0.42, 0.57, 0.76]),
            Color::rgb([0.52, 0.64, 0.78]),
            Color::rgb([0.64, 0.70, 0.77]),
            Color::rgb([0.78, 0.80, 0.82]),
            Color::rgb([0.86, 0.87, 0.87]),
        ]);
        let zenith = zenith.jittered(rng, 0.06);
        let horizon = zenith.lerp(Color::rgb([0.92, 0.92, 0.91]), rng.uniform(0.4, 0.8));
        Self { zenith, horizon, cover: rng.uniform(-0.7, 0.5), salt: rng.salt() }
    }

    /// Draws what the canvas shows above height `y`.
    pub(super) fn draw(&self, canvas: &mut Canvas, y: f32) {
        /// Octaves of the clouds: lattice cell in meters, and amplitude.
        const CLOUDS: [([f32; 2], f32); 3] = [([9.0, 3.5], 0.8), ([3.1, 1.3], 0.4), ([1.0, 0.5], 0.2)];
        /// Height over which the gradient runs, in meters.
        const DEPTH: f32 = 16.0;
        let viewport = canvas.viewport();
        let pixel = canvas.pixel();
        let mut cloud = vec![0.0; canvas.width];
        canvas.for_each_row(viewport.with_bottom(y), |height, left, row| {
            let cloud = &mut cloud[..row.len()];
            cloud.fill(self.cover);
            for (octave, (cell, amplitude)) in (0_u32..).zip(CLOUDS) {
                ValueNoise { cell, salt: self.salt ^ octave }.add_row(height, left, pixel, amplitude, cloud);
            }
            let clear = self.horizon.lerp(self.zenith, ((height - y) / DEPTH).clamp(0.0, 1.0));
            for (color, density) in row.iter_mut().zip(&*cloud) {
                *color = clear.lerp(Color::rgb([0.91, 0.91, 0.90]), density.clamp(0.0, 0.9));
            }
        });
    }
}

/// How far the curb's upper edge appears below the foot of the houses, in meters.
const CURB: f32 = 0.55;

/// The street of one image: pavement, curb and road, and what stands on them; `x` is counted from the image's
/// middle.
#[derive(Clone, Debug)]
pub(super) struct Street {
    pub(super) pavement: Color,
    pub(super) road: Color,
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
    /// Samples a street, often empty.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let grey = rng.uniform(0.42, 0.62);
        let pavement = Color::rgb([grey, grey * 0.98, grey * 0.95]);
        let lacquer = [
            Color::rgb([0.14, 0.15, 0.17]),
            Color::rgb([0.62, 0.63, 0.64]),
            Color::rgb([0.80, 0.80, 0.79]),
            Color::rgb([0.35, 0.12, 0.12]),
            Color::rgb([0.15, 0.20, 0.32]),
        ];
        let tree = Tree {
            x: rng.uniform(-8.0, 8.0),
            middle: rng.uniform(4.0, 7.0),
            radius: rng.uniform(1.4, 2.6),
            leaves: rng.choose(&[
                Color::rgb([0.24, 0.31, 0.15]),
                Color::rgb([0.31, 0.37, 0.18]),
                Color::rgb([0.38, 0.34, 0.17]),
            ]),
        };
        Self {
            pavement,
            road: pavement.scaled(rng.uniform(0.6, 0.85)),
            lamp: rng.chance(0.15).then(|| rng.uniform(-7.0, 7.0)),
            tree: rng.chance(0.14).then_some(tree),
            car: rng.chance(0.3).then(|| (rng.uniform(-8.0, 8.0), rng.choose(&lacquer))),
            salt: rng.salt(),
        }
    }

    /// Draws the ground in front of the houses.
    pub(super) fn draw_ground(&self, canvas: &mut Canvas) {
        let viewport = canvas.viewport();
        let pixel = canvas.pixel();
        let stains = ValueNoise { cell: [0.7, 0.12], salt: self.salt };
        let mut tones = vec![0.0; canvas.width];
        canvas.for_each_row(viewport.with_top(0.0), |y, left, row| {
            let base = if y > -CURB { self.pavement } else { self.road };
            let tones = &mut tones[..row.len()];
            tones.fill(1.0);
            stains.add_row(y, left, pixel, 0.06, tones);
            for (color, tone) in row.iter_mut().zip(&*tones) {
                *color = base.scaled(*tone);
            }
        });
        let curb = viewport.with_heights(-CURB - 0.1, -CURB);
        canvas.fill(curb, self.pavement.scaled(1.1));
        canvas.fill_gradient(curb.below(0.12), Color::SHADOW, 0.5, 0.1);
        canvas.fill_gradient(viewport.with_heights(-0.25, 0.0), Color::SHADOW, 0.45, 0.0);
    }

    /// Draws what stands between the camera and the houses; `middle` is the x of the image's middle.
    fn draw_objects(&self, canvas: &mut Canvas, light: &Light, middle: f32) {
        if let Some(tree) = &self.tree {
            tree.draw(canvas, light, middle + tree.x, self.salt);
        }
        if let Some((x, lacquer)) = self.car {
            draw_car(canvas, light, middle + x, lacquer);
        }
        if let Some(x) = self.lamp {
            let x = middle + x;
            canvas.fill(Rect::new(x - 0.06, -CURB, 0.12, 5.0), Color::IRON);
            canvas.fill(Rect::new(x - 0.12, -CURB, 0.24, 1.0), Color::IRON);
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
        let crown = Rect::new(x, self.middle, 0.0, 0.0).expanded(self.radius * 1.3);
        if !canvas.is_visible(crown.with_bottom(-CURB)) {
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
            let offset = |what: i32| 2.0 * random::hash_unit(tuft, what, salt) - 1.0;
            let (right, up) = (offset(0), offset(1));
            if right * right + up * up > 1.0 {
                continue;
            }
            // Leaves toward the sun are lighter than those in the depth of the crown.
            let lit = 0.5 * (up - right * light.sideways) + 0.35 * offset(2);
            let toward = if lit > 0.0 { Color::rgb([0.62, 0.66, 0.40]) } else { Color::SHADOW };
            let color = self.leaves.lerp(toward, lit.abs() * 0.55);
            let size = self.radius * (0.08 + 0.04 * offset(3));
            let center = [x + right * self.radius, self.middle + up * self.radius * 1.15];
            canvas.ellipse(center, [size * 1.2, size], color, 0.9);
        }
    }
}

/// Draws a parked car, seen from the side, with its middle at `x`.
fn draw_car(canvas: &mut Canvas, light: &Light, x: f32, lacquer: Color) {
    /// Height of the tires' lowest point: the car stands on the road, nearer than the houses.
    const ROAD: f32 = -CURB - 0.3;
    if !canvas.is_visible(Rect::new(x - 2.6, ROAD, 5.2, 1.8)) {
        return;
    }
    let at = |dx: f32, dy: f32| [x + dx, ROAD + dy];
    canvas.ellipse(at(0.0, 0.05), [2.5, 0.16], Color::SHADOW, 0.75);
    let cabin = [at(-1.55, 0.85), at(1.35, 0.85), at(0.75, 1.48), at(-1.05, 1.48)];
    canvas.polygon(&cabin, lacquer, 1.0);
    let glass = [at(-1.32, 0.9), at(1.1, 0.9), at(0.65, 1.4), at(-0.98, 1.4)];
    canvas.polygon(&glass, Color::rgb([0.13, 0.15, 0.17]), 1.0);
    canvas.fill(Rect::new(x - 0.2, ROAD + 0.85, 0.09, 0.6), lacquer);
    let body = [at(-2.25, 0.3), at(2.25, 0.3), at(2.2, 0.75), at(1.4, 0.93), at(-1.9, 0.93), at(-2.25, 0.8)];
    canvas.polygon(&body, lacquer, 1.0);
    let side = Rect::new(x - 2.2, ROAD + 0.3, 4.4, 0.35);
    canvas.fill_gradient(side, Color::SHADOW, 0.0, 0.5);
    canvas.blend(Rect::new(x - 1.9, ROAD + 0.84, 3.3, 0.05), Color::WHITE, light.strength);
    for wheel in [-1.4, 1.4] {
        canvas.ellipse(at(wheel, 0.32), [0.33, 0.33], Color::rgb([0.07, 0.07, 0.08]), 1.0);
        canvas.ellipse(at(wheel, 0.32), [0.19, 0.19], Color::rgb([0.48, 0.48, 0.49]), 1.0);
    }
}
