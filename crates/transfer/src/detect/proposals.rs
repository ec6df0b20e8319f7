//! Where objects might be: read from a file, or found by edges.

use std::{collections::BTreeMap, fs, path::Path};

use image::RgbImage;
use rayon::prelude::*;
use serde::Deserialize;

use crate::{
    TransferError,
    boxes::{Rect, nms},
    images,
};

/// One line of a file of proposals.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    picture: String,
    boxes: Vec<[f32; 4]>,
}

/// Reads a file of proposals, by the image's name.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Vec<Rect>>, TransferError> {
    let text = fs::read_to_string(path).map_err(TransferError::io("read", path))?;
    let parse = |(number, text): (usize, &str)| {
        let malformed =
            |reason: String| TransferError::malformed(path, format!("line {}: {reason}", number + 1));
        let Line { picture, boxes } =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let rects: Vec<Rect> = boxes.into_iter().map(|[a, b, c, d]| Rect::new(a, b, c, d)).collect();
        match rects.iter().find(|rect| !(rect.width() > 0.0 && rect.height() > 0.0)) {
            Some(rect) => Err(malformed(format!("a box of {picture} is empty: {rect:?}"))),
            None => Ok((picture, rects)),
        }
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// Shorter side of the image in which edges are found, pixels.
const SHORTER_SIDE: u32 = 120;

/// Widths and heights of windows: every pair of these fractions of the shorter side that is within the image,
/// and of the image's own sides.
const FRACTIONS: [f32; 9] = [0.15, 0.2, 0.27, 0.36, 0.48, 0.64, 0.85, 1.14, 1.5];

/// The largest aspect ratio of a window.
const MAX_ASPECT: f32 = 3.2;

/// The stride of windows as a fraction of their own width and height.
const STRIDE: f32 = 0.14;

/// The width of the ring around a window, whose edges count against it, as a fraction of its sides.
const RING: f32 = 0.15;

/// The power of a window's perimeter that its score is divided by.
const SIZE_PENALTY: f32 = 1.3;

/// Edges weaker than this many times the image's mean are noise; those twice as strong count no more than
/// that, so that one object with strong edges does not dominate the others.
const NOISE: f32 = 1.5;

/// Windows compared by non-maximum suppression, and its largest intersection over union.
const CANDIDATES: usize = 4000;
const NMS_IOU: f32 = 0.75;

/// Up to `count` boxes that contain many edges for their size and whose surroundings contain few, best first:
/// windows of many sizes and aspect ratios slide over the image, and each scores the edges inside less those
/// in a ring around it, divided by its perimeter to the power of 1.3 (the idea of Zitnick and Dollar's edge
/// boxes, ECCV 2014, without its contours).
pub(super) fn from_edges(image: &RgbImage, count: usize) -> Vec<Rect> {
    let (small, factor) = images::resize_shorter_side(image, SHORTER_SIDE);
    let edges = IntegralImage::of_edges(&small);
    let (width, height) = (small.width() as f32, small.height() as f32);
    let sides = FRACTIONS.map(|fraction| fraction * SHORTER_SIDE as f32);
    let within = |whole: f32| sides.into_iter().filter(move |&side| side < whole).chain([whole]);
    let sizes: Vec<(f32, f32)> = within(width)
        .flat_map(|w| within(height).map(move |h| (w, h)))
        .filter(|&(w, h)| w <= MAX_ASPECT * h && h <= MAX_ASPECT * w)
        .collect();
    let mut windows: Vec<(Rect, f32)> = sizes
        .par_iter()
        .flat_map_iter(|&(w, h)| {
            starts(height, h).flat_map(move |y| starts(width, w).map(move |x| (x, y, w, h)))
        })
        .map(|(x, y, w, h)| {
            let rect = Rect::new(x, y, x + w, y + h);
            (rect, edges.score(&rect))
        })
        .collect();
    windows.sort_by(|a, b| b.1.total_cmp(&a.1));
    windows.truncate(CANDIDATES);
    let (rects, scores): (Vec<Rect>, Vec<f32>) = windows.into_iter().unzip();
    let (right, bottom) = (image.width() as f32, image.height() as f32);
    nms(&rects, &scores, NMS_IOU, count)
        .into_iter()
        .map(|index| rects[index].scale(1.0 / factor).clip(right, bottom))
        .collect()
}

/// Where windows of a length begin on a side, the last one at its end.
fn starts(side: f32, length: f32) -> impl Iterator<Item = f32> {
    let room = side - length;
    let steps = (room / (STRIDE * length)).ceil().max(0.0);
    (0..=steps as usize).map(move |step| if steps > 0.0 { room * step as f32 / steps } else { 0.0 })
}

/// Sums over all rectangles that begin in the upper left corner.
struct IntegralImage {
    width: usize,
    height: usize,
    /// `(width + 1) * (height + 1)` sums.
    sums: Vec<f64>,
}

impl IntegralImage {
    /// Of the strengths of an image's edges.
    fn of_edges(image: &RgbImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let at = |x: usize, y: usize| image.get_pixel(x as u32, y as u32).0.map(f32::from);
        let difference =
            |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let edge = |x: usize, y: usize| {
            let across = difference(at(x.saturating_sub(1), y), at((x + 1).min(width - 1), y));
            let down = difference(at(x, y.saturating_sub(1)), at(x, (y + 1).min(height - 1)));
            across.hypot(down)
        };
        let edges: Vec<f32> = (0..width * height).map(|i| edge(i % width, i / width)).collect();
        let noise = NOISE * edges.iter().sum::<f32>() / edges.len().max(1) as f32;
        let stride = width + 1;
        let mut sums = vec![0.0; stride * (height + 1)];
        for y in 0..height {
            let mut row = 0.0;
            for x in 0..width {
                row += f64::from((edges[y * width + x] - noise).clamp(0.0, noise));
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
            }
        }
        Self { width, height, sums }
    }

    fn sum(&self, rect: &Rect) -> f32 {
        let column = |x: f32| (x.round().max(0.0) as usize).min(self.width);
        let row = |y: f32| (y.round().max(0.0) as usize).min(self.height) * (self.width + 1);
        let (left, right) = (column(rect.left), column(rect.right));
        let (top, bottom) = (row(rect.top), row(rect.bottom));
        let sum = |row: usize, column: usize| self.sums[row + column];
        (sum(bottom, right) - sum(top, right) - sum(bottom, left) + sum(top, left)) as f32
    }

    fn score(&self, rect: &Rect) -> f32 {
        let (x, y) = (RING * rect.width(), RING * rect.height());
        let with_ring = Rect::new(rect.left - x, rect.top - y, rect.right + x, rect.bottom + y);
        // A pixel of margin: an edge is seen on both of its sides.
        let inner = Rect::new(rect.left - 1.0, rect.top - 1.0, rect.right + 1.0, rect.bottom + 1.0);
        let (inside, all) = (self.sum(&inner), self.sum(&with_ring));
        (2.0 * inside - all) / (rect.width() + rect.height()).powf(SIZE_PENALTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voc::Voc;

    #[test]
    fn objects_are_among_the_proposals() {
        let folder = tempfile::tempdir().expect("folder");
        let voc = Voc::draw_shapes(folder.path(), 24, 5).expect("drawn");
        let (mut objects, mut found) = (0, 0);
        for name in voc.names("trainval").expect("names") {
            let proposals = from_edges(&voc.image(&name).expect("image"), 100);
            for object in voc.annotation(&name).expect("annotation").objects {
                objects += 1;
                found += usize::from(proposals.iter().any(|rect| rect.iou(&object.rect) >= 0.5));
            }
        }
        assert!(found * 20 >= objects * 19, "{found} of {objects}");
    }

    #[test]
    fn proposals_are_read_and_mistakes_have_a_line_number() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("proposals.jsonl");
        let written = |text: &str| {
            fs::write(&path, text).expect("written");
            read(&path)
        };
        let proposals =
            BTreeMap::from([("a".to_owned(), vec![Rect::new(0.0, 1.5, 2.0, 3.0)]), ("b".to_owned(), vec![])]);
        let lines = "{\"picture\":\"a\",\"boxes\":[[0,1.5,2,3]]}\n\n{\"picture\":\"b\",\"boxes\":[]}\n";
        assert_eq!(written(lines).expect("read"), proposals);
        let error = written("\n{\"picture\":\"a\",\"boxes\":[[4,0,3,9]]}\n").expect_err("negative width");
        let error = error.to_string();
        assert!(
            error.contains("proposals.jsonl") && error.contains("line 2: a box of a is empty"),
            "{error}"
        );
        let error = written("{\"picture\":\"a\"}").expect_err("no boxes").to_string();
        assert!(error.contains("line 1: missing field `boxes`"), "{error}");
    }
}
