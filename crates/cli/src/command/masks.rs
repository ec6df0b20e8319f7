//! `masks`: what a mask generator hides, to look at; and the arguments that choose a generator.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use context_encoder::{
    data::{Facades, Purpose, rng_for},
    eval::image_grid,
    mask::{MaskGenerator, MaskKind},
};
use image::Rgb;
use miette::{IntoDiagnostic, Result};
use serde_json::json;

use crate::console::{Console, ExitStatus};

/// The mask generator of a command that draws masks.
#[derive(Args)]
pub struct MaskKindArgs {
    /// What masks hide
    #[arg(long, value_enum, default_value_t = MaskKindName::RandomRegion)]
    kind: MaskKindName,
    /// Visible pixels along each inner side of the central square
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    overlap: u32,
    /// Folder of shapes for random regions, white on black or class masks; a noise pattern without it
    #[arg(long, value_name = "DIR")]
    silhouettes: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MaskKindName {
    /// The central square
    Central,
    /// Several squares that may overlap
    RandomBlock,
    /// Arbitrary shapes
    RandomRegion,
    /// Brush strokes, ellipses and random regions, as people paint
    FreeForm,
}

impl MaskKindName {
    pub fn with(self, overlap: u32, silhouettes: Option<PathBuf>) -> MaskKind {
        match self {
            Self::Central => MaskKind::Central { overlap },
            Self::RandomBlock => MaskKind::RandomBlock,
            Self::RandomRegion => MaskKind::RandomRegion { silhouettes, cell: None },
            Self::FreeForm => MaskKind::FreeForm,
        }
    }
}

impl MaskKindArgs {
    pub fn kind(&self) -> MaskKind {
        self.kind.with(self.overlap, self.silhouettes.clone())
    }

    /// Reads the folder of silhouettes, if there is one.
    pub fn generator(&self) -> Result<Box<dyn MaskGenerator>> {
        self.kind().build().into_diagnostic()
    }
}

/// Width and height of generated masks and facades, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSize {
    pub width: u32,
    pub height: u32,
}

const MAX_SIDE: u32 = 16_384;

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min_side, max_aspect) = (Facades::MIN_SIDE, Facades::MAX_ASPECT);
        let side = |text: &str| text.parse::<u32>().ok().filter(|side| (min_side..=MAX_SIDE).contains(side));
        text.split_once('x')
            .and_then(|(width, height)| Some(Self { width: side(width)?, height: side(height)? }))
            .filter(|size| size.width.max(size.height).div_ceil(size.width.min(size.height)) <= max_aspect)
            .ok_or_else(|| {
                format!(
                    "`{text}` is not a size; write it like 256x192, sides from {min_side} to {MAX_SIDE}, one at most \
                     {max_aspect} times the other"
                )
            })
    }
}

/// Draw masks: an image grid of masked facades, and a histogram of how much of the picture the masks hide.
#[derive(Args)]
pub struct Masks {
    #[command(flatten)]
    kind: MaskKindArgs,
    /// Width and height of the pictures, pixels
    #[arg(long, default_value = "128x128", value_name = "WxH")]
    size: ImageSize,
    /// Number of masks
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// The same number gives the same masks
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// PNG file for an image grid of the first 24
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Columns and rows of the image grid.
const GRID: (u64, u64) = (8, 3);

/// The hidden pixels' color in the grid: that of no facade.
const HIDDEN_COLOR: Rgb<u8> = Rgb([255, 0, 255]);

/// Longest bar of the histogram, characters.
const MAX_BAR: usize = 50;

impl Masks {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let ImageSize { width, height } = self.size;
        let generator = self.kind.generator()?;
        let draw =
            |index: u64| generator.generate(width, height, &mut rng_for(self.seed, Purpose::Mask, 0, index));
        let bar = console.with_bar(self.count as usize, "masks");
        let fractions: Vec<f64> = (0..self.count)
            .map(|index| {
                bar.advance();
                draw(index).hidden_fraction()
            })
            .collect();
        bar.clear_bar();
        let histogram = Histogram::of(&fractions);
        console.result(format_args!(
            "{}, {width}x{height}, {} masks\n{histogram}",
            self.kind.kind(),
            self.count
        ));
        console.record(&json!({
            "event": "masks", "kind": self.kind.kind().to_string(), "width": width, "height": height,
            "count": self.count, "mean": histogram.mean, "least": histogram.min, "most": histogram.max,
            "percent_bins": histogram.bins,
        }));
        if let Some(path) = &self.output {
            let facades = Facades::new(self.seed).with_size(width, height);
            let (columns, rows) = GRID;
            let picture =
                |index: u64| image_grid::with_hole(&facades.image(index), &draw(index), HIDDEN_COLOR);
            let columns: Vec<_> = (0..columns)
                .map(|column| (0..rows).map(|row| picture(row * columns + column)).collect())
                .collect();
            image_grid::save(&image_grid::lay_out(&columns), path).into_diagnostic()?;
            console.note(format_args!("wrote {}", path.display()));
        }
        Ok(ExitStatus::Complete)
    }
}

/// How many masks hide which fraction of the picture, in 20 bins of 5 %.
struct Histogram {
    bins: [usize; 20],
    mean: f64,
    min: f64,
    max: f64,
}

impl Histogram {
    /// Of fractions from 0 to 1, at least one.
    fn of(fractions: &[f64]) -> Self {
        let mut bins = [0; 20];
        for fraction in fractions {
            bins[((fraction * 20.0) as usize).min(19)] += 1;
        }
        Self {
            bins,
            mean: fractions.iter().sum::<f64>() / fractions.len() as f64,
            min: fractions.iter().copied().fold(f64::INFINITY, f64::min),
            max: fractions.iter().copied().fold(0.0, f64::max),
        }
    }
}

impl std::fmt::Display for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [min, mean, max] = [self.min, self.mean, self.max].map(|fraction| 100.0 * fraction);
        writeln!(f, "hidden: {mean:.1} % of the picture on average, {min:.1} to {max:.1} %")?;
        let highest = self.bins.iter().copied().max().unwrap_or(1).max(1);
        let total: usize = self.bins.iter().sum::<usize>().max(1);
        let occupied = |bin: &usize| *bin > 0;
        let first = self.bins.iter().position(occupied).unwrap_or(0);
        let last = self.bins.iter().rposition(occupied).unwrap_or(0);
        for (index, &count) in self.bins.iter().enumerate().take(last + 1).skip(first) {
            let bar = "#".repeat((count * MAX_BAR).div_ceil(highest));
            let percent = 100.0 * count as f64 / total as f64;
            write!(f, "\n{:>3} to {:>3} %  {percent:>5.1} %  {bar}", 5 * index, 5 * index + 5)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_counts_fractions_in_bins() {
        let histogram = Histogram::of(&[0.0, 0.049, 0.05, 1.0]);
        assert_eq!((histogram.bins[0], histogram.bins[1], histogram.bins[19]), (2, 1, 1));
        let text = histogram.to_string();
        assert!(text.contains("0.0 to 100.0 %") && text.contains("  0 to   5 %   50.0 %"), "{text}");
    }

    #[test]
    fn sizes_are_width_x_height() {
        assert_eq!("256x192".parse(), Ok(ImageSize { width: 256, height: 192 }));
        for wrong in ["256", "x", "256x", "15x256", "16x256", "256x99999", "256X192"] {
            assert!(wrong.parse::<ImageSize>().is_err(), "{wrong}");
        }
    }
}
