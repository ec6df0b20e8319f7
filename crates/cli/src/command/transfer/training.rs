//! Trains heads, each once: with `--run`, a head that is there is not trained again.

use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use context_encoder::{
    Device,
    files::atomic_write,
    model::FeatureEncoder,
    train::Schedule,
    transfer::{CurvePoint, Fit, Fitted, Head, Metrics, Optimizer},
};
use miette::{IntoDiagnostic, Result, WrapErr};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::NamedEncoder;
use crate::console::Console;

/// Learning rate of momentum (Fast R-CNN).
const MOMENTUM_LR: f64 = 1e-3;

/// Part of a kept head's settings, to be changed when heads are trained otherwise: those of before are then
/// trained again.
const HEADS: &str = "heads of version 2";

/// How heads are trained. What is left out has the task's own default.
#[derive(Args, Clone, Default)]
pub struct TrainingArgs {
    /// Steps in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Pictures a step
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Learning rate
    #[arg(long, alias = "rate", value_name = "LR")]
    lr: Option<f64>,
    /// The encoder's learning rate as a multiple of the head's; 0 freezes it
    #[arg(long, alias = "encoder-rate", value_name = "FACTOR")]
    encoder_lr_scale: Option<f64>,
    /// The optimizer
    #[arg(long, alias = "descent", value_parser = optimizers())]
    optimizer: Option<Optimizer>,
    /// Steps between two points of the curve
    #[arg(long, value_name = "N")]
    every: Option<u64>,
    /// Evaluate at every N points of the curve, not only at the end
    #[arg(long, value_name = "N", default_value_t = 0)]
    scored: u64,
    /// Folder for each head's weights, curve and metrics: NAME-SEED-TASK.safetensors, .csv and .json. A head
    /// whose metrics are there with the same settings is not trained again
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
}

fn optimizers() -> impl TypedValueParser<Value = Optimizer> {
    let adam = PossibleValue::new("adam").help("Adam, beta 0.5 and 0.999");
    let momentum = PossibleValue::new("momentum")
        .help("Stochastic gradient descent with momentum 0.9 and weight decay 5e-4, at 1e-3");
    PossibleValuesParser::new([adam, momentum]).map(|name| match name.as_str() {
        "momentum" => Optimizer::Momentum(0.9),
        _ => Optimizer::Adam,
    })
}

impl TrainingArgs {
    /// So many steps, unless another number was chosen.
    pub fn with_default_steps(&self, steps: u64) -> Self {
        Self { steps: self.steps.or(Some(steps)), ..self.clone() }
    }

    /// So many steps, if a number is given.
    pub fn with_steps(&self, steps: Option<u64>) -> Self {
        Self { steps: steps.or(self.steps), ..self.clone() }
    }

    fn fit(&self, default: &Fit, seed: u64) -> Fit {
        let steps = self.steps.unwrap_or(default.steps);
        let optimizer = self.optimizer.unwrap_or(default.optimizer);
        let lr = match optimizer {
            Optimizer::Momentum(_) => MOMENTUM_LR,
            Optimizer::Adam => default.lr,
        };
        Fit {
            steps,
            batch_size: self.batch.unwrap_or(default.batch_size),
            lr: self.lr.unwrap_or(lr),
            encoder_lr_scale: self.encoder_lr_scale.unwrap_or(default.encoder_lr_scale),
            optimizer,
            schedule: Schedule::Cosine,
            seed,
            log_every: self.every.unwrap_or(default.log_every).min(steps.max(1)),
            evaluate_every: self.scored,
        }
    }
}

/// One encoder's turn at a task.
pub struct Attempt<'a> {
    pub encoder: &'a NamedEncoder,
    pub training: &'a TrainingArgs,
    /// For inference; training uses the same with autodiff.
    pub device: &'a Device,
    pub console: &'a Console,
}

