//! A batch planned down to its PostgreSQL statements and what they bind or copy, without a database.

use applier::ledger::{LedgerChange, Planner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal_benches::batches;
use std::hint::black_box;

fn sql(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sql");
    for batch in batches() {
        let planner = Planner::new(batch.schema);
        let changes: Vec<&LedgerChange> = batch.changes.iter().collect();
        group.throughput(Throughput::Elements(changes.len() as u64));
        group.bench_function(batch.name, |bencher| {
            bencher.iter(|| planner.plan(black_box(&changes)).expect("no change stands alone"));
        });
    }
    group.finish();
}

criterion_group!(benches, sql);
criterion_main!(benches);
