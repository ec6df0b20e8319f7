//! The masks of a command's images: from one file, from a folder, by a color in the image itself, or where it
//! is transparent.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args};
use context_encoder::{
    files::{Photograph, Pixels},
    mask::{Mask, MaskError},
};
use image::{GrayImage, ImageFormat};
use miette::{IntoDiagnostic, Result, miette};

use crate::{
    file_pairs::{FilePair, FilePairs},
    mask_folder::MaskFolder,
};

/// Growth of a mask painted in a color, pixels: as wide as the soft rim of a brush, whose pixels are mixed of
/// its color and the picture's.
const COLOR_GROWTH: u32 = 3;

/// Difference to its color that compression with loss leaves inside a brush stroke, of 255.
const LOSSY_TOLERANCE: u8 = 40;

/// The mask of one image.
pub enum MaskInput {
    Binary(Mask),
    /// How much of each pixel is replaced, 255 = all of it.
    Soft(GrayImage),
    /// Where the image is transparent: what is filled becomes opaque.
    Transparent(Mask),
}

impl MaskInput {
    /// Number of pixels that change.
    pub fn pixels(&self) -> usize {
        match self {
            Self::Binary(mask) | Self::Transparent(mask) => mask.hidden_count(),
            Self::Soft(coverage) => coverage.iter().filter(|&&value| value > 0).count(),
        }
    }
}

/// Where masks come from, exactly one of the four sources, and how they are changed.
#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("mask_source").required(true).args(["mask", "mask_dir", "mask_color", "mask_alpha"]))]
pub struct MaskInputArgs {
    /// One mask for every picture: white on black, or painted on a transparent layer
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// A folder of masks, each named like its picture, or NAME_mask, NAME_mask001; the extension does not
    /// matter
    #[arg(long, value_name = "DIR")]
    mask_dir: Option<PathBuf>,
    /// Fill what is painted in this color in the picture itself, such as '#ff00ff' or '#f0f'
    #[arg(long, alias = "mask-colour", value_name = "#RRGGBB", value_parser = parse_color)]
    mask_color: Option<[u8; 3]>,
    /// Fill where the picture itself is transparent, alpha below a half, and make it opaque there
    #[arg(long)]
    mask_alpha: bool,
    /// Largest difference to that color in each channel of 0 to 255 [default: 40 for JPEG and WebP, else 0]
    #[arg(long, value_name = "N", requires = "mask_color")]
    tolerance: Option<u8>,
    /// A grey mask value blends the fill with the picture; without this flag, 128 and more is filled
    #[arg(long, conflicts_with_all = ["mask_color", "mask_alpha"])]
    soft: bool,
    /// Masks are painted the other way round: black is filled, white is kept
    #[arg(long, conflicts_with_all = ["mask_color", "mask_alpha"])]
    invert: bool,
    /// Fill this many pixels more around the mask [default: 3 with --mask-color, else 0]
    #[arg(long, value_name = "PIXELS", conflicts_with = "soft")]
    grow: Option<u32>,
}

/// Finds the mask of each image.
pub struct MaskSource {
    origin: Origin,
    soft: bool,
    invert: bool,
    grow: u32,
}

enum Origin {
    File(PathBuf),
    Folder(MaskFolder),
    Color { color: [u8; 3], tolerance: Option<u8> },
    Alpha,
}

impl MaskInputArgs {
    /// Where the masks of `files` are. Mask files among the photographs are taken out of `files`; a result
    /// that would overwrite one is an error.
    pub fn source(&self, files: &mut FilePairs) -> Result<MaskSource> {
        let origin = match (&self.mask, &self.mask_dir, self.mask_color) {
            (Some(path), ..) => Origin::File(path.clone()),
            (_, Some(root), _) => Origin::Folder(MaskFolder::open(root, &files.pairs)?),
            (.., Some(color)) => Origin::Color { color, tolerance: self.tolerance },
            _ => Origin::Alpha,
        };
        let default_growth = if self.mask_color.is_some() { COLOR_GROWTH } else { 0 };
        let grow = self.grow.unwrap_or(default_growth);
        let source = MaskSource { origin, soft: self.soft, invert: self.invert, grow };
        files.separate_masks(&source.files(&files.pairs))?;
        Ok(source)
    }
}

impl MaskSource {
    /// The mask files of these photographs, by their canonical paths.
    fn files(&self, pairs: &[FilePair]) -> BTreeSet<PathBuf> {
        let found: Vec<&Path> = match &self.origin {
            Origin::File(path) => vec![path],
            Origin::Folder(folder) => pairs.iter().filter_map(|pair| folder.find(&pair.name).ok()).collect(),
            Origin::Color { .. } | Origin::Alpha => Vec::new(),
        };
        // A file that is not there is an error when it is read.
        found.into_iter().filter_map(|path| path.canonicalize().ok()).collect()
    }

