//! `inpaint`: photographs and masks in, filled photographs out.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Instant,
};

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use context_encoder::{
    Inpainter,
    files::{Loss, Photograph, Pixels, is_leftover},
    inpaint::{Blend, Channel, Image, Refine},
};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use rayon::prelude::*;
use serde_json::json;

use crate::{
    console::{Console, ExitStatus, error_chain},
    device::{DeviceArgs, ThreadsArgs},
    file_pairs::{FilePair, FilePairs, STANDARD_OUTPUT},
    mask_input::{MaskInput, MaskInputArgs, MaskSource},
    panics::catch_file_panic,
    weights::WeightsArgs,
};

/// Fill holes in photographs: each keeps its size, format, depth, transparency, color profile and EXIF data,
/// and every pixel outside its mask.
#[derive(Args)]
pub struct Inpaint {
    /// Photographs, or folders of photographs
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    masks: MaskInputArgs,
    /// The filled photograph, in the format of its name, or `-` for the standard output; for several or for
    /// a folder, a folder
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// Continue a stopped command: skip photographs whose result exists
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    weights: WeightsArgs,
    /// How the prediction is blended into the picture: none, feather or poisson
    #[arg(long, value_name = "MODE", default_value_t, value_parser = blend_parser(), hide_possible_values = true)]
    blend: Blend,
    /// What sharpens the prediction: patches of the photograph itself, or none for what the network predicts
    #[arg(long, value_name = "MODE", default_value_t, value_parser = refine_parser(), hide_possible_values = true)]
    refine: Refine,
    /// Pixels of the central square that were visible to the network in training: 7 for preset `paper`, 4
    /// for `authors`
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    overlap: u32,
    /// Predict twice, once with left and right exchanged, and take the mean: more accurate and smoother,
    /// twice the time
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    threads: ThreadsArgs,
}

fn blend_parser() -> impl TypedValueParser<Value = Blend> {
    let names = Blend::ALL.map(|blend| PossibleValue::new(blend.name()));
    let names = names.map(|name| if name.matches("poisson", false) { name.alias("membrane") } else { name });
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Blend>().map_err(io::Error::other))
}

fn refine_parser() -> impl TypedValueParser<Value = Refine> {
    let names = Refine::ALL.map(|refine| PossibleValue::new(refine.name()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Refine>().map_err(io::Error::other))
}

/// A photograph on its way to the device and back.
struct Request {
    photo: Photograph,
    mask: MaskInput,
    reply: SyncSender<Result<Photograph>>,
}

impl Inpaint {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let start = Instant::now();
        let mut files = FilePairs::list(&self.inputs, &self.output)?;
        if console.is_json() && self.output == Path::new(STANDARD_OUTPUT) {
            return Err(miette!("-o - and --json both write to the standard output; name a file with -o"));
        }
        let source = self.masks.source(&mut files)?;
        let FilePairs { mut pairs, skipped } = files;
        let listed = pairs.len();
        if self.resume {
            pairs.retain(|pair| !pair.output.exists());
            remove_leftovers(&pairs);
        }
        let done_before = listed - pairs.len();
        let inpainter = self.weights.inpainter(&self.device.open(console)?)?;
        let mut inpainter = inpainter
            .with_blend(self.blend)
            .with_refine(self.refine)
            .with_overlap(self.overlap)
            .with_mirror(self.mirror);
        for (file, reason) in &skipped {
            console.failure(&file.display().to_string(), reason);
        }

        // The error of a single file is the error of the command.
        let (is_single, single_error) = (listed == 1 && skipped.is_empty(), Mutex::new(None));
        let bar = if is_single {
            console.with_fraction_bar()
        } else {
            console.with_bar(pairs.len(), "photographs")
        };
        if is_single {
            inpainter = inpainter.with_progress(bar.fraction_listener());
        }
        let failures = AtomicUsize::new(skipped.len());
        let pool = self.threads.pool(pairs.len())?;
        let (to_device, requests) = sync_channel::<Request>(pool.current_num_threads());
        thread::scope(|scope| {
            // The pool reads and writes; this thread, alone, keeps the device busy.
            scope.spawn(|| {
                let to_device = to_device;
                let process = |pair: &FilePair| {
                    if let Err(report) = catch_file_panic(|| fill_file(pair, &source, &to_device, &bar)) {
                        failures.fetch_add(1, Ordering::Relaxed);
                        if is_single {
                            *single_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
                        } else {
                            bar.failure(&pair.input.display().to_string(), &error_chain(&report));
                        }
                    }
                    if !is_single {
                        bar.advance();
                    }
                };
                pool.install(|| pairs.iter().par_bridge().for_each(process));
            });
            for Request { mut photo, mask, reply } in requests {
                let filled = catch_file_panic(|| fill(&inpainter, &mut photo, &mask)).map(|()| photo);
                // The thread that sent the request waits for the reply.
                let _ = reply.send(filled);
            }
        });
        bar.clear_bar();
        if let Some(report) = single_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(report);
        }

        let failed = failures.into_inner();
        let filled = pairs.len() + skipped.len() - failed;
        let seconds = start.elapsed().as_secs_f64();
        console.record(&json!({
            "event": "done", "filled": filled, "failed": failed, "passed_over": done_before, "seconds": seconds,
        }));
        if listed + skipped.len() > 1 {
            console.note(format_args!(
                "{filled} filled, {failed} failed, {done_before} done before, {seconds:.1} s"
            ));
        }
        match (filled + done_before, failed) {
            (0, 1..) => Err(miette!("nothing was filled; the error of each file is printed above")),
            _ => Ok(ExitStatus::from_failures(failed)),
        }
    }
}

