//! A development kit of the project's own: a few pictures of plain shapes, drawn in a moment, for tests and
//! trials.

use std::{f32::consts::TAU, fmt::Write as _, fs, path::Path};

use context_encoder_data::{Purpose, rng_for};
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt};

use super::ClassMask;
use crate::{Rect, TransferError, metric::IGNORED};

/// What is drawn. Colours are random: only the outline tells the class.
const CLASSES: [&str; 3] = ["disc", "square", "triangle"];

/// Sides of pictures, and of objects, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 104..=136;
const OBJECTS: std::ops::RangeInclusive<u32> = 40..=62;

/// Half the width of the border around an object that belongs to neither side, in pixels.
const BORDER: f32 = 1.0;

/// Draws `count` pictures into a folder in VOC's layout, with annotations, image sets and class masks. The
/// first half is `train`, the next quarter `val` (both together `trainval`), the rest `test`. The same seed
/// draws the same.
///
/// # Errors
/// [`TransferError::Io`] when something cannot be written, [`TransferError::Settings`] for less than four
/// pictures.
pub fn draw(root: &Path, count: usize, seed: u64) -> Result<(), TransferError> {
    if count < 4 {
        return Err(TransferError::Settings(format!(
            "{count} pictures do not fill the sets; draw 4 or more"
        )));
    }
    for folder in
        ["JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Segmentation", "SegmentationClass"]
    {
        let path = root.join(folder);
        fs::create_dir_all(&path).map_err(TransferError::io("create", &path))?;
    }
    let drawings: Vec<Drawing> =
        (0..count).map(|index| Drawing::draw(&mut rng_for(seed, Purpose::Image, 0, index as u64))).collect();
    for (index, drawing) in drawings.iter().enumerate() {
        drawing.write(root, &name(index))?;
    }
    let (train, val) = (count / 2, count / 2 + count / 4);
    for (set, range) in [("train", 0..train), ("val", train..val), ("trainval", 0..val), ("test", val..count)]
    {
        write_set(root, set, range.clone(), &drawings[range])?;
    }
    Ok(())
}

fn name(index: usize) -> String {
    format!("{index:06}")
}

/// The names of a set, and for each class what the pictures show.
fn write_set(
    root: &Path,
    set: &str,
    range: std::ops::Range<usize>,
    drawings: &[Drawing],
) -> Result<(), TransferError> {
    let write = |file: String, text: String| {
        let path = root.join("ImageSets").join(file);
        fs::write(&path, text).map_err(TransferError::io("write", &path))
    };
    let names: String = range.clone().map(|index| name(index) + "\n").collect();
    write(format!("Main/{set}.txt"), names.clone())?;
    write(format!("Segmentation/{set}.txt"), names)?;
    for (class, word) in CLASSES.iter().enumerate() {
        let shows = |drawing: &Drawing| drawing.shapes.iter().any(|shape| shape.class == class);
        let lines = range.clone().zip(drawings).map(|(index, drawing)| {
            format!("{} {:>2}\n", name(index), if shows(drawing) { "1" } else { "-1" })
        });
        write(format!("Main/{word}_{set}.txt"), lines.collect())?;
    }
    Ok(())
}

/// One shape of a picture.
struct Shape {
    class: usize,
    x: f32,
    y: f32,
    radius: f32,
    color: [f32; 3],
}

impl Shape {
    /// Distance to the outline in pixels, negative inside.
    fn distance(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x - self.x, y - self.y);
        match CLASSES[self.class] {
            "disc" => x.hypot(y) - self.radius,
            "square" => x.abs().max(y.abs()) - self.radius,
            // With its tip above, its base below; both sides fall by two for one to the side.
            _ => (y - self.radius).max((2.0 * x.abs() - y - self.radius) / 5.0_f32.sqrt()),
        }
    }

    fn rect(&self) -> Rect {
        let Self { x, y, radius, .. } = self;
        Rect::new((x - radius).round(), (y - radius).round(), (x + radius).round(), (y + radius).round())
    }
}

/// One picture.
struct Drawing {
    picture: RgbImage,
    mask: ClassMask,
    shapes: Vec<Shape>,
}

