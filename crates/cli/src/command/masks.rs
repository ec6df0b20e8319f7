//! `masks`: what a generator hides, to look at.

use std::path::PathBuf;

use clap::Args;
use context_encoder::{
    data::{Facades, Purpose, rng_for},
    eval::image_grid,
};
use image::Rgb;
use miette::{IntoDiagnostic, Result};
use serde_json::json;

use crate::{
    mask_choice::{MaskChoice, PictureSize},
    outcome::Outcome,
    output::Output,
};

/// Draw masks: a sheet of facades with their holes, and how much of the picture many masks hide.
#[derive(Args)]
pub struct Masks {
    #[command(flatten)]
    kind: MaskChoice,
    /// Width and height of the pictures, pixels
    #[arg(long, default_value = "128x128", value_name = "WxH")]
    size: PictureSize,
    /// Masks that are drawn and measured
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// The same number gives the same masks
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Where a sheet of the first 24 goes, as PNG
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Columns and rows of the sheet.
const SHEET: (u64, u64) = (8, 3);

/// The hole's colour on the sheet: that of no facade.
const HOLE: Rgb<u8> = Rgb([255, 0, 255]);

/// Longest bar of the histogram, characters.
const LONGEST: usize = 50;

impl Masks {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let PictureSize { width, height } = self.size;
        let generator = self.kind.generator()?;
        let draw =
            |index: u64| generator.generate(width, height, &mut rng_for(self.seed, Purpose::Mask, 0, index));
        let bar = output.with_bar(self.count as usize, "masks");
        let shares: Vec<f64> = (0..self.count)
            .map(|index| {
                bar.advance();
                draw(index).hidden_fraction()
            })
            .collect();
        bar.clear_bar();
        let histogram = Histogram::of(&shares);
        output.result(format_args!(
            "{}, {width}x{height}, {} masks\n{histogram}",
            self.kind.kind(),
            self.count
        ));
        output.record(&json!({
            "event": "masks", "kind": self.kind.kind().to_string(), "width": width, "height": height,
            "count": self.count, "mean": histogram.mean, "least": histogram.least, "most": histogram.most,
            "percent_bins": histogram.bins,
        }));
        if let Some(path) = &self.output {
            let facades = Facades::new(self.seed).with_size(width, height);
            let (columns, rows) = SHEET;
            let picture = |index: u64| image_grid::with_hole(&facades.image(index), &draw(index), HOLE);
            let columns: Vec<_> = (0..columns)
                .map(|column| (0..rows).map(|row| picture(row * columns + column)).collect())
                .collect();
            image_grid::save(&image_grid::lay_out(&columns), path).into_diagnostic()?;
            output.note(format_args!("wrote {}", path.display()));
        }
        Ok(Outcome::Complete)
    }
}

/// How many masks hide how much, in twenty steps of 5 % of the picture.
struct Histogram {
    bins: [usize; 20],
    mean: f64,
    least: f64,
    most: f64,
}

impl Histogram {
    /// From shares of 0 to 1, one at least.
    fn of(shares: &[f64]) -> Self {
        let mut bins = [0; 20];
        for share in shares {
            bins[((share * 20.0) as usize).min(19)] += 1;
        }
        Self {
            bins,
            mean: shares.iter().sum::<f64>() / shares.len() as f64,
            least: shares.iter().copied().fold(f64::INFINITY, f64::min),
            most: shares.iter().copied().fold(0.0, f64::max),
        }
    }
}

impl std::fmt::Display for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [least, mean, most] = [self.least, self.mean, self.most].map(|share| 100.0 * share);
        writeln!(f, "hidden: {mean:.1} % of the picture on average, {least:.1} to {most:.1} %")?;
        let highest = self.bins.iter().copied().max().unwrap_or(1).max(1);
        let all: usize = self.bins.iter().sum::<usize>().max(1);
        let occupied = |bin: &usize| *bin > 0;
        let first = self.bins.iter().position(occupied).unwrap_or(0);
        let last = self.bins.iter().rposition(occupied).unwrap_or(0);
        for (index, &count) in self.bins.iter().enumerate().take(last + 1).skip(first) {
            let bar = "#".repeat((count * LONGEST).div_ceil(highest));
            let percent = 100.0 * count as f64 / all as f64;
            write!(f, "\n{:>3} to {:>3} %  {percent:>5.1} %  {bar}", 5 * index, 5 * index + 5)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fall_into_their_bins() {
        let histogram = Histogram::of(&[0.0, 0.049, 0.05, 1.0]);
        assert_eq!((histogram.bins[0], histogram.bins[1], histogram.bins[19]), (2, 1, 1));
        let text = histogram.to_string();
        assert!(text.contains("0.0 to 100.0 %") && text.contains("  0 to   5 %   50.0 %"), "{text}");
    }
}
