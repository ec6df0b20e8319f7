//! Image grids: what went in, what came out, what was there.

use std::{io::Cursor, path::Path};

use context_encoder_files::atomic_write;
use context_encoder_mask::Mask;
use image::{ImageError, ImageFormat, Rgb, RgbImage, imageops};

use crate::EvalError;

/// Pixels between pictures.
const GAP: u32 = 4;

/// Colour between pictures.
const BACKGROUND: Rgb<u8> = Rgb([255; 3]);

/// Lays pictures out in columns: one column for each sample, one row for each kind (input, filled, truth),
/// from top to bottom. All pictures must be of one size.
///
/// ```
/// use context_encoder_eval::image_grid;
/// use image::RgbImage;
///
/// let picture = RgbImage::new(64, 64);
/// let page = image_grid::lay_out(&[vec![picture.clone(), picture.clone()], vec![picture.clone(), picture]]);
/// assert_eq!(page.dimensions(), (2 * 64 + 3 * 4, 2 * 64 + 3 * 4));
/// ```
///
/// # Panics
/// When there is no picture, or pictures differ in size.
pub fn lay_out(columns: &[Vec<RgbImage>]) -> RgbImage {
    let first = columns.first().and_then(|column| column.first());
    let (width, height) =
        first.map(RgbImage::dimensions).unwrap_or_else(|| panic!("an image grid needs a picture"));
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let across = |count: u32, side: u32| count * (side + GAP) + GAP;
    let mut page =
        RgbImage::from_pixel(across(columns.len() as u32, width), across(rows, height), BACKGROUND);
    for (x, column) in (0_u32..).zip(columns) {
        for (y, picture) in (0_u32..).zip(column) {
            assert_eq!(picture.dimensions(), (width, height), "pictures of an image grid differ in size");
            let (left, top) = (across(x, width), across(y, height));
            imageops::replace(&mut page, picture, i64::from(left), i64::from(top));
        }
    }
    page
}

/// The picture as the network sees it, with hidden pixels in one color.
pub fn with_hole(picture: &RgbImage, mask: &Mask, color: Rgb<u8>) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        if mask.is_hidden(x, y) { color } else { *picture.get_pixel(x, y) }
    })
}

/// Writes a picture as PNG, atomically: the file is complete or as it was.
///
/// # Errors
/// [`EvalError::Write`] when it cannot be written.
pub fn save(picture: &RgbImage, path: impl AsRef<Path>) -> Result<(), EvalError> {
    let path = path.as_ref();
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .and_then(|()| atomic_write(path, png.get_ref()).map_err(ImageError::IoError))
        .map_err(|source| EvalError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_laid_out_from_the_left() {
        let color = |value: u8| RgbImage::from_pixel(3, 2, Rgb([value; 3]));
        let page = lay_out(&[vec![color(1), color(2)], vec![color(3)]]);
        assert_eq!(page.get_pixel(4, 4), &Rgb([1; 3]));
        assert_eq!(page.get_pixel(6, 11), &Rgb([2; 3]));
        assert_eq!(page.get_pixel(11, 4), &Rgb([3; 3]));
        assert_eq!(page.get_pixel(11, 10), &BACKGROUND);
    }

    #[test]
    fn saving_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("grid.png");
        let picture = RgbImage::from_fn(9, 7, |x, y| Rgb([x as u8, y as u8, 200]));
        save(&picture, &path).expect("written");
        assert_eq!(image::open(&path).expect("png").to_rgb8(), picture);
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
        let error = save(&picture, folder.path().join("absent/grid.png")).expect_err("no folder").to_string();
        assert!(error.starts_with("cannot write"), "{error}");
    }
}
