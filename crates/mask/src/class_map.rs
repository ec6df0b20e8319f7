//! The shapes in one image: a silhouette, or one for each class of a class map.

use std::fs::File;
use std::io::BufReader;
use std::ops::RangeInclusive;
use std::path::Path;

use image::error::{DecodingError, ImageFormatHint, LimitError, LimitErrorKind};
use image::{DynamicImage, ImageError, ImageFormat, Rgb};

use crate::shape::{MIN_PIXELS, Shape};
use crate::{Mask, MaskError, file};

/// The class number of what belongs to no class.
const BACKGROUND: u8 = 0;

/// The class number of PASCAL VOC's border around objects, which belongs to no class either.
const BORDER: u8 = 255;

/// A class number for each pixel, row by row.
struct ClassMap {
    width: u32,
    height: u32,
    classes: Vec<u8>,
}

impl ClassMap {
    /// One shape for each class number but background and border, in rising order; specks are left out.
    fn shapes(&self) -> Vec<Shape> {
        let mut present = [false; 256];
        for &class in &self.classes {
            present[usize::from(class)] = true;
        }
        (BACKGROUND + 1..BORDER)
            .filter(|&class| present[usize::from(class)])
            .filter_map(|class| {
                let mut classes = self.classes.iter();
                Shape::cut_from(&Mask::from_fn(self.width, self.height, |_, _| {
                    classes.next() == Some(&class)
                }))
            })
            .collect()
    }
}

/// The shapes in an image file, one for each class in it.
///
/// # Errors
/// [`MaskError::Read`] and [`MaskError::Decode`] for the file, [`MaskError::NoShape`] when it holds none.
pub(crate) fn read_shapes(path: &Path) -> Result<Vec<Shape>, MaskError> {
    let (image, format) = file::read(path)?;
    let map = match format {
        ImageFormat::Png => palette_classes(path)?.or_else(|| gray_classes(&image)),
        // These need not keep numbers exactly, so they hold no class numbers.
        ImageFormat::Jpeg | ImageFormat::WebP => None,
        _ => gray_classes(&image),
    };
    let shapes = match map {
        Some(map) => map.shapes(),
        None => Vec::from_iter(Shape::cut_from(&Mask::from_image(&image))),
    };
    if shapes.is_empty() {
        return Err(MaskError::NoShape { path: path.to_path_buf(), least: MIN_PIXELS });
    }
    Ok(shapes)
}

/// The palette indices of a PNG, when they are class numbers: a palette with colors, all of them opaque.
///
/// The colors themselves do not matter. A palette of grays alone is a gray image that some program made
/// small, and a palette with transparency a painted layer: their indices mean nothing, and the result is
/// `None`.
fn palette_classes(path: &Path) -> Result<Option<ClassMap>, MaskError> {
    let png = File::open(path).map_err(|source| MaskError::Read { path: path.to_path_buf(), source })?;
    let decode_error = |source| MaskError::Decode { path: path.to_path_buf(), source };
    let png_error = |source: png::DecodingError| {
        let format = ImageFormatHint::Exact(ImageFormat::Png);
        let source = DecodingError::new(format, source);
        decode_error(ImageError::Decoding(source))
    };
    let limits = png::Limits { bytes: file::MAX_MEMORY as usize };
    let mut decoder = png::Decoder::new_with_limits(BufReader::new(png), limits);
    // Indices as they are stored, not the colors that they stand for.
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(png_error)?;
    let info = reader.info();
    let colored = info.palette.as_deref().is_some_and(|palette| {
        palette.chunks_exact(3).any(|color| color[0] != color[1] || color[1] != color[2])
    });
    if info.color_type != png::ColorType::Indexed || info.trns.is_some() || !colored {
        return Ok(None);
    }
    let (width, height, depth) = (info.width, info.height, info.bit_depth);
    let size = reader.output_buffer_size().ok_or_else(|| {
        let kind = LimitErrorKind::InsufficientMemory;
        decode_error(ImageError::Limits(LimitError::from_kind(kind)))
    })?;
    let mut rows = vec![0; size];
    let frame = reader.next_frame(&mut rows).map_err(png_error)?;
    let classes =
        rows.chunks_exact(frame.line_size).flat_map(|row| unpacked(row, depth, width as usize)).collect();
    Ok(Some(ClassMap { width, height, classes }))
}

