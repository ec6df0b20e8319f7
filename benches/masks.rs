//! What a mask costs, by kind and size.

use context_encoder::mask::{Central, MaskGenerator, RandomBlock, RandomRegion};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn masks(criterion: &mut Criterion) {
    let generators: [(&str, Box<dyn MaskGenerator>); 3] = [
        ("central", Box::new(Central::new(4))),
        ("random block", Box::new(RandomBlock::default())),
        ("random region", Box::new(RandomRegion::default())),
    ];
    let mut group = criterion.benchmark_group("masks");
    for (name, generator) in &generators {
        for side in [128, 256] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            group.bench_with_input(BenchmarkId::new(*name, side), &side, |bencher, &side| {
                bencher.iter(|| generator.generate(side, side, &mut rng));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, masks);
criterion_main!(benches);
