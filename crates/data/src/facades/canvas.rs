//! The canvas that a scene is drawn on: anti-aliased shapes, placed in meters.
//!
//! Only `+ - * /`, `sqrt` and truncation touch a pixel. Those are exact in IEEE 754, so the same
//! shapes give the same bits on every platform, which approximating vector rasterizers do not.

use super::color::Color;

/// An axis-aligned rectangle in meters: x to the right, y upward from the pavement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    pub(super) top: f32,
}

impl Rect {
    /// The rectangle with this lower left corner.
    pub(super) fn new(left: f32, bottom: f32, width: f32, height: f32) -> Self {
        Self { left, right: left + width, bottom, top: bottom + height }
    }

    pub(super) fn width(self) -> f32 {
        self.right - self.left
    }

    pub(super) fn height(self) -> f32 {
        self.top - self.bottom
    }

    pub(super) fn center(self) -> f32 {
        (self.left + self.right) / 2.0
    }

    /// The same heights between other sides.
    pub(super) fn with_sides(self, left: f32, right: f32) -> Self {
        Self { left, right, ..self }
    }

    /// The same sides between other heights.
    pub(super) fn with_heights(self, bottom: f32, top: f32) -> Self {
        Self { bottom, top, ..self }
    }

    pub(super) fn with_left(self, left: f32) -> Self {
        Self { left, ..self }
    }

    pub(super) fn with_right(self, right: f32) -> Self {
        Self { right, ..self }
    }

    pub(super) fn with_bottom(self, bottom: f32) -> Self {
        Self { bottom, ..self }
    }

    pub(super) fn with_top(self, top: f32) -> Self {
        Self { top, ..self }
    }

    /// Every side moved outward by `margin`, inward if it is negative.
    pub(super) fn expanded(self, margin: f32) -> Self {
        self.expanded_xy(margin, margin)
    }

    /// The left and right sides moved outward by `dx`, bottom and top by `dy`.
    pub(super) fn expanded_xy(self, dx: f32, dy: f32) -> Self {
        Self { left: self.left - dx, right: self.right + dx, bottom: self.bottom - dy, top: self.top + dy }
    }

    pub(super) fn translated(self, dx: f32, dy: f32) -> Self {
        Self { left: self.left + dx, right: self.right + dx, bottom: self.bottom + dy, top: self.top + dy }
    }

    /// The strip of this `height` that hangs from the bottom edge.
    pub(super) fn below(self, height: f32) -> Self {
        Self { top: self.bottom, bottom: self.bottom - height, ..self }
    }

    /// The strip of this `height` that stands on the top edge.
    pub(super) fn above(self, height: f32) -> Self {
        Self { bottom: self.top, top: self.top + height, ..self }
    }
}

/// Scan lines for each pixel row where an edge may slant.
const SUBROWS: usize = 4;

/// Pixels in color, and where they lie in meters.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<Color>,
    viewport: Rect,
    /// Pixels in a meter to the right, and in a meter upward.
    scale: [f32; 2],
    /// The fraction of each pixel of one row that a shape covers; zero between shapes.
    coverage: Vec<f32>,
}

impl Canvas {
    /// A black canvas that shows `viewport` with pixels of 1 / `scale` meters.
    pub(super) fn new(viewport: Rect, scale: f32) -> Self {
        Self::stretched(viewport, [scale; 2])
    }

    /// A black canvas with pixels of 1 / `scale[0]` meters in width and 1 / `scale[1]` in height.
    pub(super) fn stretched(viewport: Rect, scale: [f32; 2]) -> Self {
        let width = (viewport.width() * scale[0]).ceil() as usize;
        let height = (viewport.height() * scale[1]).ceil() as usize;
        let pixels = vec![Color::rgb([0.0; 3]); width * height];
        Self { width, height, pixels, viewport, scale, coverage: vec![0.0; width] }
    }

    /// The part of the scene that is drawn.
    pub(super) fn viewport(&self) -> Rect {
        self.viewport
    }

    /// The width of a pixel, in meters.
    pub(super) fn pixel(&self) -> f32 {
        1.0 / self.scale[0]
    }

    /// The height of a pixel, in meters.
    pub(super) fn pixel_height(&self) -> f32 {
        1.0 / self.scale[1]
    }

    /// Whether `area` meets the viewport.
    pub(super) fn is_visible(&self, area: Rect) -> bool {
        let Rect { left, right, bottom, top } = self.viewport;
        area.right > left && area.left < right && area.top > bottom && area.bottom < top
    }

    /// Fills a rectangle.
    pub(super) fn fill(&mut self, area: Rect, color: Color) {
        self.fill_gradient(area, color, 1.0, 1.0);
    }

    /// Blends a color over a rectangle: `opacity` 0 changes nothing, 1 hides what was there.
    pub(super) fn blend(&mut self, area: Rect, color: Color, opacity: f32) {
        self.fill_gradient(area, color, opacity, opacity);
    }

