//! Shop fronts: pillars, a lit window, a sign and sometimes an awning.

use super::area::Area;
use super::canvas::Canvas;
use super::color::{Color, PAINTS};
use super::grain;
use super::light::Light;
use super::stream::Stream;

/// Awnings: faded reds, greens, blues, beige.
const CLOTHS: [Color; 6] = [
    Color::rgb([0.52, 0.17, 0.16]),
    Color::rgb([0.19, 0.33, 0.25]),
    Color::rgb([0.20, 0.27, 0.38]),
    Color::rgb([0.74, 0.67, 0.53]),
    Color::rgb([0.62, 0.36, 0.20]),
    Color::rgb([0.33, 0.32, 0.31]),
];

/// The shop fronts of a house, one style for all.
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
    /// Draws a style.
    pub(super) fn sample(stream: &mut Stream) -> Self {
        let paint = stream.pick(&PAINTS).jittered(stream, 0.15);
        let dark = paint.channels()[1] < 0.45;
        let cloth = stream.pick(&CLOTHS).jittered(stream, 0.12);
        let stripes = if stream.chance(0.35) { Color::rgb([0.80, 0.78, 0.72]) } else { cloth };
        Self {
            paint,
            room: stream
                .pick(&[
                    Color::rgb([0.13, 0.13, 0.13]),
                    Color::rgb([0.20, 0.18, 0.15]),
                    Color::rgb([0.36, 0.30, 0.22]),
                ])
                .jittered(stream, 0.2),
            letters: if dark {
                stream.pick(&[Color::rgb([0.84, 0.81, 0.72]), Color::rgb([0.75, 0.63, 0.36])])
            } else {
                Color::rgb([0.16, 0.16, 0.18])
            },
            awning: stream.chance(0.35).then_some((cloth, stripes)),
            sill: stream.uniform(0.15, 0.7),
            sign: stream.uniform(0.45, 0.75),
            panes: stream.whole(2, 4),
            salt: stream.salt(),
        }
    }

    /// Draws one shop that fills `area`; `number` tells the shops of a house apart.
    pub(super) fn draw(&self, canvas: &mut Canvas, light: &Light, area: Area, number: u32) {
        if !canvas.sees(area) {
            return;
        }
        let sign = area.with_bottom(area.top - self.sign);
        canvas.fill(area, self.paint);
        light.emboss(canvas, area, 0.04);
        let window = area.widened(-0.16, 0.0).with_heights(self.sill, sign.bottom - 0.06);
        self.draw_window(canvas, light, window, number);
        canvas.fill(sign, self.paint.scaled(1.06));
        light.emboss(canvas, sign, 0.04);
        self.draw_letters(canvas, sign.grown(-self.sign * 0.26), number);
        let Some((cloth, stripes)) = self.awning else {
            return light.beneath(canvas, sign, 0.25);
        };
        /// How far an awning stands out, and how far its front edge hangs below the sign, in meters.
        const OUT: f32 = 1.1;
        const DOWN: f32 = 0.75;
        let roof = area.with_heights(sign.bottom - DOWN, sign.bottom + 0.08);
        light.beneath(canvas, roof, OUT);
        let count = (area.width() / 0.32) as u32;
        let step = roof.width() / count.max(1) as f32;
        for index in 0..count.max(1) {
            let color = if index.is_multiple_of(2) { cloth } else { stripes };
            let stripe = Area::new(roof.left + step * index as f32, roof.bottom, step, roof.height());
            canvas.fill(stripe, color);
            canvas.fill(stripe.below(0.2), color.scaled(0.78));
        }
        canvas.fade(roof, Color::WHITE, 0.22, 0.02);
    }

    fn draw_window(&self, canvas: &mut Canvas, light: &Light, window: Area, number: u32) {
        canvas.fill(window, self.room);
        let chance = |what: i32| grain::unit(number as i32, what, self.salt);
        // Goods on display: dim upright shapes on the floor of the window.
        let goods = (window.width() / 0.5) as i32;
        for index in 0..goods {
            let width = 0.15 + 0.3 * chance(10 + 4 * index);
            let height = window.height() * (0.15 + 0.4 * chance(11 + 4 * index));
            let left = window.left + (window.width() - width) * chance(12 + 4 * index);
            let warmth = chance(13 + 4 * index);
            let color = Color::rgb([0.62, 0.58, 0.50]).mix(Color::rgb([0.42, 0.28, 0.24]), warmth);
            canvas.blend(Area::new(left, window.bottom, width, height), color, 0.5);
        }
        canvas.fade(window, Color::rgb([0.66, 0.70, 0.74]), 0.12, 0.3);
        let lamps = window.with_bottom(window.top - 0.22);
        canvas.fade(lamps, Color::rgb([0.95, 0.83, 0.60]), 0.45 * chance(1), 0.0);
        let step = window.width() / self.panes as f32;
        for index in 1..self.panes {
            let x = window.left + step * index as f32;
            canvas.fill(window.with_sides(x - 0.035, x + 0.035), self.paint);
        }
        // The last pane is the door.
        let door = window.with_left(window.right - step).with_bottom(0.0);
        canvas.fill(door.with_top(window.bottom + 0.05), self.paint.scaled(0.9));
        canvas.fill(door.with_bottom(window.bottom + window.height() * 0.78).below(0.08), self.paint);
        light.within(canvas, window, 0.0, 0.2);
    }

    fn draw_letters(&self, canvas: &mut Canvas, field: Area, number: u32) {
        let (height, width) = (field.height(), field.height() * 0.62);
        let room = (field.width() / (width * 1.35)) as u32;
        if room < 3 {
            return;
        }
        let word = grain::hash(number as i32, 0, self.salt);
        let count = (3 + word % 7).min(room);
        let stroke = height * 0.2;
        let start = field.center() - count as f32 * width * 1.35 / 2.0;
        for index in 0..count {
            let letter = Area::new(start + index as f32 * width * 1.35, field.bottom, width, height);
            let shape = grain::hash(number as i32, 1 + index as i32, self.salt);
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
