//! Scores as other programs read them.

use context_encoder::eval::{Interval, Scores};
use serde_json::{Value, json};

/// Numbers that are none become null.
pub fn scores(scores: &Scores) -> Value {
    let Scores { l1, l2, psnr, ssim, sharpness } = scores;
    json!({ "l1_percent": l1, "l2_percent": l2, "psnr_db": psnr, "ssim": ssim, "sharpness": sharpness })
}

/// Both ends, or null.
pub fn interval(interval: Option<Interval>) -> Value {
    interval.map_or(Value::Null, |Interval { low, high }| json!([low, high]))
}
