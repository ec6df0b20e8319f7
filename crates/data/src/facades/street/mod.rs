//! Streets as a passer-by photographs them: walls seen from the front, at an angle or along the street, and
//! what stands before them.
//!
//! A `View` says where the walls are. A `modern` building or a `House` stands on each `plane`, with
//! `fixtures` on it; trees, vehicles, people and furniture stand at a `place` before it.

mod fixtures;
mod foliage;
mod furniture;
mod lettering;
mod modern;
mod person;
mod place;
mod plane;
mod tree;
mod vehicle;

use image::RgbImage;

use super::{
    camera::Camera,
    canvas::{Canvas, Rect},
    color::Color,
    house::House,
    light::Light,
    random::{FacadeRng, ValueNoise},
    scene::{Sky, Street},
};
use fixtures::Fixture;
use foliage::Foliage;
use furniture::Furniture;
use modern::Modern;
use person::Person;
use place::{EYE, Place};
use plane::{Haze, Plane};
use tree::Tree;
use vehicle::Vehicle;

/// Draws one image.
pub(super) fn draw(rng: &mut FacadeRng, width: u32, height: u32) -> RgbImage {
    let aspect = width as f32 / height as f32;
    let mut camera = Camera::sample_varied(rng, aspect);
    let [right, up] = camera.extent(aspect);
    let meters = match rng.integer(0, 9) {
        0 => rng.uniform(3.5, 6.0),
        1..=6 => rng.uniform(6.0, 12.0),
        _ => rng.uniform(12.0, 21.0),
    };
    // Photographs are often squeezed into a square.
    let squeeze = if rng.chance(0.6) { rng.uniform(1.0, 1.9) } else { 1.0 };
    let (right, up) = (right * meters / 2.0 * squeeze, up * meters / 2.0);
    // The street in most pictures, and its houses up to the roof in some.
    let middle = meters * rng.uniform(0.2, 0.5) + if rng.chance(0.35) { rng.uniform(0.0, 8.0) } else { 0.0 };
    let viewport = Rect { left: -right, right, bottom: middle - up, top: middle + up };
    let scale = height as f32 / meters;
    let mut canvas = Canvas::stretched(viewport, [scale / squeeze, scale]);
    let light = Light::sample(rng);
    let sky = Sky::sample(rng);
    let street = Street::sample(rng);
    let view = View::sample(rng, viewport);
    match &view {
        View::Front => draw_front(rng, &mut canvas, &light, &sky, &street),
        View::Planes(planes) => draw_planes(rng, &mut canvas, &light, &sky, &street, planes),
    }
    draw_foreground(rng, &mut canvas, &light, &view);
    camera.expose(rng, &canvas);
    camera.blur(&mut canvas);
    camera.render(&canvas, width, height)
}

/// Where the walls are.
enum View {
    /// Parallel to the image.
    Front,
    /// On these planes, each between two columns of the canvas, the farther ones first.
    Planes(Vec<(Plane, [f32; 2])>),
}

impl View {
    /// Samples where the walls are on a canvas of this viewport.
    fn sample(rng: &mut FacadeRng, viewport: Rect) -> Self {
        /// Wider images see walls from the front: far from the middle a plane would lie behind the camera.
        const MAX_ASPECT: f32 = 3.0;
        if viewport.width() > MAX_ASPECT * viewport.height() {
            return Self::Front;
        }
        let half = viewport.width() / 2.0;
        // Half the width of what is seen, at the distance 1.
        let angle = rng.uniform(0.35, 0.8);
        let distance = half / angle;
        // A plane through (x, distance) whose depth grows by `slope` meters for each to the right.
        let through = |x: f32, slope: f32| {
            let length = (1.0 + slope * slope).sqrt();
            Plane { origin: [x, distance], direction: [1.0 / length, slope / length], distance }
        };
        match rng.integer(0, 19) {
            0..=12 => Self::Front,
            13..=15 => {
                let slope = rng.uniform(0.2, 0.85) / angle * if rng.chance(0.5) { 1.0 } else { -1.0 };
                Self::Planes(vec![(through(0.0, slope), [viewport.left, viewport.right])])
            }
            16 => {
                // A corner: both walls recede from it.
                let edge = half * rng.uniform(-0.6, 0.6);
                let left = through(edge, -rng.uniform(0.1, 0.8) / angle);
                let right = through(edge, rng.uniform(0.1, 0.8) / angle);
                Self::Planes(vec![(left, [viewport.left, edge]), (right, [edge, viewport.right])])
            }
            17 => {
                // Across a square.
                let far = distance * rng.uniform(1.5, 5.0);
                let plane = Plane { origin: [0.0, far], direction: [1.0, 0.0], distance };
                Self::Planes(vec![(plane, [viewport.left, viewport.right])])
            }
            _ => {
                // Along the street: its end, and its two sides.
                let turn = rng.uniform(-0.6, 0.6) * angle;
                let length = (1.0 + turn * turn).sqrt();
                let direction = [turn / length, 1.0 / length];
                let end = rng.uniform(25.0, 90.0);
                let side = |offset: f32| Plane {
                    origin: [offset * direction[1], -offset * direction[0]],
                    direction,
                    distance,
                };
                let (left, right) = (side(-rng.uniform(2.0, 8.0)), side(rng.uniform(2.0, 8.0)));
                let ends = [left.project(end, 0.0).0, right.project(end, 0.0).0];
                let back = Plane { origin: [0.0, end], direction: [1.0, 0.0], distance };
                let back_columns = [ends[0].max(viewport.left), ends[1].min(viewport.right)];
                Self::Planes(vec![
                    (back, back_columns),
                    (left, [viewport.left, ends[0]]),
                    (right, [ends[1], viewport.right]),
                ])
            }
        }
    }

