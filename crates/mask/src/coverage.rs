//! Masks with soft edges: to what degree each pixel is hidden.

use std::path::Path;

use image::{DynamicImage, GrayImage};

use crate::{Mask, MaskError, picture};

/// To what degree a picture hides each pixel, 0 = visible to 255 = hidden: by its opacity where it is transparent
/// anywhere, by its grey otherwise.
pub(crate) fn coverage(picture: &DynamicImage) -> GrayImage {
    if picture.color().has_alpha() {
        let layer = picture.to_luma_alpha8();
        if layer.pixels().any(|pixel| pixel.0[1] < u8::MAX) {
            return GrayImage::from_fn(layer.width(), layer.height(), |x, y| {
                image::Luma([layer.get_pixel(x, y).0[1]])
            });
        }
    }
    picture.to_luma8()
}

impl Mask {
    /// To what degree a picture's file hides each pixel, 0 = visible to 255 = hidden, for masks with soft edges.
    ///
    /// The rule is that of [`from_picture`](Self::from_picture) before it decides: grey where the picture is opaque,
    /// opacity where it is a layer. `expected` is as for [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load); a mask is empty here when it hides nothing to any degree, and full when it hides
    /// everything wholly.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("soft.png");
    /// image::GrayImage::from_raw(3, 1, vec![0, 100, 255]).expect("three pixels").save(&path)?;
    /// assert_eq!(Mask::load_coverage(&path, Some((3, 1)))?.into_raw(), [0, 100, 255]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load_coverage(
        path: impl AsRef<Path>,
        expected: Option<(u32, u32)>,
    ) -> Result<GrayImage, MaskError> {
        let path = path.as_ref();
        let (picture, _) = picture::read(path)?;
        let actual = (picture.width(), picture.height());
        if let Some(expected) = expected
            && expected != actual
        {
            return Err(MaskError::Size { path: path.to_path_buf(), expected, actual });
        }
        let coverage = coverage(&picture);
        let path = path.to_path_buf();
        if coverage.iter().all(|&value| value == 0) {
            return Err(MaskError::Empty { path });
        }
        if coverage.iter().all(|&value| value == u8::MAX) {
            return Err(MaskError::Full { path });
        }
        Ok(coverage)
    }
}
