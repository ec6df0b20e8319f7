//! Masks from pictures, and as PNG files.

use std::io::Cursor;
use std::path::Path;

use context_encoder_files::atomic_write;
use image::{DynamicImage, ImageError, ImageFormat};

use crate::{Mask, MaskError, coverage::coverage, picture};

/// The grey (or opacity) of 0..=255 from which on a pixel is hidden.
const HIDES_FROM: u8 = 128;

impl Mask {
    /// The mask that a picture paints.
    ///
    /// - A picture that is opaque everywhere: a pixel is hidden where its grey (luminance, 0..=255) is 128 or
    ///   more. White on black, as most programs draw masks.
    /// - A picture with a transparent pixel anywhere (alpha below 255) is taken for a layer painted over the
    ///   picture: a pixel is hidden where its alpha is 128 or more, whatever its colour.
    ///
    /// Pictures of more than 8 bits are brought to 8 bits first. Any result is returned, also an empty or a
    /// full mask; [`load`](Self::load) refuses those.
    ///
    /// # Panics
    ///
    /// When the picture has no pixels.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    /// use image::{DynamicImage, GrayImage, Rgba, RgbaImage};
    ///
    /// let grey = GrayImage::from_raw(3, 1, vec![0, 127, 128]).expect("three pixels");
    /// assert_eq!(Mask::from_picture(&grey.into()).hidden(), [false, false, true]);
    ///
    /// // A black stroke on a transparent white layer.
    /// let mut layer = RgbaImage::from_pixel(2, 1, Rgba([255, 255, 255, 0]));
    /// layer.put_pixel(1, 0, Rgba([0, 0, 0, 255]));
    /// assert_eq!(Mask::from_picture(&layer.into()).hidden(), [false, true]);
    /// ```
    pub fn from_picture(picture: &DynamicImage) -> Self {
        let grey = coverage(picture);
        Self::from_fn(grey.width(), grey.height(), |x, y| grey.get_pixel(x, y).0[0] >= HIDES_FROM)
    }

    /// The mask in a picture's file, read by the rule of [`from_picture`](Self::from_picture).
    ///
    /// The file's content tells its format (PNG, JPEG, WebP, BMP or TIFF), not its name; an EXIF orientation
    /// is carried out; sides above 16384 pixels are refused. `expected` is the width and height of the
    /// picture that the mask is for; `None` takes any size.
    ///
    /// # Errors
    ///
    /// [`MaskError::Read`] and [`MaskError::Decode`] for the file, [`MaskError::Size`] for a wrong size,
    /// [`MaskError::Empty`] when nothing is hidden and [`MaskError::Full`] when everything is.
    pub fn load(path: impl AsRef<Path>, expected: Option<(u32, u32)>) -> Result<Self, MaskError> {
        let path = path.as_ref();
        let (picture, _) = picture::read(path)?;
        let actual = (picture.width(), picture.height());
        if let Some(expected) = expected
            && expected != actual
        {
            return Err(MaskError::Size { path: path.to_path_buf(), expected, actual });
        }
        let mask = Self::from_picture(&picture);
        let path = path.to_path_buf();
        if mask.is_empty() {
            return Err(MaskError::Empty { path });
        }
        if mask.is_full() {
            return Err(MaskError::Full { path });
        }
        Ok(mask)
    }

