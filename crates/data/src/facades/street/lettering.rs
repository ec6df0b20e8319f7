//! Words in letters of no alphabet: stems, bars, diagonals and bowls.

use super::super::{
    canvas::{Canvas, Rect},
    color::Color,
    random,
};

/// Writes a word across `field`, as long as fits, in strokes of this color; `salt` chooses the letters.
pub(super) fn draw(canvas: &mut Canvas, field: Rect, color: Color, salt: u32) {
    let hash = |what: i32| random::hash(what, 77, salt);
    let height = field.height();
    let width = height * (0.45 + 0.35 * random::hash_unit(0, 78, salt));
    let step = width * 1.3;
    let room = (field.width() / step) as u32;
    if room == 0 {
        return;
    }
    let count = (2 + hash(0) % 12).min(room);
    let start = field.center() - count as f32 * step / 2.0;
    // Bold words have letters whose strokes are a quarter of their height.
    let stroke = height * (0.12 + 0.13 * random::hash_unit(1, 78, salt));
    for index in 0..count {
        let shape = hash(1 + index as i32);
        if shape.is_multiple_of(11) {
            continue; // A space.
        }
        let letter = Rect::new(start + step * index as f32, field.bottom, width, height);
        // Some letters are low, as most of the small ones are.
        let letter = if shape & 0x300 == 0 { letter.with_top(letter.bottom + height * 0.7) } else { letter };
        let middle = (letter.bottom + letter.top) / 2.0;
        let parts = [
            letter.with_right(letter.left + stroke),
            letter.with_left(letter.right - stroke),
            letter.with_bottom(letter.top - stroke),
            letter.with_heights(middle - stroke / 2.0, middle + stroke / 2.0),
            letter.with_top(letter.bottom + stroke),
        ];
        for (bit, part) in parts.into_iter().enumerate() {
            if (shape >> bit) & 1 == 1 {
                canvas.blend(part, color, 0.95);
            }
        }
        if (shape >> 5) & 3 == 3 {
            let (from, to) = ([letter.left, letter.bottom], [letter.right, letter.top]);
            canvas.line(from, to, stroke, color, 0.95);
        }
    }
}
