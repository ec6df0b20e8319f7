//! What a batch of pictures costs: drawing facades, and decoding, cropping and masking files.

use std::sync::Arc;

use context_encoder::{
    data::{FacadeSource, Position},
    prelude::*,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BATCH: usize = 16;

fn loading(criterion: &mut Criterion) {
    let device = device("cpu").expect("a CPU backend is compiled in");
    let folder = tempfile::tempdir().expect("a folder for pictures");
    for index in 0..BATCH as u64 {
        let picture = Facades::new(1).with_size(600, 400).picture(index);
        picture.save(folder.path().join(format!("{index}.jpg"))).expect("written");
    }
    let files = Folder::open(folder.path(), FolderOptions::default()).expect("pictures");
    let config = LoaderConfig { batch_size: BATCH, workers: 0, ..LoaderConfig::default() };
    let masks: Arc<dyn MaskGenerator> = Arc::new(RandomRegion::pattern());
    let facades = FacadeSource::training(Facades::new(1), 1024);
    let loaders = [
        ("files", Loader::new(Arc::new(files), masks.clone(), config).expect("settings")),
        ("facades", Loader::new(Arc::new(facades), masks, config).expect("settings")),
    ];
    let mut group = criterion.benchmark_group("loading");
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(20);
    for (name, loader) in &loaders {
        let mut epoch = 0;
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                epoch += 1;
                let batch = loader.batch(Position { epoch, step: 0 }).expect("pictures").to_device(&device);
                device.sync().expect("the device works");
                batch
            });
        });
    }
    group.finish();
}

criterion_group!(benches, loading);
criterion_main!(benches);