    /// How much larger than true the canvas shows the walls at its column `x`.
    fn scale(&self, x: f32) -> f32 {
        match self {
            Self::Front => 1.0,
            Self::Planes(planes) => planes
                .iter()
                .find(|(_, columns)| (columns[0]..=columns[1]).contains(&x))
                .map_or(1.0, |(plane, _)| plane.scale(x)),
        }
    }
}

/// A building of one kind or another.
enum Building {
    House(House),
    Modern(Modern),
}

impl Building {
    fn sample(rng: &mut FacadeRng) -> Self {
        if rng.chance(0.75) { Self::House(House::sample(rng)) } else { Self::Modern(Modern::sample(rng)) }
    }

    fn width(&self) -> f32 {
        match self {
            Self::House(house) => house.width(),
            Self::Modern(modern) => modern.width(),
        }
    }

    fn eaves(&self) -> f32 {
        match self {
            Self::House(house) => house.eaves(),
            Self::Modern(modern) => modern.eaves(),
        }
    }

    fn draw(&self, canvas: &mut Canvas, light: &Light, left: f32) {
        match self {
            Self::House(house) => house.draw(canvas, light, left),
            Self::Modern(modern) => modern.draw(canvas, light, left),
        }
    }
}

/// Buildings side by side, and what is on their walls.
struct Row {
    buildings: Vec<(f32, Building)>,
    fixtures: Vec<Fixture>,
    /// Height of the lowest wall, and of the highest roof.
    lowest: f32,
    highest: f32,
}

impl Row {
    /// Samples buildings from `left` to `right`.
    fn sample(rng: &mut FacadeRng, left: f32, right: f32) -> Self {
        /// Meters of a front on which one fixture is found, up to this height.
        const SPACING: f32 = 1.5;
        const HEIGHT: f32 = 9.0;
        let mut buildings = Vec::new();
        let mut end = left - rng.uniform(0.0, 8.0);
        while end < right {
            let building = Building::sample(rng);
            let start = end;
            end += building.width();
            buildings.push((start, building));
        }
        // Some fronts are bare, a few are full.
        let busy = rng.uniform(-0.4, 1.0).max(0.0);
        let count = ((right - left) / SPACING * busy * busy) as u32;
        let fixtures = (0..count.min(60)).map(|_| Fixture::sample(rng, left, right, HEIGHT)).collect();
        let eaves = buildings.iter().map(|(_, building)| building.eaves());
        let (lowest, highest) =
            eaves.fold((f32::INFINITY, 0.0_f32), |(low, high), y| (low.min(y), high.max(y)));
        Self { buildings, fixtures, lowest, highest: highest + 5.0 }
    }

    fn draw(&self, canvas: &mut Canvas, light: &Light) {
        for (left, building) in &self.buildings {
            building.draw(canvas, light, *left);
        }
        for fixture in &self.fixtures {
            fixture.draw(canvas, light);
        }
    }
}

fn draw_front(rng: &mut FacadeRng, canvas: &mut Canvas, light: &Light, sky: &Sky, street: &Street) {
    let viewport = canvas.viewport();
    let row = Row::sample(rng, viewport.left, viewport.right);
    sky.draw(canvas, row.lowest - 1.0);
    row.draw(canvas, light);
    street.draw_ground(canvas);
    light.shade_scene(canvas);
}

