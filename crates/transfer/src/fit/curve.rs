//! How a head learned, as CSV.

use std::path::Path;

use serde::Serialize;

use crate::TransferError;

/// One point of a [`Curve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Steps done.
    pub step: u64,
    /// Mean loss of the steps since the last point.
    pub loss: f64,
    /// The head's score, where it was taken.
    pub score: Option<f64>,
}

/// How a head learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Points in the order of steps.
    pub points: Vec<CurvePoint>,
}

impl Curve {
    /// The last score; not a number when none was taken.
    pub fn score(&self) -> f64 {
        self.points.iter().rev().find_map(|point| point.score).unwrap_or(f64::NAN)
    }

    /// The first step at which the score was at least this.
    pub fn reached(&self, score: f64) -> Option<u64> {
        self.points.iter().find(|point| point.score.is_some_and(|own| own >= score)).map(|point| point.step)
    }

    /// Writes `step,loss,score`, atomically.
    ///
    /// # Errors
    /// [`TransferError::Io`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TransferError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = TransferError::io("write", path);
        let rows = self.points.iter().try_for_each(|point| writer.serialize(point));
        let bytes = rows
            .map_err(std::io::Error::from)
            .and_then(|()| writer.into_inner().map_err(csv::IntoInnerError::into_error))
            .and_then(|bytes| context_encoder_files::atomic_write(path, &bytes));
        bytes.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_a_table() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("curve.csv");
        let point = |step, loss, score| CurvePoint { step, loss, score };
        let curve =
            Curve { points: vec![point(10, 2.5, None), point(20, 1.0, Some(0.75)), point(30, 0.5, None)] };
        curve.write(&path).expect("written");
        assert_eq!(
            std::fs::read_to_string(&path).expect("file"),
            "step,loss,score\n10,2.5,\n20,1.0,0.75\n30,0.5,\n"
        );
        assert_eq!((curve.score(), curve.reached(0.7), curve.reached(0.8)), (0.75, Some(20), None));
    }
}
