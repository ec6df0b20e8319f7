//! Scores of several encoders and seeds.

use context_encoder::transfer::metric::mean;
use serde_json::json;

use super::Named;
use crate::{output::Output, table::Table};

/// Scores in percent, a row for each encoder, a column for each thing measured.
pub struct ResultTable {
    columns: Vec<String>,
    /// Name, and for each column the seeds' scores.
    rows: Vec<(String, Vec<Vec<f64>>)>,
}

impl ResultTable {
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Takes in what one encoder reached with one seed, 0 to 1 in every column, and says so.
    pub fn add(&mut self, named: &Named, scores: &[f64], output: &Output) {
        assert_eq!(scores.len(), self.columns.len(), "a score for each column");
        let mut record = json!({ "event": "scored", "encoder": named.name, "seed": named.seed });
        for (column, score) in self.columns.iter().zip(scores) {
            record[column] = json!(score);
        }
        output.record(&record);
        let row = match self.rows.iter().position(|(name, _)| *name == named.name) {
            Some(row) => row,
            None => {
                self.rows.push((named.name.clone(), vec![Vec::new(); self.columns.len()]));
                self.rows.len() - 1
            }
        };
        for (all, score) in self.rows[row].1.iter_mut().zip(scores) {
            all.push(*score);
        }
    }

    /// As Markdown: the mean over seeds, and their standard deviation where there are several.
    pub fn show(&self, output: &Output) {
        let head: Vec<&str> =
            std::iter::once("encoder").chain(self.columns.iter().map(String::as_str)).collect();
        let mut table = Table::new(&head);
        for (name, scores) in &self.rows {
            table.push(std::iter::once(name.clone()).chain(scores.iter().map(|scores| cell(scores))));
        }
        output.result(table.markdown().trim_end());
    }
}

fn cell(scores: &[f64]) -> String {
    if scores.iter().all(|score| score.is_nan()) {
        return "-".to_owned();
    }
    let average = mean(scores);
    if scores.len() < 2 {
        return format!("{:.1}", 100.0 * average);
    }
    let squares = scores.iter().map(|score| (score - average).powi(2)).sum::<f64>();
    let deviation = (squares / (scores.len() - 1) as f64).sqrt();
    format!("{:.1} ± {:.1}", 100.0 * average, 100.0 * deviation)
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn seeds_have_a_mean_and_a_deviation() {
        assert_eq!(cell(&[0.5]), "50.0");
        assert_eq!(cell(&[0.5, 0.6, 0.7]), "60.0 ± 10.0");
        assert_eq!(cell(&[f64::NAN]), "-");
    }
}
