//! Where objects might be: from a file, or by a simple look at edges.
//!
//! A file has one JSON object a line, `{"picture": "000001", "boxes": [[left, top, right, bottom], ...]}`, in
//! pixels counted from 0, right and bottom just outside (a box of the whole 500x375 picture is `[0, 0, 500,
//! 375]`), the best first. Any program's proposals, selective search's for one, are easily written so.

use std::{collections::BTreeMap, fs, path::Path};

use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::nms;
use crate::{Rect, TransferError, resize};

/// One line of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    picture: String,
    boxes: Vec<[f32; 4]>,
}

/// Reads a file of proposals, by the picture's name.
///
/// # Errors
/// [`TransferError::Io`], and [`TransferError::Malformed`] with the line's number.
pub fn read(path: &Path) -> Result<BTreeMap<String, Vec<Rect>>, TransferError> {
    let text = fs::read_to_string(path).map_err(TransferError::io("read", path))?;
    let parse = |(number, text): (usize, &str)| {
        let malformed =
            |reason: String| TransferError::malformed(path, format!("line {}: {reason}", number + 1));
        let Line { picture, boxes } =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let rects: Vec<Rect> = boxes.into_iter().map(|[a, b, c, d]| Rect::new(a, b, c, d)).collect();
        match rects.iter().find(|rect| !(rect.width() > 0.0 && rect.height() > 0.0)) {
            Some(rect) => Err(malformed(format!("a box of {picture} has no inside: {rect:?}"))),
            None => Ok((picture, rects)),
        }
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// Writes a file of proposals, atomically.
///
/// # Errors
/// [`TransferError::Io`] when it cannot be written.
pub fn write(path: &Path, proposals: &BTreeMap<String, Vec<Rect>>) -> Result<(), TransferError> {
    let line = |(picture, rects): (&String, &Vec<Rect>)| {
        let boxes = rects.iter().map(|rect| [rect.left, rect.top, rect.right, rect.bottom]).collect();
        serde_json::to_string(&Line { picture: picture.clone(), boxes }).map(|line| line + "\n")
    };
    let failed = TransferError::io("write", path);
    let text: Result<String, _> = proposals.iter().map(line).collect();
    text.map_err(std::io::Error::from)
        .and_then(|text| context_encoder_files::atomic_write(path, text.as_bytes()))
        .map_err(failed)
}

/// Shorter side at which edges are looked at, pixels.
const LOOK: u32 = 120;

/// Widths and heights of windows: every pair of these parts of the shorter side, up to the picture's own
/// sides.
const PARTS: [f32; 9] = [0.15, 0.2, 0.27, 0.36, 0.48, 0.64, 0.85, 1.14, 1.5];

/// Windows are at most this many times longer than wide.
const SLENDER: f32 = 3.2;

/// Windows are this part of their own width and height apart.
const APART: f32 = 0.14;

/// The ring around a window whose edges speak against it, in parts of its sides.
const RING: f32 = 0.15;

/// How fast a window loses by being large.
const ECONOMY: f32 = 1.3;

/// Edges weaker than this many times the picture's mean are noise; those twice as strong count no more than
/// that, so that one loud object does not drown the others.
const NOISE: f32 = 1.5;

/// Windows that are compared with each other, and how much they may overlap.
const CANDIDATES: usize = 4000;
const OVERLAP: f32 = 0.6;

/// Up to `count` places that hold many edges for their size and whose surroundings hold few, best first:
/// windows of many sizes and shapes slide over the picture, and each is worth the edges inside less those in
/// a ring around it, divided by its perimeter to the power of 1.3 (the idea of Zitnick and Dollar's edge
/// boxes, ECCV 2014, without its contours).
///
/// ```
/// use context_encoder_transfer::{Rect, detect::proposals};
///
/// let mut picture = image::RgbImage::from_pixel(160, 120, image::Rgb([40, 50, 60]));
/// for (x, y, pixel) in picture.enumerate_pixels_mut() {
///     if (60..110).contains(&x) && (30..70).contains(&y) {
///         *pixel = image::Rgb([200, 190, 90]);
///     }
/// }
/// let truth = Rect::new(60.0, 30.0, 110.0, 70.0);
/// let proposals = proposals::by_edges(&picture, 20);
/// assert!(proposals.iter().any(|rect| rect.iou(&truth) > 0.7));
/// ```
pub fn by_edges(picture: &RgbImage, count: usize) -> Vec<Rect> {
    let (small, factor) = resize::to_shorter_side(picture, LOOK);
    let edges = Sums::of(&small);
    let (width, height) = (small.width() as f32, small.height() as f32);
    let sides = PARTS.map(|part| part * LOOK as f32);
    let sizes: Vec<(f32, f32)> = sides
        .iter()
        .flat_map(|&w| sides.map(|h| (w, h)))
        .filter(|&(w, h)| w <= width && h <= height && w <= SLENDER * h && h <= SLENDER * w)
        .collect();
    let mut windows: Vec<(Rect, f32)> = sizes
        .par_iter()
        .flat_map_iter(|&(w, h)| {
            places(height, h).flat_map(move |y| places(width, w).map(move |x| (x, y, w, h)))
        })
        .map(|(x, y, w, h)| {
            let rect = Rect::new(x, y, x + w, y + h);
            (rect, edges.worth(&rect))
        })
        .collect();
    windows.sort_by(|a, b| b.1.total_cmp(&a.1));
    windows.truncate(CANDIDATES);
    let (rects, worths): (Vec<Rect>, Vec<f32>) = windows.into_iter().unzip();
    let (right, bottom) = (picture.width() as f32, picture.height() as f32);
    nms(&rects, &worths, OVERLAP, count)
        .into_iter()
        .map(|index| rects[index].scaled(1.0 / factor).clipped(right, bottom))
        .collect()
}

/// Where windows of a length begin on a side, the last one at its end.
fn places(side: f32, length: f32) -> impl Iterator<Item = f32> {
    let room = side - length;
    let steps = (room / (APART * length)).ceil().max(0.0);
    (0..=steps as usize).map(move |step| if steps > 0.0 { room * step as f32 / steps } else { 0.0 })
}

/// Sums of edges over rectangles from the upper left corner.
struct Sums {
    width: usize,
    height: usize,
    /// `(width + 1) * (height + 1)` sums.
    sums: Vec<f64>,
}

impl Sums {
    fn of(picture: &RgbImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let at = |x: usize, y: usize| picture.get_pixel(x as u32, y as u32).0.map(f32::from);
        let apart =
            |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let edge = |x: usize, y: usize| {
            let across = apart(at(x.saturating_sub(1), y), at((x + 1).min(width - 1), y));
            let down = apart(at(x, y.saturating_sub(1)), at(x, (y + 1).min(height - 1)));
            across.hypot(down)
        };
        let edges: Vec<f32> = (0..width * height).map(|i| edge(i % width, i / width)).collect();
        let noise = NOISE * edges.iter().sum::<f32>() / edges.len().max(1) as f32;
        let line = width + 1;
        let mut sums = vec![0.0; line * (height + 1)];
        for y in 0..height {
            let mut row = 0.0;
            for x in 0..width {
                row += f64::from((edges[y * width + x] - noise).clamp(0.0, noise));
                sums[(y + 1) * line + x + 1] = sums[y * line + x + 1] + row;
            }
        }
        Self { width, height, sums }
    }

    fn inside(&self, rect: &Rect) -> f32 {
        let column = |x: f32| (x.round().max(0.0) as usize).min(self.width);
        let row = |y: f32| (y.round().max(0.0) as usize).min(self.height) * (self.width + 1);
        let (left, right) = (column(rect.left), column(rect.right));
        let (top, bottom) = (row(rect.top), row(rect.bottom));
        let sum = |row: usize, column: usize| self.sums[row + column];
        (sum(bottom, right) - sum(top, right) - sum(bottom, left) + sum(top, left)) as f32
    }

    fn worth(&self, rect: &Rect) -> f32 {
        let (x, y) = (RING * rect.width(), RING * rect.height());
        let around = Rect::new(rect.left - x, rect.top - y, rect.right + x, rect.bottom + y);
        // A pixel of room: an edge is seen on both of its sides.
        let own = Rect::new(rect.left - 1.0, rect.top - 1.0, rect.right + 1.0, rect.bottom + 1.0);
        let (inside, all) = (self.inside(&own), self.inside(&around));
        (2.0 * inside - all) / (rect.width() + rect.height()).powf(ECONOMY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voc::{Task, Voc, tiny};

    #[test]
    fn the_tiny_devkits_objects_are_among_the_proposals() {
        let folder = tempfile::tempdir().expect("folder");
        tiny::draw(folder.path(), 24, 5).expect("drawn");
        let voc = Voc::open(folder.path()).expect("opened");
        let (mut objects, mut found) = (0, 0);
        for name in voc.names("trainval", Task::Main).expect("names") {
            let proposals = by_edges(&voc.picture(&name).expect("picture"), 100);
            for object in voc.annotation(&name).expect("annotation").objects {
                objects += 1;
                found += usize::from(proposals.iter().any(|rect| rect.iou(&object.rect) >= 0.5));
            }
        }
        assert!(found * 20 >= objects * 19, "{found} of {objects}");
    }

    #[test]
    fn files_come_back_and_mistakes_have_a_line() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("proposals.jsonl");
        let proposals =
            BTreeMap::from([("a".to_owned(), vec![Rect::new(0.0, 1.5, 2.0, 3.0)]), ("b".to_owned(), vec![])]);
        write(&path, &proposals).expect("written");
        assert_eq!(
            fs::read_to_string(&path).expect("file").lines().next(),
            Some(r#"{"picture":"a","boxes":[[0.0,1.5,2.0,3.0]]}"#)
        );
        assert_eq!(read(&path).expect("read"), proposals);
        fs::write(&path, "\n{\"picture\":\"a\",\"boxes\":[[4,0,3,9]]}\n").expect("written");
        let error = read(&path).expect_err("inside out").to_string();
        assert!(
            error.contains("proposals.jsonl") && error.contains("line 2: a box of a has no inside"),
            "{error}"
        );
        fs::write(&path, "{\"picture\":\"a\"}").expect("written");
        assert!(read(&path).expect_err("no boxes").to_string().contains("line 1: missing field `boxes`"));
    }
}
