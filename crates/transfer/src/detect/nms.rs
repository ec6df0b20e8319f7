//! Non-maximum suppression.
//!
//! Burn has it in `burn-vision`, which turns on every picture format of `image` (they would then be read
//! everywhere) and has no form for the `ndarray` backend; boxes are on the host here anyway.

use crate::Rect;

/// Which boxes stay, best first: each that no better one overlaps by more than `most`. At most `limit`. Equal
/// scores keep their order.
///
/// ```
/// use context_encoder_transfer::{Rect, detect::nms};
///
/// let boxes = [0.0, 1.0, 20.0].map(|x| Rect::new(x, 0.0, x + 10.0, 10.0));
/// assert_eq!(nms(&boxes, &[0.5, 0.9, 0.7], 0.3, 100), [1, 2]);
/// ```
pub fn nms(boxes: &[Rect], scores: &[f32], most: f32, limit: usize) -> Vec<usize> {
    let mut ranked: Vec<usize> = (0..boxes.len()).collect();
    ranked.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut kept: Vec<usize> = Vec::new();
    for index in ranked {
        if kept.len() == limit {
            break;
        }
        if kept.iter().all(|&better| boxes[better].iou(&boxes[index]) <= most) {
            kept.push(index);
        }
    }
    kept
}