/// One photograph from file to file.
fn fill_file(
    pair: &FilePair,
    source: &MaskSource,
    device: &SyncSender<Request>,
    console: &Console,
) -> Result<()> {
    let start = Instant::now();
    let mut photo = Photograph::open(&pair.input).into_diagnostic()?;
    let format =
        if pair.keeps_format { photo.format() } else { photo.format_for(&pair.output).into_diagnostic()? };
    let mask = source.mask(&pair.name, &photo)?;
    let pixels = mask.pixels();
    if let MaskInput::Transparent(mask) = &mask {
        photo.make_opaque(mask.hidden());
    }
    let losses = photo.losses(format);
    let (reply, answer) = sync_channel(1);
    device.send(Request { photo, mask, reply }).into_diagnostic().wrap_err("the device is gone")?;
    let photo = answer.recv().into_diagnostic().wrap_err("the device is gone")??;
    if pair.output == Path::new(STANDARD_OUTPUT) {
        let bytes = photo.to_bytes(format).into_diagnostic()?;
        io::stdout()
            .lock()
            .write_all(&bytes)
            .into_diagnostic()
            .wrap_err("cannot write the standard output")?;
        note_losses(&pair.input, &losses, console);
        return Ok(());
    }
    if let Some(folder) = pair.output.parent() {
        fs::create_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot make the folder {}", folder.display()))?;
    }
    photo.save_as(&pair.output, format).into_diagnostic()?;
    note_losses(&pair.input, &losses, console);
    let (input, output) = (pair.input.display(), pair.output.display());
    console.record(&json!({
        "event": "filled", "file": input.to_string(), "output": output.to_string(), "pixels": pixels,
        "losses": losses.iter().map(Loss::to_string).collect::<Vec<_>>(),
        "seconds": start.elapsed().as_secs_f64(),
    }));
    console.detail(format_args!("filled  {input} -> {output}, {pixels} pixels"));
    Ok(())
}

/// Says in one remark what of a file its result does not keep.
fn note_losses(file: &Path, losses: &[Loss], console: &Console) {
    if let Some(sentence) = Loss::sentence(losses) {
        console.note(format_args!("{}: {sentence}", file.display()));
    }
}

/// Fills what the mask hides; every other pixel stays bit for bit.
pub fn fill(inpainter: &Inpainter, photo: &mut Photograph, mask: &MaskInput) -> Result<()> {
    match photo.pixels_mut() {
        Pixels::Eight(pixels) => *pixels = filled(inpainter, pixels, mask)?,
        Pixels::Sixteen(pixels) => *pixels = filled(inpainter, pixels, mask)?,
    }
    Ok(())
}

fn filled<C: Channel>(inpainter: &Inpainter, image: &Image<C>, mask: &MaskInput) -> Result<Image<C>> {
    match mask {
        MaskInput::Binary(mask) | MaskInput::Transparent(mask) => inpainter.fill(image, mask),
        MaskInput::Soft(coverage) => inpainter.fill_soft(image, coverage),
    }
    .into_diagnostic()
}

/// Removes half-written files of killed commands beside the results that are still missing.
fn remove_leftovers(pairs: &[FilePair]) {
    let mut folders: Vec<&Path> = pairs.iter().filter_map(|pair| pair.output.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    for entry in folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        if is_leftover(&entry.path()) {
            // Best effort: a leftover does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}
