//! The statements of a planned batch and what they bind, without a database.

use applier::ledger::LedgerChange;
use applier::ledger::measure::Planner;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal_benches::batches;
use journal_core::sql::Dialect;
use std::hint::black_box;

fn sql(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sql");
    for batch in batches() {
        let planner = Planner::new(batch.schema);
        let changes: Vec<&LedgerChange> = batch.changes.iter().collect();
        let plan = planner.plan(&changes).expect("it fits");
        group.throughput(Throughput::Elements(changes.len() as u64));
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            group.bench_function(format!("{}_{dialect:?}", batch.name), |bencher| {
                bencher.iter(|| black_box(&plan).statements(dialect).expect("every value has its place"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, sql);
criterion_main!(benches);