    /// Writes the mask as a grey PNG, 255 = hidden, whatever the file's name; atomically.
    ///
    /// # Errors
    ///
    /// [`MaskError::Write`]; nothing is left behind then.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("left.png");
    /// let left = Mask::from_fn(8, 8, |x, _| x < 4);
    /// left.save(&path)?;
    /// assert_eq!(Mask::load(&path, Some((8, 8)))?, left);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), MaskError> {
        let path = path.as_ref();
        let mut png = Cursor::new(Vec::new());
        self.to_luma()
            .write_to(&mut png, ImageFormat::Png)
            .and_then(|()| atomic_write(path, png.get_ref()).map_err(ImageError::IoError))
            .map_err(|source| MaskError::Write { path: path.to_path_buf(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use image::{GrayAlphaImage, GrayImage, Luma, Rgb, RgbImage};
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn folder() -> TempDir {
        tempdir().expect("a folder for the test")
    }

    fn names(folder: &TempDir) -> Vec<OsString> {
        fs::read_dir(folder.path())
            .expect("the folder can be listed")
            .map(|entry| entry.expect("an entry").file_name())
            .collect()
    }

    #[test]
    fn grey_128_is_the_first_that_hides() {
        let grey = GrayImage::from_raw(4, 1, vec![0, 127, 128, 255]).expect("four pixels");
        let mask = Mask::from_picture(&grey.into());
        assert_eq!(mask.hidden(), [false, false, true, true]);
    }

    #[test]
    fn colour_counts_by_its_luminance() {
        // Pure blue is dark (7 % of white), pure green is light (72 %).
        let mut colour = RgbImage::new(2, 1);
        colour.put_pixel(0, 0, Rgb([0, 0, 255]));
        colour.put_pixel(1, 0, Rgb([0, 255, 0]));
        let mask = Mask::from_picture(&colour.into());
        assert_eq!(mask.hidden(), [false, true]);
    }

    #[test]
    fn an_opaque_alpha_channel_changes_nothing() {
        let layer = GrayAlphaImage::from_raw(2, 1, vec![0, 255, 200, 255]).expect("two pixels");
        assert_eq!(Mask::from_picture(&layer.into()).hidden(), [false, true]);
    }

    #[test]
    fn on_a_layer_opacity_decides_and_grey_does_not() {
        // Grey and alpha of each pixel: clear white, faint white, half black, solid black.
        let values = vec![255, 0, 255, 127, 0, 128, 0, 255];
        let layer = GrayAlphaImage::from_raw(4, 1, values).expect("four pixels");
        let mask = Mask::from_picture(&layer.into());
        assert_eq!(mask.hidden(), [false, false, true, true]);
    }

    #[test]
    fn sixteen_bits_are_brought_to_eight() {
        let grey = image::ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![0x7f00, 0x8100]);
        let picture = DynamicImage::ImageLuma16(grey.expect("two pixels"));
        assert_eq!(Mask::from_picture(&picture).hidden(), [false, true]);
    }

    #[test]
    fn content_tells_the_format_and_not_the_name() {
        let folder = folder();
        let path = folder.path().join("mask.jpg");
        let mask = Mask::from_fn(7, 5, |x, y| x > 2 && y < 4);
        mask.save(&path).expect("a PNG under another name");
        assert_eq!(image::guess_format(&fs::read(&path).expect("it is there")).ok(), Some(ImageFormat::Png));
        assert_eq!(Mask::load(&path, Some((7, 5))).expect("a mask"), mask);
        assert_eq!(Mask::load(&path, None).expect("a mask of any size"), mask);
    }

    #[test]
    fn a_wrong_size_says_both_sizes() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        Mask::from_fn(7, 5, |x, _| x == 0).save(&path).expect("saved");
        let error = Mask::load(&path, Some((5, 7))).expect_err("sides exchanged");
        assert!(matches!(error, MaskError::Size { expected: (5, 7), actual: (7, 5), .. }));
    }

    #[test]
    fn empty_and_full_masks_are_refused_with_their_path() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        let empty = Mask::visible(4, 4);
        empty.save(&path).expect("saved");
        let error = Mask::load(&path, None).expect_err("nothing hidden");
        assert!(matches!(&error, MaskError::Empty { path: named } if *named == path));
        assert!(error.to_string().contains("mask.png"));

        empty.inverted().save(&path).expect("saved over the first");
        let error = Mask::load(&path, None).expect_err("all hidden");
        assert!(matches!(&error, MaskError::Full { path: named } if *named == path));
    }

    #[test]
    fn a_missing_file_and_a_text_are_told_apart() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        let error = Mask::load(&path, None).expect_err("not there");
        assert!(matches!(error, MaskError::Read { .. }));

        fs::write(&path, "this is not a picture").expect("written");
        let error = Mask::load(&path, None).expect_err("a text");
        assert!(matches!(error, MaskError::Decode { .. }));
    }

    #[test]
    fn a_cut_file_is_an_error() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        Mask::from_fn(64, 64, |x, y| (x * y) % 3 == 0).save(&path).expect("saved");
        let whole = fs::read(&path).expect("it is there");
        fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
        let error = Mask::load(&path, None).expect_err("half a PNG");
        assert!(matches!(error, MaskError::Decode { .. }));
    }

    #[test]
    fn saving_replaces_and_leaves_nothing_aside() {
        let folder = folder();
        let path = folder.path().join("mask.png");
        Mask::from_fn(4, 4, |x, _| x == 0).save(&path).expect("saved");
        let second = Mask::from_fn(4, 4, |_, y| y == 0);
        second.save(&path).expect("saved again");
        assert_eq!(Mask::load(&path, None).expect("the second"), second);
        assert_eq!(names(&folder), ["mask.png"]);
    }

    #[test]
    fn a_failed_save_leaves_nothing_aside() {
        let folder = folder();
        let path = folder.path().join("taken");
        fs::create_dir(&path).expect("a folder where the file should go");
        fs::write(path.join("full"), "").expect("not an empty one");
        let error = Mask::visible(4, 4).save(&path).expect_err("a folder is in the way");
        assert!(matches!(&error, MaskError::Write { path: named, .. } if *named == path));
        assert_eq!(names(&folder), ["taken"]);

        let nowhere = folder.path().join("missing").join("mask.png");
        let error = Mask::visible(4, 4).save(&nowhere).expect_err("no such folder");
        assert!(error.to_string().contains("folder exists"));
    }
}
