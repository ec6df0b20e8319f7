//! Ground floors: plinth, house door, and shops or windows.

use super::area::Area;
use super::canvas::Canvas;
use super::color::Color;
use super::door::Door;
use super::light::Light;
use super::shop::Shop;
use super::stream::Stream;
use super::wall::Wall;
use super::window::Window;

/// The ground floor of a house.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroundFloor {
    pub(super) height: f32,
    pub(super) wall: Wall,
    purpose: Purpose,
    door: Door,
    /// Number of the bay with the house door, from the left.
    door_bay: usize,
}

/// What lies beside the house door.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// Shops, each this many bays wide.
    Shops(Shop, usize),
    /// Windows like those above.
    Windows,
}

impl GroundFloor {
    /// Draws a ground floor for a house of this wall, dressed stone and number of bays.
    pub(super) fn sample(stream: &mut Stream, wall: Wall, trim: Color, bays: u32) -> Self {
        let purpose = if stream.chance(0.5) {
            Purpose::Shops(Shop::sample(stream), stream.whole(1, 3) as usize)
        } else {
            Purpose::Windows
        };
        Self {
            height: stream.uniform(3.2, 4.6),
            wall: match stream.whole(0, 3) {
                0 => wall,
                1..=2 => wall.rusticated(stream),
                _ => Wall::stone(stream),
            },
            purpose,
            door: Door::sample(stream, trim),
            door_bay: stream.whole(0, bays - 1) as usize,
        }
    }

    /// Draws what stands before the wall of `area`: one thing a bay, on the axes of the bays.
    ///
    /// `window` is the style of the storeys above, `opening` the width of its windows.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        light: &Light,
        area: Area,
        axes: &[f32],
        (window, opening): (&Window, f32),
    ) {
        /// Height of the plinth, in meters.
        const PLINTH: f32 = 0.45;
        if !canvas.sees(area) {
            return;
        }
        let plinth = area.with_top(PLINTH);
        canvas.fill(plinth, self.wall.color.scaled(0.74));
        light.emboss(canvas, plinth, 0.04);
        let head = self.height * 0.8;
        match &self.purpose {
            Purpose::Shops(shop, span) => self.draw_shops(canvas, light, axes, shop, *span),
            Purpose::Windows => {
                for (&x, bay) in axes.iter().zip(0..) {
                    if bay as usize != self.door_bay {
                        let left = x - opening / 2.0;
                        let hole = Area::new(left, 1.0, opening, head - 1.0);
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
        let reach = (axes[1] - axes[0]) / 2.0 - PIER;
        for (side, bays) in [before, &after[1..]].into_iter().enumerate() {
            for (index, group) in bays.chunks(span).enumerate() {
                let (left, right) = (group[0] - reach, group[group.len() - 1] + reach);
                let area = Area::new(left, 0.0, right - left, self.height - LINTEL);
                shop.draw(canvas, light, area, (2 * index + side) as u32);
            }
        }
    }
}
