//! Ground floors: plinth, house door, and shops or windows.

use super::{
    canvas::{Canvas, Rect},
    color::{Color, PAINTS},
    light::Light,
    random::{self, FacadeRng},
    wall::Wall,
    window::Window,
};

/// The ground floor of a house.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroundFloor {
    pub(super) height: f32,
    pub(super) wall: Wall,
    usage: Usage,
    door: Door,
    /// Number of the bay with the house door, from the left.
    door_bay: usize,
}

/// What lies beside the house door.
#[derive(Clone, Copy, Debug)]
enum Usage {
    /// Shops, each this many bays wide.
    Shops(Shop, usize),
    /// Windows like those above.
    Windows,
}

impl GroundFloor {
    /// Samples a ground floor for a house of this wall, trim and number of bays.
    pub(super) fn sample(rng: &mut FacadeRng, wall: Wall, trim: Color, bays: u32) -> Self {
        let usage = if rng.chance(0.5) {
            Usage::Shops(Shop::sample(rng), rng.integer(1, 3) as usize)
        } else {
            Usage::Windows
        };
        Self {
            height: rng.uniform(3.2, 4.6),
            wall: match rng.integer(0, 3) {
                0 => wall,
                1..=2 => wall.rusticated(rng),
                _ => Wall::stone(rng),
            },
            usage,
            door: Door::sample(rng, trim),
            door_bay: rng.integer(0, bays - 1) as usize,
        }
    }

    /// Draws what is on the wall of `area`: a door, shop or window in each bay, on the axes of the bays.
    ///
    /// `window` is the style of the storeys above, `opening` the width of its windows.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        area: Rect,
        axes: &[f32],
        (window, opening): (&Window, f32),
    ) {
        /// Height of the plinth, in meters.
        const PLINTH: f32 = 0.45;
        if !canvas.is_visible(area) {
            return;
        }
        let plinth = area.with_top(PLINTH);
        canvas.fill(plinth, self.wall.color.scaled(0.74));
        light.bevel(canvas, plinth, 0.04);
        let head = self.height * 0.8;
        match &self.usage {
            Usage::Shops(shop, span) => self.draw_shops(canvas, light, axes, shop, *span),
            Usage::Windows => {
                for (&x, bay) in axes.iter().zip(0..) {
                    if bay as usize != self.door_bay {
                        let left = x - opening / 2.0;
                        let hole = Rect::new(left, 1.0, opening, head - 1.0);
                        window.draw(canvas, light, hole, Self::NUMBER + bay);
                    }
                }
            }
        }
        self.door.draw(canvas, light, axes[self.door_bay], head.min(3.2));
    }

    /// First number of the windows on the ground floor; those above have smaller ones.
    const NUMBER: u32 = 1000;

    /// Fills the bays on either side of the house door with shops.
    fn draw_shops(&self, canvas: &mut Canvas, light: &Light, axes: &[f32], shop: &Shop, span: usize) {
        /// Wall left bare between shops on either side, and above them, in meters.
        const PIER: f32 = 0.15;
        const LINTEL: f32 = 0.35;
        let (before, after) = axes.split_at(self.door_bay);
        let half = (axes[1] - axes[0]) / 2.0 - PIER;
        for (side, bays) in [before, &after[1..]].into_iter().enumerate() {
            for (index, group) in bays.chunks(span).enumerate() {
                let (left, right) = (group[0] - half, group[group.len() - 1] + half);
                let area = Rect::new(left, 0.0, right - left, self.height - LINTEL);
                shop.draw(canvas, light, area, (2 * index + side) as u32);
            }
        }
    }
}

/// The door of a house: two paneled leaves under a fanlight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    paint: Color,
    trim: Color,
    arched: bool,
    /// Panels one above the other in each leaf.
    panels: u32,
    pub(super) width: f32,
}

impl Door {
    /// Samples a style.
    pub(super) fn sample(rng: &mut FacadeRng, trim: Color) -> Self {
        Self {
            paint: rng.choose(&PAINTS).jittered(rng, 0.15),
            trim,
            arched: rng.chance(0.4),
            panels: rng.integer(2, 4),
            width: rng.uniform(1.2, 2.0),
        }
    }

