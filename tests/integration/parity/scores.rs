//! Scores against numpy and scikit-image: `tests/parity/make_scores.py` says what was computed.

use std::fs;

use context_encoder::{
    eval::{Protocol, Scores, evaluate},
    inpaint::{Fill, InpaintError},
    mask::Mask,
};
use image::{Rgb, RgbImage};
use serde_json::Value;

use super::fixture;

const SIDE: u32 = 128;

/// The formula of `truth` in the script.
fn truth(seed: u32) -> RgbImage {
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let channels = [x * x / 9 + seed * 7 * y, x * y / 5 + 31 * seed, 3 * x + 5 * y + x * seed]
            .map(|value| value % 256);
        Rgb(channels.map(|value| value as u8))
    })
}

/// The formula of `filled` in the script: the truth, flatter and darker. Knows its pictures by their first
/// pixels.
struct Darker;

impl Fill for Darker {
    fn name(&self) -> &str {
        "darker"
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        let seed = u32::from(picture.get_pixel(0, 0)[1]) / 31;
        Ok(RgbImage::from_fn(SIDE, SIDE, |x, y| {
            let true_pixel = picture.get_pixel(x, y);
            if mask.is_hidden(x, y) {
                Rgb(true_pixel.0.map(|value| (u32::from(value) * 3 / 4 + 11 * (seed + 1)) as u8))
            } else {
                *true_pixel
            }
        }))
    }
}

#[test]
fn scores_are_those_of_numpy_and_scikit_image() {
    let text = fs::read_to_string(fixture("expected_scores.json")).expect("a committed fixture");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let pictures: Vec<RgbImage> = (0..4).map(truth).collect();
    for protocol in Protocol::ALL {
        let table = evaluate(&[&Darker], &pictures, protocol).expect("usable");
        let entry = &table.entries[0];
        for (part, Scores { l1, l2, psnr, ssim, sharpness }) in
            [("square", entry.square), ("hole", entry.hole)]
        {
            let found = [("l1", l1), ("l2", l2), ("psnr", psnr), ("ssim", ssim), ("sharpness", sharpness)];
            for (score, found) in found {
                let expected = expected[protocol.name()][part][score].as_f64().expect("a number");
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{protocol}, {part}, {score}: {found} is not {expected}"
                );
            }
        }
    }
}
