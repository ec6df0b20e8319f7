use std::sync::{Arc, Mutex};

use burn::{
    module::{ModuleMapper, Param},
    tensor::Tensor,
};
use context_encoder_model::ModelConfig;
use image::{ImageBuffer, Luma, Rgb};
use proptest::prelude::*;

use super::*;
use crate::job::BATCH;

/// The central square of a 64x64 picture, of which `rim` pixels stay visible on each side.
fn central(rim: u32) -> Mask {
    let inside = |place: u32| (16 + rim..48 - rim).contains(&place);
    Mask::from_fn(64, 64, |x, y| inside(x) && inside(y))
}

fn picture(shift: u32) -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3 + shift) as u8, (y * 4) as u8, (x ^ y) as u8]))
}

/// Without refinement: what the network predicts.
fn inpainter(prediction: Prediction) -> Inpainter {
    let device = Device::flex();
    let config = ModelConfig::default().with_size(64).with_width(2).with_prediction(prediction);
    Inpainter::new(&config.init(&device).expect("valid"), &device).with_refine(Refine::None)
}

#[test]
fn many_pictures_come_out_as_one_by_one() {
    let inpainter = inpainter(Prediction::Centre);
    let pictures: Vec<RgbImage> = (0..BATCH as u32 + 3).map(picture).collect();
    let masks = vec![central(0); pictures.len()];
    let together = inpainter.fill_all(&pictures, &masks).expect("usable");
    assert_eq!(together.len(), pictures.len());
    for (together, picture) in together.iter().zip(&pictures) {
        let alone = inpainter.fill(picture, &masks[0]).expect("usable");
        // sums may be taken in another order in a batch: one step of 255 at most
        let apart = together.iter().zip(alone.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart <= Some(1));
    }
}

/// Fresh weights let next to nothing through; these are as large as trained ones.
struct Louder;

impl ModuleMapper for Louder {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D == 4 { param.map(|weight| weight.mul_scalar(8.0)) } else { param }
    }
}

