//! The camera: a little perspective, lens blur, exposure, and sensor noise.

use image::RgbImage;

use super::{
    canvas::Canvas,
    color::Color,
    random::{self, FacadeRng},
};

/// The camera of one image. Positions in the image run from -1 to 1 upward, and to the right as far as the
/// aspect ratio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    /// Yaw, pitch and roll, each as the tangent of its angle.
    yaw: f32,
    pitch: f32,
    roll: f32,
    /// The fraction of a pixel's light that falls on each neighbor.
    blur: f32,
    /// Factor on each channel.
    exposure: [f32; 3],
    /// What is taken from each channel before, so that a factor above 1 raises the contrast.
    black: f32,
    /// 1 leaves the colors as they are, 0 makes them grey.
    saturation: f32,
    /// Vignetting: loss of light toward the corners.
    vignetting: f32,
    /// Standard deviation of the sensor noise, in levels of 255.
    noise: f32,
    salt: u32,
}

impl Camera {
    /// Samples a camera, usually held straight, for images of this aspect ratio.
    pub(super) fn sample(rng: &mut FacadeRng, aspect: f32) -> Self {
        let strength = rng.choose(&[0.25, 0.25, 0.5, 1.0]);
        let light = rng.uniform(0.66, 1.08);
        let warmth = rng.uniform(-0.06, 0.05);
        Self {
            // However wide the image, its sides stay in front of the camera.
            yaw: strength * rng.uniform(-0.16, 0.16) / aspect.max(1.0),
            pitch: strength * rng.uniform(-0.11, 0.03),
            roll: strength * rng.uniform(-0.03, 0.03),
            blur: rng.uniform(0.02, 0.14),
            exposure: [light * (1.0 + warmth), light, light * (1.0 - warmth)],
            black: 0.0,
            saturation: rng.uniform(0.45, 0.95),
            vignetting: rng.uniform(0.0, 0.12),
            noise: rng.uniform(0.5, 2.2),
            salt: rng.salt(),
        }
    }

    /// Samples any of the cameras that people carry, sharpened or out of focus, held straight or not.
    pub(super) fn sample_varied(rng: &mut FacadeRng, aspect: f32) -> Self {
        let camera = Self::sample(rng, aspect);
        Self {
            blur: match rng.integer(0, 7) {
                0..=4 => rng.uniform(-0.32, -0.1),
                5..=6 => rng.uniform(-0.08, 0.1),
                _ => rng.uniform(0.1, 0.25),
            },
            saturation: rng.uniform(0.55, 1.15),
            noise: rng.uniform(0.3, 3.0),
            ..camera
        }
    }

    /// Exposes for what `canvas` shows, as automatic cameras do.
    pub(super) fn expose(&mut self, rng: &mut FacadeRng, canvas: &Canvas) {
        let sum = canvas.pixels.iter().fold(Color::rgb([0.0; 3]), |sum, pixel| sum.add_scaled(*pixel, 1.0));
        let [red, green, blue] = sum.channels();
        let mean = (red + 2.0 * green + blue) / (4 * canvas.pixels.len()) as f32;
        // Streets in the shade and at dusk stay dark.
        let target = if rng.chance(0.15) { rng.uniform(0.13, 0.3) } else { rng.uniform(0.33, 0.57) };
        self.black = mean * rng.uniform(-0.1, 0.3);
        let light = target / (mean - self.black).max(0.02);
        let warmth = rng.uniform(-0.07, 0.07);
        self.exposure = [light * (1.0 + warmth), light, light * (1.0 - warmth)];
    }

    /// Where the image's point (`x`, `y`) lies on the canvas, as seen by a straight camera.
    fn project(&self, x: f32, y: f32) -> [f32; 2] {
        let depth = 1.0 / (1.0 + self.yaw * x + self.pitch * y);
        [(x + self.roll * y) * depth, (y - self.roll * x) * depth]
    }

