//! What a batch of pictures costs: each stage by itself, and the loader alone with pictures in memory and
//! without.
//!
//!     cargo bench --bench loading
//!     PICTURES=DIR cargo bench --bench loading
//!
//! Without `PICTURES` the files are drawn facades of 711x400 pixels, saved as JPEG.

use std::{env, hint::black_box, path::PathBuf, sync::Arc};

use context_encoder::{
    data::{ImageDataset, InpaintingBatch, Limits, Purpose, Transform, decode, rng_for},
    mask::RandomBlock,
    prelude::*,
};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use tempfile::TempDir;

const BATCH: usize = 16;

/// Pictures in the folder that is made where none is given.
const FILES: u64 = 64;

/// The transform of the paper's code, and one that shrinks pictures of 400 pixels before they are kept.
const TRANSFORMS: [Transform; 2] = [Transform::training(), Transform::RandomCrop { resize: 192, size: 128 }];

/// The folder named by `PICTURES`, or one of drawn pictures, which lasts as long as the second value.
fn pictures() -> (Folder, TempDir) {
    let own = tempfile::tempdir().expect("a folder for pictures");
    let path = env::var_os("PICTURES").map_or_else(|| own.path().to_owned(), PathBuf::from);
    if path == own.path() {
        for index in 0..FILES {
            let picture = Facades::new(1).with_size(711, 400).image(index);
            picture.save(own.path().join(format!("{index}.jpg"))).expect("written");
        }
    }
    (Folder::open(path, FolderOptions::default()).expect("pictures"), own)
}

/// Benches that count pictures, a batch at a time.
fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(20);
    group
}

/// One stage after the other, a batch of pictures each, on one thread.
fn stages(criterion: &mut Criterion) {
    let (files, _own) = pictures();
    let pictures: Vec<_> = (0..BATCH).map(|index| files.image(0, index).expect("a picture")).collect();
    let mut group = group(criterion, "stage");
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            for index in 0..BATCH {
                black_box(decode(files.path(index), &Limits::default()).expect("a picture"));
            }
        });
    });
    for transform in TRANSFORMS {
        let Transform::RandomCrop { resize, .. } = transform else { continue };
        let mut draw = 0;
        group.bench_function(format!("prepare and cut, resize {resize}"), |bencher| {
            bencher.iter(|| {
                for picture in &pictures {
                    draw += 1;
                    black_box(transform.apply(picture, &mut rng_for(1, Purpose::Crop, 0, draw)));
                }
            });
        });
        let prepared: Vec<_> = pictures.iter().map(|picture| transform.prepare(picture.clone())).collect();
        group.bench_function(format!("cut, resize {resize}"), |bencher| {
            bencher.iter(|| {
                for picture in &prepared {
                    draw += 1;
                    black_box(transform.crop(picture, &mut rng_for(1, Purpose::Crop, 0, draw)));
                }
            });
        });
    }
    let facades = Facades::new(1).training(1 << 20);
    let mut next = 0;
    group.bench_function("draw facades", |bencher| {
        bencher.iter(|| {
            for _ in 0..BATCH {
                next += 1;
                black_box(facades.image(0, next).expect("a facade"));
            }
        });
    });
    let masks: [(&str, Box<dyn MaskGenerator>); 3] = [
        ("central", Box::new(Central::new(0))),
        ("random block", Box::new(RandomBlock::default())),
        ("random region", Box::new(RandomRegion::default())),
    ];
    for (name, masks) in &masks {
        let mut draw = 0;
        group.bench_function(format!("mask, {name}"), |bencher| {
            bencher.iter(|| {
                for _ in 0..BATCH {
                    draw += 1;
                    black_box(masks.generate(128, 128, &mut rng_for(1, Purpose::Mask, 0, draw)));
                }
            });
        });
    }
    let device = device("cpu").expect("a CPU backend is compiled in");
    let config = LoaderConfig { batch_size: BATCH, ..LoaderConfig::default() };
    let loader = Loader::new(Arc::new(files), Arc::new(Central::new(0)), config).expect("settings");
    let batch = loader.batch(0).expect("pictures");
    group.bench_function("to the device", |bencher| {
        bencher.iter(|| {
            let batch = InpaintingBatch::from_samples(&batch, &device);
            device.sync().expect("the device works");
            batch
        });
    });
    group.finish();
}

/// Whole batches on the host, made by one thread: `cold` decodes every picture, `warm` has them all in
/// memory.
fn loader(criterion: &mut Criterion) {
    let (files, _own) = pictures();
    let files = Arc::new(files);
    let masks: Arc<dyn MaskGenerator> = Arc::new(Central::new(0));
    let mut group = group(criterion, "loader");
    let mut measure = |name: String, source: Arc<dyn ImageDataset>, config: LoaderConfig| {
        let loader = Loader::new(source, masks.clone(), config).expect("settings");
        if config.cache_mib > 0 {
            loader.epoch(0).for_each(|batch| drop(batch.expect("pictures")));
        }
        let mut batches = loader.run(loader.steps_per_epoch());
        group.bench_function(name, |bencher| {
            bencher.iter(|| batches.next().expect("no end").expect("pictures"));
        });
    };
    let alone = LoaderConfig { batch_size: BATCH, workers: 0, ..LoaderConfig::default() };
    for transform in TRANSFORMS {
        let Transform::RandomCrop { resize, .. } = transform else { continue };
        for (name, cache_mib) in [("cold", 0), ("warm", 4096)] {
            let config = LoaderConfig { cache_mib, transform, ..alone };
            measure(format!("files {name}, resize {resize}"), files.clone(), config);
        }
    }
    let transform = Transform::RandomCrop { resize: Facades::HEIGHT, size: 128 };
    let facades = Facades::new(1).training(1 << 14);
    measure("facades".to_owned(), Arc::new(facades), LoaderConfig { cache_mib: 0, transform, ..alone });
    group.finish();
}

criterion_group!(benches, stages, loader);
criterion_main!(benches);
