//! How a region must change to fit an object.

use crate::Rect;

/// Deviations by which deltas are divided, so that they are about as large as scores (Fast R-CNN).
const SCALE: [f32; 4] = [0.1, 0.1, 0.2, 0.2];

/// No region grows or shrinks by more than this factor's logarithm at once: a guard against numbers without
/// sense.
const LARGEST: f32 = 4.135; // ln(1000 / 16), as in Detectron

/// Shift of the centre in widths and heights of the region, and the logarithm of the change in size; each
/// divided by 0.1, 0.1, 0.2, 0.2.
///
/// ```
/// use context_encoder_transfer::{Rect, detect::BoxDeltas};
///
/// let (region, object) = (Rect::new(0.0, 0.0, 10.0, 20.0), Rect::new(5.0, 0.0, 15.0, 40.0));
/// let deltas = BoxDeltas::between(&region, &object);
/// // centre (5, 10) to (10, 20): half a width, half a height; twice as high
/// assert_eq!(deltas.0, [5.0, 5.0, 0.0, 2.0_f32.ln() / 0.2]);
/// assert!(deltas.apply(&region).iou(&object) > 0.9999);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoxDeltas(pub [f32; 4]);

impl BoxDeltas {
    /// From a region to an object.
    pub fn between(region: &Rect, object: &Rect) -> Self {
        let [x, y] = [region, object].map(|rect| (rect.left + rect.right) / 2.0);
        let [u, v] = [region, object].map(|rect| (rect.top + rect.bottom) / 2.0);
        let raw = [
            (y - x) / region.width(),
            (v - u) / region.height(),
            (object.width() / region.width()).ln(),
            (object.height() / region.height()).ln(),
        ];
        Self(std::array::from_fn(|i| raw[i] / SCALE[i]))
    }

    /// The region, changed.
    pub fn apply(self, region: &Rect) -> Rect {
        let [dx, dy, dw, dh] = std::array::from_fn(|i| self.0[i] * SCALE[i]);
        let (x, y) = ((region.left + region.right) / 2.0, (region.top + region.bottom) / 2.0);
        let (x, y) = (x + dx * region.width(), y + dy * region.height());
        let width = region.width() * dw.min(LARGEST).exp() / 2.0;
        let height = region.height() * dh.min(LARGEST).exp() / 2.0;
        Rect::new(x - width, y - height, x + width, y + height)
    }
}
