//! One HTML file with everything in it.

use std::{fmt::Write as _, io::Cursor};

use base64::{Engine, engine::general_purpose::STANDARD};
use context_encoder::eval::{Entry, Scores, TABLE_1, Table};
use image::{ImageFormat, RgbImage};
use miette::{IntoDiagnostic, Result};

/// Colours and widths.
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}\
    table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}tr.published{color:#888}\
    .pictures img{image-rendering:auto;width:128px;display:block}.pictures td{border:0;padding:2px;text-align:center}\
    figure{margin:1em 0}small{color:#666}";

/// A report that is one file: pictures and curves are inside.
pub struct Page {
    body: String,
}

impl Page {
    pub fn new(title: &str, about: &str) -> Self {
        Self { body: format!("<h1>{}</h1><p>{}</p>", escaped(title), escaped(about)) }
    }

    /// A protocol's table, with the paper's rows under it.
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
            let _ = write!(
                self.body,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td></tr>",
                escaped(&entry.name),
                cell(|s| s.l1, 2),
                cell(|s| s.l2, 2),
                cell(|s| s.psnr, 2),
                cell(|s| s.ssim, 3),
                cell(|s| s.sharpness, 2),
                entry.hole.psnr,
            );
        }
        for row in TABLE_1 {
            let _ = write!(
                self.body,
                "<tr class=published><td>{}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td></td><td></td><td></td></tr>",
                row.name, row.l1, row.l2, row.psnr
            );
        }
        self.body.push_str("</table>");
    }

    /// Rows of pictures under common headings.
    pub fn pictures(&mut self, title: &str, headings: &[String], rows: &[Vec<RgbImage>]) -> Result<()> {
        let _ = write!(self.body, "<h2>{}</h2><table class=pictures><tr>", escaped(title));
        for heading in headings {
            let _ = write!(self.body, "<td><small>{}</small></td>", escaped(heading));
        }
        self.body.push_str("</tr>");
        for row in rows {
            self.body.push_str("<tr>");
            for picture in row {
                let mut png = Cursor::new(Vec::new());
                picture.write_to(&mut png, ImageFormat::Png).into_diagnostic()?;
                let data = STANDARD.encode(png.into_inner());
                let _ = write!(self.body, "<td><img alt=\"\" src=\"data:image/png;base64,{data}\"></td>");
            }
            self.body.push_str("</tr>");
        }
        self.body.push_str("</table>");
        Ok(())
    }

    /// A drawing as SVG text.
    pub fn drawing(&mut self, title: &str, svg: &str) {
        let _ = write!(self.body, "<h2>{}</h2><figure>{svg}</figure>", escaped(title));
    }

    /// The whole file.
    pub fn html(&self) -> String {
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>context-encoder</title><style>{STYLE}</style>{}</html>\n",
            self.body
        )
    }
}

/// A mean and its interval.
fn with_interval(entry: &Entry, score: fn(&Scores) -> f64, digits: usize) -> String {
    let mean = score(&entry.square);
    match entry.interval(score) {
        Some(sure) => {
            format!("{mean:.digits$} <small>({:.digits$} to {:.digits$})</small>", sure.low, sure.high)
        }
        None => format!("{mean:.digits$}"),
    }
}

/// Text that HTML shows as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let page = Page::new("<script>", "a & b");
        assert!(page.html().contains("&lt;script&gt;") && page.html().contains("a &amp; b"));
    }

    #[test]
    fn pictures_are_inside() {
        let mut page = Page::new("t", "");
        page.pictures("p", &["one".into()], &[vec![RgbImage::new(2, 2)]]).expect("a PNG");
        assert!(page.html().contains("data:image/png;base64,iVBORw0KGgo"));
    }
}
