//! Forward passes and training steps; the device is synchronized inside the timed part.

use burn::tensor::Tensor;
use context_encoder::{
    Device,
    data::InpaintingBatch,
    prelude::*,
    train::{InpaintingTrainer, TrainConfig},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn batch(size: usize, device: &Device) -> InpaintingBatch {
    let (quarter, rest) = (128 / 4, 128 * 3 / 4);
    InpaintingBatch {
        images: Tensor::full([size, 3, 128, 128], 0.25, device),
        masks: Tensor::zeros([size, 1, 128, 128], device)
            .slice_fill([0..size, 0..1, quarter..rest, quarter..rest], 1.0),
        names: Vec::new(),
    }
}

fn forward(criterion: &mut Criterion) {
    let device = device("cpu").expect("a CPU backend is compiled in");
    let mut group = criterion.benchmark_group("forward");
    for preset in [Preset::Recommended, Preset::Authors] {
        let model = ModelConfig::preset(preset).init(&device).expect("a preset").predictor();
        for size in [1, 16] {
            let InpaintingBatch { images, masks, .. } = batch(size, &device);
            group.throughput(Throughput::Elements(size as u64)).sample_size(10);
            group.bench_function(BenchmarkId::new(preset.name(), size), |bencher| {
                bencher.iter(|| {
                    let prediction = model.forward(images.clone(), masks.clone());
                    device.sync().expect("the device works");
                    prediction
                });
            });
        }
    }
    group.finish();
}

fn training_step(criterion: &mut Criterion) {
    let device = device("cpu").expect("a CPU backend is compiled in").autodiff();
    let mut group = criterion.benchmark_group("training step");
    for preset in [Preset::Recommended, Preset::Authors] {
        const BATCH: usize = 16;
        let batch = batch(BATCH, &device);
        let config = TrainConfig::preset(preset);
        let mut trainer = Some(InpaintingTrainer::new(&config, &device).expect("a preset"));
        group.throughput(Throughput::Elements(BATCH as u64)).sample_size(10);
        group.bench_function(BenchmarkId::new(preset.name(), BATCH), |bencher| {
            bencher.iter(|| {
                let (next, losses) = trainer.take().expect("put back below").step(&batch);
                device.sync().expect("the device works");
                trainer = Some(next);
                losses
            });
        });
    }
    group.finish();
}

criterion_group!(benches, forward, training_step);
criterion_main!(benches);
