//! A report as one HTML file: tables, images and curves are inside it.

use std::{fmt::Write as _, io::Cursor, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use context_encoder::eval::{Entry, Interval, Scores, TABLE_1, Table};
use image::{ImageFormat, RgbImage};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use plotters::prelude::*;
use serde::Deserialize;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}\
    table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}tr.published{color:#888}\
    .pictures img{image-rendering:auto;width:128px;display:block}.pictures td{border:0;padding:2px;text-align:center}\
    figure{margin:1em 0}small{color:#666}";

/// The page under construction.
pub struct Page {
    body: String,
}

impl Page {
    pub fn new(title: &str, about: &str) -> Self {
        Self { body: format!("<h1>{}</h1><p>{}</p>", escaped(title), escaped(about)) }
    }

    /// The scores of a protocol, above those of the paper's Table 1.
    pub fn table(&mut self, table: &Table) {
        let (protocol, overlap, pictures) = (table.protocol, table.protocol.overlap(), table.pictures);
        let _ = write!(
            self.body,
            "<h2>Protocol {protocol}</h2><p>{overlap} px of the central square visible; means over {pictures} pictures, \
             in brackets 95 % intervals (bootstrap over pictures). Sharpness: gradients of the prediction over those \
             of the truth.</p><table><tr><th>fill</th><th>L1 %</th><th>L2 %</th><th>PSNR dB</th><th>SSIM</th>\
             <th>sharpness</th><th>hole: PSNR dB</th></tr>"
        );
        for entry in &table.entries {
            let cell = |score: fn(&Scores) -> f64, digits: usize| with_interval(entry, score, digits);
            let scores = [
                cell(|s| s.l1, 2),
                cell(|s| s.l2, 2),
                cell(|s| s.psnr, 2),
                cell(|s| s.ssim, 3),
                cell(|s| s.sharpness, 2),
            ];
            let hole = format!("{:.2}", entry.hole.psnr);
            self.row("", std::iter::once(escaped(&entry.name)).chain(scores).chain([hole]));
        }
        for row in TABLE_1 {
            let scores = [row.l1, row.l2, row.psnr].map(|score| format!("{score:.2}"));
            let empty = [const { String::new() }; 3];
            self.row(" class=published", std::iter::once(row.name.to_owned()).chain(scores).chain(empty));
        }
        self.body.push_str("</table>");
    }

    /// A row of cells, which are HTML.
    fn row(&mut self, attributes: &str, cells: impl IntoIterator<Item = String>) {
        let cells: String = cells.into_iter().map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = write!(self.body, "<tr{attributes}>{cells}</tr>");
    }

    /// A table of images.
    pub fn pictures(&mut self, title: &str, headings: &[String], rows: &[Vec<RgbImage>]) -> Result<()> {
        let _ = write!(self.body, "<h2>{}</h2><table class=pictures>", escaped(title));
        self.row("", headings.iter().map(|heading| format!("<small>{}</small>", escaped(heading))));
        for row in rows {
            let image = |image: &RgbImage| {
                let mut png = Cursor::new(Vec::new());
                image.write_to(&mut png, ImageFormat::Png).into_diagnostic()?;
                Ok(format!(
                    "<img alt=\"\" src=\"data:image/png;base64,{}\">",
                    STANDARD.encode(png.into_inner())
                ))
            };
            self.row("", row.iter().map(image).collect::<Result<Vec<_>>>()?);
        }
        self.body.push_str("</table>");
        Ok(())
    }

    /// A training run's validation curve.
    pub fn curve(&mut self, title: &str, run: &Path) -> Result<()> {
        let svg = validation_curve(run)?;
        let _ = write!(self.body, "<h2>{}</h2><figure>{svg}</figure>", escaped(title));
        Ok(())
    }

    pub fn html(&self) -> String {
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>context-encoder</title><style>{STYLE}</style>{}</html>\n",
            self.body
        )
    }
}

fn with_interval(entry: &Entry, score: fn(&Scores) -> f64, digits: usize) -> String {
    let mean = score(&entry.square);
    match entry.interval(score) {
        Some(Interval { low, high }) => {
            format!("{mean:.digits$} <small>({low:.digits$} to {high:.digits$})</small>")
        }
        None => format!("{mean:.digits$}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Size of the curve, pixels.
const CURVE_SIZE: (u32, u32) = (900, 340);

/// The columns of `validation.csv` that are drawn.
#[derive(Deserialize)]
struct Validation {
    step: u64,
    psnr: f64,
    harmonic_psnr: Option<f64>,
}

/// PSNR on the validation pictures over the steps as SVG, with the harmonic fill's as a flat line where it
/// was measured.
fn validation_curve(run: &Path) -> Result<String> {
    let path = run.join("validation.csv");
    let mut reader = csv::Reader::from_path(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is not the folder of a training run", run.display()))?;
    let rows: Vec<Validation> = reader.deserialize().collect::<Result<_, _>>().into_diagnostic()?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Err(miette!("{} holds no validation yet", path.display()));
    };
    let level = first.harmonic_psnr;
    let values = || rows.iter().map(|row| row.psnr).chain(level).filter(|value| value.is_finite());
    let (low, high) = (values().fold(f64::MAX, f64::min) - 0.2, values().fold(f64::MIN, f64::max) + 0.2);
    let mut svg = String::new();
    draw(&mut svg, &rows, level, last.step.max(1), low, high)
        .map_err(|error| miette!("the curve cannot be drawn: {error}"))?;
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
    let area = SVGBackend::with_string(svg, CURVE_SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0..steps, low..high)?;
    chart.configure_mesh().x_desc("steps").y_desc("PSNR, dB").light_line_style(WHITE).draw()?;
    let network = rows.iter().map(|row| (row.step, row.psnr));
    chart
        .draw_series(LineSeries::new(network, &BLUE))?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let page = Page::new("<script>", "a & b");
        assert!(page.html().contains("&lt;script&gt;") && page.html().contains("a &amp; b"));
    }

    #[test]
    fn images_are_embedded() {
        let mut page = Page::new("t", "");
        page.pictures("p", &["one".into()], &[vec![RgbImage::new(2, 2)]]).expect("a PNG");
        assert!(page.html().contains("data:image/png;base64,iVBORw0KGgo"));
    }
}