#[test]
fn mirror_makes_the_fill_equivariant_to_flips() {
    let device = Device::flex();
    for prediction in [Prediction::Centre, Prediction::Whole] {
        let config = ModelConfig::default().with_size(64).with_width(4).with_prediction(prediction);
        let model = config.init(&device).expect("valid").map(&mut Louder);
        let mask = central(0);
        let other = image::imageops::flip_horizontal(&picture(0));
        let apart = |inpainter: &Inpainter| {
            let filled = inpainter.fill(&picture(0), &mask).expect("usable");
            let back = image::imageops::flip_horizontal(&inpainter.fill(&other, &mask).expect("usable"));
            filled.iter().zip(back.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or_default()
        };
        let plain = Inpainter::new(&model, &device).with_refine(Refine::None);
        assert!(apart(&plain) > 5, "{prediction:?}: the network prefers a side by {}", apart(&plain));
        assert!(apart(&plain.with_mirror(true)) <= 1); // sums are taken in another order
    }
}

#[test]
fn network_in_training_is_turned_to_inference() {
    let device = Device::flex().autodiff();
    let config = ModelConfig::default().with_size(64).with_width(2);
    let training = Inpainter::new(&config.init(&device).expect("valid"), &device).with_refine(Refine::None);
    let mask = central(0);
    let expected = inpainter(Prediction::Centre).fill(&picture(0), &mask).expect("usable");
    assert_eq!(training.fill(&picture(0), &mask).expect("usable"), expected);
}

#[test]
fn unusable_input_is_refused_with_advice() {
    let inpainter = inpainter(Prediction::Centre);
    let error =
        |picture: &RgbImage, mask: &Mask| inpainter.fill(picture, mask).expect_err("refused").to_string();
    assert!(error(&RgbImage::new(80, 64), &Mask::visible(64, 80)).contains("the same width and height"));
    assert!(error(&picture(0), &Mask::visible(64, 64).inverted()).contains("leave some of it visible"));
    let unpaired = inpainter.fill_many(&[picture(0)], &[]).expect_err("refused").to_string();
    assert!(unpaired.contains("1 pictures and 0 masks"), "{unpaired}");
    let soft = inpainter.fill_soft(&picture(0), &GrayImage::new(64, 63)).expect_err("refused");
    assert!(matches!(soft, InpaintError::MaskSize { .. }));
}

#[test]
fn empty_mask_gives_the_picture_back() {
    let inpainter = inpainter(Prediction::Centre);
    assert_eq!(inpainter.fill(&picture(0), &Mask::visible(64, 64)).expect("usable"), picture(0));
    // As a row of a table it is refused: there is nothing to measure.
    assert!(Fill::fill(&inpainter, &picture(0), &Mask::visible(64, 64)).is_err());
}

/// The network's prediction for one picture of its size, pasted by the model itself.
fn pasted(inpainter: &Inpainter, picture: &RgbImage, mask: &Mask) -> RgbImage {
    use context_encoder_data::pixel::{images_to_tensor, masks_to_tensor, tensor_to_images};
    let images = images_to_tensor(std::slice::from_ref(picture), &inpainter.device);
    let masks = masks_to_tensor(std::slice::from_ref(mask), &inpainter.device);
    let prediction = inpainter.predictor.forward(images.clone(), masks.clone());
    let model = inpainter.config().init(&inpainter.device).expect("valid");
    tensor_to_images(model.paste(images, masks, prediction)).remove(0)
}

#[test]
fn picture_of_the_networks_size_is_not_resampled() {
    let ragged =
        Mask::from_fn(64, 64, |x, y| (x * y) % 7 == 3 && (16..48).contains(&x) && (16..48).contains(&y));
    let anywhere = Mask::from_fn(64, 64, |x, y| (x + 2 * y) % 50 < 9);
    for (prediction, mask) in [
        (Prediction::Centre, central(0)),
        (Prediction::Centre, central(7)),
        (Prediction::Centre, ragged),
        (Prediction::Whole, anywhere),
    ] {
        let inpainter = inpainter(prediction).with_blend(Blend::None);
        let filled = inpainter.fill(&picture(5), &mask).expect("usable");
        assert_eq!(filled, pasted(&inpainter, &picture(5), &mask), "{prediction:?}");
    }
}

#[test]
fn hole_of_half_the_networks_side_is_not_resampled_wherever_it_is() {
    let inpainter = inpainter(Prediction::Centre).with_blend(Blend::None);
    let large = RgbImage::from_fn(150, 120, |x, y| Rgb([(x * 2) as u8, (y * 2) as u8, (x * y) as u8]));
    let mut mask = Mask::visible(150, 120);
    mask.hide(context_encoder_mask::Rect { x: 40 + 16, y: 30 + 16, width: 32, height: 32 });
    let filled = inpainter.fill(&large, &mask).expect("usable");
    let cut = |picture: &RgbImage| image::imageops::crop_imm(picture, 40, 30, 64, 64).to_image();
    assert_eq!(cut(&filled), pasted(&inpainter, &cut(&large), &central(0)));
}

#[test]
fn sixteen_bit_pictures_keep_their_depth() {
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_fn(90, 70, |x, y| Rgb([(x * 700) as u16 + 1, (y * 900) as u16 + 3, 40_001]));
    let mask = Mask::from_fn(90, 70, |x, y| x.abs_diff(30) + y.abs_diff(40) < 12);
    let filled = inpainter(Prediction::Whole).fill(&deep, &mask).expect("usable");
    for (x, y, pixel) in filled.enumerate_pixels() {
        assert!(mask.is_hidden(x, y) || pixel == deep.get_pixel(x, y));
    }
    assert!(filled.pixels().any(|pixel| pixel.0[0] % 257 != 0));
}

#[test]
fn soft_masks_are_composited() {
    let inpainter = inpainter(Prediction::Centre);
    let alpha = GrayImage::from_fn(64, 64, |x, y| {
        Luma([255_u32.saturating_sub(20 * x.abs_diff(30).max(y.abs_diff(30))) as u8])
    });
    let hard = Mask::from_fn(64, 64, |x, y| alpha.get_pixel(x, y).0[0] > 0);
    let replaced = inpainter.fill(&picture(0), &hard).expect("usable");
    let soft = inpainter.fill_soft(&picture(0), &alpha).expect("usable");
    for (x, y, pixel) in soft.enumerate_pixels() {
        let share = f64::from(alpha.get_pixel(x, y).0[0]) / 255.0;
        for color in 0..3 {
            let [new, kept] = [&replaced, &picture(0)].map(|p| f64::from(p.get_pixel(x, y).0[color]));
            let expected = share * new + (1.0 - share) * kept;
            assert!((f64::from(pixel.0[color]) - expected).abs() <= 0.51);
        }
    }
    let none = GrayImage::new(64, 64);
    assert_eq!(inpainter.fill_soft(&picture(0), &none).expect("usable"), picture(0));
}

#[test]
fn large_holes_are_filled_deterministically() {
    for prediction in [Prediction::Centre, Prediction::Whole] {
        let inpainter = inpainter(prediction);
        let large = RgbImage::from_fn(400, 300, |x, y| Rgb([x as u8, y as u8, (x + y) as u8]));
        let mask = Mask::from_fn(400, 300, |x, y| {
            // a large disc, a long scratch, a corner
            x.abs_diff(120).pow(2) + y.abs_diff(150).pow(2) < 9000 || (x == 350 && y > 5) || x + y > 680
        });
        let fill = || inpainter.fill(&large, &mask).expect("usable");
        assert_eq!(fill(), fill());
    }
}

#[test]
fn flat_picture_stays_flat_under_poisson_blending() {
    // Poisson blending carries the rim's value through; what is left is the prediction's own variation, which
    // is small in a network that has learned nothing.
    let flat = RgbImage::from_pixel(200, 150, Rgb([90, 140, 200]));
    let mask = Mask::from_fn(200, 150, |x, y| x.abs_diff(100).pow(2) + y.abs_diff(75).pow(2) < 400);
    let filled = inpainter(Prediction::Whole).fill(&flat, &mask).expect("usable");
    let apart = filled.iter().zip(flat.iter()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(apart <= Some(16), "{apart:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn visible_pixels_of_any_picture_and_mask_stay(
        (width, height) in (1..150_u32, 1..150_u32),
        (seed, period, share) in (any::<u32>(), 1..40_u32, 1..40_u32),
        whole: bool,
    ) {
        let prediction = if whole { Prediction::Whole } else { Prediction::Centre };
        let picture = RgbImage::from_fn(width, height, |x, y| Rgb([(x * 5) as u8, (y * 7) as u8, (x ^ y) as u8]));
        let mask = Mask::from_fn(width, height, |x, y| {
            let cell = (x / period).wrapping_mul(31).wrapping_add(y / period).wrapping_mul(seed | 1);
            (x, y) != (seed % width, seed % height) && (cell >> 7) % 40 < share
        });
        let filled = inpainter(prediction).fill(&picture, &mask).expect("usable");
        for (x, y, pixel) in filled.enumerate_pixels() {
            prop_assert!(mask.is_hidden(x, y) || pixel == picture.get_pixel(x, y));
        }
    }
}

/// Means over the hidden pixels of red, green and blue, as an earlier version filled them. Networks differ in
/// the last digits from processor to processor, so bytes are not compared.
#[test]
fn filled_values_stay() {
    let large = RgbImage::from_fn(700, 500, |x, y| {
        Rgb([(x * 3 / 5 + y / 9) as u8, (y * 2 / 5 + (x * y) % 23) as u8, ((x ^ y) % 200) as u8])
    });
    let mask = Mask::from_fn(700, 500, |x, y| {
        // a disc, a cable, a corner, a dot
        x.abs_diff(200).pow(2) + y.abs_diff(220).pow(2) < 16_000
            || (y.abs_diff(450) < 7 && (300..690).contains(&x))
            || (x > 640 && y < 70)
            || (x.abs_diff(500) < 3 && y.abs_diff(300) < 3)
    });
    for (prediction, blend, expected) in [
        (Prediction::Centre, Blend::None, [127.384, 126.248, 126.285]),
        (Prediction::Centre, Blend::Feather, [130.443, 121.245, 117.111]),
        (Prediction::Centre, Blend::Poisson, [141.278, 101.267, 86.463]),
        (Prediction::Whole, Blend::None, [127.447, 128.142, 127.970]),
        (Prediction::Whole, Blend::Feather, [130.488, 122.652, 118.353]),
        (Prediction::Whole, Blend::Poisson, [141.258, 101.098, 86.232]),
    ] {
        let device = Device::flex();
        let config = ModelConfig::default().with_size(64).with_width(4).with_prediction(prediction);
        let model = config.init(&device).expect("valid").map(&mut Louder);
        let inpainter = Inpainter::new(&model, &device).with_refine(Refine::None);
        let inpainter = inpainter.with_blend(blend).with_overlap(4);
        let filled = inpainter.fill(&large, &mask).expect("usable");
        let hidden: Vec<&Rgb<u8>> =
            filled.enumerate_pixels().filter(|(x, y, _)| mask.is_hidden(*x, *y)).map(|(_, _, p)| p).collect();
        for (channel, expected) in expected.into_iter().enumerate() {
            let sum: f64 = hidden.iter().map(|pixel| f64::from(pixel[channel])).sum();
            let mean = sum / hidden.len() as f64;
            assert!((mean - expected).abs() < 0.02, "{prediction:?}, {blend}: {mean}, not {expected}");
        }
    }
}

#[test]
fn progress_rises_to_one_in_small_steps() {
    let picture = RgbImage::from_fn(400, 300, |x, y| Rgb([(x * 3) as u8, (y * 4) as u8, (x ^ y) as u8]));
    let blob = |x: u32, y: u32, at: u32, side: u32| x.abs_diff(at) < side && y.abs_diff(100) < side;
    let is_hidden = |x, y| blob(x, y, 90, 40) || blob(x, y, 280, 20) || (240..244).contains(&y);
    let mask = Mask::from_fn(400, 300, is_hidden);
    for refine in Refine::ALL {
        let told = Arc::new(Mutex::new(Vec::new()));
        let listener = told.clone();
        let inpainter = inpainter(Prediction::Whole)
            .with_refine(refine)
            .with_progress(move |fraction| listener.lock().expect("no panic").push(fraction));
        let filled = inpainter.fill(&picture, &mask).expect("usable");
        let silent = self::inpainter(Prediction::Whole).with_refine(refine);
        assert_eq!(filled, silent.fill(&picture, &mask).expect("usable"));
        let told = std::mem::take(&mut *told.lock().expect("no panic"));
        assert!(told.is_sorted() && told.last() == Some(&1.0), "{refine}: {told:?}");
        let largest = told.windows(2).map(|pair| pair[1] - pair[0]).fold(told[0], f32::max);
        assert!(largest < 0.5, "{refine}: {told:?}");
    }
    let listener = Arc::new(Mutex::new(Vec::new()));
    let told = listener.clone();
    let inpainter = inpainter(Prediction::Whole)
        .with_progress(move |fraction| told.lock().expect("no panic").push(fraction));
    inpainter.fill(&picture, &Mask::from_fn(400, 300, |_, _| false)).expect("nothing to do");
    assert_eq!(*listener.lock().expect("no panic"), [1.0]);
}
