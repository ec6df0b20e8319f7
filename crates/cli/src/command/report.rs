//! `report`: a training run as one HTML file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use serde_json::json;

use super::info;
use crate::{
    chart::{Curve, Scale},
    console::{Console, ExitStatus},
    device::DeviceArgs,
    machine::Machine,
    report::Page,
};

/// Image grids that are shown, the first and the last among them.
const MOST_SAMPLES: usize = 4;

/// Write one HTML file about a training run: curves, samples, scores, settings, machine and commit.
#[derive(Args)]
pub struct Report {
    /// Folder of a run of `train` or `pretrain`, complete or under way
    run: PathBuf,
    /// The file; `report.html` in the run's folder by default
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Report {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let run = &self.run;
        let [log, validation] = ["log.csv", "validation.csv"].map(|name| Columns::read(&run.join(name)));
        let (log, validation) = (
            log.wrap_err_with(|| format!("{} is not the folder of a training run", run.display()))?,
            validation?,
        );
        let settings = fs::read_to_string(run.join("config.toml")).into_diagnostic();
        let settings = settings.wrap_err_with(|| format!("cannot read {}/config.toml", run.display()))?;

        let name = run.canonicalize().unwrap_or_else(|_| run.clone());
        let name = name.file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
        let steps = log.rows.last().and_then(|row| row.first().copied().flatten()).unwrap_or(0.0);
        let mut page = Page::new(&name, &format!("A training run of context-encoder, {steps} steps so far."));
        add_scores(&mut page, &validation);
        add_curves(&mut page, &log, &validation)?;
        add_samples(&mut page, run)?;
        let weights = run.join("model.safetensors");
        if weights.is_file() {
            page.facts("Network", &info::facts_of_weights(&weights, &DeviceArgs::processor()?)?);
        }
        add_machines(&mut page, &Machine::all(run)?);
        page.preformatted("Settings", &settings);

        let output = self.output.clone().unwrap_or_else(|| run.join("report.html"));
        console.write_file(&output, page.html().as_bytes())?;
        console.record(&json!({ "event": "written", "file": output.display().to_string() }));
        Ok(ExitStatus::Complete)
    }
}

/// Curves of the log that belong into one chart, by their columns.
const CHARTS: [(&str, &str, Scale, &[&str]); 3] = [
    ("Generator's loss", "loss", Scale::LogarithmicIfWide, &["generator", "reconstruction", "adversarial"]),
    ("Discriminator's loss", "loss", Scale::LogarithmicIfWide, &["discriminator", "real", "fake"]),
    ("Data wait", "% of the time", Scale::Linear, &["data_wait"]),
];

fn add_curves(page: &mut Page, log: &Columns, validation: &Columns) -> Result<()> {
    let psnr = [("psnr", "network"), ("harmonic_psnr", "harmonic fill"), ("border_mean_psnr", "border mean")];
    let curves: Vec<Curve> =
        psnr.iter().filter_map(|(column, name)| validation.curve(column, name)).collect();
    if !curves.is_empty() {
        page.chart("PSNR on the validation pictures", "PSNR, dB", Scale::Linear, &curves)?;
    }
    for (title, unit, scale, columns) in CHARTS {
        let curves: Vec<Curve> = columns.iter().filter_map(|column| log.curve(column, column)).collect();
        // A loss of one term is that term.
        let equal = curves.len() == 2 && curves[0].points == curves[1].points;
        let curves = if equal { &curves[..1] } else { &curves[..] };
        if !curves.is_empty() {
            page.chart(title, unit, scale, curves)?;
        }
    }
    Ok(())
}

/// The last validation, the best one, and the fills without a network.
fn add_scores(page: &mut Page, validation: &Columns) {
    let Some(last) = validation.rows.last() else { return };
    let psnr = |row: &Row| validation.value(row, "psnr").filter(|psnr| psnr.is_finite());
    let scored = validation.rows.iter().filter_map(|row| Some((row, psnr(row)?)));
    let best = scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(last, |(best, _)| best);
    let network = |title: &str, row: &Row| {
        let scores = [("step", 0), ("psnr", 2), ("ssim", 3), ("l1", 2), ("l2", 2), ("sharpness", 2)];
        let scores = scores.iter().map(|&(name, digits)| validation.text(row, name, digits));
        std::iter::once(title.to_owned()).chain(scores).collect::<Vec<_>>()
    };
    let mut rows = vec![network("network, last", last)];
    if !std::ptr::eq(best, last) {
        rows.push(network("network, best PSNR", best));
    }
    for (name, column) in [("harmonic fill", "harmonic_psnr"), ("border mean", "border_mean_psnr")] {
        if validation.value(last, column).is_some() {
            let mut row = vec![String::new(); rows[0].len()];
            (row[0], row[2]) = (name.to_owned(), validation.text(last, column, 2));
            rows.push(row);
        }
    }
    page.rows(
        "Scores",
        "Means over the validation pictures, over what is hidden, unblended.",
        &["fill", "step", "PSNR dB", "SSIM", "L1 %", "L2 %", "sharpness"],
        &rows,
    );
}

