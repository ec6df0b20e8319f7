//! Fills a hole with a network and writes the picture: the whole library as seen from outside.

use context_encoder::{
    Inpainter, ModelConfig, device,
    mask::{Mask, Rect},
    model::Prediction,
    files::{Photograph, Pixels},
};
use image::{Rgb, RgbImage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("context-encoder-consumer-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let device = device("cpu")?;

    // Weights would come from a file that somebody trained.
    let weights = folder.join("model.safetensors");
    let config = ModelConfig::default().with_size(64).with_width(8).with_prediction(Prediction::Whole);
    config.init(&device)?.save(&weights)?;
    let picture = folder.join("picture.png");
    // Curved: a linear slope is what an untrained network and smooth blending would give back.
    let curved = |x: u32, y: u32| Rgb([(x * x / 16) as u8, (y * y / 16) as u8, 90]);
    RgbImage::from_fn(64, 64, curved).save(&picture)?;

    let inpainter = Inpainter::load(&weights, &device)?;
    let mut mask = Mask::visible(64, 64);
    mask.hide(Rect { x: 10, y: 20, width: 24, height: 16 });
    let mut photo = Photograph::open(&picture)?;
    if let Pixels::Eight(pixels) = photo.pixels_mut() {
        *pixels = inpainter.fill(pixels, &mask)?;
    }
    photo.save(folder.join("filled.png"))?;

    let filled = Photograph::open(folder.join("filled.png"))?.pixels().to_eight();
    assert_eq!(filled.get_pixel(0, 0), &curved(0, 0));
    assert_ne!(filled.get_pixel(22, 28), &curved(22, 28));

    // With the weights that come with the library: a smooth picture goes on smoothly.
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([180, 90 + x as u8, 40 + y as u8]));
    let filled = Inpainter::pretrained(&device)?.fill(&picture, &mask)?;
    let apart = filled.iter().zip(picture.iter()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!((1..40).contains(&apart.unwrap_or(0)), "{apart:?}");
    println!("filled {} pixels", mask.hidden_count());
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
