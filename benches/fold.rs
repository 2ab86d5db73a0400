//! Planning a batch: changes of one row folded, rows that are changed alike put together.

use applier::ledger::{LedgerChange, Planner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal_benches::batches;
use std::hint::black_box;

fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    for batch in batches() {
        let planner = Planner::new(batch.schema);
        let changes: Vec<&LedgerChange> = batch.changes.iter().collect();
        assert_eq!(planner.count_steps(&changes).expect("it fits"), batch.steps, "{}", batch.name);
        group.throughput(Throughput::Elements(changes.len() as u64));
        group.bench_function(batch.name, |bencher| {
            bencher.iter(|| planner.count_steps(black_box(&changes)).expect("it fits"));
        });
    }
    group.finish();
}

criterion_group!(benches, fold);
criterion_main!(benches);