    /// Draws the door around the axis `x`, from the pavement up to `top`.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, x: f32, top: f32) {
        /// How deep a door sits in the wall, in meters.
        const RECESS: f32 = 0.3;
        let opening = Rect { left: x - self.width / 2.0, right: x + self.width / 2.0, bottom: 0.0, top };
        let rise = if self.arched { self.width / 2.0 } else { 0.0 };
        let surround = opening.expanded_xy(0.18, 0.0).with_top(top + 0.18);
        canvas.arch(surround, rise * 1.1, self.trim, 1.0);
        canvas.arch(opening, rise, self.paint.scaled(0.8), 1.0);
        let spring = if self.arched { top - rise } else { top - (top * 0.2).min(0.6) };
        let fanlight = opening.expanded_xy(-0.1, 0.0).with_bottom(spring + 0.04);
        let fanlight = fanlight.with_top(top - 0.1);
        canvas.arch(fanlight, (rise - 0.1).max(0.0), Color::rgb([0.16, 0.17, 0.19]), 1.0);
        let step = Rect { left: opening.left - 0.15, right: opening.right + 0.15, bottom: 0.0, top: 0.14 };
        for leaf in [
            Rect { left: opening.left + 0.06, right: x - 0.012, bottom: 0.14, top: spring - 0.04 },
            Rect { left: x + 0.012, right: opening.right - 0.06, bottom: 0.14, top: spring - 0.04 },
        ] {
            canvas.fill(leaf, self.paint);
            let height = leaf.height() / self.panels as f32;
            for index in 0..self.panels {
                let panel = Rect::new(leaf.left, leaf.bottom + height * index as f32, leaf.width(), height)
                    .expanded(-0.08);
                canvas.blend(panel, Color::SHADOW, 0.22);
                light.bevel(canvas, panel, 0.025);
            }
        }
        light.recess_shadow(canvas, opening, rise, RECESS);
        canvas.fill(step, self.trim.scaled(0.85));
        light.bevel(canvas, step, 0.03);
    }
}

/// Awnings: faded reds, greens, blues, beige.
const CLOTHS: [Color; 6] = [
    Color::rgb([0.52, 0.17, 0.16]),
    Color::rgb([0.19, 0.33, 0.25]),
    Color::rgb([0.20, 0.27, 0.38]),
    Color::rgb([0.74, 0.67, 0.53]),
    Color::rgb([0.62, 0.36, 0.20]),
    Color::rgb([0.33, 0.32, 0.31]),
];

/// The shop fronts of a house, in one style: pillars, a lit window, a sign and sometimes an awning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shop {
    paint: Color,
    room: Color,
    letters: Color,
    /// Color of the cloth, and of its other stripes.
    awning: Option<(Color, Color)>,
    /// Heights of the wall under the window and of the sign, in meters.
    sill: f32,
    sign: f32,
    panes: u32,
    salt: u32,
}

impl Shop {
    /// Samples a style.
    pub(super) fn sample(rng: &mut FacadeRng) -> Self {
        let paint = rng.choose(&PAINTS).jittered(rng, 0.15);
        let dark = paint.channels()[1] < 0.45;
        let cloth = rng.choose(&CLOTHS).jittered(rng, 0.12);
        let stripes = if rng.chance(0.35) { Color::rgb([0.80, 0.78, 0.72]) } else { cloth };
        Self {
            paint,
            room: rng
                .choose(&[
                    Color::rgb([0.13, 0.13, 0.13]),
                    Color::rgb([0.20, 0.18, 0.15]),
                    Color::rgb([0.36, 0.30, 0.22]),
                ])
                .jittered(rng, 0.2),
            letters: if dark {
                rng.choose(&[Color::rgb([0.84, 0.81, 0.72]), Color::rgb([0.75, 0.63, 0.36])])
            } else {
                Color::rgb([0.16, 0.16, 0.18])
            },
            awning: rng.chance(0.35).then_some((cloth, stripes)),
            sill: rng.uniform(0.15, 0.7),
            sign: rng.uniform(0.45, 0.75),
            panes: rng.integer(2, 4),
            salt: rng.salt(),
        }
    }

