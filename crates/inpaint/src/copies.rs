//! Copies of visible pixels: where patches find them, and what they say of the differences between
//! neighbours.

use context_encoder_mask::{Mask, Rect};
use context_encoder_refine::Window;

use crate::channel::{Channel, Image};

/// How many columns and rows away a pixel's copy comes from.
pub(crate) type Offset = [i32; 2];

/// How strongly a pixel is drawn to the prediction's color, against 1 for the difference to each neighbour:
/// detail up to `1 / sqrt(0.01)` = 10 pixels is the patches', what is broader the prediction's.
pub(crate) const SCREENING: f32 = 0.01;

/// For the pixels of a window that are flagged as `inside`, in the order of rows: where the copy comes from.
/// Nothing where the window has no visible patch. Pixels of the mask hold the prediction; `shift_map`
/// searches ([`shift_map`](context_encoder_refine::shift_map) or the like).
pub(crate) fn find_copies<S: Channel>(
    picture: &Image<S>,
    mask: &Mask,
    window: Rect,
    inside: &[bool],
    shift_map: impl FnOnce(Window<'_>) -> Vec<(usize, usize)>,
) -> impl Iterator<Item = ((u32, u32), Offset)> {
    let pixels: Vec<[u8; 3]> = positions(window)
        .map(|(x, y)| S::normalized(picture.get_pixel(x, y)).map(u8::from_normalized))
        .collect();
    let hidden: Vec<bool> = positions(window).map(|(x, y)| mask.is_hidden(x, y)).collect();
    let width = window.width as usize;
    let copies = shift_map(Window { width, pixels: &pixels, hole: inside, hidden: &hidden });
    copies.into_iter().map(move |(pixel, source)| {
        let along =
            |place: fn(usize, usize) -> usize| place(source, width) as i32 - place(pixel, width) as i32;
        let position = (window.x + (pixel % width) as u32, window.y + (pixel / width) as u32);
        (position, [along(|at, width| at % width), along(|at, width| at / width)])
    })
}

/// Column and row of each pixel of a rectangle, in the order of rows.
pub(crate) fn positions(rect: Rect) -> impl Iterator<Item = (u32, u32)> {
    (rect.y..rect.bottom()).flat_map(move |y| (rect.x..rect.right()).map(move |x| (x, y)))
}

/// A rectangle with a margin on each side, where the picture has one.
pub(crate) fn grown(rect: Rect, margin: u32, (width, height): (u32, u32)) -> Rect {
    let (x, y) = (rect.x.saturating_sub(margin), rect.y.saturating_sub(margin));
    let (right, bottom) = ((rect.right() + margin).min(width), (rect.bottom() + margin).min(height));
    Rect { x, y, width: right - x, height: bottom - y }
}

/// The pixels on the left, on the right, above and below, where the picture has them.
pub(crate) fn beside(x: u32, y: u32, (width, height): (u32, u32)) -> [Option<(u32, u32)>; 4] {
    [
        x.checked_sub(1).map(|left| (left, y)),
        (x + 1 < width).then_some((x + 1, y)),
        y.checked_sub(1).map(|above| (x, above)),
        (y + 1 < height).then_some((x, y + 1)),
    ]
}

/// How much a copied pixel is to be above its neighbours in the picture, all together, in `[-1, 1]`: the
/// means of the differences there where its own copy and where theirs come from (Perez, Gangnet, Blake,
/// "Poisson Image Editing", 2003; with [`SCREENING`]: Bhat et al., 2008). `near` are the neighbours' offsets
/// in the order of [`beside`], where they are copied too.
pub(crate) fn above_neighbours<S: Channel>(
    picture: &Image<S>,
    (x, y): (u32, u32),
    own: Offset,
    near: [Option<Offset>; 4],
) -> [f32; 3] {
    let (width, height) = picture.dimensions();
    let value = |(x, y): (u32, u32), offset: Offset| {
        let place = |at: u32, offset: i32, length: u32| {
            (i64::from(at) + i64::from(offset)).clamp(0, i64::from(length) - 1) as u32
        };
        S::normalized(picture.get_pixel(place(x, offset[0], width), place(y, offset[1], height)))
    };
    let mut total = [0.0; 3];
    for (place, near) in beside(x, y, (width, height)).into_iter().zip(near) {
        let Some(place) = place else { continue };
        let seen_from = |offset: Offset| {
            let (here, there) = (value((x, y), offset), value(place, offset));
            std::array::from_fn::<f32, 3, _>(|color| here[color] - there[color])
        };
        let seen = seen_from(own);
        let other = near.map_or(seen, seen_from);
        for (total, (seen, other)) in total.iter_mut().zip(seen.into_iter().zip(other)) {
            *total += f32::midpoint(seen, other);
        }
    }
    total
}
