//! One scene: a row of houses, the street and the sky, and where the viewer stands.

use super::area::Area;
use super::canvas::Canvas;
use super::front::Front;
use super::light::Light;
use super::sky::Sky;
use super::stream::Stream;
use super::street::Street;

/// All that one picture shows.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// The houses from left to right, each with the x of its left end.
    fronts: Vec<(f32, Front)>,
    light: Light,
    sky: Sky,
    street: Street,
    /// What the canvas must show, and the part of its height that the picture shows, in meters.
    view: Area,
    height: f32,
}

impl Scene {
    /// Draws a scene for a picture whose street must be drawn `reach` half heights to the side and upward.
    pub(super) fn sample(stream: &mut Stream, reach: [f32; 2]) -> Self {
        let light = Light::sample(stream);
        let sky = Sky::sample(stream);
        let street = Street::sample(stream);
        let front = Front::sample(stream);
        // From a close look at two windows to a whole house.
        let height = match stream.whole(0, 9) {
            0..=1 => stream.uniform(4.5, 7.0),
            2..=6 => stream.uniform(7.0, 12.0),
            _ => stream.uniform(12.0, 21.0),
        };
        let middle = Self::aim(stream, front.eaves(), height);
        let x = front.width() * stream.uniform(0.15, 0.85);
        let (across, up) = (reach[0] * height / 2.0, reach[1] * height / 2.0);
        let view = Area { left: x - across, right: x + across, bottom: middle - up, top: middle + up };
        let (mut start, mut end) = (0.0, front.width());
        let mut fronts = vec![(start, front)];
        while start > view.left {
            let next = Front::sample(stream);
            start -= next.width();
            fronts.insert(0, (start, next));
        }
        while end < view.right {
            let next = Front::sample(stream);
            let width = next.width();
            fronts.push((end, next));
            end += width;
        }
        Self { fronts, light, sky, street, view, height }
    }

    /// Height of the picture's middle when it shows `height` meters of a house with these eaves.
    fn aim(stream: &mut Stream, eaves: f32, height: f32) -> f32 {
        let lowest = height * stream.uniform(0.38, 0.5);
        let highest = (eaves + 2.5 - height / 2.0).max(lowest);
        // Half of all pictures stand on the street, the rest look anywhere up the wall.
        if stream.chance(0.5) { lowest } else { stream.uniform(lowest, highest) }
    }

    /// Draws the scene for a picture of this height in pixels.
    pub(super) fn draw(&self, pixels: u32) -> Canvas {
        let mut canvas = Canvas::new(self.view, pixels as f32 / self.height);
        let lowest = self.fronts.iter().fold(f32::INFINITY, |low, (_, front)| low.min(front.eaves()));
        self.sky.draw(&mut canvas, lowest - 1.0);
        for (left, front) in &self.fronts {
            front.draw(&mut canvas, &self.light, *left);
        }
        self.street.draw_ground(&mut canvas);
        self.light.shade_street(&mut canvas);
        self.street.draw_things(&mut canvas, &self.light, self.view.center());
        canvas
    }
}