    /// How far to the side and upward the canvas must extend for an image of this aspect ratio.
    pub(super) fn extent(&self, aspect: f32) -> [f32; 2] {
        let corners = [[-aspect, -1.0], [-aspect, 1.0], [aspect, -1.0], [aspect, 1.0]];
        corners
            .map(|[x, y]| self.project(x, y))
            .into_iter()
            .fold([0.0, 0.0], |[x, y], point| [f32::max(x, point[0].abs()), f32::max(y, point[1].abs())])
    }

    /// Renders a canvas that covers at least [`extent`](Self::extent).
    pub(super) fn render(&self, canvas: &Canvas, width: u32, height: u32) -> RgbImage {
        let half = height as f32 / 2.0;
        let aspect = width as f32 / height as f32;
        let middle = [canvas.width as f32 / 2.0 - 0.5, canvas.height as f32 / 2.0 - 0.5];
        let gain = Color::rgb(self.exposure.map(|gain| 255.0 * gain));
        let black = Color::rgb([-self.black; 3]);
        // Noise shared by the channels, and noise that shifts red against blue.
        let shared = Color::rgb([self.noise; 3]);
        let chroma = Color::rgb([0.4, 0.0, -0.4]).scaled(self.noise);
        let mut points = vec![[0.0; 2]; width as usize];
        let mut seen = vec![Color::rgb([0.0; 3]); width as usize];
        let mut grain = vec![[0.0; 2]; width as usize];
        let mut image = RgbImage::new(width, height);
        for (row, line) in (0..).zip(image.chunks_exact_mut(3 * width as usize)) {
            let y = 1.0 - (row as f32 + 0.5) / half;
            let x_of = |column: u32| (column as f32 + 0.5) / half - aspect;
            // One simple loop after the other: each keeps what it needs in registers.
            for (column, point) in (0..).zip(&mut points) {
                let [right, up] = self.project(x_of(column), y);
                *point = [middle[0] + right * half, middle[1] - up * half];
            }
            for (color, &[x, y]) in seen.iter_mut().zip(&points) {
                *color = bilinear(canvas, x, y);
            }
            for (column, grain) in (0..).zip(&mut grain) {
                *grain = noise(column, row, self.salt);
            }
            let pixels = line.as_chunks_mut::<3>().0.iter_mut();
            for (column, ((bytes, seen), &[luma, tint])) in (0..).zip(pixels.zip(&seen).zip(&grain)) {
                let x = x_of(column);
                let [red, green, blue] = seen.channels();
                let grey = Color::rgb([(red + 2.0 * green + blue) / 4.0; 3]);
                let light = 1.0 - self.vignetting * (x * x + y * y) / 2.0;
                let color =
                    grey.lerp(*seen, self.saturation).scaled(light).add_scaled(black, 1.0).multiplied(gain);
                let color = color.add_scaled(shared, luma).add_scaled(chroma, tint);
                *bytes = color.channels().map(byte);
            }
        }
        image
    }

    /// Spreads each pixel's light over its neighbors, as a lens does.
    pub(super) fn blur(&self, canvas: &mut Canvas) {
        let width = canvas.width;
        let spread = |before: Color, here: Color, after: Color| {
            here.scaled(1.0 - 2.0 * self.blur).add_scaled(before.add_scaled(after, 1.0), self.blur)
        };
        for row in canvas.pixels.chunks_exact_mut(width) {
            let mut before = row[0];
            for x in 0..width - 1 {
                let here = row[x];
                row[x] = spread(before, here, row[x + 1]);
                before = here;
            }
        }
        let mut before = canvas.pixels[..width].to_vec();
        for y in 0..canvas.height - 1 {
            let (upper, lower) = canvas.pixels.split_at_mut((y + 1) * width);
            for ((here, after), before) in upper[y * width..].iter_mut().zip(lower).zip(&mut before) {
                let original = *here;
                *here = spread(*before, original, *after);
                *before = original;
            }
        }
    }
}

