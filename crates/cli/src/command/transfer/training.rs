//! Trains heads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use context_encoder::{
    Device,
    model::FeatureEncoder,
    train::Schedule,
    transfer::{CurvePoint, Fit, Fitted, Head, Optimizer},
};
use miette::{IntoDiagnostic, Result, WrapErr};
use serde_json::json;

use super::NamedEncoder;
use crate::console::Console;

/// How heads are trained. What is left out has the task's own default.
#[derive(Args, Clone, Default)]
pub struct TrainingArgs {
    /// Steps in all
    #[arg(long, value_name = "N")]
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
    /// Folder for each head's weights and curve: NAME-SEED-TASK.safetensors and .csv
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
}

fn optimizers() -> impl TypedValueParser<Value = Optimizer> {
    let adam = PossibleValue::new("adam").help("Adam, beta 0.5 and 0.999");
    let momentum = PossibleValue::new("momentum").help("Stochastic gradient descent with momentum 0.9");
    PossibleValuesParser::new([adam, momentum]).map(|name| match name.as_str() {
        "momentum" => Optimizer::Momentum(0.9),
        _ => Optimizer::Adam,
    })
}

impl TrainingArgs {
    /// So many steps, unless another number was chosen.
    pub fn with_steps(&self, steps: u64) -> Self {
        Self { steps: self.steps.or(Some(steps)), ..self.clone() }
    }

    fn fit(&self, default: &Fit, seed: u64) -> Fit {
        let steps = self.steps.unwrap_or(default.steps);
        Fit {
            steps,
            batch_size: self.batch.unwrap_or(default.batch_size),
            lr: self.lr.unwrap_or(default.lr),
            encoder_lr_scale: self.encoder_lr_scale.unwrap_or(default.encoder_lr_scale),
            optimizer: self.optimizer.unwrap_or(default.optimizer),
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
    /// weights and curve where they were asked for.
    pub fn train<H: Head>(
        &self,
        task: &str,
        default: &Fit,
        head: H,
        [train, test]: [&[H::Sample]; 2],
    ) -> Result<Fitted<H>> {
        let (name, seed) = (&self.encoder.name, self.encoder.seed);
        let fit = self.training.fit(default, seed);
        let bar = self.console.with_bar(fit.steps as usize, "steps");
        let mut on_point = |&CurvePoint { step, loss, score }: &CurvePoint| {
            bar.set_progress(step as usize);
            bar.record(&json!({ "event": "step", "task": task, "encoder": name, "seed": seed,
                "step": step, "loss": loss, "score": score }));
            let score = score.map(|score| format!(", score {score:.3}")).unwrap_or_default();
            bar.detail(format_args!("{name} {seed} {task}: step {step}, loss {loss:.4}{score}"));
        };
        let fitted = fit.run(head, train, test, &mut on_point);
        bar.clear_bar();
        let fitted = fitted.into_diagnostic()?;
        if let Some(folder) = &self.training.run {
            self.save(&fitted, task, folder)?;
        }
        Ok(fitted)
    }

    fn save<H: Head>(&self, fitted: &Fitted<H>, task: &str, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
        // Names are free text and may hold a path.
        let is_plain = |c: char| c.is_alphanumeric() || c == '-';
        let name: String = self.encoder.name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let file = |extension| folder.join(format!("{name}-{}-{task}.{extension}", self.encoder.seed));
        fitted.head.save(&file("safetensors")).into_diagnostic()?;
        fitted.write_curve(&file("csv")).into_diagnostic()?;
        self.console.note(format_args!("wrote {}", file("safetensors").display()));
        Ok(())
    }
}
