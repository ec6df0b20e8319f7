//! A row of buildings seen at an angle: drawn flat, a strip at a time, and projected onto the canvas.

use super::{
    super::{
        camera::bilinear,
        canvas::{Canvas, Rect},
        color::Color,
    },
    place::EYE,
};

/// A vertical plane in front of the camera, in meters: x to the right of it, z away from it.
///
/// The point `t` meters along the plane's foot lies at `origin + t * direction`. The canvas shows objects at
/// the distance `distance` in true size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub(super) origin: [f32; 2],
    /// Of length 1.
    pub(super) direction: [f32; 2],
    pub(super) distance: f32,
}

/// The air of a scene: what far walls fade to, and the distance at which they have half faded, in meters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Haze {
    pub(super) color: Color,
    pub(super) distance: f32,
}

impl Plane {
    /// How many times larger than at `distance` the canvas shows the plane at its column `x`.
    pub(super) fn scale(&self, x: f32) -> f32 {
        let ([x0, z0], [c, s]) = (self.origin, self.direction);
        (self.distance * c - x * s) / (z0 * c - x0 * s)
    }

    /// Meters along the plane at the canvas' column `x`.
    pub(super) fn along(&self, x: f32) -> f32 {
        let ([x0, z0], [c, s]) = (self.origin, self.direction);
        (x * z0 - x0 * self.distance) / (self.distance * c - x * s)
    }

    /// The canvas' column and the scale of the point `t` meters along the plane and `out` meters toward the
    /// camera's side of it.
    pub(super) fn project(&self, t: f32, out: f32) -> (f32, f32) {
        let ([x0, z0], [c, s]) = (self.origin, self.direction);
        // The normal that points to the camera, which stands at the origin.
        let side = if x0 * s - z0 * c > 0.0 { -out } else { out };
        let (x, z) = (x0 + t * c + side * s, (z0 + t * s - side * c).max(0.5));
        (x * self.distance / z, self.distance / z)
    }

    /// The column, clamped to `columns`, at which the canvas shows the plane `scale` times as large.
    fn column_of_scale(&self, scale: f32, columns: [f32; 2]) -> f32 {
        let ([x0, z0], [c, s]) = (self.origin, self.direction);
        let x = (self.distance * c - scale * (z0 * c - x0 * s)) / s;
        if x.is_finite() { x.clamp(columns[0], columns[1]) } else { columns[1] }
    }

    /// Draws the plane between two columns of the canvas, from its foot up to `top` meters: `draw` draws it
    /// flat. What it leaves free above `free` meters shows what the canvas showed before.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        columns: [f32; 2],
        (free, top): (f32, f32),
        haze: Haze,
        draw: impl Fn(&mut Canvas),
    ) {
        /// The largest ratio of the scales at the ends of a strip: its pixels are at most so much too fine or
        /// too coarse.
        const RATIO: f32 = 1.6;
        let viewport = canvas.viewport();
        let columns = [columns[0].max(viewport.left), columns[1].min(viewport.right)];
        if columns[1] - columns[0] < canvas.pixel() {
            return;
        }
        let shrinks = self.scale(columns[0]) > self.scale(columns[1]);
        let [near, far] = if shrinks { columns } else { [columns[1], columns[0]] };
        let mut start = near;
        while start != far {
            let end = self.column_of_scale(self.scale(start) / RATIO, columns);
            // Columns narrower than a pixel, far away, are left to the next strip.
            let end = if (end - start).abs() < canvas.pixel() || (end - far).abs() < canvas.pixel() {
                far
            } else {
                end
            };
            let strip = Strip::new(self, canvas, [start.min(end), start.max(end)], top);
            if let Some(strip) = strip {
                strip.draw(canvas, free, haze, &draw);
            }
            start = end;
        }
    }
}

/// A part of a plane, drawn with pixels of one size.
struct Strip<'a> {
    plane: &'a Plane,
    columns: [f32; 2],
    flat: Canvas,
}

impl<'a> Strip<'a> {
    /// The strip between two columns, or nothing if the canvas shows no part of it.
    fn new(plane: &'a Plane, canvas: &Canvas, columns: [f32; 2], top: f32) -> Option<Self> {
        let viewport = canvas.viewport();
        let scales = columns.map(|x| plane.scale(x));
        let (low, high) = (scales[0].min(scales[1]), scales[0].max(scales[1]));
        let ends = columns.map(|x| plane.along(x));
        let (left, right) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let highest = top.min(EYE + (viewport.top - EYE) / low);
        if low <= 0.0 || highest <= 0.1 || right - left < 0.01 {
            return None;
        }
        let pixels = ((columns[1] - columns[0]) / canvas.pixel()).max(2.0);
        let scale = [1.2 * pixels / (right - left), (low * high).sqrt() / canvas.pixel_height()];
        let viewport = Rect { left, right, bottom: 0.0, top: highest };
        let flat = Canvas::stretched(viewport, scale);
        (flat.width >= 2 && flat.height >= 2).then_some(Self { plane, columns, flat })
    }