    /// Blends a color over a rectangle, with an opacity that changes linearly from its top edge to its bottom
    /// edge.
    pub(super) fn fill_gradient(&mut self, area: Rect, color: Color, top: f32, bottom: f32) {
        let (x0, x1) = self.columns(area.left, area.right);
        let (y0, y1) = self.pixel_rows(area.top, area.bottom);
        if x0 >= x1 || y0 >= y1 {
            return;
        }
        let (first, last) = (x0 as usize, (x1.ceil() as usize).min(self.width));
        let per_pixel = (bottom - top) / (area.height() * self.scale[1]);
        let start = (self.viewport.top - area.top) * self.scale[1];
        for y in y0 as usize..(y1.ceil() as usize).min(self.height) {
            let middle = (y as f32 + 0.5).clamp(y0, y1);
            let opacity = (top + per_pixel * (middle - start)) * covered(y, y0, y1);
            let row = &mut self.pixels[y * self.width..][first..last];
            let inside = row.len();
            row[0] = row[0].lerp(color, opacity * covered(first, x0, x1));
            if inside > 1 {
                for pixel in &mut row[1..inside - 1] {
                    *pixel = pixel.lerp(color, opacity);
                }
                row[inside - 1] = row[inside - 1].lerp(color, opacity * covered(last - 1, x0, x1));
            }
        }
    }

    /// Blends a color over a rectangle whose top is half an ellipse of height `rise`; without rise a plain
    /// rectangle.
    pub(super) fn arch(&mut self, area: Rect, rise: f32, color: Color, opacity: f32) {
        if rise <= 0.0 {
            return self.blend(area, color, opacity);
        }
        let (spring, half) = (area.top - rise, area.width() / 2.0);
        self.fill_spans(area.bottom, area.top, color, opacity, |y| {
            let up = ((y - spring) / rise).clamp(0.0, 1.0);
            let dx = half * (1.0 - up * up).sqrt();
            Some((area.center() - dx, area.center() + dx))
        });
    }

    /// Blends a color over an ellipse.
    pub(super) fn ellipse(&mut self, center: [f32; 2], radii: [f32; 2], color: Color, opacity: f32) {
        let ([x, y], [rx, ry]) = (center, radii);
        self.fill_spans(y - ry, y + ry, color, opacity, |line| {
            let up = (line - y) / ry;
            let dx = rx * (1.0 - up * up).max(0.0).sqrt();
            Some((x - dx, x + dx))
        });
    }

