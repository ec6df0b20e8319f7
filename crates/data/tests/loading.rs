//! Batches are the same for any number of threads, from any step, whatever is wrong with the images.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use context_encoder_data::{
    DataError, ImageDataset, Loader, LoaderConfig, MaskSharing, Sample, Sampler, Transform,
};
use context_encoder_mask::{Central, Mask, MaskGenerator};
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt};

/// Numbered images in memory; the red channel is the number. Some are unreadable, one may panic.
#[derive(Default)]
struct Numbered {
    len: usize,
    bad: Vec<usize>,
    panics: Option<usize>,
    /// Whether they may be kept from epoch to epoch.
    files: bool,
    reads: AtomicUsize,
}

impl Numbered {
    fn new(len: usize) -> Self {
        Self { len, ..Self::default() }
    }

    fn with_bad(len: usize, bad: &[usize]) -> Self {
        Self { bad: bad.to_vec(), ..Self::new(len) }
    }
}

impl ImageDataset for Numbered {
    fn len(&self) -> usize {
        self.len
    }

    fn image(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        assert!(self.panics != Some(index), "picture {index} fails");
        if self.bad.contains(&index) {
            let reason = "it is torn".to_owned();
            return Err(DataError::NotAPicture { path: self.name(index).into(), reason });
        }
        Ok(RgbImage::from_fn(30, 20, |x, y| Rgb([index as u8, x as u8, y as u8])))
    }

    fn same_every_epoch(&self) -> bool {
        self.files
    }

    fn name(&self, index: usize) -> String {
        format!("picture {index}")
    }
}

/// Hides each pixel by chance, so that masks distinguish random streams.
struct Salt;

impl MaskGenerator for Salt {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        Mask::from_fn(width, height, |_, _| rng.random::<bool>())
    }
}

fn config() -> LoaderConfig {
    let transform = Transform::RandomCrop { resize: 20, size: 8 };
    LoaderConfig { batch_size: 4, seed: 11, workers: 0, prefetch: 2, transform, ..LoaderConfig::default() }
}

fn loader(source: Numbered, config: LoaderConfig) -> Loader {
    Loader::new(Arc::new(source), Arc::new(Salt), config).expect("settings that fit")
}

fn take(loader: &Loader, from: u64, batches: usize) -> Vec<Vec<Sample>> {
    loader.run(from).take(batches).map(|batch| batch.expect("a batch")).collect()
}

fn numbers(batches: &[Vec<Sample>]) -> Vec<u8> {
    batches.iter().flatten().map(|sample| sample.image.get_pixel(0, 0)[0]).collect()
}

#[test]
fn names_pixels_and_masks_do_not_depend_on_the_number_of_threads() {
    let batches = |workers| {
        let source = Numbered::with_bad(23, &[3, 4, 17]);
        take(&loader(source, LoaderConfig { workers, ..config() }), 0, 14)
    };
    let alone = batches(0);
    for workers in [1, 2, 8] {
        assert!(batches(workers) == alone, "{workers} threads");
    }
}

#[test]
fn resuming_anywhere_gives_the_rest_of_the_run() {
    let loader = loader(Numbered::with_bad(23, &[9]), LoaderConfig { workers: 2, ..config() });
    let all = take(&loader, 0, 12);
    for skipped in [1, 4, 5, 7, 11] {
        let from = skipped as u64;
        assert!(take(&loader, from, 12 - skipped) == all[skipped..], "from step {from}");
        assert!(loader.batch(from).expect("a batch") == all[skipped]);
    }
}

#[test]
fn an_epoch_shows_each_image_once_in_a_new_order() {
    let keep = LoaderConfig { drop_last: false, ..config() };
    let shuffled = loader(Numbered::new(22), keep);
    assert_eq!(shuffled.steps_per_epoch(), 6);
    let epoch = |epoch| {
        let batches: Vec<_> = shuffled.epoch(epoch).map(|batch| batch.expect("a batch")).collect();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 2]);
        numbers(&batches)
    };
    let (first, second) = (epoch(0), epoch(1));
    assert_ne!(first, second);
    for mut order in [first, second] {
        order.sort_unstable();
        assert_eq!(order, (0..22).collect::<Vec<_>>());
    }
    let dropping = loader(Numbered::new(22), config());
    assert_eq!((dropping.steps_per_epoch(), dropping.epoch(3).count()), (5, 5));
}

