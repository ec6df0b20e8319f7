//! A photograph: an image file taken apart.

use std::io::Cursor;
use std::path::Path;

use image::error::UnsupportedError;
use image::metadata::Orientation;
use image::{ExtendedColorType, ImageDecoder, ImageError, ImageFormat};

use crate::channels::{Alpha, Channels, Pixels, split};
use crate::image_file::{FORMATS, ImageFile};
use crate::jpeg::{self, JpegStyle};
use crate::metadata::{ColorSpace, Metadata};
use crate::resolution::Resolution;
use crate::{ForeignContent, Loss, PhotoError, bmp, exif, png, tiff, webp};

/// Pixels that a photograph may have: the largest cameras have 102 million.
const MAX_PIXELS: u64 = 128 << 20;

/// Bytes that a photograph's file may have and its decoder may allocate, against files that unpack into far
/// more than they show.
const MAX_BYTES: u64 = 2 << 30;

/// EXIF data that fit a JPEG's segment, bytes.
pub(crate) const MAX_JPEG_EXIF: usize = 65_527;

/// Why CMYK images are refused: their profile would be wrong for RGB, and RGB cannot be converted back.
const INKS: &str = "its colours are printing inks (CMYK); convert it to RGB";

/// An image file taken apart: upright pixels, and everything else as the file had it.
#[derive(Clone, Debug)]
pub struct Photograph {
    pub(crate) pixels: Pixels,
    pub(crate) alpha: Option<Alpha>,
    pub(crate) gray: bool,
    pub(crate) format: ImageFormat,
    pub(crate) icc_profile: Option<Vec<u8>>,
    pub(crate) exif: Option<Vec<u8>>,
    pub(crate) jpeg: Option<JpegStyle>,
    pub(crate) metadata: Metadata,
}

