//! A small synthetic data set in VOC's layout: images of plain shapes, drawn in a moment, for tests and smoke
//! runs.

use std::{f32::consts::TAU, fmt::Write as _, fs, path::Path};

use context_encoder_data::{Purpose, rng_for};
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt};

use super::annotation::{ClassMask, IGNORED};
use crate::{TransferError, boxes::Rect};

/// Colors are random: only the outline tells the class.
const CLASSES: [&str; 3] = ["disc", "square", "triangle"];

/// Sides of images, and of objects, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 104..=136;
const OBJECTS: std::ops::RangeInclusive<u32> = 40..=62;

/// Half the width of the border around an object that belongs to neither side, in pixels.
const BORDER: f32 = 1.0;

/// See [`Voc::draw_shapes`](super::Voc::draw_shapes).
pub(super) fn draw(root: &Path, count: usize, seed: u64) -> Result<(), TransferError> {
    if count < 4 {
        return Err(TransferError::Settings(format!("{count} images do not fill the sets; draw 4 or more")));
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

/// The names of a set, and for each class what the images show.
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

/// One shape of an image.
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

/// One image.
struct Drawing {
    image: RgbImage,
    mask: ClassMask,
    shapes: Vec<Shape>,
}

impl Drawing {
    fn draw(rng: &mut impl Rng) -> Self {
        let (width, height) = (rng.random_range(SIDES), rng.random_range(SIDES));
        let ground = color(rng);
        let shapes = shapes(width, height, ground, rng);
        let (angle, wave) = (rng.random_range(0.0..TAU), rng.random_range(0.05..0.3));
        let mut classes = vec![0; (width * height) as usize];
        let mut image = RgbImage::new(width, height);
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            let (u, v) = (x as f32 + 0.5, y as f32 + 0.5);
            let ripple = 12.0 * (wave * (u * angle.cos() + v * angle.sin())).sin();
            let mut value = ground.map(|channel| channel + ripple);
            for shape in &shapes {
                let distance = shape.distance(u, v);
                let inside = (0.5 - distance).clamp(0.0, 1.0);
                value = std::array::from_fn(|c| value[c] + inside * (shape.color[c] - value[c]));
                let class = &mut classes[(y * width + x) as usize];
                match distance {
                    d if d.abs() <= BORDER => *class = IGNORED,
                    d if d < 0.0 => *class = shape.class as u8 + 1,
                    _ => {}
                }
            }
            *pixel = Rgb(value.map(|channel| (channel + rng.random_range(-6.0..6.0)).round() as u8));
        }
        Self { image, mask: ClassMask { width, height, classes }, shapes }
    }

    fn write(&self, root: &Path, name: &str) -> Result<(), TransferError> {
        let path = root.join("JPEGImages").join(format!("{name}.jpg"));
        let failed = TransferError::io("write", &path);
        self.image.save(&path).map_err(|error| failed(std::io::Error::other(error)))?;
        self.mask.write(&root.join("SegmentationClass").join(format!("{name}.png")))?;
        let path = root.join("Annotations").join(format!("{name}.xml"));
        fs::write(&path, self.annotation(name)).map_err(TransferError::io("write", &path))
    }

    fn annotation(&self, name: &str) -> String {
        let (width, height) = self.image.dimensions();
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

/// One or two shapes that do not overlap.
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