#[test]
fn seeds_and_epochs_change_crops_and_masks() {
    let sequential = LoaderConfig { sampler: Sampler::Sequential, ..config() };
    let first = |seed, epoch: u64| {
        let loader = loader(Numbered::new(8), LoaderConfig { seed, ..sequential });
        loader.batch(epoch * 2).expect("a batch")
    };
    let here = first(1, 0);
    for other in [first(1, 1), first(2, 0)] {
        for (a, b) in here.iter().zip(&other) {
            assert_eq!(a.name, b.name);
            assert_ne!(a.mask, b.mask);
        }
        assert!(here.iter().zip(&other).any(|(a, b)| a.image != b.image));
    }
    assert_ne!(here[0].mask, here[1].mask);
}

#[test]
fn a_batch_can_share_one_mask() {
    let sharing = LoaderConfig { mask_sharing: MaskSharing::EachBatch, ..config() };
    let batches = take(&loader(Numbered::new(8), sharing), 0, 2);
    let masks: Vec<_> = batches.iter().map(|batch| batch[0].mask.clone()).collect();
    assert_ne!(masks[0], masks[1]);
    for (batch, mask) in batches.iter().zip(masks) {
        assert!(batch.iter().all(|sample| sample.mask == mask));
    }
}

#[test]
fn an_unreadable_image_is_replaced_and_reported_once() {
    for workers in [0, 4] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let loader = loader(Numbered::with_bad(16, &[2, 7]), LoaderConfig { workers, ..config() })
            .on_skipped(move |skipped| ear.lock().expect("no panic").push(skipped.to_string()));
        let batches = take(&loader, 0, 12);
        assert_eq!(numbers(&batches).len(), 48);
        for sample in batches.iter().flatten() {
            assert_eq!(sample.name, format!("picture {}", sample.image.get_pixel(0, 0)[0]));
            assert!(sample.name != "picture 2" && sample.name != "picture 7");
        }
        let skipped: Vec<_> = loader.skipped().iter().map(ToString::to_string).collect();
        assert_eq!(
            skipped,
            [
                "picture 2 is not a usable picture: it is torn",
                "picture 7 is not a usable picture: it is torn"
            ],
        );
        let mut heard = heard.lock().expect("no panic").clone();
        heard.sort_unstable();
        assert_eq!(heard, skipped);
    }
}

#[test]
fn the_last_readable_image_is_found_and_none_is_an_error() {
    let all_but_one = loader(Numbered::with_bad(8, &[0, 1, 2, 3, 4, 6, 7]), config());
    assert_eq!(numbers(&take(&all_but_one, 0, 2)), [5; 8]);

    for workers in [0, 2] {
        let none = loader(Numbered::with_bad(4, &[0, 1, 2, 3]), LoaderConfig { workers, ..config() });
        let mut batches = none.run(0);
        let Some(Err(error)) = batches.next() else { panic!("no picture is good") };
        assert!(matches!(error, DataError::NoGoodPicture { tries: 3, .. }), "{error}");
        assert!(error.to_string().contains("it is torn; clean the folder"), "{error}");
        assert!(batches.next().is_none());
    }
}

#[test]
fn strict_loading_stops_at_the_unreadable_image() {
    let strict = LoaderConfig { strict: true, sampler: Sampler::Sequential, ..config() };
    for workers in [0, 1, 8] {
        let loader = loader(Numbered::with_bad(16, &[9]), LoaderConfig { workers, ..strict });
        let batches: Vec<_> = loader.run(0).collect();
        assert_eq!(batches.len(), 3, "two good batches, then the error");
        assert!(
            matches!(&batches[2], Err(DataError::NotAPicture { path, .. }) if path.ends_with("picture 9"))
        );
    }
}

#[test]
fn a_panic_in_a_dataset_reaches_the_consumer_as_an_error() {
    for workers in [0, 1, 8] {
        let source = Numbered { panics: Some(5), ..Numbered::new(16) };
        let sequential = LoaderConfig { sampler: Sampler::Sequential, workers, ..config() };
        let batches: Vec<_> = loader(source, sequential).run(0).collect();
        assert_eq!(batches.len(), 2);
        let Err(error) = &batches[1] else { panic!("the second batch has the failing picture") };
        assert!(error.to_string().contains("picture 5 fails"), "{error}");
    }
}