/// The values of a gray image of eight bits (also one stored as RGB), when they are class numbers and not
/// grays.
///
/// That is, when some lie in 1..=127 and none in 128..=254. A silhouette has either only 0 and 255, or light
/// grays along its edge as well as dark ones.
fn gray_classes(image: &DynamicImage) -> Option<ClassMap> {
    let gray = match image {
        DynamicImage::ImageLuma8(gray) => gray.clone(),
        // A palette of grays comes as RGB; equal channels have themselves as luminance.
        DynamicImage::ImageRgb8(colors) if colors.pixels().all(|Rgb([r, g, b])| r == g && g == b) => {
            image.to_luma8()
        }
        _ => return None,
    };
    let some = |range: RangeInclusive<u8>| gray.iter().any(|value| range.contains(value));
    (some(1..=127) && !some(128..=254)).then(|| ClassMap {
        width: gray.width(),
        height: gray.height(),
        classes: gray.into_raw(),
    })
}

/// The `width` values of a row that packs them at 1, 2, 4 or 8 bits, the first one in the highest bits.
fn unpacked(row: &[u8], depth: png::BitDepth, width: usize) -> impl Iterator<Item = u8> {
    // Palettes have no more than eight bits.
    let bits = (depth as usize).min(8);
    let each = 8 / bits;
    let last = u8::MAX >> (8 - bits);
    (0..width).map(move |at| row[at / each] >> (8 - bits * (at % each + 1)) & last)
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Rgba, RgbaImage};

    use super::*;

    const WIDTH: u32 = 30;
    const HEIGHT: u32 = 24;

    /// Class 3 in a 9x10 rectangle, class 1 in a 10x12 one, a border of 255 around the first.
    fn class_at(x: u32, y: u32) -> u8 {
        match (x, y) {
            (2..11, 2..12) => 3,
            (1..12, 1..13) => BORDER,
            (15..25, 5..17) => 1,
            _ => 0,
        }
    }

    const CLASSES: [usize; 2] = [10 * 12, 9 * 10];

    fn values(at: impl Fn(u32, u32) -> u8) -> Vec<u8> {
        (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect()
    }

    fn gray(at: impl Fn(u32, u32) -> u8) -> GrayImage {
        GrayImage::from_raw(WIDTH, HEIGHT, values(at)).expect("all values")
    }

    /// Rows of values packed at `bits` bits each, the first one in the highest bits.
    fn packed(values: &[u8], bits: usize) -> Vec<u8> {
        let byte =
            |part: &[u8]| (0..8 / bits).fold(0, |byte, at| byte << bits | part.get(at).copied().unwrap_or(0));
        values.chunks(WIDTH as usize).flat_map(|row| row.chunks(8 / bits).map(byte)).collect()
    }

    /// The shapes in a file of this name that `write` makes.
    fn shapes(name: &str, write: impl FnOnce(&Path)) -> Result<Vec<usize>, MaskError> {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join(name);
        write(&path);
        read_shapes(&path).map(|shapes| shapes.iter().map(Shape::pixels).collect())
    }

    fn shapes_of(name: &str, image: impl Into<DynamicImage>) -> Result<Vec<usize>, MaskError> {
        shapes(name, |path| image.into().save(path).expect("saved"))
    }

    /// The shapes in a palette PNG whose `rows` are packed as the depth says.
    fn shapes_of_palette(depth: png::BitDepth, palette: &[u8], rows: &[u8]) -> Vec<usize> {
        let write = |path: &Path| {
            let mut encoder = png::Encoder::new(File::create(path).expect("a file"), WIDTH, HEIGHT);
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_depth(depth);
            encoder.set_palette(palette.to_vec());
            encoder.write_header().expect("a header").write_image_data(rows).expect("the rows");
        };
        shapes("palette.png", write).expect("shapes")
    }

    #[test]
    fn palette_indices_are_classes_whatever_the_colors() {
        // Class 1 is black and class 3 is white: only the index tells them from the background.
        let mut palette = vec![0; 3 * 256];
        palette[9..12].fill(255);
        palette[3 * 200] = 128;
        assert_eq!(shapes_of_palette(png::BitDepth::Eight, &palette, &values(class_at)), CLASSES);
    }

    #[test]
    fn packed_indices_are_unpacked() {
        let palette = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0];
        let rows = packed(&values(|x, y| class_at(x, y) % BORDER), 2);
        assert_eq!(shapes_of_palette(png::BitDepth::Two, &palette, &rows), CLASSES);
        let values = |row: &[u8], depth, width| Vec::from_iter(unpacked(row, depth, width));
        assert_eq!(values(&[0b1011_0001], png::BitDepth::One, 6), [1, 0, 1, 1, 0, 0]);
        assert_eq!(values(&[0xa5, 0x3f], png::BitDepth::Four, 3), [10, 5, 3]);
        assert_eq!(values(&[200, 7], png::BitDepth::Eight, 2), [200, 7]);
    }

    #[test]
    fn a_palette_of_grays_is_a_gray_image() {
        // White comes first: were the index what counts, the background would be the shape.
        let rows = packed(&values(|x, y| u8::from(class_at(x, y) != 3)), 1);
        let found = shapes_of_palette(png::BitDepth::One, &[255, 255, 255, 0, 0, 0], &rows);
        assert_eq!(found, [9 * 10]);
    }

    #[test]
    fn gray_class_numbers_are_classes_with_and_without_a_palette() {
        assert_eq!(shapes_of("labels.png", gray(class_at)).expect("shapes"), CLASSES);
        let ramp = Vec::from_iter((0..=255).flat_map(|gray| [gray; 3]));
        assert_eq!(shapes_of_palette(png::BitDepth::Eight, &ramp, &values(class_at)), CLASSES);
    }

    #[test]
    fn silhouettes_with_hard_and_soft_edges() {
        for edge in [255, 130, 100] {
            // 100 is a dark gray: the edge is then outside, and a light pixel tells that these are grays.
            let at = |x, y| match class_at(x, y) {
                3 if (x, y) == (5, 5) => 250,
                3 => 255,
                BORDER => edge,
                _ => 0,
            };
            let expected = if edge >= 128 { 11 * 12 } else { 9 * 10 };
            assert_eq!(shapes_of("shape.png", gray(at)).expect("a shape"), [expected], "edge {edge}");
        }
    }

    #[test]
    fn a_painted_layer_is_a_silhouette() {
        let layer = RgbaImage::from_fn(WIDTH, HEIGHT, |x, y| {
            Rgba([0, 0, 0, if class_at(x, y) == 3 { 255 } else { 0 }])
        });
        assert_eq!(shapes_of("layer.png", layer).expect("a shape"), [9 * 10]);
    }

    #[test]
    fn noise_in_a_jpeg_is_not_a_class() {
        let noisy = gray(|x, y| if class_at(x, y) == 3 { 255 } else { 6 * (x % 2) as u8 });
        let pixels = shapes_of("shape.jpg", noisy).expect("a shape");
        assert!(pixels.len() == 1 && pixels[0].abs_diff(9 * 10) <= 10, "{pixels:?}");
    }

    #[test]
    fn background_alone_is_no_shape() {
        let found = shapes_of("black.png", GrayImage::new(WIDTH, HEIGHT));
        assert!(matches!(found, Err(MaskError::NoShape { least: 64, .. })));
    }
}
