//! The canvas a street is drawn on: anti-aliased shapes placed in meters.
//!
//! Only `+ - * /`, `sqrt` and truncation touch a pixel. Those are exact in IEEE 754, so the same
//! shapes give the same bits on every platform, which approximating vector rasterizers do not.

use super::area::Area;
use super::color::Color;

/// Scan lines a pixel row is cut into where an edge may slant.
const SUBROWS: usize = 4;

/// Pixels in color, and where they lie in meters.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<Color>,
    view: Area,
    scale: f32,
    /// Share of each pixel of one row that a shape covers; zero between shapes.
    coverage: Vec<f32>,
}

impl Canvas {
    /// A black canvas that shows `view` with pixels of 1 / `scale` meters.
    pub(super) fn new(view: Area, scale: f32) -> Self {
        let width = (view.width() * scale).ceil() as usize;
        let height = (view.height() * scale).ceil() as usize;
        let pixels = vec![Color::rgb([0.0; 3]); width * height];
        Self { width, height, pixels, view, scale, coverage: vec![0.0; width] }
    }

    /// The part of the street that can be seen.
    pub(super) fn view(&self) -> Area {
        self.view
    }

    /// The side of a pixel, in meters.
    pub(super) fn pixel(&self) -> f32 {
        1.0 / self.scale
    }

    /// Whether any of `area` can be seen.
    pub(super) fn sees(&self, area: Area) -> bool {
        let view = self.view;
        area.right > view.left && area.left < view.right && area.top > view.bottom && area.bottom < view.top
    }

    /// Covers a rectangle.
    pub(super) fn fill(&mut self, area: Area, color: Color) {
        self.fade(area, color, 1.0, 1.0);
    }

    /// Covers a rectangle partly: `opacity` 0 changes nothing, 1 hides what was there.
    pub(super) fn blend(&mut self, area: Area, color: Color, opacity: f32) {
        self.fade(area, color, opacity, opacity);
    }

    /// Covers a rectangle with an opacity that runs evenly from its top edge to its bottom edge.
    pub(super) fn fade(&mut self, area: Area, color: Color, top: f32, bottom: f32) {
        let (x0, x1) = self.across(area.left, area.right);
        let (y0, y1) = self.down(area.top, area.bottom);
        if x0 >= x1 || y0 >= y1 {
            return;
        }
        let (first, last) = (x0 as usize, (x1.ceil() as usize).min(self.width));
        let slope = (bottom - top) / (area.height() * self.scale);
        let start = (self.view.top - area.top) * self.scale;
        for y in y0 as usize..(y1.ceil() as usize).min(self.height) {
            let middle = (y as f32 + 0.5).clamp(y0, y1);
            let opacity = (top + slope * (middle - start)) * overlap(y, y0, y1);
            let row = &mut self.pixels[y * self.width..][first..last];
            let inside = row.len();
            row[0] = row[0].mix(color, opacity * overlap(first, x0, x1));
            if inside > 1 {
                for pixel in &mut row[1..inside - 1] {
                    *pixel = pixel.mix(color, opacity);
                }
                row[inside - 1] = row[inside - 1].mix(color, opacity * overlap(last - 1, x0, x1));
            }
        }
    }

    /// Covers a rectangle whose top is half an ellipse of height `rise`; no rise is a plain rectangle.
    pub(super) fn arch(&mut self, area: Area, rise: f32, color: Color, opacity: f32) {
        if rise <= 0.0 {
            return self.blend(area, color, opacity);
        }
        let (spring, half) = (area.top - rise, area.width() / 2.0);
        self.shape(area.bottom, area.top, color, opacity, |y| {
            let up = ((y - spring) / rise).clamp(0.0, 1.0);
            let reach = half * (1.0 - up * up).sqrt();
            Some((area.center() - reach, area.center() + reach))
        });
    }

    /// Covers an ellipse.
    pub(super) fn ellipse(&mut self, center: [f32; 2], radii: [f32; 2], color: Color, opacity: f32) {
        let ([x, y], [across, along]) = (center, radii);
        self.shape(y - along, y + along, color, opacity, |line| {
            let up = (line - y) / along;
            let reach = across * (1.0 - up * up).max(0.0).sqrt();
            Some((x - reach, x + reach))
        });
    }

    /// Covers a convex polygon.
    pub(super) fn polygon(&mut self, corners: &[[f32; 2]], color: Color, opacity: f32) {
        let bottom = corners.iter().fold(f32::INFINITY, |low, corner| low.min(corner[1]));
        let top = corners.iter().fold(f32::NEG_INFINITY, |high, corner| high.max(corner[1]));
        self.shape(bottom, top, color, opacity, |y| {
            let mut span: Option<(f32, f32)> = None;
            for (index, &[x0, y0]) in corners.iter().enumerate() {
                let [x1, y1] = corners[(index + 1) % corners.len()];
                if (y0 <= y) != (y1 <= y) {
                    let x = x0 + (x1 - x0) * (y - y0) / (y1 - y0);
                    span = Some(span.map_or((x, x), |(left, right)| (left.min(x), right.max(x))));
                }
            }
            span
        });
    }

