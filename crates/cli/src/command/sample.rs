//! `sample`: built-in facades as image files.

use std::{fs, path::PathBuf};

use clap::Args;
use context_encoder::{
    data::{Facades, Purpose, rng_for},
    eval::image_grid,
};
use miette::{IntoDiagnostic, Result, WrapErr};
use serde_json::json;

use super::masks::{ImageSize, MaskKindArgs};
use crate::console::{Console, ExitStatus};

/// Write built-in facade pictures as PNG: DIR/facade-0000.png and so on.
#[derive(Args)]
pub struct Sample {
    /// The folder to write into
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Number of pictures
    #[arg(long, default_value_t = 16, value_name = "N")]
    count: u64,
    /// Width and height, pixels
    #[arg(long, default_value = "256x256", value_name = "WxH")]
    size: ImageSize,
    /// Draw streets, with trees, vehicles and people, instead of fronts of houses
    #[arg(long)]
    streets: bool,
    /// The same number gives the same pictures
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Also write a mask for each, of the same name, into this folder
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,
    #[command(flatten)]
    kind: MaskKindArgs,
}

impl Sample {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let ImageSize { width, height } = self.size;
        let facades = if self.streets { Facades::streets(self.seed) } else { Facades::new(self.seed) };
        let facades = facades.with_size(width, height);
        let generator = self.kind.generator()?;
        for folder in [Some(&self.output), self.masks.as_ref()].into_iter().flatten() {
            fs::create_dir_all(folder)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot make {}", folder.display()))?;
        }
        let bar = console.with_bar(self.count as usize, "pictures");
        for index in 0..self.count {
            let name = format!("facade-{index:04}.png");
            let path = self.output.join(&name);
            image_grid::save(&facades.image(index), &path).into_diagnostic()?;
            bar.record(&json!({ "event": "written", "file": path.display().to_string() }));
            if let Some(folder) = &self.masks {
                let mut rng = rng_for(self.seed, Purpose::Mask, 0, index);
                let path = folder.join(&name);
                generator.generate(width, height, &mut rng).save(&path).into_diagnostic()?;
                bar.record(&json!({ "event": "written", "file": path.display().to_string() }));
            }
            bar.advance();
        }
        bar.clear_bar();
        console.note(format_args!("wrote {} pictures to {}", self.count, self.output.display()));
        Ok(ExitStatus::Complete)
    }
}
