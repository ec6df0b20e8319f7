//! One front: the choices its bays and storeys share, and how they are drawn.

use super::area::Area;
use super::balcony::Balcony;
use super::canvas::Canvas;
use super::color::Color;
use super::ground::GroundFloor;
use super::ledge::{Ledge, Pilaster};
use super::light::Light;
use super::roof::Roof;
use super::storey::{Reach, Storey};
use super::stream::Stream;
use super::wall::Wall;
use super::window::Window;

/// A house, seen from the street; all its windows share one style.
#[derive(Clone, Debug)]
pub(super) struct Front {
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
    course: Ledge,
    cornice: Ledge,
    /// A pilaster beside each group of this many bays.
    pilasters: Option<(Pilaster, u32)>,
    quoins: Option<Pilaster>,
    spandrels: bool,
    pipe: Option<Color>,
    roof: Roof,
    grime: f32,
}

impl Front {
    /// Draws a house.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        let wall = Wall::sample(stream);
        let trim = wall.color.mix(Color::rgb([0.84, 0.81, 0.75]), stream.uniform(0.15, 0.75));
        let bay = stream.uniform(1.9, 3.6);
        let bays = stream.whole(3, 9);
        let ground = GroundFloor::sample(stream, wall, trim, bays);
        let pilaster = Pilaster { width: stream.uniform(0.3, 0.5), color: trim, stones: None };
        let quoin = Pilaster {
            width: stream.uniform(0.45, 0.7),
            color: trim,
            stones: Some(stream.uniform(0.3, 0.42)),
        };
        Self {
            bays,
            bay,
            edge: stream.uniform(0.3, 1.1),
            wall,
            trim,
            ground,
            storeys: Storey::stack(stream, ground.height),
            window: Window::sample(stream, trim, bay),
            opening: bay * stream.uniform(0.38, 0.52),
            balcony: Balcony::sample(stream, trim),
            course: Ledge::string_course(stream, trim),
            cornice: Ledge::cornice(stream, trim),
            pilasters: stream.chance(0.2).then(|| (pilaster, stream.pick(&[1, 1, 2, 3]))),
            quoins: stream.chance(0.25).then_some(quoin),
            spandrels: stream.chance(0.25),
            pipe: stream
                .chance(0.5)
                .then(|| Color::rgb([0.5, 0.49, 0.47]).mix(wall.color, stream.uniform(0.0, 0.8))),
            roof: Roof::sample(stream, wall.color),
            grime: stream.uniform(0.05, 0.35),
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
        let whole = Area { left, right, bottom: 0.0, top: eaves };
        if !canvas.sees(whole.with_top(eaves + self.roof.reach())) {
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
            let pipe = Area { left: right - 0.22, right: right - 0.1, bottom: 0.3, top: eaves - 0.1 };
            canvas.blend(pipe.moved(light.sideways * 0.15, 0.0), Color::SHADOW, light.strength * 0.6);
            canvas.fill(pipe, color);
            canvas.blend(pipe.with_right(pipe.left + 0.04), Color::WHITE, 0.2);
        }
    }

    fn draw_storey(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        whole: Area,
        axes: &[f32],
        storey: &Storey,
        level: u32,
    ) {
        let floor = storey.floor;
        if !canvas.sees(whole.with_heights(floor - 1.0, floor + storey.height)) {
            return;
        }
        for (&x, bay) in axes.iter().zip(0..) {
            let window = storey.opening(x, self.opening);
            if !canvas.sees(window.grown(self.bay / 2.0)) {
                continue;
            }
            if self.spandrels && storey.sill > 0.5 {
                let panel = window.with_heights(floor + 0.12, window.bottom - 0.16);
                canvas.blend(panel, self.trim, 0.7);
                light.emboss(canvas, panel, 0.03);
            }
            self.window.draw(canvas, light, window, level * self.bays + bay);
            match storey.railing {
                Reach::Window => {
                    self.balcony.draw_railing(canvas, light, window.left, window.right, window.bottom);
                }
                Reach::Bay => {
                    let (left, right) = (window.left - 0.2, window.right + 0.2);
                    self.balcony.draw(canvas, light, left, right, floor + storey.sill, self.opening);
                }
                Reach::None | Reach::Front => {}
            }
        }
        if storey.railing == Reach::Front {
            let (left, right) = (whole.left + 0.15, whole.right - 0.15);
            self.balcony.draw(canvas, light, left, right, floor + storey.sill, self.bay / 2.0);
        }
    }

    fn draw_pillars(&self, canvas: &mut Canvas, light: &Light, whole: Area) {
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
    fn draw_grime(&self, canvas: &mut Canvas, whole: Area) {
        canvas.fade(whole.with_bottom(whole.top - 1.6), Color::SHADOW, self.grime * 0.7, 0.0);
        canvas.fade(whole.with_top(1.5), Color::SHADOW, 0.0, self.grime);
    }
}