    /// Covers a straight stroke of this `width`.
    pub(super) fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, color: Color, opacity: f32) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let half = width / 2.0 / (dx * dx + dy * dy).sqrt().max(f32::MIN_POSITIVE);
        let (nx, ny) = (-dy * half, dx * half);
        let corners = [
            [from[0] + nx, from[1] + ny],
            [to[0] + nx, to[1] + ny],
            [to[0] - nx, to[1] - ny],
            [from[0] - nx, from[1] - ny],
        ];
        self.polygon(&corners, color, opacity);
    }

    /// Covers whatever lies, on each scan line, between the two ends that `span` gives for its height.
    pub(super) fn shape(
        &mut self,
        bottom: f32,
        top: f32,
        color: Color,
        opacity: f32,
        span: impl Fn(f32) -> Option<(f32, f32)>,
    ) {
        let (y0, y1) = self.down(top, bottom);
        if y0 >= y1 {
            return;
        }
        let share = opacity / SUBROWS as f32;
        for y in y0 as usize..(y1.ceil() as usize).min(self.height) {
            let (mut start, mut end) = (self.width, 0);
            for subrow in 0..SUBROWS {
                let line = y as f32 + (subrow as f32 + 0.5) / SUBROWS as f32;
                if line < y0 || line > y1 {
                    continue;
                }
                let Some((left, right)) = span(self.view.top - line / self.scale) else {
                    continue;
                };
                let (x0, x1) = self.across(left, right);
                if x0 >= x1 {
                    continue;
                }
                let (first, last) = (x0 as usize, (x1.ceil() as usize).min(self.width));
                for (x, covered) in self.coverage[first..last].iter_mut().enumerate() {
                    *covered += share * overlap(first + x, x0, x1);
                }
                (start, end) = (start.min(first), end.max(last));
            }
            if start >= end {
                continue;
            }
            let row = &mut self.pixels[y * self.width..][start..end];
            for (pixel, covered) in row.iter_mut().zip(&mut self.coverage[start..end]) {
                *pixel = pixel.mix(color, *covered);
                *covered = 0.0;
            }
        }
    }

    /// Hands out each pixel row of `area`, rounded to whole pixels, with the height of its middle
    /// and the x of its first pixel's middle, both in meters.
    pub(super) fn rows(&mut self, area: Area, mut draw: impl FnMut(f32, f32, &mut [Color])) {
        let (x0, x1) = self.across(area.left, area.right);
        let (y0, y1) = self.down(area.top, area.bottom);
        let (first, last) = ((x0 + 0.5) as usize, ((x1 + 0.5) as usize).min(self.width));
        let pixel = self.pixel();
        if first >= last {
            return;
        }
        for y in (y0 + 0.5) as usize..((y1 + 0.5) as usize).min(self.height) {
            let height = self.view.top - (y as f32 + 0.5) * pixel;
            let left = self.view.left + (first as f32 + 0.5) * pixel;
            draw(height, left, &mut self.pixels[y * self.width..][first..last]);
        }
    }

    /// Columns, cut off at the canvas.
    fn across(&self, left: f32, right: f32) -> (f32, f32) {
        let start = ((left - self.view.left) * self.scale).max(0.0);
        (start, ((right - self.view.left) * self.scale).min(self.width as f32))
    }

    /// Rows, counted from the top and cut off at the canvas.
    fn down(&self, top: f32, bottom: f32) -> (f32, f32) {
        let start = ((self.view.top - top) * self.scale).max(0.0);
        (start, ((self.view.top - bottom) * self.scale).min(self.height as f32))
    }
}

/// The part of the unit interval at `index` that lies between `low` and `high`.
#[inline]
fn overlap(index: usize, low: f32, high: f32) -> f32 {
    let start = index as f32;
    (high.min(start + 1.0) - low.max(start)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Color = Color::rgb([1.0; 3]);

    /// Six by four pixels of half a meter.
    fn canvas() -> Canvas {
        Canvas::new(Area::new(0.0, 0.0, 3.0, 2.0), 2.0)
    }

    /// Total white, in square meters.
    fn covered(canvas: &Canvas) -> f32 {
        canvas.pixels.iter().map(|pixel| pixel.channels()[1]).sum::<f32>() * canvas.pixel() * canvas.pixel()
    }

    #[test]
    fn a_rectangle_covers_its_area() {
        let mut canvas = canvas();
        canvas.fill(Area::new(0.3, 0.4, 1.5, 0.9), WHITE);
        assert!((covered(&canvas) - 1.35).abs() < 1e-5);
        // Row 2 lies between 0.5 and 1 m, column 1 between 0.5 and 1 m: both wholly inside.
        assert_eq!(canvas.pixels[2 * 6 + 1], WHITE);
        assert_eq!(canvas.pixels[5], Color::rgb([0.0; 3]));
    }

    #[test]
    fn a_fade_covers_its_mean() {
        let mut canvas = canvas();
        canvas.fade(Area::new(0.0, 0.0, 3.0, 2.0), WHITE, 1.0, 0.0);
        assert!((covered(&canvas) - 3.0).abs() < 1e-5);
        assert!((canvas.pixels[0].channels()[0] - 0.875).abs() < 1e-6);
    }

    #[test]
    fn slanted_shapes_cover_their_area() {
        let mut canvas = canvas();
        canvas.polygon(&[[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]], WHITE, 1.0);
        assert!((covered(&canvas) - 2.0).abs() < 1e-4);
        let mut canvas = self::canvas();
        canvas.line([0.5, 0.5], [2.5, 1.5], 0.2, WHITE, 0.5);
        assert!((covered(&canvas) - 0.5 * 0.2 * 5.0_f32.sqrt()).abs() < 2e-2);
    }

    #[test]
    fn what_lies_outside_changes_nothing() {
        let mut canvas = canvas();
        canvas.fill(Area::new(4.0, 0.0, 2.0, 2.0), WHITE);
        canvas.ellipse([-3.0, 1.0], [1.0, 1.0], WHITE, 1.0);
        canvas.fill(Area::new(1.0, -9.0, 1.0, 2.0), WHITE);
        assert_eq!(covered(&canvas), 0.0);
        assert!(!canvas.sees(Area::new(4.0, 0.0, 2.0, 2.0)));
    }
}