impl Photograph {
    /// Reads a file: JPEG, PNG, TIFF, WebP or BMP, whatever its name; of at most 128 Mi pixels and 2 GiB,
    /// which its decoder may allocate too.
    ///
    /// # Errors
    /// [`PhotoError::Read`], [`PhotoError::Unusable`], [`PhotoError::Damaged`] or [`PhotoError::TooLarge`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PhotoError> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(unusable(path, "it is a folder; name a picture's file"));
        }
        match ImageFile::read(path, MAX_BYTES) {
            Ok(Ok(bytes)) => Self::from_named_bytes(&bytes, path),
            Ok(Err(length)) => Err(unusable(
                path,
                format!("it has {length} bytes, at most {MAX_BYTES} are read; scale it down"),
            )),
            Err(source) => Err(PhotoError::Read { path: path.to_owned(), source }),
        }
    }

    /// Reads a file that is in memory.
    ///
    /// # Errors
    /// As for [`open`](Self::open); the path in messages is `the picture in memory`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PhotoError> {
        Self::from_named_bytes(bytes, "the picture in memory")
    }

    /// As [`from_bytes`](Self::from_bytes), with a name for messages.
    ///
    /// ```
    /// use context_encoder_files::Photograph;
    ///
    /// let error = Photograph::from_named_bytes(b"once upon a time", "story.jpg").expect_err("no picture");
    /// assert!(error.to_string().contains("story.jpg"));
    /// ```
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn from_named_bytes(bytes: &[u8], name: impl AsRef<Path>) -> Result<Self, PhotoError> {
        let path = name.as_ref();
        let format = ImageFile::sniff(bytes).map_err(|_| match ForeignContent::of(bytes) {
            Some(content) => unusable(path, content.to_string()),
            None if bytes.is_empty() => unusable(path, "it is empty; copy or download it again"),
            None => unusable(path, "its content is no picture; give a JPEG, PNG, TIFF, WebP or BMP"),
        })?;
        let header = (format == ImageFormat::Jpeg).then(|| jpeg::header(bytes));
        if let Some(reason) = ImageFile::refusal(bytes, format) {
            return Err(unusable(path, reason));
        }
        if header.as_ref().is_some_and(|jpeg| jpeg.components == 4) {
            return Err(unusable(path, INKS));
        }
        let failed = |source| match source {
            ImageError::Unsupported(reason) => unusable(path, unsupported(&reason)),
            ImageError::Limits(_) => {
                unusable(path, format!("it unpacks into more than {MAX_BYTES} bytes; scale it down"))
            }
            source => PhotoError::Damaged { path: path.to_owned(), source },
        };
        let mut file = ImageFile::open(Cursor::new(bytes), format, MAX_BYTES).map_err(failed)?;
        let (width, height) = file.dimensions();
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let max_megapixels = MAX_PIXELS / 1_000_000;
            return Err(PhotoError::TooLarge { path: path.to_owned(), width, height, max_megapixels });
        }
        if matches!(file.decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16)
        {
            return Err(unusable(path, INKS));
        }
        // Profile and EXIF data that cannot be read are as good as none: every viewer shows such images
        // without them.
        let icc_profile = file.decoder.icc_profile().ok().flatten();
        let exif = file.decoder.exif_metadata().ok().flatten().map(exif::without_prefix);
        let orientation = file
            .orientation()
            .ok()
            .filter(|&orientation| orientation != Orientation::NoTransforms)
            .or_else(|| exif.as_deref().and_then(Orientation::from_exif_chunk))
            .unwrap_or(Orientation::NoTransforms);
        let image = file.decode(orientation).map_err(failed)?;
        let mut metadata = metadata(bytes, format);
        if exif::exchanges_sides(orientation) {
            metadata.resolution = metadata.resolution.map(Resolution::turned);
        }
        let mut exif = exif.or_else(|| metadata.exif.take());
        if let Some(exif) = &mut exif {
            metadata.lose_if(exif::make_upright(exif, orientation), Loss::Thumbnail);
        }
        let Some(Channels { pixels, alpha, gray }) = split(image) else {
            let reason = "its colours are floating-point numbers; save it with 8 or 16 bits a channel";
            return Err(unusable(path, reason));
        };
        let jpeg = header.and_then(|header| header.style);
        Ok(Self { pixels, alpha, gray, format, icc_profile, exif, jpeg, metadata })
    }

    /// The colors as the file has them: in a TIFF file with associated alpha they are multiplied by it.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The colors, to be changed; transparency stays as it is.
    ///
    /// A gray image is written gray again: of what was put there in color, its luminance.
    pub fn pixels_mut(&mut self) -> &mut Pixels {
        &mut self.pixels
    }

    /// Width and height of the upright image.
    pub fn dimensions(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    /// The format of the file that it came from.
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// Whether the file had transparency.
    pub fn has_alpha(&self) -> bool {
        self.alpha.is_some()
    }

    /// Whether each pixel is transparent, row by row: its alpha is below a half. `None` when the file had no
    /// alpha channel.
    ///
    /// ```
    /// use context_encoder_files::Photograph;
    /// # let mut png = std::io::Cursor::new(Vec::new());
    /// # let alpha = image::RgbaImage::from_fn(3, 1, |x, _| image::Rgba([9, 9, 9, [0, 127, 128][x as usize]]));
    /// # alpha.write_to(&mut png, image::ImageFormat::Png)?;
    /// # let png = png.into_inner();
    ///
    /// let photo = Photograph::from_bytes(&png)?; // of alpha 0, 127 and 128
    /// assert_eq!(photo.transparent(), Some(vec![true, true, false]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transparent(&self) -> Option<Vec<bool>> {
        self.alpha.as_ref().map(Alpha::transparent)
    }

    /// Makes the pixels opaque that are `chosen`, one flag a pixel, row by row. The alpha of all others stays
    /// as it is; without an alpha channel nothing changes.
    ///
    /// # Panics
    /// When there are not as many flags as pixels.
    ///
    /// ```
    /// use context_encoder_files::Photograph;
    /// # let mut png = std::io::Cursor::new(Vec::new());
    /// # image::RgbaImage::new(2, 1).write_to(&mut png, image::ImageFormat::Png)?;
    /// # let png = png.into_inner();
    ///
    /// let mut photo = Photograph::from_bytes(&png)?; // of alpha 0 and 0
    /// photo.make_opaque(&[false, true]);
    /// assert_eq!(photo.transparent(), Some(vec![true, false]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn make_opaque(&mut self, chosen: &[bool]) {
        let (width, height) = self.dimensions();
        let pixels = width as usize * height as usize;
        assert_eq!(chosen.len(), pixels, "there must be one flag a pixel of {width}x{height}");
        if let Some(alpha) = &mut self.alpha {
            alpha.make_opaque(chosen);
        }
    }

    /// The color profile.
    pub fn icc_profile(&self) -> Option<&[u8]> {
        self.icc_profile.as_deref()
    }

    /// The EXIF data as they will be written: orientation 1, no thumbnail.
    pub fn exif(&self) -> Option<&[u8]> {
        self.exif.as_deref()
    }

    /// What would not be kept in a format, in order.
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
        let grays = match format {
            ImageFormat::WebP => false,
            ImageFormat::Tiff | ImageFormat::Bmp => !self.has_alpha(),
            _ => true,
        };
        let exif_fits = match format {
            ImageFormat::Jpeg => self.exif().is_none_or(|exif| exif.len() <= MAX_JPEG_EXIF),
            ImageFormat::Bmp => self.exif.is_none(),
            _ => true,
        };
        let profile_lost = self.icc_profile.is_some() && format == ImageFormat::Bmp;
        let losses = [
            (self.pixels.depth() == 16 && !deep, Loss::Depth),
            (self.gray && !grays, Loss::Gray),
            (self.has_alpha() && opaque, Loss::Transparency),
            (opaque && self.format != ImageFormat::Jpeg, Loss::Exactness),
            (self.metadata.lossy && self.format == format, Loss::Compression),
            (profile_lost, Loss::Profile),
            (format != ImageFormat::Png && self.has_color_space(profile_lost), Loss::ColorSpace),
            (self.metadata.resolution.is_some_and(|resolution| !resolution.fits(format)), Loss::Resolution),
            (!exif_fits, Loss::Exif),
        ];
        let losses = losses.into_iter().filter_map(|(lost, loss)| lost.then_some(loss));
        let mut losses: Vec<_> = losses.chain(self.metadata.dropped.iter().copied()).collect();
        losses.sort_unstable();
        losses
    }

    /// Whether PNG's chunks say something of the colors that a profile, where there is one, does not.
    fn has_color_space(&self, profile_lost: bool) -> bool {
        match self.metadata.color_space {
            ColorSpace::Default => false,
            ColorSpace::Calibrated => self.icc_profile.is_none() || profile_lost,
            ColorSpace::CodePoints => true,
        }
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
                .filter(|format| FORMATS.contains(format))
                .ok_or_else(|| PhotoError::Name { path: path.to_owned() }),
        }
    }
}

/// What a file holds beside its pixels that its decoder does not tell.
fn metadata(bytes: &[u8], format: ImageFormat) -> Metadata {
    match format {
        ImageFormat::Png => png::metadata(bytes),
        ImageFormat::Jpeg => jpeg::metadata(bytes),
        ImageFormat::Tiff => tiff::metadata(bytes),
        ImageFormat::WebP => webp::metadata(bytes),
        ImageFormat::Bmp => bmp::metadata(bytes),
        _ => Metadata::default(),
    }
}

/// What a decoder does not know, which is no damage.
fn unsupported(reason: &UnsupportedError) -> String {
    let reason = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    format!("it is of a kind that is not read ({reason}); convert it to PNG or JPEG of 8 bits a channel")
}

fn unusable(path: &Path, reason: impl Into<String>) -> PhotoError {
    PhotoError::Unusable { path: path.to_owned(), reason: reason.into() }
}
