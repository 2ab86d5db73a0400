//! From stored bytes to changes in the ledger's names, at the version they were written at and one version on.

use applier::engine::prepare::{Judge, Keys, prepare};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal_benches::{registry, stored};
use journal_core::model::SchemaVersion;
use std::hint::black_box;

const TRANSACTIONS: usize = 1000;

fn prepare_transactions(criterion: &mut Criterion) {
    let registry = registry();
    let stored = stored(registry.schema(SchemaVersion(1)).expect("version 1"), TRANSACTIONS);
    let mut group = criterion.benchmark_group("prepare");
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    for (name, to) in [("identity", 1), ("one_version_up", 2)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for transaction in &stored {
                    let ready = prepare(
                        black_box(transaction),
                        &registry,
                        SchemaVersion(to),
                        Judge::Peer,
                        Keys::Told,
                    );
                    black_box(ready.expect("it maps"));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, prepare_transactions);
criterion_main!(benches);
