//! Pictures filled, from bytes to bytes.

use burn::tensor::Device;
use context_encoder_inpaint::{Blend, Inpainter};
use context_encoder_mask::Mask;
use context_encoder_model::{InitialFill, ModelConfig, Prediction};
use image::{Rgb, RgbImage};

use super::{Answers, Part, answer::Answer};

/// One step of 255: a value that lies on the border of two bytes falls to either side.
const ONE_LEVEL: f64 = 1.01 / 255.0;

pub(super) fn parts() -> Vec<Part> {
    let centre = ModelConfig::default().with_size(64).with_width(8);
    let whole = centre.clone().with_prediction(Prediction::Whole).with_fill(InitialFill::Smooth);
    vec![
        Part::new("inpainter, centre", move |device| fill(&centre, device)),
        Part::new("inpainter, whole", move |device| fill(&whole, device)),
    ]
}

/// Bytes of a picture with two holes, one of them at its border, each way of blending.
fn fill(config: &ModelConfig, device: &Device) -> Answers {
    let device = device.clone().without_autodiff();
    let picture = RgbImage::from_fn(150, 110, |x, y| Rgb([x as u8, 2 * y as u8, 255 - (x * y / 70) as u8]));
    let mask = Mask::from_fn(150, 110, |x, y| x.abs_diff(60) + y.abs_diff(50) < 25 || (x > 140 && y > 90));
    let mut bytes = Answer::new("bytes", ONE_LEVEL);
    for blend in [Blend::None, Blend::Poisson] {
        let inpainter = Inpainter::new(&config.init(&device)?, &device).with_blend(blend);
        let filled = inpainter.fill(&picture, &mask)?;
        let values = filled.as_raw().iter().map(|&byte| f32::from(byte)).collect();
        bytes = bytes.with_values(format!("{blend:?}"), values);
    }
    Ok(vec![bytes])
}