    fn draw(mut self, canvas: &mut Canvas, free: f32, haze: Haze, draw: impl Fn(&mut Canvas)) {
        self.copy_background(canvas, free);
        draw(&mut self.flat);
        self.project(canvas, haze);
    }

    /// Copies what the canvas shows behind the plane above `free` meters.
    fn copy_background(&mut self, canvas: &Canvas, free: f32) {
        let viewport = canvas.viewport();
        let ([x0, z0], [c, s]) = (self.plane.origin, self.plane.direction);
        let inverse = [1.0 / canvas.pixel(), 1.0 / canvas.pixel_height()];
        let step = self.flat.pixel();
        self.flat.for_each_row(self.flat.viewport().with_bottom(free), |y, left, row| {
            for (index, color) in row.iter_mut().enumerate() {
                let t = left + index as f32 * step;
                let scale = self.plane.distance / (z0 + t * s);
                let (x, y) = ((x0 + t * c) * scale, EYE + (y - EYE) * scale);
                *color = bilinear(
                    canvas,
                    (x - viewport.left) * inverse[0] - 0.5,
                    (viewport.top - y) * inverse[1] - 0.5,
                );
            }
        });
    }

    /// Draws the strip's flat image onto the canvas.
    fn project(&self, canvas: &mut Canvas, haze: Haze) {
        struct Column {
            x: f32,
            shrink: f32,
            haze: f32,
        }
        let flat = &self.flat;
        let (pixel, pixel_height) = (canvas.pixel(), canvas.pixel_height());
        let [low, high] = self.columns;
        let area = canvas.viewport().with_sides(low, high);
        let across = 1.0 / flat.pixel();
        let up = 1.0 / flat.pixel_height();
        let view = flat.viewport();
        let mut columns: Vec<Column> = Vec::new();
        canvas.for_each_row(area, |y, left, row| {
            if columns.is_empty() {
                columns.extend((0..row.len()).map(|index| {
                    let x = left + index as f32 * pixel;
                    let shrink = 1.0 / self.plane.scale(x);
                    let depth = self.plane.distance * shrink;
                    let x = (self.plane.along(x) - view.left) * across - 0.5;
                    Column { x, shrink, haze: depth / (depth + haze.distance) }
                }));
            }
            for (color, column) in row.iter_mut().zip(&columns) {
                let height = EYE + (y - EYE) * column.shrink;
                // The pixel at the foot shows part of the wall, part of the ground.
                let covered = (height / (pixel_height * column.shrink) + 0.5).clamp(0.0, 1.0);
                if height < view.top && covered > 0.0 {
                    let seen = bilinear(flat, column.x, (view.top - height) * up - 0.5);
                    *color = color.lerp(seen.lerp(haze.color, column.haze), covered);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAZE: Haze = Haze { color: Color::rgb([0.5; 3]), distance: 1e9 };

    #[test]
    fn columns_and_scales_agree_with_projection() {
        // A wall that recedes to the right at 45 degrees, 10 m away in the middle.
        let diagonal = 0.5_f32.sqrt();
        let plane = Plane { origin: [0.0, 10.0], direction: [diagonal, diagonal], distance: 10.0 };
        assert_eq!((plane.along(0.0), plane.scale(0.0)), (0.0, 1.0));
        let (x, scale) = plane.project(4.0, 0.0);
        // x = 2.83, z = 12.83.
        assert!((x - 2.204).abs() < 1e-3 && (scale - 0.7795).abs() < 1e-3, "{x} {scale}");
        assert!((plane.along(x) - 4.0).abs() < 1e-4 && (plane.scale(x) - scale).abs() < 1e-5);
        // Toward the camera is toward larger scales.
        assert!(plane.project(4.0, 1.0).1 > scale);
    }

    #[test]
    fn receding_wall_covers_less_where_it_is_far() {
        let mut canvas = Canvas::new(Rect::new(-5.0, -1.0, 10.0, 8.0), 8.0);
        // The right side of a street, 4 m from the camera.
        let plane = Plane { origin: [4.0, 0.0], direction: [0.0, 1.0], distance: 8.0 };
        let near = plane.project(8.0, 0.0).0;
        assert_eq!(near, 4.0);
        let white = Color::rgb([1.0; 3]);
        plane.draw(&mut canvas, [1.0, 5.0], (9.0, 6.0), HAZE, |flat| flat.fill(flat.viewport(), white));
        let height = |x: usize| {
            (0..canvas.height).filter(|y| canvas.pixels[y * canvas.width + x].channels()[0] > 0.5).count()
                as f32
                / 8.0
        };
        // Column 72 is at x = 4.06: the wall stands 6 * 1.016 m high. Column 48 is at 1.06: 6 * 0.266.
        assert!((height(72) - 6.09).abs() < 0.2, "{}", height(72));
        assert!((height(48) - 1.59).abs() < 0.2, "{}", height(48));
        assert_eq!(height(30), 0.0);
    }
}
