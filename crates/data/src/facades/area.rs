//! Upright rectangles on the street.

/// An upright rectangle in meters: x to the right, y upward from the pavement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    pub(super) top: f32,
}

impl Area {
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
    pub(super) fn grown(self, margin: f32) -> Self {
        self.widened(margin, margin)
    }

    /// The left and right sides moved outward by `across`, bottom and top by `along`.
    pub(super) fn widened(self, across: f32, along: f32) -> Self {
        Self {
            left: self.left - across,
            right: self.right + across,
            bottom: self.bottom - along,
            top: self.top + along,
        }
    }

    /// The same rectangle elsewhere.
    pub(super) fn moved(self, right: f32, up: f32) -> Self {
        Self {
            left: self.left + right,
            right: self.right + right,
            bottom: self.bottom + up,
            top: self.top + up,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_lie_outside_and_grow_inside_out() {
        let area = Area::new(1.0, 2.0, 3.0, 4.0);
        assert_eq!(area.below(0.5), Area::new(1.0, 1.5, 3.0, 0.5));
        assert_eq!(area.above(0.5), Area::new(1.0, 6.0, 3.0, 0.5));
        assert_eq!(area.grown(-1.0), Area::new(2.0, 3.0, 1.0, 2.0));
        assert_eq!(area.moved(1.0, -2.0), Area::new(2.0, 0.0, 3.0, 4.0));
        assert_eq!((area.center(), area.width(), area.height()), (2.5, 3.0, 4.0));
    }
}
