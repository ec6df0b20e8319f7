//! Properties of every image of the dataset.

use super::*;

/// Brightness of each pixel, row by row, in levels.
fn brightness(image: &RgbImage) -> Vec<f64> {
    let mean = |pixel: &image::Rgb<u8>| pixel.0.into_iter().map(f64::from).sum::<f64>() / 3.0;
    image.pixels().map(mean).collect()
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// FNV-1a, 64 bits.
fn checksum<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u64 {
    bytes
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn images_keep_their_bytes() {
    /// A change in drawing changes these: say so in the change log, then take the new ones. The last one is
    /// of a hundred small images, among which all that can be drawn occurs.
    const EXPECTED: [u64; 5] = [
        0x6fee_b3b8_75be_ae55,
        0x0c1c_b1bb_8535_011c,
        0x9e64_a707_4bf3_eaa5,
        0xbbb8_0c16_d571_9841,
        0x6a8e_737a_0a24_fd93,
    ];
    let default = Facades::new(42);
    let small = Facades::new(0).with_size(64, 64);
    let [a, b, c, d] = [default.image(0), default.image(u64::MAX), small.image(1), small.image(2)]
        .map(|image| checksum(image.as_raw()));
    let hundred: Vec<RgbImage> =
        (0..100).map(|index| Facades::new(9).with_size(48, 40).image(index)).collect();
    let found = [a, b, c, d, checksum(hundred.iter().flat_map(RgbImage::as_raw))];
    assert_eq!(found, EXPECTED, "found {found:#x?}");
}

#[test]
fn streets_keep_their_bytes() {
    /// As of [`images_keep_their_bytes`].
    const EXPECTED: [u64; 3] = [0x5e97_1b64_59bf_940e, 0xa9e6_2635_68a3_ea55, 0xf023_e759_eb20_5e07];
    let [a, b] = [0, u64::MAX].map(|index| checksum(Facades::streets(42).image(index).as_raw()));
    let set = Facades::streets(9).with_size(48, 40);
    let many: Vec<RgbImage> = (0..300).map(|index| set.image(index)).collect();
    let found = [a, b, checksum(many.iter().flat_map(RgbImage::as_raw))];
    assert_eq!(found, EXPECTED, "found {found:#x?}");
}

#[test]
fn seeds_and_indices_give_different_images() {
    let sets = (0..3).flat_map(|seed| [Facades::new(seed), Facades::streets(seed)]);
    let mut seen: Vec<Vec<u8>> = sets
        .map(|set| set.with_size(64, 64))
        .flat_map(|set| (0..20).map(move |index| set.image(index).into_raw()))
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 120);
}

#[test]
fn every_size_is_drawn() {
    for (width, height) in
        [(16, 16), (64, 64), (65, 47), (128, 128), (240, 31), (31, 240), (227, 227), (512, 384)]
    {
        for facades in [Facades::new(5), Facades::streets(5)] {
            let facades = facades.with_size(width, height);
            for index in 0..6 {
                assert_eq!(facades.image(index).dimensions(), (width, height));
            }
        }
    }
}

#[test]
#[should_panic(expected = "got 200 x 15")]
fn thin_images_panic() {
    let _ = Facades::new(5).with_size(200, 15);
}

#[test]
fn size_changes_the_resolution_and_not_the_scene() {
    for (large, index) in (0..10).flat_map(|index| [(Facades::new(3), index), (Facades::streets(3), index)]) {
        let small = large.clone().with_size(96, 80);
        let (fine, coarse) = (large.image(index), brightness(&small.image(index)));
        let halved = image::imageops::thumbnail(&fine, 96, 80);
        let differences: Vec<f64> = brightness(&halved).iter().zip(&coarse).map(|(a, b)| a - b).collect();
        let (_, deviation) = mean_and_deviation(&coarse);
        let (_, difference) = mean_and_deviation(&differences);
        assert!(difference < 0.5 * deviation, "image {index}: {difference} of {deviation}");
    }
}

#[test]
fn streets_are_exposed_and_differ_in_contrast() {
    let images: Vec<RgbImage> = (0..100).map(|index| Facades::streets(11).image(index)).collect();
    let (means, deviations): (Vec<f64>, Vec<f64>) =
        images.iter().map(|image| mean_and_deviation(&brightness(image))).unzip();
    assert!(means.iter().all(|mean| (20.0..180.0).contains(mean)), "{means:?}");
    assert!(deviations.iter().all(|deviation| (4.0..110.0).contains(deviation)), "{deviations:?}");
    // Photographs of fronts: mean 108, standard deviation 20; contrast 44.
    let ((mean, spread), (contrast, _)) = (mean_and_deviation(&means), mean_and_deviation(&deviations));
    assert!((mean - 108.0).abs() < 15.0 && (15.0..35.0).contains(&spread), "{mean} +- {spread}");
    assert!((contrast - 44.0).abs() < 8.0, "{contrast}");
}

#[test]
fn images_are_exposed_and_have_contrast() {
    let facades = Facades::new(11);
    for index in 0..100 {
        let image = facades.image(index);
        let (mean, deviation) = mean_and_deviation(&brightness(&image));
        assert!((30.0..210.0).contains(&mean), "image {index}: mean {mean}");
        assert!((10.0..80.0).contains(&deviation), "image {index}: deviation {deviation}");
        let burnt = image.as_raw().iter().filter(|&&level| level == 255).count();
        assert!(burnt * 5 < image.as_raw().len(), "image {index}: {burnt} levels cut off");
    }
}

/// Largest correlation of `one` with `other` shifted to the side by 16 to 96 pixels, once the
/// mean of every row is taken away: what is left repeats only if windows do.
fn repetition(one: &RgbImage, other: &RgbImage) -> f64 {
    let rows = |image: &RgbImage| {
        let mut values = brightness(image);
        for row in values.chunks_exact_mut(image.width() as usize) {
            let (mean, _) = mean_and_deviation(row);
            row.iter_mut().for_each(|value| *value -= mean);
        }
        values
    };
    let (one, other, width) = (rows(one), rows(other), one.width() as usize);
    let correlation = |shift: usize| {
        let (mut product, mut square, mut other_square) = (0.0, 0.0, 0.0);
        for (row, other_row) in one.chunks_exact(width).zip(other.chunks_exact(width)) {
            for (a, b) in row[shift..].iter().zip(other_row) {
                product += a * b;
                square += a * a;
                other_square += b * b;
            }
        }
        product / (square * other_square).sqrt()
    };
    (16..=96).map(correlation).fold(0.0, f64::max)
}

#[test]
fn windows_repeat_along_a_house() {
    const PICTURES: u64 = 60;
    let facades = Facades::new(1);
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let pictures: Vec<RgbImage> = (0..=PICTURES).map(|index| facades.image(index)).collect();
    let same = median(pictures.iter().map(|image| repetition(image, image)).collect());
    let unrelated = median(pictures.windows(2).map(|pair| repetition(&pair[0], &pair[1])).collect());
    assert!(same > 0.3, "a house repeats by {same}");
    assert!(unrelated < 0.22, "unrelated houses repeat by {unrelated}");
}

#[test]
fn epochs_follow_each_other_and_validation_is_disjoint() {
    let dataset = |validation| FacadeDataset { facades: Facades::new(1), len: 10, validation };
    let training = dataset(false);
    assert_eq!([training.number(0, 9), training.number(1, 0)], [9, 10]);
    assert!(training.number(u64::MAX, 9) < FacadeDataset::VALIDATION_START);
    let validation = dataset(true);
    assert_eq!(validation.number(0, 3), FacadeDataset::VALIDATION_START + 3);
    assert_eq!(validation.number(7, 3), validation.number(0, 3));
    assert!(validation.same_every_epoch() && !training.same_every_epoch());
}