/// Some of the image grids, evenly, the newest first.
fn add_samples(page: &mut Page, run: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(run.join("samples")) else { return Ok(()) };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "png"));
    files.sort();
    let count = MOST_SAMPLES.min(files.len());
    for shown in (0..count).rev() {
        let file = &files[if count > 1 { shown * (files.len() - 1) / (count - 1) } else { 0 }];
        let step = file.file_stem().unwrap_or_default().to_string_lossy().replace("step_", "");
        let step = step.trim_start_matches('0');
        let bytes =
            fs::read(file).into_diagnostic().wrap_err_with(|| format!("cannot read {}", file.display()))?;
        let title = format!("Samples at step {}", if step.is_empty() { "0" } else { step });
        page.png(&title, "Input, filled, truth; pictures that are not trained on.", &bytes);
    }
    Ok(())
}

fn add_machines(page: &mut Page, machines: &[Machine]) {
    if machines.is_empty() {
        return;
    }
    let row = |machine: &Machine| {
        let Machine { first_step, date, program, device, processor, threads, system } = machine.clone();
        vec![
            format!("from step {first_step}"),
            date,
            program,
            device,
            format!("{processor}, {threads} threads, {system}"),
        ]
    };
    let rows: Vec<Vec<String>> = machines.iter().map(row).collect();
    page.rows("Machine", "", &["", "when", "program", "device", "processor"], &rows);
}

/// Cells; what is empty is `None`.
type Row = Vec<Option<f64>>;

/// A CSV file of numbers.
struct Columns {
    names: Vec<String>,
    rows: Vec<Row>,
}

impl Columns {
    fn read(path: &Path) -> Result<Self> {
        let failed = || format!("cannot read {}", path.display());
        let text = fs::read_to_string(path).into_diagnostic().wrap_err_with(failed)?;
        // A run that was killed while it wrote leaves a last row without its end.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut reader = csv::Reader::from_reader(complete.as_bytes());
        let names = reader.headers().into_diagnostic().wrap_err_with(failed)?;
        // As older versions called it.
        let names = names.iter().map(|name| name.replace("waiting", "data_wait")).collect();
        let records = reader.records().collect::<Result<Vec<_>, _>>();
        let records = records.into_diagnostic().wrap_err_with(failed)?;
        let rows = records.iter().map(|record| record.iter().map(|cell| cell.parse().ok()).collect());
        Ok(Self { names, rows: rows.collect() })
    }

    fn value(&self, row: &Row, column: &str) -> Option<f64> {
        let index = self.names.iter().position(|other| other == column)?;
        row.get(index).copied().flatten()
    }

    fn text(&self, row: &Row, column: &str, digits: usize) -> String {
        self.value(row, column).map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
    }

    /// A column over the first one, the steps; none where it has no finite values.
    fn curve(&self, column: &str, name: &str) -> Option<Curve> {
        let point = |row: &Row| Some((row.first().copied().flatten()? as u64, self.value(row, column)?));
        let points = self.rows.iter().filter_map(point).filter(|(_, value)| value.is_finite());
        let points: Vec<(u64, f64)> = points.collect();
        (!points.is_empty()).then(|| Curve { name: name.to_owned(), points })
    }
}

/// A run's validation curve on a page about something else.
pub fn add_validation_curve(page: &mut Page, title: &str, run: &Path) -> Result<()> {
    let validation = Columns::read(&run.join("validation.csv"))
        .wrap_err_with(|| format!("{} is not the folder of a training run", run.display()))?;
    let network = validation.curve("psnr", "network");
    let network = network.ok_or_else(|| miette!("{} holds no validation yet", run.display()))?;
    let harmonic = validation.curve("harmonic_psnr", "harmonic fill");
    page.chart(title, "PSNR, dB", Scale::Linear, &[network].into_iter().chain(harmonic).collect::<Vec<_>>())
}
