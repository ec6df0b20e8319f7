//! The masks of a command's images: from one file, from a folder, or by a color in the image itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args};
use context_encoder::{
    files::{Photograph, Pixels},
    mask::Mask,
};
use image::GrayImage;
use miette::{IntoDiagnostic, Result, miette};
use walkdir::WalkDir;

/// The mask of one image.
pub enum MaskInput {
    Binary(Mask),
    /// How much of each pixel is replaced, 255 = all of it.
    Soft(GrayImage),
}

impl MaskInput {
    /// Number of pixels that change.
    pub fn pixels(&self) -> usize {
        match self {
            Self::Binary(mask) => mask.hidden_count(),
            Self::Soft(coverage) => coverage.iter().filter(|&&value| value > 0).count(),
        }
    }
}

/// Where masks come from: exactly one of the three sources.
#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("mask_source").required(true).args(["mask", "mask_dir", "mask_color"]))]
pub struct MaskInputArgs {
    /// One mask for every picture: white on black, or painted on a transparent layer
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// A folder of masks, each named like its picture; the extension does not matter
    #[arg(long, value_name = "DIR")]
    mask_dir: Option<PathBuf>,
    /// Fill what is painted in this color in the picture itself, such as '#ff00ff'
    #[arg(long, alias = "mask-colour", value_name = "#RRGGBB", value_parser = parse_color)]
    mask_color: Option<[u8; 3]>,
    /// Largest difference to that color in each channel of 0 to 255; JPEG needs about 40
    #[arg(long, value_name = "N", default_value_t = 0, requires = "mask_color")]
    tolerance: u8,
    /// A grey mask value blends the fill with the picture; without this flag, 128 and more is filled
    #[arg(long, conflicts_with = "mask_color")]
    soft: bool,
}

/// Finds the mask of each image.
pub enum MaskSource {
    File {
        path: PathBuf,
        soft: bool,
    },
    /// Mask files by their path without extension.
    Folder {
        root: PathBuf,
        files: BTreeMap<String, Vec<PathBuf>>,
        soft: bool,
    },
    Color {
        color: [u8; 3],
        tolerance: u8,
    },
}

impl MaskInputArgs {
    /// Lists the folder of masks, if there is one.
    pub fn source(&self) -> Result<MaskSource> {
        let soft = self.soft;
        if let Some(path) = &self.mask {
            return Ok(MaskSource::File { path: path.clone(), soft });
        }
        if let Some(root) = &self.mask_dir {
            if !root.is_dir() {
                return Err(miette!("there is no folder {}; name the folder of the masks", root.display()));
            }
            let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
            for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
                let entry = entry.into_diagnostic()?;
                let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
                if entry.file_type().is_file() {
                    files.entry(stem(below)).or_default().push(entry.path().to_owned());
                }
            }
            return Ok(MaskSource::Folder { root: root.clone(), files, soft });
        }
        let color =
            self.mask_color.ok_or_else(|| miette!("a mask is needed: --mask, --mask-dir or --mask-color"))?;
        Ok(MaskSource::Color { color, tolerance: self.tolerance })
    }
}

impl MaskSource {
    /// The mask of a photograph with this `name` relative to its folder.
    pub fn mask(&self, name: &Path, photo: &Photograph) -> Result<MaskInput> {
        match self {
            Self::File { path, soft } => load(path, *soft, photo.dimensions()),
            Self::Folder { root, files, soft } => {
                let found = files.get(&stem(name)).map_or(&[][..], Vec::as_slice);
                match found {
                    [path] => load(path, *soft, photo.dimensions()),
                    [] => Err(miette!(
                        "there is no mask for it in {}; put one there under the name {}.png",
                        root.display(),
                        stem(name)
                    )),
                    [first, second, ..] => Err(miette!(
                        "there are several masks for it, {} and {}; keep one",
                        first.display(),
                        second.display()
                    )),
                }
            }
            Self::Color { color, tolerance } => mask_of_color(photo, *color, *tolerance),
        }
    }
}

fn load(path: &Path, soft: bool, size: (u32, u32)) -> Result<MaskInput> {
    Ok(if soft {
        MaskInput::Soft(Mask::load_coverage(path, Some(size)).into_diagnostic()?)
    } else {
        MaskInput::Binary(Mask::load(path, Some(size)).into_diagnostic()?)
    })
}

fn mask_of_color(photo: &Photograph, color: [u8; 3], tolerance: u8) -> Result<MaskInput> {
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
    Ok(MaskInput::Binary(mask))
}

/// A path without its extension, separated by `/`.
fn stem(path: &Path) -> String {
    let path = path.with_extension("");
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Red, green and blue from text like `#ff00ff`.
fn parse_color(text: &str) -> Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    u32::from_str_radix(digits, 16)
        .ok()
        .filter(|_| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(|value| [(value >> 16) as u8, (value >> 8) as u8, value as u8])
        .ok_or_else(|| format!("`{text}` is not a color; write it like '#ff00ff'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_six_hexadecimal_digits() {
        assert_eq!(parse_color("#Ff0080"), Ok([255, 0, 128]));
        assert_eq!(parse_color("00ff00"), Ok([0, 255, 0]));
        for wrong in ["", "#fff", "#ff00ff00", "#gg0000", "#+f00ff"] {
            assert!(parse_color(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mask_names_have_no_extension() {
        assert_eq!(stem("a/b.tar.png".as_ref()), "a/b.tar");
        assert_eq!(stem("b".as_ref()), "b");
    }
}