#[test]
fn dropping_the_iterator_stops_the_threads() {
    let source = Arc::new(Numbered::new(64));
    let threads = LoaderConfig { workers: 4, ..config() };
    let loader = Loader::new(Arc::clone(&source) as Arc<_>, Arc::new(Salt), threads).expect("fits");
    let mut batches = loader.run(0);
    assert!(batches.next().is_some_and(|batch| batch.is_ok()));
    let start = Instant::now();
    drop(batches);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(loader);
    assert_eq!(Arc::strong_count(&source), 1, "no thread holds the source any more");
    // One batch was taken; at most one for each thread and two waiting were read ahead.
    assert!(source.reads.load(Ordering::SeqCst) <= 4 * (1 + 4 + 2));
}

#[test]
fn settings_that_give_no_batch_say_what_to_change() {
    let error = |pictures, config| {
        Loader::new(Arc::new(Numbered::new(pictures)), Arc::new(Central::new(0)), config)
            .expect_err("no batch")
            .to_string()
    };
    assert!(error(3, config()).contains("lower `batch_size`"));
    assert!(error(0, LoaderConfig { drop_last: false, ..config() }).contains("no pictures"));
    assert!(error(9, LoaderConfig { batch_size: 0, ..config() }).contains("`batch_size` is 0"));
    let transform = Transform::RandomCrop { resize: 64, size: 128 };
    assert!(error(9, LoaderConfig { transform, ..config() }).contains("raise `resize`"));
}

/// 22 pictures of 600 KB, some larger than the view needs, one bad.
struct Large;

impl ImageDataset for Large {
    fn len(&self) -> usize {
        22
    }

    fn image(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        if index == 5 {
            return Err(DataError::NotAPicture {
                path: self.name(index).into(),
                reason: "it is torn".to_owned(),
            });
        }
        let (width, height) = if index.is_multiple_of(2) { (500, 400) } else { (1000, 200) };
        let number = index as u32 * 7;
        Ok(RgbImage::from_fn(width, height, |x, y| Rgb([x * y + number, x + number, y * 3].map(|v| v as u8))))
    }

    fn same_every_epoch(&self) -> bool {
        true
    }

    fn name(&self, index: usize) -> String {
        format!("picture {index}")
    }
}

#[test]
fn a_cache_of_any_size_changes_no_batch() {
    // Three epochs. Shorter side to 190: of 400 pixels it is shrunk first, of 200 it is not.
    let transform = Transform::RandomCrop { resize: 190, size: 64 };
    let loader = |cache_mib, workers| {
        let config = LoaderConfig { cache_mib, workers, transform, ..config() };
        Loader::new(Arc::new(Large), Arc::new(Salt), config).expect("settings that fit")
    };
    let expected = take(&loader(0, 0), 0, 15);
    for (cache_mib, fits) in [(0, 0..=0), (3, 4..=17), (1024, 21..=21)] {
        for workers in [0, 1, 2, 8] {
            let loader = loader(cache_mib, workers);
            assert!(take(&loader, 0, 15) == expected, "{cache_mib} MiB, {workers} threads");
            let kept = loader.cache_stats();
            assert!(
                fits.contains(&kept.images) && kept.bytes <= cache_mib << 20,
                "{kept:?} in {cache_mib} MiB"
            );
        }
    }
}

#[test]
fn an_image_that_fits_is_decoded_once() {
    let reads = |cache_mib, files| {
        let source = Arc::new(Numbered { files, ..Numbered::with_bad(12, &[7]) });
        let config = LoaderConfig { cache_mib, ..config() };
        let loader = Loader::new(source.clone(), Arc::new(Salt), config).expect("settings that fit");
        take(&loader, 0, 12);
        take(&loader, 0, 3);
        (source.reads.load(Ordering::SeqCst), loader.cache_stats())
    };
    // Five epochs of 12, and in each of them a try to read the bad one.
    let (kept, memory) = reads(1, true);
    assert_eq!(kept, 11 + 5);
    assert_eq!((memory.images, memory.bytes), (11, 11 * 30 * 20 * 3));
    // Without a cache, or with pictures that change, its replacement is read as well.
    assert_eq!(reads(0, true).0, 5 * 13);
    assert_eq!(reads(1, false).0, 5 * 13);
}
