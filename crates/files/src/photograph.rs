//! A picture's file, taken apart.

use std::path::Path;

use image::ImageFormat;

use crate::channels::Alpha;
use crate::{JpegStyle, Limits, Loss, PhotoError, Pixels, atomic_write, decode, encode};

/// A picture's file, taken apart: upright pixels, and everything else as the file had it.
#[derive(Clone, Debug)]
pub struct Photograph {
    pub(crate) pixels: Pixels,
    pub(crate) alpha: Option<Alpha>,
    pub(crate) grey: bool,
    pub(crate) format: ImageFormat,
    pub(crate) icc_profile: Option<Vec<u8>>,
    pub(crate) exif: Option<Vec<u8>>,
    pub(crate) jpeg: Option<JpegStyle>,
}

impl Photograph {
    /// Reads a file: JPEG, PNG, TIFF, WebP or BMP, whatever its name, within the default [`Limits`].
    ///
    /// # Errors
    /// [`PhotoError::Read`], [`PhotoError::Unusable`], [`PhotoError::Damaged`] or [`PhotoError::TooLarge`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PhotoError> {
        Self::open_within(path, &Limits::default())
    }

    /// As [`open`](Self::open), within other limits.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_within(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, PhotoError> {
        let path = path.as_ref();
        decode::decode(&decode::read(path, limits)?, path, limits)
    }

    /// Reads a file that is in memory.
    ///
    /// # Errors
    /// As for [`open`](Self::open); the path in messages is `the picture in memory`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PhotoError> {
        decode::decode(bytes, Path::new("the picture in memory"), &Limits::default())
    }

    /// The colours.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The colours, to be changed; transparency stays as it is.
    ///
    /// A grey picture is written grey again: of what was put there in colour, its luminance.
    pub fn pixels_mut(&mut self) -> &mut Pixels {
        &mut self.pixels
    }

    /// The photograph with other colours.
    ///
    /// # Panics
    /// When size or depth differ.
    #[must_use]
    pub fn with_pixels(mut self, pixels: Pixels) -> Self {
        let shape = |pixels: &Pixels| (pixels.dimensions(), pixels.depth());
        assert_eq!(shape(&pixels), shape(&self.pixels), "pixels must keep their (width, height) and depth");
        self.pixels = pixels;
        self
    }

    /// Width and height of the upright picture.
    pub fn dimensions(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    /// The format of the file that it came from.
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// Whether the file had no colours.
    pub fn is_grey(&self) -> bool {
        self.grey
    }

    /// Whether the file had transparency.
    pub fn has_alpha(&self) -> bool {
        self.alpha.is_some()
    }

    /// The colour profile.
    pub fn icc_profile(&self) -> Option<&[u8]> {
        self.icc_profile.as_deref()
    }

    /// The EXIF data as they will be written: orientation 1, no thumbnail.
    pub fn exif(&self) -> Option<&[u8]> {
        self.exif.as_deref()
    }

    /// How the file was compressed, if it was a JPEG.
    pub fn jpeg_style(&self) -> Option<&JpegStyle> {
        self.jpeg.as_ref()
    }

    /// What would be lost in a format.
    ///
    /// ```
    /// use context_encoder_files::{Loss, Photograph};
    /// use image::ImageFormat;
    /// # let mut png = std::io::Cursor::new(Vec::new());
    /// # image::RgbaImage::new(2, 2).write_to(&mut png, ImageFormat::Png)?;
    /// # let png = png.into_inner();
    ///
    /// let photo = Photograph::from_bytes(&png)?; // RGBA
    /// assert_eq!(photo.losses(ImageFormat::Png), []);
    /// assert_eq!(photo.losses(ImageFormat::Jpeg), [Loss::Transparency, Loss::Exactness]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn losses(&self, format: ImageFormat) -> Vec<Loss> {
        let deep = matches!(format, ImageFormat::Png | ImageFormat::Tiff);
        let opaque = format == ImageFormat::Jpeg;
        let exif_fits = match format {
            ImageFormat::Jpeg => self.exif().is_none_or(|exif| exif.len() <= encode::LONGEST_EXIF),
            ImageFormat::Png | ImageFormat::WebP => true,
            _ => self.exif.is_none(),
        };
        let losses = [
            (self.pixels.depth() == 16 && !deep, Loss::Depth),
            (self.has_alpha() && opaque, Loss::Transparency),
            (self.icc_profile.is_some() && format == ImageFormat::Bmp, Loss::Profile),
            (!exif_fits, Loss::Exif),
            (opaque && self.format != ImageFormat::Jpeg, Loss::Exactness),
        ];
        losses.into_iter().filter_map(|(lost, loss)| lost.then_some(loss)).collect()
    }

    /// The format of an output: that of its name's ending, or the photograph's own when the name has none.
    ///
    /// # Errors
    /// [`PhotoError::Name`] when the name ends like no format that is written.
    pub fn format_for(&self, path: impl AsRef<Path>) -> Result<ImageFormat, PhotoError> {
        let path = path.as_ref();
        match path.extension() {
            None => Ok(self.format),
            Some(ending) => ImageFormat::from_extension(ending)
                .filter(|format| decode::FORMATS.contains(format))
                .ok_or_else(|| PhotoError::Name { path: path.to_owned() }),
        }
    }

    /// Writes the photograph in the format of the file's name, aside first and then renamed, so that the file is
    /// there as a whole or as it was.
    ///
    /// # Errors
    /// [`PhotoError::Name`], [`PhotoError::Encode`] or [`PhotoError::Write`]; nothing is left behind then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PhotoError> {
        let format = self.format_for(&path)?;
        self.save_as(path, format)
    }

    /// As [`save`](Self::save), in a given format whatever the file's name.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub fn save_as(&self, path: impl AsRef<Path>, format: ImageFormat) -> Result<(), PhotoError> {
        let path = path.as_ref();
        let bytes = self.to_bytes(format)?;
        atomic_write(path, &bytes).map_err(|source| PhotoError::Write { path: path.to_owned(), source })
    }

    /// The file's bytes in a format.
    ///
    /// # Errors
    /// [`PhotoError::Encode`] when the format cannot hold the picture.
    pub fn to_bytes(&self, format: ImageFormat) -> Result<Vec<u8>, PhotoError> {
        encode::encode(self, format)
    }
}
