//! CSV files that grow with a run.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use context_encoder_files::atomic_write;
use serde::Serialize;

use crate::TrainError;

/// A CSV file that grows with a run. Its first column is the step; a file that exists keeps its header.
pub(crate) struct CsvLog {
    writer: csv::Writer<File>,
    path: PathBuf,
}

impl CsvLog {
    /// Opens a file for appending; rows after `step` are removed first, since a resumed run writes them
    /// again.
    pub(crate) fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let failed = TrainError::io("write", path);
        remove_rows_after(path, step).map_err(&failed)?;
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(&failed)?;
        let empty = file.metadata().map_err(&failed)?.len() == 0;
        let writer = csv::WriterBuilder::new().has_headers(empty).from_writer(file);
        Ok(Self { writer, path: path.to_owned() })
    }

    pub(crate) fn append<R: Serialize>(&mut self, rows: &[R]) -> Result<(), TrainError> {
        let failed = TrainError::io("write", &self.path);
        for row in rows {
            self.writer.serialize(row).map_err(|error| failed(error.into()))?;
        }
        self.writer.flush().map_err(failed)
    }
}

/// Keeps the header and the rows up to `step`, atomically.
fn remove_rows_after(path: &Path, step: u64) -> io::Result<()> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let of_step = |line: &str| line.split(',').next().and_then(|column| column.parse::<u64>().ok());
    let complete = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let kept: String = complete
        .enumerate()
        .filter(|(row, line)| *row == 0 || of_step(line).is_some_and(|s| s <= step))
        .map(|(_, line)| line)
        .collect();
    if kept == text {
        return Ok(());
    }
    atomic_write(path, kept.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        step: u64,
        data_wait: f32,
    }

    #[test]
    fn resumed_log_writes_repeated_steps_once_and_keeps_its_header() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log.csv");
        let rows: Vec<Row> = (1..=5).map(|step| Row { step, data_wait: 0.5 }).collect();
        CsvLog::open(&path, 0).expect("new").append(&rows).expect("written");
        let whole = fs::read_to_string(&path).expect("file");
        assert!(whole.starts_with("step,data_wait\n1,0.5\n2,"), "{whole}");
        // As an older version called the column, with a last row that was cut short.
        let whole = whole.replace("data_wait", "waiting");
        fs::write(&path, format!("{whole}6,0.")).expect("written");
        CsvLog::open(&path, 3).expect("resumed").append(&rows[3..]).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("file"), whole);
    }
}