    /// The mask of a photograph with this `name` relative to its folder.
    pub fn mask(&self, name: &Path, photo: &Photograph) -> Result<MaskInput> {
        match &self.origin {
            Origin::File(path) => self.load(path, photo.dimensions()),
            Origin::Folder(folder) => self.load(folder.find(name)?, photo.dimensions()),
            Origin::Color { color, tolerance } => {
                self.grown(mask_of_color(photo, *color, *tolerance)?).map(MaskInput::Binary)
            }
            Origin::Alpha => self.grown(mask_of_alpha(photo)?).map(MaskInput::Transparent),
        }
    }

    fn load(&self, path: &Path, size: (u32, u32)) -> Result<MaskInput> {
        if self.soft {
            let mut coverage = Mask::load_coverage(path, Some(size)).map_err(|error| self.refused(error))?;
            if self.invert {
                image::imageops::invert(&mut coverage);
            }
            return Ok(MaskInput::Soft(coverage));
        }
        let mask = Mask::load(path, Some(size)).map_err(|error| self.refused(error))?;
        self.grown(if self.invert { mask.inverted() } else { mask }).map(MaskInput::Binary)
    }

    /// The error of a mask file; when it is inverted, the advice is too.
    fn refused(&self, error: MaskError) -> miette::Report {
        match error {
            MaskError::Empty { path } if self.invert => miette!(
                "the mask {} hides the whole picture, since --invert fills what is black; leave the context, \
                 which the fill is made from, white",
                path.display()
            ),
            MaskError::Full { path } if self.invert => miette!(
                "the mask {} hides nothing, since --invert keeps what is white; paint what is to be filled black",
                path.display()
            ),
            error => miette::Report::from_err(error),
        }
    }

    fn grown(&self, mask: Mask) -> Result<Mask> {
        let grown = if self.grow == 0 { mask } else { mask.grown(self.grow) };
        if grown.is_full() {
            return Err(miette!(
                "the mask hides the whole picture after it has grown by {} pixels; lower --grow",
                self.grow
            ));
        }
        Ok(grown)
    }
}

fn mask_of_color(photo: &Photograph, color: [u8; 3], tolerance: Option<u8>) -> Result<Mask> {
    let is_lossy = matches!(photo.format(), ImageFormat::Jpeg | ImageFormat::WebP);
    let tolerance = tolerance.unwrap_or(if is_lossy { LOSSY_TOLERANCE } else { 0 });
    let near = |pixel: [u8; 3]| pixel.iter().zip(color).all(|(a, b)| a.abs_diff(b) <= tolerance);
    let hex = color.map(|value| format!("{value:02x}")).concat();
    let (width, height) = photo.dimensions();
    let converted;
    let pixels = match photo.pixels() {
        Pixels::Eight(pixels) => pixels,
        pixels => {
            converted = pixels.to_eight();
            &converted
        }
    };
    let mask = Mask::from_fn(width, height, |x, y| near(pixels.get_pixel(x, y).0));
    if mask.is_empty() {
        return Err(miette!(
            "no pixel has the color #{hex}; paint what is to be filled, or raise --tolerance"
        ));
    }
    if mask.is_full() {
        return Err(miette!("every pixel has the color #{hex}; leave something to fill it from"));
    }
    Ok(mask)
}

fn mask_of_alpha(photo: &Photograph) -> Result<Mask> {
    let transparent = photo.transparent().ok_or_else(|| {
        miette!(
            "it has no alpha channel, so --mask-alpha finds nothing to fill; erase the hole to transparency and \
             save a PNG, or use --mask"
        )
    })?;
    let (width, height) = photo.dimensions();
    let mask = Mask::new(width, height, transparent).into_diagnostic()?;
    if mask.is_empty() {
        return Err(miette!("no pixel is transparent (alpha below a half); erase what is to be filled"));
    }
    if mask.is_full() {
        return Err(miette!("every pixel is transparent; leave something to fill it from"));
    }
    Ok(mask)
}

/// Red, green and blue from text like `#ff00ff` or, each digit standing for two, `#f0f`.
fn parse_color(text: &str) -> Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let digits: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    match digits.as_deref() {
        Some(&[r, g, b]) => Ok([r, g, b].map(|digit| digit * 17)),
        Some(&[r, red, g, green, b, blue]) => Ok([r * 16 + red, g * 16 + green, b * 16 + blue]),
        _ => Err(format!("`{text}` is not a color; write it like '#ff00ff' or '#f0f'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_three_or_six_hexadecimal_digits() {
        assert_eq!(parse_color("#Ff0080"), Ok([255, 0, 128]));
        assert_eq!(parse_color("00ff00"), Ok([0, 255, 0]));
        assert_eq!(parse_color("#f0f"), Ok([255, 0, 255]));
        assert_eq!(parse_color("18a"), Ok([0x11, 0x88, 0xaa]));
        for wrong in ["", "#", "#ffff", "#ff00ff00", "#gg0000", "#+f00ff", "#+f0", "##f0f"] {
            assert!(parse_color(wrong).is_err(), "{wrong}");
        }
    }
}
