//! Rectangles in a picture.

/// A rectangle in pixels from the picture's upper left corner: `left` and `top` lie inside, `right` and
/// `bottom` just outside, so that width is `right - left`. (VOC's files count from 1 and include both ends;
/// the reader converts.)
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// The first column.
    pub left: f32,
    /// The first row.
    pub top: f32,
    /// The column after the last.
    pub right: f32,
    /// The row after the last.
    pub bottom: f32,
}

impl Rect {
    /// From its four sides.
    pub const fn new(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { left, top, right, bottom }
    }

    /// Pixels from left to right.
    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    /// Pixels inside; 0 when nothing is.
    pub fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// Intersection over union, 0 to 1.
    ///
    /// ```
    /// use context_encoder_transfer::Rect;
    /// let (a, b) = (Rect::new(0.0, 0.0, 10.0, 10.0), Rect::new(5.0, 0.0, 15.0, 10.0));
    /// assert_eq!(a.iou(&b), 1.0 / 3.0);
    /// assert_eq!(a.iou(&Rect::new(10.0, 0.0, 12.0, 10.0)), 0.0);
    /// ```
    pub fn iou(&self, other: &Self) -> f32 {
        let common = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
        .area();
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }

    /// The part inside a picture.
    #[must_use]
    pub fn clipped(&self, width: f32, height: f32) -> Self {
        Self {
            left: self.left.clamp(0.0, width),
            top: self.top.clamp(0.0, height),
            right: self.right.clamp(0.0, width),
            bottom: self.bottom.clamp(0.0, height),
        }
    }

    /// Every side times a factor, for a picture that was resized.
    #[must_use]
    pub fn scaled(&self, factor: f32) -> Self {
        Self {
            left: self.left * factor,
            top: self.top * factor,
            right: self.right * factor,
            bottom: self.bottom * factor,
        }
    }

    /// Left and right exchanged, in a picture of a width.
    #[must_use]
    pub fn mirrored(&self, width: f32) -> Self {
        Self { left: width - self.right, right: width - self.left, ..*self }
    }
}