fn draw_planes(
    rng: &mut FacadeRng,
    canvas: &mut Canvas,
    light: &Light,
    sky: &Sky,
    street: &Street,
    planes: &[(Plane, [f32; 2])],
) {
    /// Width on the canvas below which a wall is left out, in meters.
    const NARROWEST: f32 = 0.05;
    let viewport = canvas.viewport();
    let haze = Haze { color: sky.horizon, distance: rng.uniform(60.0, 900.0) };
    let pavement = rng.uniform(1.5, 4.0);
    sky.draw(canvas, EYE);
    draw_road(rng, canvas, street.road);
    for (plane, columns) in planes {
        let columns = [columns[0].max(viewport.left), columns[1].min(viewport.right)];
        if columns[1] - columns[0] < NARROWEST {
            continue;
        }
        let ends = columns.map(|x| plane.along(x));
        let (start, end) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let row = Row::sample(rng, start, end);
        // The pavement along the wall, and its curb.
        let [near, far] = [start, end].map(|t| {
            [(0.0, 0.0), (pavement, 0.0)].map(|(out, up)| {
                let (x, scale) = plane.project(t, out);
                Place { x, scale }.at(0.0, up)
            })
        });
        canvas.polygon(&[near[0], near[1], far[1], far[0]], street.pavement, 1.0);
        canvas.line(near[1], far[1], 0.12, street.pavement.scaled(1.15), 1.0);
        plane.draw(canvas, columns, (row.lowest - 1.0, row.highest), haze, |flat| row.draw(flat, light));
    }
}

/// Draws the ground up to the horizon.
fn draw_road(rng: &mut FacadeRng, canvas: &mut Canvas, road: Color) {
    let stains = ValueNoise { cell: [1.1, 0.12], salt: rng.salt() };
    let pixel = canvas.pixel();
    let mut tones = vec![0.0; canvas.width];
    canvas.for_each_row(canvas.viewport().with_top(EYE), |y, left, row| {
        let tones = &mut tones[..row.len()];
        tones.fill(1.0);
        stains.add_row(y, left, pixel, 0.07, tones);
        for (color, tone) in row.iter_mut().zip(&*tones) {
            *color = road.scaled(*tone);
        }
    });
}

/// What stands before the walls.
enum Object {
    Tree(Tree),
    Vehicle(Vehicle),
    Person(Person),
    Furniture(Furniture),
}

impl Object {
    fn draw(&self, canvas: &mut Canvas, light: &Light, place: Place) {
        match self {
            Self::Tree(tree) => tree.draw(canvas, light, place),
            Self::Vehicle(vehicle) => vehicle.draw(canvas, light, place),
            Self::Person(person) => person.draw(canvas, place),
            Self::Furniture(furniture) => furniture.draw(canvas, light, place),
        }
    }
}

/// Draws what stands before the walls, the farther objects first.
fn draw_foreground(rng: &mut FacadeRng, canvas: &mut Canvas, light: &Light, view: &View) {
    /// Part of the canvas' height that a meter takes in the largest objects.
    const LARGEST: f32 = 0.3;
    let viewport = canvas.viewport();
    let mut objects: Vec<(Place, Object)> = Vec::new();
    // How far in front of the walls: as many times nearer to the camera.
    let mut add = |rng: &mut FacadeRng, near: [f32; 2], object: Object| {
        let x = rng.uniform(viewport.left - 2.0, viewport.right + 2.0);
        let scale = (view.scale(x) * rng.uniform(near[0], near[1])).min(LARGEST * viewport.height());
        objects.push((Place { x, scale }, object));
    };
    if rng.chance(0.25) {
        for _ in 0..rng.integer(1, 3) {
            let tree = Tree::sample(rng);
            add(rng, [1.1, 2.2], Object::Tree(tree));
        }
    }
    // Close to a wall there is no room for cars.
    if rng.chance(0.35 * (viewport.height() / 10.0).min(1.0)) {
        for _ in 0..rng.integer(1, 3) {
            let end = matches!(view, View::Planes(_)) && rng.chance(0.5);
            let vehicle = if end { Vehicle::sample_end(rng) } else { Vehicle::sample(rng) };
            add(rng, [1.2, 2.2], Object::Vehicle(vehicle));
        }
    }
    if rng.chance(0.3) {
        for _ in 0..rng.integer(1, 3) {
            let person = Person::sample(rng);
            add(rng, [1.02, 1.9], Object::Person(person));
        }
    }
    if rng.chance(0.35) {
        for _ in 0..rng.integer(1, 2) {
            let furniture = Furniture::sample(rng);
            add(rng, [1.05, 1.8], Object::Furniture(furniture));
        }
    }
    if let View::Front = view {
        for (place, object) in &objects {
            if let Object::Tree(tree) = object {
                tree.shade(canvas, light, *place);
            }
        }
    }
    objects.sort_by(|(one, _), (other, _)| one.scale.total_cmp(&other.scale));
    for (place, object) in &objects {
        object.draw(canvas, light, *place);
    }
    // Twigs of a tree behind the camera.
    if rng.chance(0.04) {
        let leaves = Foliage::sample(rng);
        let radius = viewport.height() * rng.uniform(0.2, 0.5);
        let center =
            [rng.uniform(viewport.left, viewport.right), viewport.top + radius * rng.uniform(0.0, 0.5)];
        leaves.draw(canvas, light, center, [radius * 1.5, radius], 1.2);
    }
}
