//! VOC's annotations of an image: objects in XML files, the class of every pixel in palette PNGs.

use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
    str::FromStr,
};

use png::{BitDepth, ColorType, Decoder, Encoder, Transformations};
use roxmltree::{Document, Node};

use crate::{TransferError, boxes::Rect};

/// The class of pixels that do not count: VOC's border.
pub(crate) const IGNORED: u8 = 255;

/// The objects in an image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Annotation {
    /// Size of the image, pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Its objects, in the file's order.
    pub(crate) objects: Vec<Object>,
}

/// An object in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Its class, from 0.
    pub class: usize,
    /// Its box.
    pub rect: Rect,
    /// Hard to recognise: it counts neither when found nor when missed.
    pub difficult: bool,
}

impl Annotation {
    /// Reads a file. VOC's coordinates count from 1 and include both ends; a [`Rect`]'s do neither.
    pub(super) fn read(path: &Path, classes: &[String]) -> Result<Self, TransferError> {
        let text = fs::read_to_string(path).map_err(TransferError::io("read", path))?;
        Self::parse(&text, classes).map_err(|reason| TransferError::malformed(path, reason))
    }

    fn parse(text: &str, classes: &[String]) -> Result<Self, String> {
        let document = Document::parse(text).map_err(|error| error.to_string())?;
        let root = document.root_element();
        let size = child(root, "size")?;
        let objects = root.children().filter(|node| node.has_tag_name("object"));
        Ok(Self {
            width: number(size, "width")?,
            height: number(size, "height")?,
            objects: objects.map(|node| object(node, classes)).collect::<Result<_, _>>()?,
        })
    }
}

fn object(node: Node<'_, '_>, classes: &[String]) -> Result<Object, String> {
    let name = word(node, "name")?;
    let class = classes
        .iter()
        .position(|class| class == name)
        .ok_or_else(|| format!("`{name}` is none of the classes {}", classes.join(", ")))?;
    let corners = child(node, "bndbox")?;
    let [left, top, right, bottom] =
        ["xmin", "ymin", "xmax", "ymax"].map(|side| number::<f32>(corners, side));
    let rect = Rect::new(left? - 1.0, top? - 1.0, right?, bottom?);
    if !(rect.width() > 0.0 && rect.height() > 0.0) {
        return Err(format!("the box of `{name}` is empty"));
    }
    // Old files leave it out where it would be 0.
    let difficult = word(node, "difficult").is_ok_and(|flag| flag == "1");
    Ok(Object { class, rect, difficult })
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Result<Node<'a, 'a>, String> {
    let found = node.children().find(|child| child.has_tag_name(name));
    found.ok_or_else(|| format!("<{}> has no <{name}>", node.tag_name().name()))
}

fn word<'a>(node: Node<'a, 'a>, name: &str) -> Result<&'a str, String> {
    Ok(child(node, name)?.text().unwrap_or_default().trim())
}

fn number<T: FromStr>(node: Node<'_, '_>, name: &str) -> Result<T, String> {
    let text = word(node, name)?;
    text.parse().map_err(|_| format!("<{name}> holds `{text}`, which is not a number of the expected type"))
}

/// The class of each pixel, row by row: 0 background, classes from 1, 255 for VOC's border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMask {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// `width * height` classes.
    pub classes: Vec<u8>,
}

