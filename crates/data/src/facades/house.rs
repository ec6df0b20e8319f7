//! A house: what its bays and storeys have in common, and how they are drawn.

use super::{
    canvas::{Canvas, Rect},
    color::Color,
    ground_floor::GroundFloor,
    light::Light,
    ornament::{Balcony, Molding, Pilaster},
    random::FacadeRng,
    roof::Roof,
    wall::Wall,
    window::Window,
};

/// A house, seen from the street; all its windows share one style.
#[derive(Clone, Debug)]
pub(super) struct House {
    bays: u32,
    /// Width of a bay, and of the bare wall at either end, in meters.
    bay: f32,
    edge: f32,
    wall: Wall,
    trim: Color,
    ground: GroundFloor,
    storeys: Vec<Storey>,
    window: Window,
    opening: f32,
    balcony: Balcony,
    course: Molding,
    cornice: Molding,
    /// A pilaster beside each group of this many bays.
    pilasters: Option<(Pilaster, u32)>,
    quoins: Option<Pilaster>,
    spandrels: bool,
    pipe: Option<Color>,
    roof: Roof,
    grime: f32,
}

impl House {
    /// Samples a house.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let wall = Wall::sample(rng);
        let trim = wall.color.lerp(Color::rgb([0.84, 0.81, 0.75]), rng.uniform(0.15, 0.75));
        let bay = rng.uniform(1.9, 3.6);
        let bays = rng.integer(3, 9);
        let ground = GroundFloor::sample(rng, wall, trim, bays);
        let pilaster = Pilaster { width: rng.uniform(0.3, 0.5), color: trim, stones: None };
        let quoin =
            Pilaster { width: rng.uniform(0.45, 0.7), color: trim, stones: Some(rng.uniform(0.3, 0.42)) };
        Self {
            bays,
            bay,
            edge: rng.uniform(0.3, 1.1),
            wall,
            trim,
            ground,
            storeys: Storey::stack(rng, ground.height),
            window: Window::sample(rng, trim, bay),
            opening: bay * rng.uniform(0.38, 0.52),
            balcony: Balcony::sample(rng, trim),
            course: Molding::string_course(rng, trim),
            cornice: Molding::cornice(rng, trim),
            pilasters: rng.chance(0.2).then(|| (pilaster, rng.choose(&[1, 1, 2, 3]))),
            quoins: rng.chance(0.25).then_some(quoin),
            spandrels: rng.chance(0.25),
            pipe: rng
                .chance(0.5)
                .then(|| Color::rgb([0.5, 0.49, 0.47]).lerp(wall.color, rng.uniform(0.0, 0.8))),
            roof: Roof::sample(rng, wall.color),
            grime: rng.uniform(0.05, 0.35),
        }
    }

    pub(super) fn width(&self) -> f32 {
        self.bays as f32 * self.bay + 2.0 * self.edge
    }

    /// Height of the wall, without the roof.
    pub(super) fn eaves(&self) -> f32 {
        self.storeys.last().map_or(self.ground.height, |top| top.floor + top.height) + self.cornice.height
    }

    /// Draws the house with its left end at `left`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, left: f32) {
        let right = left + self.width();
        let eaves = self.eaves();
        let whole = Rect { left, right, bottom: 0.0, top: eaves };
        if !canvas.is_visible(whole.with_top(eaves + self.roof.total_height())) {
            return;
        }
        let axes: Vec<f32> =
            (0..self.bays).map(|bay| left + self.edge + self.bay * (bay as f32 + 0.5)).collect();
        self.roof.draw(canvas, light, left, right, eaves, &axes);
        self.wall.draw(canvas, whole.with_bottom(self.ground.height));
        self.ground.wall.draw(canvas, whole.with_top(self.ground.height));
        self.draw_grime(canvas, whole);
        self.draw_pillars(canvas, light, whole);
        for storey in self.storeys.iter().filter(|storey| storey.course) {
            self.course.draw(canvas, light, left, right, storey.floor - self.course.height);
        }
        let street = whole.with_top(self.ground.height);
        self.ground.draw(canvas, light, street, &axes, (&self.window, self.opening));
        for (storey, level) in self.storeys.iter().zip(0..) {
            self.draw_storey(canvas, light, whole, &axes, storey, level);
        }
        self.cornice.draw(canvas, light, left, right, eaves - self.cornice.height);
        if let Some(color) = self.pipe {
            let pipe = Rect { left: right - 0.22, right: right - 0.1, bottom: 0.3, top: eaves - 0.1 };
            canvas.blend(pipe.translated(light.sideways * 0.15, 0.0), Color::SHADOW, light.strength * 0.6);
            canvas.fill(pipe, color);
            canvas.blend(pipe.with_right(pipe.left + 0.04), Color::WHITE, 0.2);
        }
    }

    fn draw_storey(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        whole: Rect,
        axes: &[f32],
        storey: &Storey,
        level: u32,
    ) {
        let floor = storey.floor;
        if !canvas.is_visible(whole.with_heights(floor - 1.0, floor + storey.height)) {
            return;
        }
        for (&x, bay) in axes.iter().zip(0..) {
            let window = storey.opening(x, self.opening);
            if !canvas.is_visible(window.expanded(self.bay / 2.0)) {
                continue;
            }
            if self.spandrels && storey.sill > 0.5 {
                let panel = window.with_heights(floor + 0.12, window.bottom - 0.16);
                canvas.blend(panel, self.trim, 0.7);
                light.bevel(canvas, panel, 0.03);
            }
            self.window.draw(canvas, light, window, level * self.bays + bay);
            match storey.railings {
                Railings::Window => {
                    self.balcony.draw_railing(canvas, light, window.left, window.right, window.bottom);
                }
                Railings::Bay => {
                    let (left, right) = (window.left - 0.2, window.right + 0.2);
                    self.balcony.draw(canvas, light, left, right, floor + storey.sill, self.opening);
                }
                Railings::None | Railings::Front => {}
            }
        }
        if storey.railings == Railings::Front {
            let (left, right) = (whole.left + 0.15, whole.right - 0.15);
            self.balcony.draw(canvas, light, left, right, floor + storey.sill, self.bay / 2.0);
        }
    }

    fn draw_pillars(&self, canvas: &mut Canvas, light: &Light, whole: Rect) {
        let foot = self.ground.height;
        let top = whole.top - self.cornice.height;
        if let Some((pilaster, group)) = &self.pilasters {
            for bay in (0..=self.bays).filter(|bay| bay.is_multiple_of(*group)) {
                let x = whole.left + self.edge + self.bay * bay as f32;
                pilaster.draw(canvas, light, x, foot, top);
            }
        } else if let Some(quoin) = &self.quoins {
            for x in [whole.left + quoin.width / 2.0, whole.right - quoin.width / 2.0] {
                quoin.draw(canvas, light, x, 0.5, top);
            }
        }
    }

    /// Soot under the cornice and splashes over the pavement.
    fn draw_grime(&self, canvas: &mut Canvas, whole: Rect) {
        canvas.fill_gradient(whole.with_bottom(whole.top - 1.6), Color::SHADOW, self.grime * 0.7, 0.0);
        canvas.fill_gradient(whole.with_top(1.5), Color::SHADOW, 0.0, self.grime);
    }
}

