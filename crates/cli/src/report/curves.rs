//! How a run went: its validations as a drawing.

use std::path::Path;

use miette::{IntoDiagnostic, Result, WrapErr, miette};
use plotters::prelude::*;
use serde::Deserialize;

/// Size of a drawing, pixels.
const SIZE: (u32, u32) = (900, 340);

/// What is drawn of a row of `validation.csv`.
#[derive(Deserialize)]
struct Validation {
    step: u64,
    psnr: f64,
    harmonic_psnr: Option<f64>,
}

/// PSNR on the validation pictures from step to step, with the harmonic fill as a level where there is one, as SVG.
pub fn validation(run: &Path) -> Result<String> {
    let path = run.join("validation.csv");
    let mut reader = csv::Reader::from_path(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is no folder of a training run", run.display()))?;
    let rows: Vec<Validation> = reader.deserialize().collect::<Result<_, _>>().into_diagnostic()?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Err(miette!("{} holds no validation yet", path.display()));
    };
    let level = first.harmonic_psnr;
    let values = || rows.iter().map(|row| row.psnr).chain(level).filter(|value| value.is_finite());
    let (low, high) = (values().fold(f64::MAX, f64::min) - 0.2, values().fold(f64::MIN, f64::max) + 0.2);
    let mut svg = String::new();
    draw(&mut svg, &rows, level, last.step.max(1), low, high)
        .map_err(|error| miette!("the curves cannot be drawn: {error}"))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    rows: &[Validation],
    level: Option<f64>,
    steps: u64,
    low: f64,
    high: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0..steps, low..high)?;
    chart.configure_mesh().x_desc("steps").y_desc("PSNR, dB").light_line_style(WHITE).draw()?;
    let learned = rows.iter().map(|row| (row.step, row.psnr));
    chart
        .draw_series(LineSeries::new(learned, &BLUE))?
        .label("network")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLUE));
    if let Some(level) = level {
        let flat = [(0, level), (steps, level)];
        chart
            .draw_series(LineSeries::new(flat, &RED))?
            .label("harmonic fill")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], RED));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
