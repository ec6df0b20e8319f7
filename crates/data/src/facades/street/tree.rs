//! Street trees: a trunk that forks, and leaves or the bare branches of winter.

use super::{
    super::{
        canvas::Canvas,
        color::Color,
        light::Light,
        random::{self, FacadeRng},
    },
    foliage::Foliage,
    place::Place,
};

/// A tree at the edge of the pavement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    /// Height of the first fork, and width of the trunk there, in meters.
    fork: f32,
    trunk: f32,
    lean: f32,
    /// Height and radius of the crown, in meters.
    crown: f32,
    radius: f32,
    bark: Color,
    /// None in winter.
    leaves: Option<Foliage>,
    salt: u32,
}

impl Tree {
    /// Samples a tree, from a sapling to an old plane.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let fork = rng.uniform(1.8, 5.0);
        let radius = rng.uniform(1.3, 4.2);
        Self {
            fork,
            trunk: rng.uniform(0.12, 0.2) + 0.06 * radius,
            lean: rng.uniform(-0.12, 0.12),
            crown: fork + radius * rng.uniform(0.6, 1.0),
            radius,
            bark: Color::rgb([0.24, 0.21, 0.18]).jittered(rng, 0.4),
            leaves: rng.chance(0.75).then(|| Foliage::sample(rng)),
            salt: rng.salt(),
        }
    }

    /// The shadow on a wall behind it.
    pub(super) fn shade(&self, canvas: &mut Canvas, light: &Light, place: Place) {
        let shift = 3.0 * light.sideways;
        let [x, y] = Place { scale: 1.0, ..place }.at(shift, self.crown - 2.0 * light.drop);
        match &self.leaves {
            Some(leaves) => leaves.shade(canvas, [x, y], [self.radius, self.radius], light.strength),
            None => {
                let foot = Place { x: place.x + shift, scale: 1.0 };
                self.draw_wood(canvas, foot, -2.0 * light.drop, Color::SHADOW, light.strength);
            }
        }
    }

    /// Draws the tree.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, place: Place) {
        self.draw_wood(canvas, place, 0.0, self.bark, 1.0);
        let Some(leaves) = &self.leaves else {
            return;
        };
        let center = place.at(self.lean * self.crown, self.crown);
        let radii = [self.radius * place.scale, self.radius * 0.9 * place.scale];
        leaves.draw(canvas, light, center, radii, place.scale);
    }

    /// Draws trunk and branches, all moved up by `raised` meters.
    fn draw_wood(&self, canvas: &mut Canvas, place: Place, raised: f32, color: Color, opacity: f32) {
        let foot = [0.0, raised];
        let fork = [self.lean * self.fork, raised + self.fork];
        let half = self.trunk * place.scale / 2.0;
        let ([x0, y0], [x1, y1]) = (place.at(foot[0], foot[1]), place.at(fork[0], fork[1]));
        let corners = [[x0 - half * 1.3, y0], [x0 + half * 1.3, y0], [x1 + half, y1], [x1 - half, y1]];
        canvas.polygon(&corners, color, opacity);
        if opacity >= 1.0 {
            // The side away from the light.
            let side = [[x0, y0], [x0 + half * 1.3, y0], [x1 + half, y1], [x1, y1]];
            canvas.polygon(&side, Color::SHADOW, 0.35);
        }
        let stroke = Stroke { place, color, opacity, deepest: if self.leaves.is_some() { 3 } else { 5 } };
        let trunk =
            Branch { tip: fork, direction: [self.lean * 0.5, 1.0], width: self.trunk, depth: 0, number: 1 };
        self.draw_branches(canvas, stroke, trunk);
    }

    /// Draws the two or three branches into which `parent` forks, and theirs.
    fn draw_branches(&self, canvas: &mut Canvas, stroke: Stroke, parent: Branch) {
        let length = self.radius * (0.75 - 0.11 * parent.depth as f32);
        let count = if parent.depth == 0 { 3 } else { 2 };
        for index in 0..count {
            let number = 3 * parent.number + index;
            let draw = |what: i32| 2.0 * random::hash_unit(number, what, self.salt) - 1.0;
            let side = 0.9 * (index as f32 - 0.5 * (count - 1) as f32) + 0.35 * draw(0);
            // Branches spread to the sides and bend upward again.
            let (dx, dy) = (parent.direction[0] + side, parent.direction[1] + 0.25 + 0.2 * draw(1));
            let norm = (dx * dx + dy * dy).sqrt().max(0.1);
            let direction = [dx / norm, dy / norm];
            let reach = length * (0.8 + 0.3 * draw(2));
            let tip = [parent.tip[0] + direction[0] * reach, parent.tip[1] + direction[1] * reach];
            let [from, to] = [parent.tip, tip].map(|[x, y]| stroke.place.at(x, y));
            let thickness = parent.width * 0.6 * stroke.place.scale;
            canvas.line(from, to, thickness, stroke.color, stroke.opacity);
            if parent.depth < stroke.deepest && thickness > canvas.pixel() * 0.3 {
                let width = parent.width * 0.62;
                self.draw_branches(
                    canvas,
                    stroke,
                    Branch { tip, direction, width, depth: parent.depth + 1, number },
                );
            }
        }
    }
}

/// A branch, or the trunk, that forks at its tip.
#[derive(Clone, Copy)]
struct Branch {
    tip: [f32; 2],
    direction: [f32; 2],
    width: f32,
    /// How many forks lie below it.
    depth: i32,
    /// Distinguishes the branches of a tree.
    number: i32,
}

/// What all branches of a tree have in common.
#[derive(Clone, Copy)]
struct Stroke {
    place: Place,
    color: Color,
    opacity: f32,
    /// The last generation of branches.
    deepest: i32,
}