/// A storey above the ground.
#[derive(Clone, Copy, Debug)]
struct Storey {
    floor: f32,
    height: f32,
    /// Lower and upper edge of the windows, above the floor.
    sill: f32,
    head: f32,
    railings: Railings,
    /// Whether it has a string course under its windows.
    course: bool,
}

/// The railings of a storey.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Railings {
    None,
    /// In each window opening.
    Window,
    /// A balcony at each window.
    Bay,
    /// A balcony along the whole front.
    Front,
}

impl Storey {
    /// Samples the storeys above a ground floor of this height.
    fn stack(rng: &mut FacadeRng, ground: f32) -> Vec<Self> {
        let count = rng.integer(2, 6);
        let tall = rng.uniform(2.8, 3.8);
        // Upper storeys are a little lower, as in most old houses.
        let taper = rng.choose(&[1.0, 1.0, 0.97, 0.93]);
        let (sill, head) = (rng.uniform(0.15, 0.95), rng.uniform(0.76, 0.86));
        let usual = rng.choose(&[
            Railings::None,
            Railings::None,
            Railings::None,
            Railings::Window,
            Railings::Window,
            Railings::Bay,
        ]);
        let noble = rng.choose(&[usual, usual, Railings::Bay, Railings::Front]);
        let courses = rng.integer(0, 3);
        let mut floor = ground;
        (0..count)
            .map(|level| {
                let height = tall * (0..level).fold(1.0, |height, _| height * taper);
                let railings =
                    if level == 0 || (level == 3 && noble == Railings::Front) { noble } else { usual };
                let course = match courses {
                    0 => level == 0,
                    1 => true,
                    2 => level == 0 || level + 1 == count,
                    _ => false,
                };
                let sill = if railings == Railings::None { sill } else { sill.min(0.2) };
                let storey = Self { floor, height, sill, head: height * head, railings, course };
                floor += height;
                storey
            })
            .collect()
    }

    /// The opening of this width around the axis `x`.
    fn opening(&self, x: f32, width: f32) -> Rect {
        let bottom = self.floor + self.sill;
        Rect::new(x - width / 2.0, bottom, width, self.head - self.sill)
    }
}