    /// Blends a color over a convex polygon.
    pub(super) fn polygon(&mut self, corners: &[[f32; 2]], color: Color, opacity: f32) {
        let bottom = corners.iter().fold(f32::INFINITY, |low, corner| low.min(corner[1]));
        let top = corners.iter().fold(f32::NEG_INFINITY, |high, corner| high.max(corner[1]));
        self.fill_spans(bottom, top, color, opacity, |y| {
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

    /// Blends a color over a straight stroke of this `width`.
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

    /// Blends a color over what lies, on each scan line, between the two ends that `span` gives for its
    /// height.
    pub(super) fn fill_spans(
        &mut self,
        bottom: f32,
        top: f32,
        color: Color,
        opacity: f32,
        span: impl Fn(f32) -> Option<(f32, f32)>,
    ) {
        let (y0, y1) = self.pixel_rows(top, bottom);
        if y0 >= y1 {
            return;
        }
        let opacity = opacity / SUBROWS as f32;
        for y in y0 as usize..(y1.ceil() as usize).min(self.height) {
            let (mut start, mut end) = (self.width, 0);
            for subrow in 0..SUBROWS {
                let line = y as f32 + (subrow as f32 + 0.5) / SUBROWS as f32;
                if line < y0 || line > y1 {
                    continue;
                }
                let Some((left, right)) = span(self.viewport.top - line / self.scale[1]) else {
                    continue;
                };
                let (x0, x1) = self.columns(left, right);
                if x0 >= x1 {
                    continue;
                }
                let (first, last) = (x0 as usize, (x1.ceil() as usize).min(self.width));
                for (x, coverage) in self.coverage[first..last].iter_mut().enumerate() {
                    *coverage += opacity * covered(first + x, x0, x1);
                }
                (start, end) = (start.min(first), end.max(last));
            }
            if start >= end {
                continue;
            }
            let row = &mut self.pixels[y * self.width..][start..end];
            for (pixel, coverage) in row.iter_mut().zip(&mut self.coverage[start..end]) {
                *pixel = pixel.lerp(color, *coverage);
                *coverage = 0.0;
            }
        }
    }

    /// Calls `draw` for each pixel row of `area`, rounded to whole pixels, with the y of its middle and the x
    /// of its first pixel's middle, both in meters.
    pub(super) fn for_each_row(&mut self, area: Rect, mut draw: impl FnMut(f32, f32, &mut [Color])) {
        let (x0, x1) = self.columns(area.left, area.right);
        let (y0, y1) = self.pixel_rows(area.top, area.bottom);
        let (first, last) = ((x0 + 0.5) as usize, ((x1 + 0.5) as usize).min(self.width));
        let (pixel, pixel_height) = (self.pixel(), self.pixel_height());
        if first >= last {
            return;
        }
        for y in (y0 + 0.5) as usize..((y1 + 0.5) as usize).min(self.height) {
            let height = self.viewport.top - (y as f32 + 0.5) * pixel_height;
            let left = self.viewport.left + (first as f32 + 0.5) * pixel;
            draw(height, left, &mut self.pixels[y * self.width..][first..last]);
        }
    }

    /// From meters to columns, clamped to the canvas.
    fn columns(&self, left: f32, right: f32) -> (f32, f32) {
        let start = ((left - self.viewport.left) * self.scale[0]).max(0.0);
        (start, ((right - self.viewport.left) * self.scale[0]).min(self.width as f32))
    }

    /// From meters to rows, counted from the top and clamped to the canvas.
    fn pixel_rows(&self, top: f32, bottom: f32) -> (f32, f32) {
        let start = ((self.viewport.top - top) * self.scale[1]).max(0.0);
        (start, ((self.viewport.top - bottom) * self.scale[1]).min(self.height as f32))
    }
}

/// How much of the pixel at `index` lies between `low` and `high`.
#[inline]
fn covered(index: usize, low: f32, high: f32) -> f32 {
    let start = index as f32;
    (high.min(start + 1.0) - low.max(start)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Color = Color::rgb([1.0; 3]);

    /// Six by four pixels of half a meter.
    fn canvas() -> Canvas {
        Canvas::new(Rect::new(0.0, 0.0, 3.0, 2.0), 2.0)
    }

    /// Total white, in square meters.
    fn white(canvas: &Canvas) -> f32 {
        canvas.pixels.iter().map(|pixel| pixel.channels()[1]).sum::<f32>() * canvas.pixel() * canvas.pixel()
    }

    #[test]
    fn rectangle_fills_its_area() {
        let mut canvas = canvas();
        canvas.fill(Rect::new(0.3, 0.4, 1.5, 0.9), WHITE);
        assert!((white(&canvas) - 1.35).abs() < 1e-5);
        // Row 2 lies between 0.5 and 1 m, column 1 between 0.5 and 1 m: both wholly inside.
        assert_eq!(canvas.pixels[2 * 6 + 1], WHITE);
        assert_eq!(canvas.pixels[5], Color::rgb([0.0; 3]));
    }

    #[test]
    fn gradient_has_its_mean_opacity() {
        let mut canvas = canvas();
        canvas.fill_gradient(Rect::new(0.0, 0.0, 3.0, 2.0), WHITE, 1.0, 0.0);
        assert!((white(&canvas) - 3.0).abs() < 1e-5);
        assert!((canvas.pixels[0].channels()[0] - 0.875).abs() < 1e-6);
    }

    #[test]
    fn slanted_shapes_fill_their_area() {
        let mut canvas = canvas();
        canvas.polygon(&[[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]], WHITE, 1.0);
        assert!((white(&canvas) - 2.0).abs() < 1e-4);
        let mut canvas = self::canvas();
        canvas.line([0.5, 0.5], [2.5, 1.5], 0.2, WHITE, 0.5);
        assert!((white(&canvas) - 0.5 * 0.2 * 5.0_f32.sqrt()).abs() < 2e-2);
    }

    #[test]
    fn shapes_outside_change_nothing() {
        let mut canvas = canvas();
        canvas.fill(Rect::new(4.0, 0.0, 2.0, 2.0), WHITE);
        canvas.ellipse([-3.0, 1.0], [1.0, 1.0], WHITE, 1.0);
        canvas.fill(Rect::new(1.0, -9.0, 1.0, 2.0), WHITE);
        assert_eq!(white(&canvas), 0.0);
        assert!(!canvas.is_visible(Rect::new(4.0, 0.0, 2.0, 2.0)));
    }

    #[test]
    fn rectangles_move_and_expand() {
        let area = Rect::new(1.0, 2.0, 3.0, 4.0);
        assert_eq!(area.below(0.5), Rect::new(1.0, 1.5, 3.0, 0.5));
        assert_eq!(area.above(0.5), Rect::new(1.0, 6.0, 3.0, 0.5));
        assert_eq!(area.expanded(-1.0), Rect::new(2.0, 3.0, 1.0, 2.0));
        assert_eq!(area.translated(1.0, -2.0), Rect::new(2.0, 0.0, 3.0, 4.0));
        assert_eq!((area.center(), area.width(), area.height()), (2.5, 3.0, 4.0));
    }
}
