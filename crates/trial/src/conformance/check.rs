//! One line of the table.

use std::fmt;

use super::answer::Answer;

/// What a device computed for one part, beside what it should have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The part of the library.
    pub part: &'static str,
    /// What of it was compared.
    pub what: &'static str,
    /// How it came out.
    pub verdict: Verdict,
}

/// How a comparison came out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Both devices answered.
    Apart {
        /// The largest difference of two values, over the largest value of the tensor; the worst of all tensors.
        apart: f64,
        /// What it may be.
        bound: f64,
        /// How many tensors were compared.
        tensors: usize,
        /// The worst of them.
        worst: String,
    },
    /// One of them did not.
    Broken(String),
}

impl Check {
    /// Compares what two devices answered to one part.
    pub(super) fn of(part: &'static str, got: &[Answer], expected: &[Answer]) -> Vec<Self> {
        if got.len() != expected.len() {
            return vec![Self::broken(part, format!("{} answers instead of {}", got.len(), expected.len()))];
        }
        let check = |(got, expected): (&Answer, &Answer)| Self {
            part,
            what: got.what,
            verdict: got.against(expected),
        };
        got.iter().zip(expected).map(check).collect()
    }

    pub(super) fn broken(part: &'static str, reason: String) -> Self {
        Self { part, what: "all", verdict: Verdict::Broken(reason) }
    }

    /// Whether the device computed what it should.
    pub fn passes(&self) -> bool {
        match &self.verdict {
            // false for what is no number
            Verdict::Apart { apart, bound, .. } => apart <= bound,
            Verdict::Broken(_) => false,
        }
    }

    /// The heads of [`row`](Self::row)'s columns.
    pub const COLUMNS: [&'static str; 6] = ["part", "what", "tensors", "apart", "bound", ""];

    /// The check as a table's row.
    pub fn row(&self) -> [String; 6] {
        let [part, what] = [self.part, self.what].map(str::to_owned);
        let outcome = if self.passes() { "ok" } else { "FAILED" };
        match &self.verdict {
            Verdict::Apart { apart, bound, tensors, worst } => {
                let outcome =
                    if self.passes() { outcome.to_owned() } else { format!("{outcome} in {worst}") };
                [part, what, tensors.to_string(), format!("{apart:.1e}"), format!("{bound:.0e}"), outcome]
            }
            Verdict::Broken(reason) => {
                let reason = reason.lines().next().unwrap_or_default();
                [part, what, "-".to_owned(), "-".to_owned(), "-".to_owned(), format!("{outcome}: {reason}")]
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [part, what, tensors, apart, bound, outcome] = self.row();
        write!(f, "{part:<28} {what:<26} {tensors:>7} {apart:>8} {bound:>6}  {outcome}")
    }
}