impl Attempt<'_> {
    /// The encoder, ready to be trained.
    pub fn load(&self) -> Result<FeatureEncoder> {
        self.encoder.load(&self.device.clone().without_autodiff().autodiff())
    }

    /// Trains a head, with the task's `default` where nothing else was chosen, shows progress, and writes
    /// weights, curve and metrics where they were asked for; or reads the metrics of an equal head that is
    /// there. `data` describes what it is trained and tested on.
    pub fn train<H: Head>(
        &self,
        task: &str,
        data: &dyn Debug,
        default: &Fit,
        head: impl FnOnce() -> Result<H>,
        [train, test]: [&[H::Sample]; 2],
    ) -> Result<Metrics> {
        let (name, seed) = (&self.encoder.name, self.encoder.seed);
        let fit = self.training.fit(default, seed);
        let files = self.training.run.as_deref().map(|folder| self.head_files(task, folder));
        let settings = match &files {
            Some(_) => {
                let (encoder, counts) = (self.encoder.fingerprint()?, [train.len(), test.len()]);
                format!("{HEADS}: {fit:?} of {encoder} on {counts:?} of {data:?}")
            }
            None => String::new(),
        };
        if let Some(metrics) = files.as_ref().and_then(|files| files.metrics_of(&settings)) {
            self.console.note(format_args!("{name} {seed} {task}: found complete"));
            return Ok(metrics);
        }
        let bar = self.console.with_bar(fit.steps as usize, "steps");
        let mut on_point = |&CurvePoint { step, loss, score }: &CurvePoint| {
            bar.set_progress(step as usize);
            bar.record(&json!({ "event": "step", "task": task, "encoder": name, "seed": seed,
                "step": step, "loss": loss, "score": score }));
            let score = score.map(|score| format!(", score {score:.3}")).unwrap_or_default();
            bar.detail(format_args!("{name} {seed} {task}: step {step}, loss {loss:.4}{score}"));
        };
        let head = head()?;
        let head = if self.encoder.data_dependent_init { head.data_dependent_init(train) } else { head };
        let fitted = fit.run(head, train, test, &mut on_point);
        bar.clear_bar();
        let fitted = fitted.into_diagnostic()?;
        if let Some(files) = files {
            files.write(&fitted, settings)?;
            self.console.note(format_args!("wrote {}", files.weights.display()));
        }
        Ok(fitted.metrics)
    }

    fn head_files(&self, task: &str, folder: &Path) -> HeadFiles {
        // Names are free text and may hold a path.
        let is_plain = |c: char| c.is_alphanumeric() || c == '-';
        let name: String = self.encoder.name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let file = |extension| folder.join(format!("{name}-{}-{task}.{extension}", self.encoder.seed));
        HeadFiles { weights: file("safetensors"), curve: file("csv"), metrics: file("json") }
    }
}

/// What is kept of a trained head.
struct HeadFiles {
    weights: PathBuf,
    curve: PathBuf,
    metrics: PathBuf,
}

/// The file of a head's metrics.
#[derive(Serialize, Deserialize)]
struct HeadRecord {
    /// Training, encoder, and where and how many the samples are; not what is in their files.
    settings: String,
    metrics: Metrics,
}

impl HeadFiles {
    /// The metrics of a head that was trained with these settings.
    fn metrics_of(&self, settings: &str) -> Option<Metrics> {
        let text = fs::read_to_string(&self.metrics).ok()?;
        let record: HeadRecord = serde_json::from_str(&text).ok()?;
        (record.settings == settings).then_some(record.metrics)
    }

    /// The metrics last: where they are, the head is complete.
    fn write<H: Head>(&self, fitted: &Fitted<H>, settings: String) -> Result<()> {
        if let Some(folder) = self.weights.parent() {
            fs::create_dir_all(folder)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
        }
        fitted.head.save(&self.weights).into_diagnostic()?;
        fitted.write_curve(&self.curve).into_diagnostic()?;
        let record = HeadRecord { settings, metrics: fitted.metrics };
        let text = serde_json::to_string_pretty(&record).into_diagnostic()?;
        atomic_write(&self.metrics, text.as_bytes())
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot write {}", self.metrics.display()))
    }
}
