//! Buildings of the last hundred years: slabs with bands of windows, glass grids, and balconies.

use super::super::{
    canvas::{Canvas, Rect},
    color::{Color, PAINTS, PLASTERS},
    light::Light,
    random::{self, FacadeRng},
    wall::Wall,
};

/// A modern building.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modern {
    bays: u32,
    bay: f32,
    floors: u32,
    floor: f32,
    ground: f32,
    front: Front,
    wall: Wall,
    frame: Color,
    glass: Color,
    /// The panel under each window, and the slabs and parapets.
    panel: Color,
    /// Fractions of a bay and of a floor that glass fills.
    fill: [f32; 2],
    salt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Front {
    /// Windows in a wall.
    Holes,
    /// Bands of windows from end to end.
    Bands,
    /// Glass and panels in a grid of bars.
    Grid,
    /// Balconies with closed parapets.
    Balconies,
}

impl Modern {
    /// Samples a building.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let front = rng.choose(&[Front::Holes, Front::Holes, Front::Bands, Front::Grid, Front::Balconies]);
        let grey = rng.uniform(0.25, 0.85);
        let pale = Color::rgb([grey, grey, grey * 0.98]);
        Self {
            bays: rng.integer(3, 9),
            bay: rng.uniform(1.4, 4.2),
            floors: rng.integer(2, 9),
            floor: rng.uniform(2.7, 3.5),
            ground: rng.uniform(2.8, 4.5),
            front,
            wall: if rng.chance(0.5) { Wall::plaster(rng) } else { Wall::sample(rng) },
            frame: rng.choose(&[Color::rgb([0.86, 0.86, 0.84]), Color::rgb([0.15, 0.15, 0.16]), pale]),
            glass: Color::rgb([0.16, 0.19, 0.22]).jittered(rng, 0.5),
            panel: rng.choose(&[pale, pale, PAINTS[5], PLASTERS[5], PLASTERS[8]]).jittered(rng, 0.15),
            fill: [rng.uniform(0.4, 0.85), rng.uniform(0.4, 0.7)],
            salt: rng.salt(),
        }
    }

    pub(super) fn width(&self) -> f32 {
        self.bays as f32 * self.bay
    }

    pub(super) fn eaves(&self) -> f32 {
        self.ground + self.floors as f32 * self.floor + 0.4
    }

    /// Draws the building with its left end at `left`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, left: f32) {
        let whole = Rect { left, right: left + self.width(), bottom: 0.0, top: self.eaves() };
        if !canvas.is_visible(whole) {
            return;
        }
        self.wall.draw(canvas, whole);
        let parapet = whole.with_bottom(whole.top - 0.25);
        canvas.fill(parapet, self.panel);
        light.drop_shadow(canvas, parapet, 0.15);
        self.draw_ground(canvas, light, whole.with_top(self.ground));
        for floor in 0..self.floors {
            let bottom = self.ground + self.floor * floor as f32;
            let storey = whole.with_heights(bottom, bottom + self.floor);
            if canvas.is_visible(storey.expanded(0.5)) {
                self.draw_storey(canvas, light, storey, floor);
            }
        }
    }

    fn draw_storey(&self, canvas: &mut Canvas, light: &Light, storey: Rect, floor: u32) {
        let [across, up] = self.fill;
        let sill = storey.bottom + self.floor * (1.0 - up) * 0.6;
        let head = sill + self.floor * up;
        let across = match self.front {
            Front::Holes | Front::Balconies => across,
            Front::Bands => 0.97,
            Front::Grid => 0.95,
        };
        if self.front == Front::Grid {
            canvas.fill(storey, self.panel);
        }
        for bay in 0..self.bays {
            let x = storey.left + self.bay * (bay as f32 + 0.5);
            let half = self.bay * across / 2.0;
            let pane = Rect { left: x - half, right: x + half, bottom: sill, top: head };
            if canvas.is_visible(pane.expanded(0.3)) {
                self.draw_pane(canvas, light, pane, (floor * self.bays + bay) as i32);
            }
        }
        if self.front == Front::Balconies {
            let slab = storey.expanded_xy(-0.2, 0.0).with_heights(storey.bottom - 0.15, storey.bottom + 0.95);
            light.drop_shadow(canvas, slab, 1.0);
            canvas.fill(slab, self.panel);
            light.bevel(canvas, slab, 0.05);
            for bay in 1..self.bays {
                let x = storey.left + self.bay * bay as f32;
                canvas.blend(slab.with_sides(x - 0.05, x + 0.05), Color::SHADOW, 0.5);
            }
        }
    }

    /// Glass that shows the sky, a curtain or a dark room, in its frame.
    fn draw_pane(&self, canvas: &mut Canvas, light: &Light, pane: Rect, number: i32) {
        let chance = |what: i32| random::hash_unit(number, what, self.salt);
        canvas.fill(pane, self.frame);
        let glass = pane.expanded(-0.06);
        canvas.fill(glass, self.glass);
        canvas.fill_gradient(glass, Color::rgb([0.66, 0.72, 0.78]), 0.7 * chance(0), 0.25 * chance(0));
        if chance(1) < 0.35 {
            let blind = glass.with_bottom(glass.top - glass.height() * chance(2));
            canvas.blend(blind, Color::rgb([0.78, 0.76, 0.71]), 0.8);
        }
        let middle = glass.left + glass.width() * if pane.width() > 2.0 { 0.33 } else { 0.5 };
        canvas.fill(glass.with_sides(middle - 0.03, middle + 0.03), self.frame);
        light.recess_shadow(canvas, pane, 0.0, 0.15);
    }

    /// Wide shop windows, or a plain wall with doors.
    fn draw_ground(&self, canvas: &mut Canvas, light: &Light, area: Rect) {
        if !canvas.is_visible(area) {
            return;
        }
        canvas.fill(area, self.panel.scaled(0.85));
        for bay in 0..self.bays {
            let kind = random::hash_unit(bay as i32, 9, self.salt);
            let left = area.left + self.bay * bay as f32;
            let opening = Rect::new(left + 0.15, 0.1, self.bay - 0.3, self.ground - 0.8);
            if kind < 0.6 {
                self.draw_pane(canvas, light, opening, 1000 + bay as i32);
            } else if kind < 0.8 {
                canvas.fill(opening.with_bottom(0.0), self.frame.scaled(0.6));
                light.recess_shadow(canvas, opening, 0.0, 0.3);
            }
        }
    }
}