    /// Draws one shop that fills `area`; `number` distinguishes the shops of a house.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Rect, number: u32) {
        if !canvas.is_visible(area) {
            return;
        }
        let sign = area.with_bottom(area.top - self.sign);
        canvas.fill(area, self.paint);
        light.bevel(canvas, area, 0.04);
        let window = area.expanded_xy(-0.16, 0.0).with_heights(self.sill, sign.bottom - 0.06);
        self.draw_window(canvas, light, window, number);
        canvas.fill(sign, self.paint.scaled(1.06));
        light.bevel(canvas, sign, 0.04);
        self.draw_letters(canvas, sign.expanded(-self.sign * 0.26), number);
        let Some((cloth, stripes)) = self.awning else {
            return light.drop_shadow(canvas, sign, 0.25);
        };
        /// How far an awning stands out, and how far its front edge hangs below the sign, in meters.
        const OUT: f32 = 1.1;
        const DOWN: f32 = 0.75;
        let roof = area.with_heights(sign.bottom - DOWN, sign.bottom + 0.08);
        light.drop_shadow(canvas, roof, OUT);
        let count = (area.width() / 0.32) as u32;
        let step = roof.width() / count.max(1) as f32;
        for index in 0..count.max(1) {
            let color = if index.is_multiple_of(2) { cloth } else { stripes };
            let stripe = Rect::new(roof.left + step * index as f32, roof.bottom, step, roof.height());
            canvas.fill(stripe, color);
            canvas.fill(stripe.below(0.2), color.scaled(0.78));
        }
        canvas.fill_gradient(roof, Color::WHITE, 0.22, 0.02);
    }

    fn draw_window(&self, canvas: &mut Canvas, light: &Light, window: Rect, number: u32) {
        canvas.fill(window, self.room);
        let chance = |what: i32| random::hash_unit(number as i32, what, self.salt);
        // Goods on display: dim upright shapes on the floor of the window.
        let goods = (window.width() / 0.5) as i32;
        for index in 0..goods {
            let width = 0.15 + 0.3 * chance(10 + 4 * index);
            let height = window.height() * (0.15 + 0.4 * chance(11 + 4 * index));
            let left = window.left + (window.width() - width) * chance(12 + 4 * index);
            let warmth = chance(13 + 4 * index);
            let color = Color::rgb([0.62, 0.58, 0.50]).lerp(Color::rgb([0.42, 0.28, 0.24]), warmth);
            canvas.blend(Rect::new(left, window.bottom, width, height), color, 0.5);
        }
        canvas.fill_gradient(window, Color::rgb([0.66, 0.70, 0.74]), 0.12, 0.3);
        let lamps = window.with_bottom(window.top - 0.22);
        canvas.fill_gradient(lamps, Color::rgb([0.95, 0.83, 0.60]), 0.45 * chance(1), 0.0);
        let step = window.width() / self.panes as f32;
        for index in 1..self.panes {
            let x = window.left + step * index as f32;
            canvas.fill(window.with_sides(x - 0.035, x + 0.035), self.paint);
        }
        // The last pane is the door.
        let door = window.with_left(window.right - step).with_bottom(0.0);
        canvas.fill(door.with_top(window.bottom + 0.05), self.paint.scaled(0.9));
        canvas.fill(door.with_bottom(window.bottom + window.height() * 0.78).below(0.08), self.paint);
        light.recess_shadow(canvas, window, 0.0, 0.2);
    }

    fn draw_letters(&self, canvas: &mut Canvas, field: Rect, number: u32) {
        let (height, width) = (field.height(), field.height() * 0.62);
        let room = (field.width() / (width * 1.35)) as u32;
        if room < 3 {
            return;
        }
        let word = random::hash(number as i32, 0, self.salt);
        let count = (3 + word % 7).min(room);
        let stroke = height * 0.2;
        let start = field.center() - count as f32 * width * 1.35 / 2.0;
        for index in 0..count {
            let letter = Rect::new(start + index as f32 * width * 1.35, field.bottom, width, height);
            let shape = random::hash(number as i32, 1 + index as i32, self.salt);
            let (left, right) = (letter.left + stroke, letter.right - stroke);
            let middle = (letter.bottom + letter.top) / 2.0;
            let strokes = [
                letter.with_right(left),
                letter.with_left(right),
                letter.with_bottom(letter.top - stroke),
                letter.with_heights(middle - stroke / 2.0, middle + stroke / 2.0),
                letter.with_top(letter.bottom + stroke),
            ];
            // The left stem is always there, the rest makes the letters differ.
            for (bit, part) in strokes.into_iter().enumerate() {
                if bit == 0 || (shape >> bit) & 1 == 1 {
                    canvas.blend(part, self.letters, 0.92);
                }
            }
        }
    }
}