impl ClassMask {
    /// Reads the indices of a palette PNG (or the values of a grey one) of 8 bits, and checks that they are
    /// at most `classes`, or [`IGNORED`].
    pub(super) fn read(path: &Path, classes: usize) -> Result<Self, TransferError> {
        let file = File::open(path).map_err(TransferError::io("read", path))?;
        let malformed = |reason: String| TransferError::malformed(path, reason);
        let mut decoder = Decoder::new(BufReader::new(file));
        // Indices as they are stored, not the colors that they stand for.
        decoder.set_transformations(Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(|error| malformed(error.to_string()))?;
        let info = reader.info();
        let (width, height) = (info.width, info.height);
        if !matches!(info.color_type, ColorType::Indexed | ColorType::Grayscale)
            || info.bit_depth != BitDepth::Eight
        {
            let (kind, depth) = (info.color_type, info.bit_depth as u8);
            return Err(malformed(format!(
                "a class mask is a palette PNG of 8 bits, this is {kind:?} of {depth}"
            )));
        }
        let mut indices = vec![0; width as usize * height as usize];
        reader.next_frame(&mut indices).map_err(|error| malformed(error.to_string()))?;
        match indices.iter().find(|&&class| usize::from(class) > classes && class != IGNORED) {
            Some(class) => Err(malformed(format!("it holds class {class}, but there are {classes}"))),
            None => Ok(Self { width, height, classes: indices }),
        }
    }

    /// Writes a palette PNG with VOC's colors.
    pub(super) fn write(&self, path: &Path) -> Result<(), TransferError> {
        let encode = || {
            let mut png = Vec::new();
            let mut encoder = Encoder::new(&mut png, self.width, self.height);
            encoder.set_color(ColorType::Indexed);
            encoder.set_depth(BitDepth::Eight);
            encoder.set_palette((0..=255).flat_map(color).collect::<Vec<u8>>());
            encoder.write_header()?.write_image_data(&self.classes)?;
            Ok(png)
        };
        encode()
            .map_err(|error: png::EncodingError| std::io::Error::other(error))
            .and_then(|png| context_encoder_files::atomic_write(path, &png))
            .map_err(TransferError::io("write", path))
    }

    /// Flips the mask left to right.
    #[must_use]
    pub(crate) fn flip_horizontal(mut self) -> Self {
        self.classes.chunks_exact_mut(self.width as usize).for_each(<[u8]>::reverse);
        self
    }
}

/// VOC's color of a label: its lowest three bits are the highest of red, green and blue, the next three the
/// second highest, and so on.
fn color(label: u8) -> [u8; 3] {
    [0, 1, 2].map(|channel| {
        (0..3).fold(0, |value, bit| {
            value | (label >> (3 * bit + channel).min(7) & u8::from(3 * bit + channel < 8)) << (7 - bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in VOC 2012: fractions, parts with boxes of their own, and no `difficult` in one object.
    const TEXT: &str = "<annotation><folder>VOC2012</folder><size><width>500</width><height>375</height><depth>3</depth></size>
        <object><name>person</name><pose>Left</pose><difficult>1</difficult>
          <bndbox><xmax>45.5</xmax><xmin>1</xmin><ymax>20</ymax><ymin>11</ymin></bndbox>
          <part><name>head</name><bndbox><xmin>3</xmin><ymin>12</ymin><xmax>9</xmax><ymax>18</ymax></bndbox></part></object>
        <object><name>cat</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>2</xmax><ymax>4</ymax></bndbox></object>
        </annotation>";

    fn parse(text: &str) -> Result<Annotation, String> {
        Annotation::parse(text, &["cat".to_owned(), "person".to_owned()])
    }

    #[test]
    fn boxes_are_converted_from_one_based_inclusive() {
        let annotation = parse(TEXT).expect("understood");
        assert_eq!((annotation.width, annotation.height), (500, 375));
        let person = Object { class: 1, rect: Rect::new(0.0, 10.0, 45.5, 20.0), difficult: true };
        let cat = Object { class: 0, rect: Rect::new(1.0, 2.0, 2.0, 4.0), difficult: false };
        assert_eq!(annotation.objects, [person, cat]);
    }

    #[test]
    fn malformed_annotations_say_what_is_wrong() {
        for (from, to, expected) in [
            ("person", "dog", "`dog` is none of the classes cat, person"),
            ("45.5", "wide", "<xmax> holds `wide`"),
            ("<xmin>1</xmin>", "", "<bndbox> has no <xmin>"),
            ("45.5", "0", "is empty"),
            ("</annotation>", "", "root node was opened but never closed"),
        ] {
            let error = parse(&TEXT.replace(from, to)).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn palette_is_vocs() {
        // aeroplane, bicycle, bird, boat, chair, potted plant, border
        let expected = [
            (1, [128, 0, 0]),
            (2, [0, 128, 0]),
            (3, [128, 128, 0]),
            (4, [0, 0, 128]),
            (9, [192, 0, 0]),
            (16, [0, 64, 0]),
            (255, [224, 224, 192]),
        ];
        for (label, rgb) in expected {
            assert_eq!(color(label), rgb, "{label}");
        }
    }

    #[test]
    fn written_masks_are_read_and_wrong_ones_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mask.png");
        let mask = ClassMask { width: 3, height: 2, classes: vec![0, 1, 255, 2, 0, 0] };
        mask.write(&path).expect("written");
        assert_eq!(ClassMask::read(&path, 2).expect("read"), mask);
        assert_eq!(mask.clone().flip_horizontal().classes, [255, 1, 0, 0, 0, 2]);
        let error = ClassMask::read(&path, 1).expect_err("class 2 of 1").to_string();
        assert!(error.contains("mask.png") && error.contains("class 2, but there are 1"), "{error}");
        image::RgbImage::new(3, 2).save(&path).expect("written");
        assert!(ClassMask::read(&path, 2).expect_err("not a palette").to_string().contains("Rgb of 8"));
        fs::write(&path, "no").expect("written");
        ClassMask::read(&path, 2).expect_err("no PNG");
    }
}
