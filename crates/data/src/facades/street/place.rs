//! Where an object stands between the camera and the walls.

use super::super::canvas::Rect;

/// Height of the camera above the pavement, in meters.
pub(super) const EYE: f32 = 1.6;

/// The place of an object that the canvas shows `scale` times as large as one at the canvas' own distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x: f32,
    pub(super) scale: f32,
}

impl Place {
    /// The point `right` and `up` of the object's foot, in its own meters, as the canvas shows it: the
    /// horizon stays at the height of the eye, so what is near stands lower.
    pub(super) fn at(self, right: f32, up: f32) -> [f32; 2] {
        [self.x + self.scale * right, EYE + self.scale * (up - EYE)]
    }

    /// A rectangle in the object's own meters, as the canvas shows it.
    pub(super) fn rect(self, left: f32, bottom: f32, width: f32, height: f32) -> Rect {
        let [x, y] = self.at(left, bottom);
        Rect::new(x, y, self.scale * width, self.scale * height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_objects_are_larger_and_stand_lower() {
        let place = Place { x: 3.0, scale: 2.0 };
        assert_eq!(place.at(0.5, EYE), [4.0, EYE]);
        assert_eq!(place.at(0.0, 0.0), [3.0, -EYE]);
        assert_eq!(place.rect(-1.0, 1.6, 2.0, 1.0), Rect { left: 1.0, right: 5.0, bottom: 1.6, top: 3.6 });
    }
}
