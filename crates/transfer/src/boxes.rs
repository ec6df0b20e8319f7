//! Boxes: intersection over union, non-maximum suppression, and the deltas by which a detector refines them.

/// A box in pixels from the image's upper left corner: `left` and `top` are inclusive, `right` and `bottom`
/// exclusive, so that the width is `right - left`. (VOC's files count from 1 and include both ends; the
/// reader converts.)
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

    /// `right - left`, pixels.
    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    /// `bottom - top`, pixels.
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    /// Square pixels; 0 for an empty box.
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
        let intersection = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
        .area();
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// The part inside an image.
    pub(crate) fn clip(&self, width: f32, height: f32) -> Self {
        self.map(|x| x.clamp(0.0, width), |y| y.clamp(0.0, height))
    }

    /// The box in an image resized by a factor.
    pub(crate) fn scale(&self, factor: f32) -> Self {
        self.map(|x| x * factor, |y| y * factor)
    }

    /// The box in an image of this width that is flipped left to right.
    pub(crate) fn flip_horizontal(&self, width: f32) -> Self {
        Self { left: width - self.right, right: width - self.left, ..*self }
    }

    fn map(&self, x: impl Fn(f32) -> f32, y: impl Fn(f32) -> f32) -> Self {
        Self { left: x(self.left), top: y(self.top), right: x(self.right), bottom: y(self.bottom) }
    }

    fn center(&self) -> [f32; 2] {
        [(self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0]
    }
}

/// An object that a detector found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Its class, from 0.
    pub class: usize,
    /// Its box.
    pub rect: Rect,
    /// Probability, 0 to 1.
    pub score: f32,
}

/// Non-maximum suppression: the indices of the boxes that stay, best first, each of which no better one
/// overlaps by more than `max_iou`; at most `limit`. Equal scores keep their order.
///
/// Burn has it in `burn-vision`, which turns on every image format of `image` (they would then be read
/// everywhere) and has no implementation for the `ndarray` backend; boxes are on the host here anyway.
pub(crate) fn nms(boxes: &[Rect], scores: &[f32], max_iou: f32, limit: usize) -> Vec<usize> {
    let mut ranked: Vec<usize> = (0..boxes.len()).collect();
    ranked.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut kept: Vec<usize> = Vec::new();
    for index in ranked {
        if kept.len() == limit {
            break;
        }
        if kept.iter().all(|&better| boxes[better].iou(&boxes[index]) <= max_iou) {
            kept.push(index);
        }
    }
    kept
}

/// Standard deviations by which deltas are divided, so that they are about as large as scores (Fast R-CNN).
const DELTA_STD: [f32; 4] = [0.1, 0.1, 0.2, 0.2];

/// No box grows or shrinks by more than the exponential of this at once: a guard against wild predictions.
const MAX_LOG_SCALE: f32 = 4.135; // ln(1000 / 16), as in Detectron

/// How a proposal changes to fit an object: the shift of the centre in widths and heights of the proposal,
/// and the logarithm of the change in width and height; each divided by 0.1, 0.1, 0.2, 0.2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct BoxDeltas(pub(crate) [f32; 4]);

impl BoxDeltas {
    /// The deltas from a proposal to an object.
    pub(crate) fn encode(proposal: &Rect, object: &Rect) -> Self {
        let ([x, y], [object_x, object_y]) = (proposal.center(), object.center());
        let raw = [
            (object_x - x) / proposal.width(),
            (object_y - y) / proposal.height(),
            (object.width() / proposal.width()).ln(),
            (object.height() / proposal.height()).ln(),
        ];
        Self(std::array::from_fn(|i| raw[i] / DELTA_STD[i]))
    }

    /// The proposal, changed by the deltas.
    pub(crate) fn decode(self, proposal: &Rect) -> Rect {
        let [dx, dy, dw, dh] = std::array::from_fn(|i| self.0[i] * DELTA_STD[i]);
        let [x, y] = proposal.center();
        let (x, y) = (x + dx * proposal.width(), y + dy * proposal.height());
        let half_width = proposal.width() * dw.min(MAX_LOG_SCALE).exp() / 2.0;
        let half_height = proposal.height() * dh.min(MAX_LOG_SCALE).exp() / 2.0;
        Rect::new(x - half_width, y - half_height, x + half_width, y + half_height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_lead_from_proposal_to_object() {
        let (proposal, object) = (Rect::new(0.0, 0.0, 10.0, 20.0), Rect::new(5.0, 0.0, 15.0, 40.0));
        let deltas = BoxDeltas::encode(&proposal, &object);
        // centre (5, 10) to (10, 20): half a width, half a height; twice as high
        assert_eq!(deltas.0, [5.0, 5.0, 0.0, 2.0_f32.ln() / 0.2]);
        assert!(deltas.decode(&proposal).iou(&object) > 0.9999);
    }
}
