//! `inpaint`: photographs and masks in, filled photographs out.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Instant,
};

use clap::Args;
use context_encoder::files::{Photograph, is_leftover};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use serde_json::json;

use crate::{
    crew::{Crew, guarded},
    filler::FillerChoice,
    hole::{Hole, HoleChoice, HoleSource},
    job::{Job, Jobs},
    outcome::Outcome,
    output::{Output, chain},
};

/// Fill holes in photographs: each keeps its size, format, depth, transparency, colour profile and EXIF data, and
/// every pixel outside its mask.
#[derive(Args)]
pub struct Inpaint {
    /// Photographs, or folders of photographs
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    holes: HoleChoice,
    /// The filled photograph, in the format of its name; for several or for a folder, a folder
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// Do only what is missing: photographs whose result is there are passed over
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    filler: FillerChoice,
    #[command(flatten)]
    crew: Crew,
}

/// A photograph on its way to the device and back.
struct Request {
    photo: Photograph,
    hole: Hole,
    reply: SyncSender<Result<Photograph>>,
}

impl Inpaint {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let begun = Instant::now();
        let source = self.holes.source()?;
        let Jobs { mut jobs, skipped: refused } = Jobs::list(&self.inputs, &self.output)?;
        let listed = jobs.len();
        if self.resume {
            jobs.retain(|job| !job.output.exists());
            remove_leftovers(&jobs);
        }
        let passed_over = listed - jobs.len();
        let filler = self.filler.load()?;
        for (file, reason) in &refused {
            output.failure(&file.display().to_string(), reason);
        }

        // What is wrong with the only file is what is wrong with the run.
        let (alone, only) = (listed == 1 && refused.is_empty(), Mutex::new(None));
        let bar = output.with_bar(jobs.len(), "photographs");
        let failures = AtomicUsize::new(refused.len());
        let (to_device, requests) = sync_channel::<Request>(self.crew.size(jobs.len()));
        thread::scope(|scope| {
            // Threads read and write; this one, alone, keeps the device busy.
            scope.spawn(|| {
                let to_device = to_device;
                self.crew.share_out(jobs.len(), |index| {
                    let job = &jobs[index];
                    if let Err(report) = guarded(|| work(job, &source, &to_device, &bar)) {
                        failures.fetch_add(1, Ordering::Relaxed);
                        if alone {
                            *only.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
                        } else {
                            bar.failure(&job.input.display().to_string(), &chain(&report));
                        }
                    }
                    bar.advance();
                });
            });
            for Request { mut photo, hole, reply } in requests {
                let filled = guarded(|| filler.fill(&mut photo, &hole)).map(|()| photo);
                // Whoever asked waits for the answer.
                let _ = reply.send(filled);
            }
        });
        bar.clear_bar();
        if let Some(report) = only.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(report);
        }

        let failed = failures.into_inner();
        let filled = jobs.len() + refused.len() - failed;
        let seconds = begun.elapsed().as_secs_f64();
        output.record(&json!({
            "event": "done", "filled": filled, "failed": failed, "passed_over": passed_over, "seconds": seconds,
        }));
        if listed + refused.len() > 1 {
            output.note(format_args!(
                "{filled} filled, {failed} failed, {passed_over} passed over, {seconds:.1} s"
            ));
        }
        match (filled + passed_over, failed) {
            (0, 1..) => Err(miette!("nothing was filled; what is wrong with each file is said above")),
            _ => Ok(Outcome::of(failed)),
        }
    }
}

/// One photograph from file to file.
fn work(job: &Job, source: &HoleSource, device: &SyncSender<Request>, output: &Output) -> Result<()> {
    let begun = Instant::now();
    let photo = Photograph::open(&job.input).into_diagnostic()?;
    let format =
        if job.keeps_format { photo.format() } else { photo.format_for(&job.output).into_diagnostic()? };
    let hole = source.hole(&job.name, &photo)?;
    let pixels = hole.pixels();
    for loss in photo.losses(format) {
        output.detail(format_args!("{}: {loss}", job.output.display()));
    }
    let (reply, answer) = sync_channel(1);
    device.send(Request { photo, hole, reply }).into_diagnostic().wrap_err("the device is gone")?;
    let photo = answer.recv().into_diagnostic().wrap_err("the device is gone")??;
    if let Some(folder) = job.output.parent() {
        fs::create_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot make the folder {}", folder.display()))?;
    }
    photo.save_as(&job.output, format).into_diagnostic()?;
    let (input, written) = (job.input.display(), job.output.display());
    output.record(&json!({
        "event": "filled", "file": input.to_string(), "output": written.to_string(), "pixels": pixels,
        "seconds": begun.elapsed().as_secs_f64(),
    }));
    output.detail(format_args!("filled  {input} -> {written}, {pixels} pixels"));
    Ok(())
}

/// What killed runs left half written beside the results that are still missing.
fn remove_leftovers(jobs: &[Job]) {
    let mut folders: Vec<&Path> = jobs.iter().filter_map(|job| job.output.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    for entry in folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        if is_leftover(&entry.path()) {
            // Best effort: a leftover does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}