impl Drawing {
    fn draw(rng: &mut impl Rng) -> Self {
        let (width, height) = (rng.random_range(SIDES), rng.random_range(SIDES));
        let ground = color(rng);
        let shapes = shapes(width, height, ground, rng);
        let (angle, wave) = (rng.random_range(0.0..TAU), rng.random_range(0.05..0.3));
        let mut labels = vec![0; (width * height) as usize];
        let mut picture = RgbImage::new(width, height);
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let (u, v) = (x as f32 + 0.5, y as f32 + 0.5);
            let ripple = 12.0 * (wave * (u * angle.cos() + v * angle.sin())).sin();
            let mut value = ground.map(|channel| channel + ripple);
            for shape in &shapes {
                let distance = shape.distance(u, v);
                let inside = (0.5 - distance).clamp(0.0, 1.0);
                value = std::array::from_fn(|c| value[c] + inside * (shape.color[c] - value[c]));
                let label = &mut labels[(y * width + x) as usize];
                match distance {
                    d if d.abs() <= BORDER => *label = IGNORED,
                    d if d < 0.0 => *label = shape.class as u8 + 1,
                    _ => {}
                }
            }
            *pixel = Rgb(value.map(|channel| (channel + rng.random_range(-6.0..6.0)).round() as u8));
        }
        Self { picture, mask: ClassMask { width, height, labels }, shapes }
    }

    fn write(&self, root: &Path, name: &str) -> Result<(), TransferError> {
        let path = root.join("JPEGImages").join(format!("{name}.jpg"));
        let failed = TransferError::io("write", &path);
        self.picture.save(&path).map_err(|error| failed(std::io::Error::other(error)))?;
        self.mask.write(&root.join("SegmentationClass").join(format!("{name}.png")))?;
        let path = root.join("Annotations").join(format!("{name}.xml"));
        fs::write(&path, self.annotation(name)).map_err(TransferError::io("write", &path))
    }

    fn annotation(&self, name: &str) -> String {
        let (width, height) = self.picture.dimensions();
        let mut text = format!(
            "<annotation>\n  <filename>{name}.jpg</filename>\n  <size><width>{width}</width><height>{height}</height>\
             <depth>3</depth></size>\n"
        );
        for shape in &self.shapes {
            let Rect { left, top, right, bottom } = shape.rect();
            // A `String` takes everything.
            let _ = writeln!(
                text,
                "  <object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>\
                 <xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>",
                CLASSES[shape.class],
                left + 1.0,
                top + 1.0,
            );
        }
        text + "</annotation>\n"
    }
}

/// One or two shapes that leave each other room.
fn shapes(width: u32, height: u32, ground: [f32; 3], rng: &mut impl Rng) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    let wanted = rng.random_range(1..=2);
    for _ in 0..20 * wanted {
        let radius = rng.random_range(OBJECTS) as f32 / 2.0;
        let mut place = |side: u32| rng.random_range(radius + 1.0..side as f32 - radius - 1.0);
        let (x, y) = (place(width), place(height));
        let color = std::iter::repeat_with(|| color(rng)).find(|color| contrast(*color, ground) > 120.0);
        let shape = Shape {
            class: rng.random_range(0..CLASSES.len()),
            x,
            y,
            radius,
            color: color.unwrap_or_default(),
        };
        if shapes.iter().all(|other| other.rect().iou(&shape.rect()) == 0.0) {
            shapes.push(shape);
        }
        if shapes.len() == wanted {
            break;
        }
    }
    shapes
}

fn color(rng: &mut impl Rng) -> [f32; 3] {
    std::array::from_fn(|_| rng.random_range(30.0..225.0))
}

fn contrast(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voc::{Task, Voc};

    #[test]
    fn masks_and_boxes_agree() {
        let folder = tempfile::tempdir().expect("folder");
        draw(folder.path(), 8, 3).expect("drawn");
        let voc = Voc::open(folder.path()).expect("opened");
        for (set, count) in [("train", 4), ("val", 2), ("trainval", 6), ("test", 2)] {
            let names = voc.names(set, Task::Segmentation).expect("named");
            assert_eq!(names.len(), count);
            for (name, labels) in names.iter().zip(voc.labels(set).expect("read")) {
                let (picture, mask) =
                    (voc.picture(name).expect("picture"), voc.class_mask(name).expect("mask"));
                let annotation = voc.annotation(name).expect("annotation");
                assert_eq!(picture.dimensions(), (mask.width, mask.height));
                assert_eq!(picture.dimensions(), (annotation.width, annotation.height));
                for object in &annotation.objects {
                    assert_eq!(labels[object.class], crate::voc::Label::Present);
                    let (x, y) = (
                        (object.rect.left + object.rect.right) / 2.0,
                        object.rect.top + 0.7 * object.rect.height(),
                    );
                    assert_eq!(
                        usize::from(mask.labels[y as usize * mask.width as usize + x as usize]),
                        object.class + 1
                    );
                }
            }
        }
        let first = fs::read(folder.path().join("JPEGImages/000000.jpg")).expect("file");
        draw(folder.path(), 8, 3).expect("drawn again");
        assert_eq!(first, fs::read(folder.path().join("JPEGImages/000000.jpg")).expect("file"));
        draw(folder.path(), 3, 3).expect_err("too few");
    }
}
