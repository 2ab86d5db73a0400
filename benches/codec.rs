//! Payload codecs and the seal chain: what every entry pays at append, at the origin, at each peer and in each audit.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal_benches::{changes, registry, stored};
use journal_core::codec::{chain, payload};
use journal_core::model::{Codec, SchemaVersion};
use std::hint::black_box;

const TRANSACTIONS: usize = 1000;

fn codec(criterion: &mut Criterion) {
    let registry = registry();
    let schema = registry.schema(SchemaVersion(1)).expect("version 1");
    let changes = changes(schema, TRANSACTIONS).concat();
    let stored = stored(schema, TRANSACTIONS);
    let entries: usize = stored.iter().map(|transaction| transaction.entries.len()).sum();

    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(entries as u64));
    for codec in [Codec::Bincode, Codec::Json] {
        group.bench_function(format!("encode_{codec:?}"), |bencher| {
            bencher.iter(|| {
                for change in &changes {
                    black_box(payload::encode(black_box(change), 1, codec, schema).expect("it encodes"));
                }
            });
        });
    }
    group.bench_function("decode_Bincode", |bencher| {
        bencher.iter(|| {
            for entry in stored.iter().flat_map(|transaction| &transaction.entries) {
                black_box(payload::decode(black_box(entry), schema).expect("it decodes"));
            }
        });
    });
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    group.bench_function("transaction_hash", |bencher| {
        bencher.iter(|| {
            for transaction in &stored {
                black_box(chain::transaction_hash(black_box(transaction)));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
