//! Compares encoders on a task: a table with a row for each encoder.

use context_encoder::Device;
use miette::Result;
use serde_json::json;

use super::{Attempt, EncoderArgs, NamedEncoder, SmokeFolder, TrainingArgs};
use crate::{
    console::{Console, ExitStatus, Table},
    device::DeviceArgs,
};

/// What encoders are compared by.
pub trait Task {
    /// Names of the scores.
    fn columns(&self) -> Vec<String>;

    /// Scores of one encoder, 0 to 1.
    fn run(&mut self, attempt: &Attempt<'_>) -> Result<Vec<f64>>;
}

/// The arguments of every comparison whose encoders exist.
#[derive(clap::Args)]
pub struct ComparisonArgs {
    #[command(flatten)]
    encoders: EncoderArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// A few steps on pictures drawn by the program, to see that everything works
    #[arg(long)]
    smoke: bool,
}

impl ComparisonArgs {
    /// Loads a task, for a smoke run that of a folder of drawn shapes, and prints the table of its
    /// comparison.
    pub fn run<T: Task>(
        &self,
        training: &TrainingArgs,
        console: &Console,
        load: impl FnOnce(Option<&SmokeFolder>) -> Result<T>,
    ) -> Result<ExitStatus> {
        let device = self.device.open(console)?;
        let smoke = SmokeFolder::draw_if(self.smoke)?;
        let mut task = load(smoke.as_ref())?;
        let (encoders, training) = match smoke {
            Some(_) => (self.encoders.tiny(), &training.with_default_steps(2)),
            None => (self.encoders.clone(), training),
        };
        let table = ResultTable::compare(&mut task, &encoders.all()?, training, &device, console)?;
        table.print(console);
        Ok(ExitStatus::Complete)
    }
}

/// Scores in percent, a row for each encoder, a column for each score.
pub struct ResultTable {
    columns: Vec<String>,
    /// Name, and for each column the scores of all seeds.
    rows: Vec<(String, Vec<Vec<f64>>)>,
}

impl ResultTable {
    /// Runs the task with every encoder and says what each reached.
    pub fn compare(
        task: &mut dyn Task,
        encoders: &[NamedEncoder],
        training: &TrainingArgs,
        device: &Device,
        console: &Console,
    ) -> Result<Self> {
        let mut table = Self { columns: task.columns(), rows: Vec::new() };
        for encoder in encoders {
            let scores = task.run(&Attempt { encoder, training, device, console })?;
            table.add(encoder, &scores, console);
        }
        Ok(table)
    }

    fn add(&mut self, encoder: &NamedEncoder, scores: &[f64], console: &Console) {
        assert_eq!(scores.len(), self.columns.len(), "a score for each column");
        let NamedEncoder { name, seed, .. } = encoder;
        let mut record = json!({ "event": "scored", "encoder": name, "seed": seed });
        for (column, score) in self.columns.iter().zip(scores) {
            record[column] = json!(score);
            console.note(format_args!("{name} {seed}: {column} {:.1} %", 100.0 * score));
        }
        console.record(&record);
        let row = self.rows.iter().position(|(other, _)| other == name).unwrap_or_else(|| {
            self.rows.push((name.clone(), vec![Vec::new(); scores.len()]));
            self.rows.len() - 1
        });
        for (all, score) in self.rows[row].1.iter_mut().zip(scores) {
            all.push(*score);
        }
    }

    /// As Markdown: the mean over seeds, and their standard deviation where there are several.
    pub fn print(&self, console: &Console) {
        let head: Vec<&str> =
            ["encoder"].into_iter().chain(self.columns.iter().map(String::as_str)).collect();
        let mut table = Table::new(&head);
        for (name, scores) in &self.rows {
            table.push([name.clone()].into_iter().chain(scores.iter().map(|scores| cell(scores))));
        }
        console.result(table.markdown().trim_end());
    }
}

fn cell(scores: &[f64]) -> String {
    let scores: Vec<f64> = scores.iter().copied().filter(|score| !score.is_nan()).collect();
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    match scores.len() {
        0 => "-".to_owned(),
        1 => format!("{:.1}", 100.0 * mean),
        _ => {
            let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (count - 1.0);
            format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * variance.sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn scores_of_several_seeds_have_mean_and_standard_deviation() {
        assert_eq!(cell(&[0.5]), "50.0");
        assert_eq!(cell(&[0.5, 0.6, 0.7]), "60.0 ± 10.0");
        assert_eq!(cell(&[f64::NAN]), "-");
    }
}
