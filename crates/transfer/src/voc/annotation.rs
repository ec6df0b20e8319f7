//! What is where in a picture: VOC's XML files.

use std::{fs, path::Path, str::FromStr};

use roxmltree::{Document, Node};

use crate::{Rect, TransferError};

/// The objects of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Width of the picture, pixels.
    pub width: u32,
    /// Height of the picture, pixels.
    pub height: u32,
    /// Its objects, in the file's order.
    pub objects: Vec<Object>,
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Number of its class, from 0.
    pub class: usize,
    /// Where it is.
    pub rect: Rect,
    /// Too hard to be asked for.
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
        return Err(format!("the box of `{name}` has no inside"));
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
    text.parse().map_err(|_| format!("<{name}> holds `{text}`, which is no number of its kind"))
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
    fn boxes_count_from_nought_and_end_outside() {
        let annotation = parse(TEXT).expect("understood");
        assert_eq!((annotation.width, annotation.height), (500, 375));
        let person = Object { class: 1, rect: Rect::new(0.0, 10.0, 45.5, 20.0), difficult: true };
        let cat = Object { class: 0, rect: Rect::new(1.0, 2.0, 2.0, 4.0), difficult: false };
        assert_eq!(annotation.objects, [person, cat]);
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, expected) in [
            ("person", "dog", "`dog` is none of the classes cat, person"),
            ("45.5", "wide", "<xmax> holds `wide`"),
            ("<xmin>1</xmin>", "", "<bndbox> has no <xmin>"),
            ("45.5", "0", "has no inside"),
            ("</annotation>", "", "root node was opened but never closed"),
        ] {
            let error = parse(&TEXT.replace(from, to)).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}
