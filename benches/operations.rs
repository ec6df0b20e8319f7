//! What each operation costs, beside the device's own matrix product: layers of the networks at batch 16,
//! forward and with both gradients. With `CONTEXT_ENCODER_KERNELS=reference` the reference implementations
//! are measured.
//!
//! Throughput is in multiplications of the reference (a multiplication and an addition count as one): minimal
//! filtering needs 9 for 16 of them, so it may pass the matrix product.

use burn::tensor::{Distribution, Tensor};
use context_encoder::{
    Device, device,
    ops::{Activation, AdamStep, BatchNorm, ConvGeometry, ConvLayer},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const BATCH: usize = 16;
const HALVING: ConvGeometry = ConvGeometry::new(4, 2, 1);
const WHOLE_MAP: ConvGeometry = ConvGeometry::new(4, 1, 0);

/// Channels of the large map and of the small one, side of the large map, geometry: from the image inwards.
const LAYERS: [(usize, usize, usize, ConvGeometry); 6] = [
    (3, 64, 128, HALVING),
    (64, 64, 64, HALVING),
    (64, 128, 32, HALVING),
    (128, 256, 16, HALVING),
    (256, 512, 8, HALVING),
    (512, 4000, 4, WHOLE_MAP),
];

fn cpu() -> Device {
    device("cpu").expect("a CPU backend is compiled in")
}

fn noise<const D: usize>(dims: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(dims, Distribution::Uniform(-1.0, 1.0), device)
}

/// A map `[batch, channels, height, width]` with its channels last in memory, as layers hand it on.
fn map([batch, channels, height, width]: [usize; 4], device: &Device) -> Tensor<4> {
    noise([batch, height, width, channels], device).permute([0, 3, 1, 2])
}

fn peak(criterion: &mut Criterion) {
    const SIDE: usize = 1024;
    let device = cpu();
    let (a, b) = (noise([SIDE; 2], &device), noise([SIDE; 2], &device));
    let mut group = criterion.benchmark_group("matrix product");
    group.throughput(Throughput::Elements((SIDE * SIDE * SIDE) as u64)).sample_size(20);
    group.bench_function(BenchmarkId::from_parameter(SIDE), |bencher| {
        bencher.iter(|| wait(a.clone().matmul(b.clone()), &device));
    });
    group.finish();
}

fn layers(criterion: &mut Criterion) {
    let device = cpu();
    for (large, small, side, geometry) in LAYERS {
        let output = geometry.output_size(side);
        let products = BATCH * small * large * geometry.kernel * geometry.kernel * output * output;
        let name = format!("{large}x{side}x{side} and {small}x{output}x{output}");
        let convolution = ConvLayer::conv2d(geometry, 1, Activation::Identity);
        let transposed = ConvLayer::conv_transpose2d(geometry, Activation::Identity);
        let weight = convolution.weight_shape(large, small);
        let (outside, inside) = ([BATCH, large, side, side], [BATCH, small, output, output]);

        let mut group = criterion.benchmark_group("convolution");
        group.throughput(Throughput::Elements(products as u64)).sample_size(10);
        let (x, w) = (map(outside, &device), noise(weight, &device));
        group.bench_function(BenchmarkId::new("forward", &name), |bencher| {
            bencher.iter(|| wait(convolution.forward(x.clone(), w.clone(), None), &device));
        });
        group.throughput(Throughput::Elements(3 * products as u64));
        let recording = device.clone().autodiff();
        let (x, w) = (map(outside, &recording).require_grad(), noise(weight, &recording).require_grad());
        group.bench_function(BenchmarkId::new("forward and gradients", &name), |bencher| {
            bencher.iter(|| {
                let y = convolution.forward(x.clone(), w.clone(), None);
                let grads = y.sum().backward();
                wait(w.grad(&grads).expect("tracked"), &device)
            });
        });
        group.finish();

        let mut group = criterion.benchmark_group("transposed convolution");
        group.throughput(Throughput::Elements(products as u64)).sample_size(10);
        let (x, w) = (map(inside, &device), noise(weight, &device));
        group.bench_function(BenchmarkId::new("forward", &name), |bencher| {
            bencher.iter(|| wait(transposed.forward(x.clone(), w.clone(), None), &device));
        });
        group.finish();
    }
}

fn others(criterion: &mut Criterion) {
    let device = cpu();
    let recording = device.clone().autodiff();
    let mut group = criterion.benchmark_group("batch norm and ReLU");
    let dims = [BATCH, 64, 32, 32];
    let norm = BatchNorm { ghost_batches: 1, epsilon: 1e-5, activation: Activation::Relu };
    let (x, one) = (map(dims, &recording).require_grad(), Tensor::<1>::ones([64], &recording).require_grad());
    group.throughput(Throughput::Elements(dims.iter().product::<usize>() as u64)).sample_size(20);
    group.bench_function("forward and gradients", |bencher| {
        bencher.iter(|| {
            let (y, _) = norm.forward(x.clone(), one.clone(), one.clone());
            wait(x.grad(&y.sum().backward()).expect("tracked"), &device)
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("adam");
    let size = 4 << 20;
    let step = AdamStep { beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, learning_rate: 1e-4, step: 1 };
    let gradient = noise([size], &device);
    let zeros = gradient.zeros_like();
    let mut state = Some((gradient.clone() * 2.0, [zeros.clone() + 1.0, zeros + 2.0]));
    group.throughput(Throughput::Elements(size as u64)).sample_size(20);
    group.bench_function("a step", |bencher| {
        bencher.iter(|| {
            let (weights, moments) = state.take().expect("put back below");
            state = Some(step.apply(weights, gradient.clone(), moments));
        });
    });
    group.finish();
}

/// The result, when the device has it.
fn wait<const D: usize>(result: Tensor<D>, device: &Device) -> Tensor<D> {
    device.sync().expect("the device works");
    result
}

criterion_group!(benches, peak, layers, others);
criterion_main!(benches);
