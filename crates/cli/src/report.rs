//! A report as one HTML file: tables, images and curves are inside it.

use std::{fmt::Write as _, io::Cursor};

use base64::{Engine, engine::general_purpose::STANDARD};
use context_encoder::eval::{Entry, Interval, Scores, TABLE_1, Table};
use image::{ImageFormat, RgbImage};
use miette::{IntoDiagnostic, Result};

use crate::chart::{Curve, Scale, chart};

const STYLE: &str = ":root{color-scheme:light dark;--text:#1f2328;--soft:#656d76;--line:#d8dee4;--page:#fff;--box:#f6f8fa}\
    @media(prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9198a1;--line:#30363d;--page:#0d1117;--box:#161b22}}\
    body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:var(--text);background:var(--page)}\
    h1{margin:0}h1+p{margin-top:0;color:var(--soft)}h2{margin:1.8em 0 .4em;font-size:1.2em}p{margin:.4em 0}\
    table{border-collapse:collapse;margin:.8em 0}td,th{padding:.25em .9em .25em 0;text-align:right;border-bottom:1px solid var(--line)}\
    th{font-weight:600}td:first-child,th:first-child,table.words td,table.words th{text-align:left}\
    tr.published,small,figcaption{color:var(--soft)}\
    .pictures img{image-rendering:auto;width:128px;display:block}.pictures td{border:0;padding:2px;text-align:center}\
    figure{margin:.6em 0}figure img,figure svg{max-width:100%;height:auto;display:block}\
    pre{background:var(--box);border:1px solid var(--line);border-radius:6px;padding:1em;overflow:auto;font-size:13px}";

/// The page under construction.
pub struct Page {
    title: String,
    body: String,
}

impl Page {
    pub fn new(title: &str, about: &str) -> Self {
        let title = escaped(title);
        Self { body: format!("<h1>{title}</h1><p>{}</p>", escaped(about)), title }
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

    /// A chart of curves over a run's steps.
    pub fn chart(&mut self, title: &str, values: &str, scale: Scale, curves: &[Curve]) -> Result<()> {
        let svg = chart(values, scale, curves)?;
        let _ = write!(self.body, "<h2>{}</h2><figure>{svg}</figure>", escaped(title));
        Ok(())
    }

    /// A PNG file as it is.
    pub fn png(&mut self, title: &str, caption: &str, bytes: &[u8]) {
        let (title, caption, data) = (escaped(title), escaped(caption), STANDARD.encode(bytes));
        let _ = write!(
            self.body,
            "<h2>{title}</h2><figure><img alt=\"{title}\" src=\"data:image/png;base64,{data}\"><figcaption>{caption}\
             </figcaption></figure>"
        );
    }

    /// A table of text.
    pub fn rows(&mut self, title: &str, about: &str, headings: &[&str], rows: &[Vec<String>]) {
        let is_number = |cell: &String| cell.is_empty() || cell == "–" || cell.parse::<f64>().is_ok();
        let numbers = rows.iter().all(|row| row.iter().skip(1).all(is_number));
        let class = if numbers { "" } else { " class=words" };
        let _ = write!(self.body, "<h2>{}</h2>", escaped(title));
        if !about.is_empty() {
            let _ = write!(self.body, "<p><small>{}</small></p>", escaped(about));
        }
        let headings: String =
            headings.iter().map(|heading| format!("<th>{}</th>", escaped(heading))).collect();
        let _ = write!(self.body, "<table{class}><tr>{headings}</tr>");
        for row in rows {
            self.row("", row.iter().map(|cell| escaped(cell)));
        }
        self.body.push_str("</table>");
    }

    /// Names and what they are, in their order.
    pub fn facts(&mut self, title: &str, facts: &[(String, String)]) {
        let _ = write!(self.body, "<h2>{}</h2><table class=words>", escaped(title));
        for (name, value) in facts {
            self.row("", [escaped(name), escaped(value)]);
        }
        self.body.push_str("</table>");
    }

    /// Text as it is.
    pub fn preformatted(&mut self, title: &str, text: &str) {
        let _ = write!(self.body, "<h2>{}</h2><pre>{}</pre>", escaped(title), escaped(text.trim_end()));
    }

    pub fn html(&self) -> String {
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>{} - context-encoder</title><style>{STYLE}</style>{}</html>\n",
            self.title, self.body
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
