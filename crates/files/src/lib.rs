//! Files: the decoder of all images, photographs in and out with nothing lost, atomic writes.
//!
//! [`ImageFile`] decodes every image, [`atomic_write`] writes every file of the workspace but for weights and
//! checkpoints, which Burn's own writers put aside, sync and rename.
//! A [`Photograph`] is an image file taken apart: RGB [`Pixels`] of 8 or 16 bits, which a program may change,
//! and everything else, which it wants back as it was: format, transparency, grayness, color profile, EXIF
//! data, and how strongly a JPEG was compressed.
//!
//! | what | PNG | JPEG | TIFF | WebP | BMP |
//! |---|---|---|---|---|---|
//! | pixels come back bit for bit | yes | close: same tables, same subsampling | yes | yes (written lossless) | yes |
//! | 16 bits a channel | yes | | yes | | |
//! | transparency | yes | | yes, associated or not | yes | yes |
//! | ICC profile | yes | yes | yes | yes | |
//! | EXIF, GPS | yes | yes | yes | yes | |
//! | resolution | yes | yes | yes | | yes |
//! | gAMA, cHRM, sRGB, cICP, mDCV, cLLI | yes | | | | |
//! | compression | | progressive or not | none, LZW, Deflate, PackBits | | |
//!
//! What an output does not keep is listed by [`Photograph::losses`], and [`Loss::sentence`] says it. A
//! palette becomes colors, 1 to 4 bits of gray become 8, of an animation the first frame is read and of a
//! document the first page. Text chunks, comments, XMP and IPTC are not kept. The image is turned upright
//! once: pixels are turned, and the EXIF orientation is set to 1. An embedded thumbnail is left out, since it
//! would show the picture as it was before it was changed.
//!
//! ```
//! use context_encoder_files::{Photograph, Pixels};
//! # let folder = tempfile::tempdir()?;
//! # let (input, output) = (folder.path().join("in.png"), folder.path().join("out.png"));
//! # image::RgbaImage::from_pixel(4, 3, image::Rgba([10, 20, 30, 40])).save(&input)?;
//!
//! let mut photo = Photograph::open(&input)?;
//! if let Pixels::Eight(pixels) = photo.pixels_mut() {
//!     pixels.put_pixel(0, 0, image::Rgb([255, 0, 0]));
//! }
//! photo.save(&output)?;
//! assert_eq!(image::open(&output)?.into_rgba8().get_pixel(0, 0).0, [255, 0, 0, 40]); // alpha is kept
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This software is based in part on the work of the Independent JPEG Group.

mod atomic_write;
mod bmp;
mod channels;
mod directory;
mod encode;
mod error;
mod exif;
mod foreign_content;
mod image_file;
mod jpeg;
mod loss;
mod metadata;
mod photograph;
mod png;
mod resolution;
mod tiff;
mod tiff_writer;
mod walk;
mod webp;

pub use atomic_write::{atomic_write, is_leftover, persist};
pub use channels::Pixels;
pub use error::PhotoError;
pub use foreign_content::ForeignContent;
pub use image_file::ImageFile;
pub use loss::Loss;
pub use photograph::Photograph;
pub use walk::{Found, walk, walk_every_name};
