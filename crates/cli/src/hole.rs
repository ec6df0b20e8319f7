//! What is to be filled: masks from a file, a folder, or a colour.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{ArgGroup, Args};
use context_encoder::{
    files::{Photograph, Pixels},
    mask::Mask,
};
use image::GrayImage;
use miette::{IntoDiagnostic, Result, miette};
use walkdir::WalkDir;

/// What of a picture is to be filled.
pub enum Hole {
    /// Each pixel is or is not.
    Hard(Mask),
    /// Each pixel is to some degree, 255 = wholly.
    Soft(GrayImage),
}

impl Hole {
    /// Pixels of which something is filled.
    pub fn pixels(&self) -> usize {
        match self {
            Self::Hard(mask) => mask.hidden_count(),
            Self::Soft(coverage) => coverage.iter().filter(|&&value| value > 0).count(),
        }
    }
}

/// Where masks come from: one of three, always.
#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("hole").required(true).args(["mask", "mask_dir", "mask_colour"]))]
pub struct HoleChoice {
    /// One mask for every picture: white on black, or painted on a transparent layer
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// A folder of masks, each named like its picture, whatever its ending
    #[arg(long, value_name = "DIR")]
    mask_dir: Option<PathBuf>,
    /// Fill what is painted in this colour in the picture itself, such as '#ff00ff'
    #[arg(long, value_name = "#RRGGBB")]
    mask_colour: Option<Colour>,
    /// How far from that colour a pixel may be, in each channel of 0 to 255; JPEG needs about 40
    #[arg(long, value_name = "N", default_value_t = 0, requires = "mask_colour")]
    tolerance: u8,
    /// Grey in the mask mixes the fill with the picture; without it, half white and more is filled
    #[arg(long, conflicts_with = "mask_colour")]
    soft: bool,
}

/// Where the mask of each picture is found.
pub enum HoleSource {
    File { path: PathBuf, soft: bool },
    Folder { root: PathBuf, files: BTreeMap<String, Vec<PathBuf>>, soft: bool },
    Painted { colour: Colour, tolerance: u8 },
}

impl HoleChoice {
    /// Looks where masks are, once.
    pub fn source(&self) -> Result<HoleSource> {
        let soft = self.soft;
        if let Some(path) = &self.mask {
            return Ok(HoleSource::File { path: path.clone(), soft });
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
            return Ok(HoleSource::Folder { root: root.clone(), files, soft });
        }
        let colour = self
            .mask_colour
            .ok_or_else(|| miette!("a mask is needed: --mask, --mask-dir or --mask-colour"))?;
        Ok(HoleSource::Painted { colour, tolerance: self.tolerance })
    }
}

impl HoleSource {
    /// The hole of a picture, which has a `name` relative to its folder.
    pub fn hole(&self, name: &Path, photo: &Photograph) -> Result<Hole> {
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
            Self::Painted { colour, tolerance } => painted(photo, *colour, *tolerance),
        }
    }
}

fn load(path: &Path, soft: bool, size: (u32, u32)) -> Result<Hole> {
    Ok(if soft {
        Hole::Soft(Mask::load_coverage(path, Some(size)).into_diagnostic()?)
    } else {
        Hole::Hard(Mask::load(path, Some(size)).into_diagnostic()?)
    })
}

fn painted(photo: &Photograph, colour: Colour, tolerance: u8) -> Result<Hole> {
    let near = |pixel: [u8; 3]| pixel.iter().zip(colour.0).all(|(a, b)| a.abs_diff(b) <= tolerance);
    let (width, height) = photo.dimensions();
    let deep;
    let pixels = match photo.pixels() {
        Pixels::Eight(pixels) => pixels,
        pixels => {
            deep = pixels.to_eight();
            &deep
        }
    };
    let mask = Mask::from_fn(width, height, |x, y| near(pixels.get_pixel(x, y).0));
    if mask.is_empty() {
        return Err(miette!(
            "no pixel has the colour {colour}; paint what is to be filled, or raise --tolerance"
        ));
    }
    if mask.is_full() {
        return Err(miette!("every pixel has the colour {colour}; leave something to fill it from"));
    }
    Ok(Hole::Hard(mask))
}

/// A path without its ending, with `/` between its parts.
fn stem(path: &Path) -> String {
    let path = path.with_extension("");
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map(|value| Self([(value >> 16) as u8, (value >> 8) as u8, value as u8]))
            .ok_or_else(|| format!("`{text}` is no colour; write it like '#ff00ff'"))
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_digits() {
        assert_eq!("#Ff0080".parse(), Ok(Colour([255, 0, 128])));
        assert_eq!("00ff00".parse::<Colour>().map(|colour| colour.to_string()), Ok("#00ff00".to_owned()));
        for wrong in ["", "#fff", "#ff00ff00", "#gg0000", "#+f00ff"] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn masks_are_found_by_name_without_ending() {
        assert_eq!(stem("a/b.tar.png".as_ref()), "a/b.tar");
        assert_eq!(stem("b".as_ref()), "b");
    }
}