/// The canvas at a position between pixels: bilinear interpolation.
#[inline]
pub(super) fn bilinear(canvas: &Canvas, x: f32, y: f32) -> Color {
    let x = x.clamp(0.0, canvas.width as f32 - 1.001);
    let y = y.clamp(0.0, canvas.height as f32 - 1.001);
    let (column, row) = (x as i32, y as i32);
    let (right, down) = (x - column as f32, y - row as f32);
    let start = row as usize * canvas.width + column as usize;
    let upper = &canvas.pixels[start..][..2];
    let lower = &canvas.pixels[start + canvas.width..][..2];
    upper[0].lerp(upper[1], right).lerp(lower[0].lerp(lower[1], right), down)
}

/// `level` rounded to the nearest integer, clamped to `[0, 255]`.
#[inline]
fn byte(level: f32) -> u8 {
    /// From here on neighboring floats are 1 apart, so adding it rounds, and the last bits hold the integer.
    const WHOLE: f32 = (1 << 23) as f32;
    (level.clamp(0.0, 255.0) + WHOLE).to_bits() as u8
}

/// Two independent numbers, roughly normal with mean 0 and standard deviation 1, for the pixel at (`x`, `y`).
#[inline]
fn noise(x: u32, y: u32, salt: u32) -> [f32; 2] {
    /// Mean, and inverse standard deviation, of the sum of two uniform bytes.
    const MEAN: f32 = 255.0;
    const SCALE: f32 = 1.0 / 104.51;
    let [a, b, c, d] = random::hash(x as i32, y as i32, salt).to_le_bytes().map(f32::from);
    [(a + b - MEAN) * SCALE, (c + d - MEAN) * SCALE]
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Rect;
    use super::*;

    /// A camera that changes nothing.
    const IDENTITY: Camera = Camera {
        yaw: 0.0,
        pitch: 0.0,
        roll: 0.0,
        blur: 0.0,
        exposure: [1.0; 3],
        black: 0.0,
        saturation: 1.0,
        vignetting: 0.0,
        noise: 0.0,
        salt: 0,
    };

    /// Eight by eight pixels, the upper left quarter red.
    fn canvas() -> Canvas {
        let mut canvas = Canvas::new(Rect::new(0.0, 0.0, 1.0, 1.0), 8.0);
        canvas.fill(Rect::new(0.0, 0.5, 0.5, 0.5), Color::rgb([0.8, 0.2, 0.0]));
        canvas
    }

    #[test]
    fn identity_camera_copies() {
        let image = IDENTITY.render(&canvas(), 8, 8);
        assert_eq!(IDENTITY.extent(1.0), [1.0, 1.0]);
        assert_eq!(image.get_pixel(1, 1).0, [204, 51, 0]);
        assert_eq!(image.get_pixel(3, 3).0, [204, 51, 0]);
        assert_eq!(image.get_pixel(4, 3).0, [0, 0, 0]);
    }

    #[test]
    fn blur_keeps_the_light_and_softens_edges() {
        let mut canvas = canvas();
        let light = |canvas: &Canvas| canvas.pixels.iter().map(|pixel| pixel.channels()[0]).sum::<f32>();
        let before = light(&canvas);
        Camera { blur: 0.1, ..IDENTITY }.blur(&mut canvas);
        // Nine tenths of 0.8 stay next to the edge, one tenth crosses it.
        assert!((canvas.pixels[8 + 3].channels()[0] - 0.72).abs() < 1e-6);
        assert!((canvas.pixels[8 + 4].channels()[0] - 0.08).abs() < 1e-6);
        assert!((light(&canvas) - before).abs() < 0.81);
    }

    #[test]
    fn bytes_are_rounded_and_clamped() {
        assert_eq!([-3.0, 0.4, 0.6, 254.6, 300.0].map(byte), [0, 0, 1, 255, 255]);
    }

    #[test]
    fn noise_is_standard_normal() {
        let draws: Vec<f32> = (0..10_000).flat_map(|index| noise(index % 100, index / 100, 5)).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance =
            draws.iter().map(|draw| (draw - mean) * (draw - mean)).sum::<f32>() / draws.len() as f32;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((variance - 1.0).abs() < 0.04, "{variance}");
    }
}
