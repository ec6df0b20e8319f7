//! How heads learn.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use context_encoder::transfer::{
    Fit, Fitted, Head, Optimizer, TransferError,
    fit::{BatchSource, CurvePoint, save_head},
};
use context_encoder::{Device, model::FeatureEncoder, train::Schedule};
use miette::{IntoDiagnostic, Result, WrapErr};
use serde_json::json;

use super::Named;
use crate::output::Output;

/// The choice of how heads learn. What is left out, each task decides.
#[derive(Args, Clone, Default)]
pub struct LearningArgs {
    /// Steps in all
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Pictures a step
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Learning rate
    #[arg(long, alias = "rate", value_name = "LR")]
    lr: Option<f64>,
    /// What the encoder's rate is multiplied by; 0 freezes it
    #[arg(long, alias = "encoder-rate", value_name = "FACTOR")]
    encoder_lr_scale: Option<f64>,
    /// How steps go downhill
    #[arg(long, value_enum, alias = "descent")]
    optimizer: Option<OptimizerName>,
    /// Steps between two points of the curve
    #[arg(long, value_name = "N")]
    every: Option<u64>,
    /// Take a score at every N points of the curve, not only at the end
    #[arg(long, value_name = "N", default_value_t = 0)]
    scored: u64,
    /// Folder for each head's weights and curve: NAME-SEED-TASK.safetensors and .csv
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum OptimizerName {
    /// Adam, beta 0.5 and 0.999
    Adam,
    /// Gradient descent with momentum 0.9
    Momentum,
}

impl LearningArgs {
    /// As many steps and no more.
    pub fn with_steps(&self, steps: u64) -> Self {
        Self { steps: self.steps.or(Some(steps)), ..self.clone() }
    }

    /// The settings, what is not chosen being the task's own.
    fn fit(&self, own: &Fit, seed: u64) -> Fit {
        let steps = self.steps.unwrap_or(own.steps);
        Fit {
            steps,
            batch_size: self.batch.unwrap_or(own.batch_size),
            lr: self.lr.unwrap_or(own.lr),
            encoder_lr_scale: self.encoder_lr_scale.unwrap_or(own.encoder_lr_scale),
            optimizer: match self.optimizer {
                None => own.optimizer,
                Some(OptimizerName::Adam) => Optimizer::Adam,
                Some(OptimizerName::Momentum) => Optimizer::Momentum(0.9),
            },
            schedule: Schedule::Cosine,
            seed,
            every: self.every.unwrap_or(own.every).min(steps.max(1)),
        }
    }
}

/// One encoder's turn at a task.
pub struct Attempt<'a> {
    pub named: &'a Named,
    pub learning: &'a LearningArgs,
    /// Where heads are used; they learn on the same with gradients.
    pub device: &'a Device,
    pub output: &'a Output,
}

impl Attempt<'_> {
    /// The encoder, ready to learn on.
    pub fn encoder(&self) -> Result<FeatureEncoder> {
        self.named.load(&self.training())
    }

    fn training(&self) -> Device {
        self.device.clone().without_autodiff().autodiff()
    }

    /// Teaches a head with the task's `own` settings where nothing else was chosen, tells how it goes, and
    /// leaves weights and curve where they were asked for.
    pub fn train<H: Head>(
        &self,
        task: &str,
        own: &Fit,
        head: H,
        source: &dyn BatchSource<H::Batch>,
        judge: impl FnMut(&H) -> Result<f64, TransferError>,
    ) -> Result<Fitted<H>> {
        let Self { named: Named { name, seed, .. }, learning, output, .. } = self;
        let fit = learning.fit(own, *seed);
        let bar = output.with_bar(fit.steps as usize, "steps");
        let mut done = 0;
        let mut watch = |point: &CurvePoint| {
            (done..point.step).for_each(|_| bar.advance());
            done = point.step;
            let CurvePoint { step, loss, score } = *point;
            bar.record(&json!({ "event": "step", "task": task, "encoder": name, "seed": seed,
                "step": step, "loss": loss, "score": score }));
            let score = score.map(|score| format!(", score {score:.3}")).unwrap_or_default();
            bar.detail(format_args!("{name} {seed} {task}: step {step}, loss {loss:.4}{score}"));
        };
        let fitted = fit.run(head, source, &self.training(), learning.scored, judge, &mut watch);
        bar.clear_bar();
        let fitted = fitted.into_diagnostic()?;
        if let Some(folder) = &learning.run {
            self.keep(&fitted, task, folder)?;
        }
        Ok(fitted)
    }

    fn keep<H: Head>(&self, Fitted { head, curve }: &Fitted<H>, task: &str, folder: &Path) -> Result<()> {
        let Named { name, seed, .. } = self.named;
        fs::create_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot make {}", folder.display()))?;
        // Names are free text and may hold a path.
        let name: String =
            name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let file = |ending: &str| folder.join(format!("{name}-{seed}-{task}.{ending}"));
        save_head(head, &file("safetensors")).into_diagnostic()?;
        curve.write(&file("csv")).into_diagnostic()?;
        self.output.note(format_args!("wrote {}", file("safetensors").display()));
        Ok(())
    }
}
