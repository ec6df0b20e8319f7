//! `conformance`: checks a device against the processor's reference implementation.

use clap::Args;
use context_encoder::{
    conformance::{Check, Scale, Verdict, conformance},
    device_name,
};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::{Value, json};

use crate::{
    console::{Console, ExitStatus, Table},
    device::DeviceArgs,
};

/// Device that computes the expected values, by the reference implementation.
const REFERENCE: &str = "flex";

/// Compute every part of the library on a device and on the processor, forward and backward, and compare.
/// Exit code 1 when any difference is above its bound.
#[derive(Args)]
pub struct Conformance {
    #[command(flatten)]
    device: DeviceArgs,
    /// The networks of the presets as they are trained, instead of narrow ones: for graphics cards, or
    /// minutes
    #[arg(long)]
    full: bool,
    /// Only the parts with this in their names; can be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Number of passes: kernels are chosen and compiled the first time, and used as they are the next
    #[arg(long, value_name = "N", default_value_t = 1)]
    passes: usize,
    /// Print a table in Markdown at the end
    #[arg(long)]
    markdown: bool,
}

impl Conformance {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let device = self.device.open(console)?;
        let reference = context_encoder::device(REFERENCE).into_diagnostic()?;
        let scale = if self.full { Scale::Full } else { Scale::Small };
        let selected = |part: &str| self.only.is_empty() || self.only.iter().any(|only| part.contains(only));
        let parts = scale.part_names();
        if !parts.iter().any(|part| selected(part)) {
            return Err(miette!(
                help = format!("the parts are: {}", parts.join(" | ")),
                "no part has such a name"
            ));
        }
        let (name, against) = (device_name(&device), device_name(&reference));
        console.note(format_args!("{name}, against the reference implementation on {against}"));
        let mut checks = Vec::new();
        for pass in 1..=self.passes {
            let found = conformance(&device, &reference, scale, &selected, &mut |check| {
                if !self.markdown {
                    console.result(check);
                }
                console.record(&record(check, pass));
            });
            let failed = found.iter().filter(|check| !check.passes()).count();
            console.note(format_args!("pass {pass}: {} checks, {failed} failed", found.len()));
            checks.extend(found);
        }
        if self.markdown {
            let mut table = Table::new(&Check::COLUMNS);
            checks.iter().for_each(|check| table.push(check.row()));
            console.result(table.markdown().trim_end());
        }
        let failed = checks.iter().filter(|check| !check.passes()).count();
        console.record(&json!({ "event": "done", "device": name, "checks": checks.len(), "failed": failed }));
        match failed {
            0 => Ok(ExitStatus::Complete),
            _ => Err(miette!(
                help = "each is marked FAILED above; a bound is relative to the tensor's largest value",
                "{failed} of {} checks failed on {name}",
                checks.len()
            )),
        }
    }
}

fn record(check: &Check, pass: usize) -> Value {
    let mut record = json!({
        "event": "checked", "pass": pass, "part": check.part, "what": check.what, "passes": check.passes(),
    });
    match &check.verdict {
        Verdict::Compared { difference, bound, arithmetic, tensors, worst } => {
            record["difference"] = json!(difference);
            record["apart"] = json!(difference); // its former name
            record["bound"] = json!(bound);
            record["arithmetic"] = json!(arithmetic);
            record["tensors"] = json!(tensors);
            record["worst"] = json!(worst);
        }
        Verdict::Failed(reason) => record["reason"] = json!(reason),
        _ => {}
    }
    record
}
