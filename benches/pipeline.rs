//! What a peer's poster does besides the database's work: reading a journal in memory, decoding, mapping and judging, into
//! a ledger that takes everything and does nothing.

mod null_ledger;

use applier::control::{Control, Desired, Standing};
use applier::engine::clock::WallClock;
use applier::engine::poster::{Poster, Settings, Turn};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use journal_benches::{registry, stored};
use journal_core::codec::chain::{self, SealDraft};
use journal_core::journal::JournalStore as _;
use journal_core::model::seal::GENESIS;
use journal_core::model::{Epoch, Hlc, Origin, SchemaVersion, SealNr, SealedRun, SiteName, TransNr, Vector};
use journal_core::store::memory::MemoryJournal;
use null_ledger::NullLedger;
use schema_mappers::Registry;
use tokio::runtime::Runtime;

const TRANSACTIONS: usize = 2000;
/// Transactions of a seal, as an origin under load makes them.
const RUN: usize = 100;

type NullPoster = Poster<MemoryJournal, NullLedger, WallClock>;

fn pipeline(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let registry = registry();
    let journal = runtime.block_on(received(&registry));
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    for (name, version) in [("identity", 1), ("one_version_up", 2)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || runtime.block_on(opened(&journal, &registry, SchemaVersion(version))),
                |poster| post_all(&runtime, poster),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// The journal of site b, into which all of site a's transactions came.
async fn received(registry: &Registry) -> MemoryJournal {
    let transactions = stored(registry.schema(SchemaVersion(1)).expect("version 1"), TRANSACTIONS);
    let mut journal = MemoryJournal::new(site("b"));
    let mut runs: Vec<SealedRun> = Vec::new();
    for (seal_nr, covered) in (1..).map(SealNr).zip(transactions.chunks(RUN)) {
        let draft = SealDraft {
            origin: site("a"),
            seal_nr,
            first_nr: covered.first().map_or(TransNr(1), |first| first.id.trans_nr),
            last_nr: covered.last().map_or(TransNr(0), |last| last.id.trans_nr),
            hlc: Hlc(seal_nr.0),
            seen: Vector::new(),
            schema: 1,
            prev_hash: runs.last().map_or(GENESIS, |before| before.seal.hash),
            sealed_at: 0,
        };
        runs.push(chain::seal(draft, covered.to_vec(), Vec::new()));
    }
    journal.receive(&runs).await.expect("the runs follow one another");
    journal
}

fn site(name: &str) -> Origin {
    Origin { site: SiteName::new(name).expect("a name"), epoch: Epoch(1) }
}

/// A poster of site b that has posted nothing yet.
async fn opened(journal: &MemoryJournal, registry: &Registry, version: SchemaVersion) -> NullPoster {
    let (who, why) = (String::new(), String::new());
    let control = Control { generation: 1, desired: Desired::Running, who, why, since: 0 };
    let standing = Standing { control, fence: 0, ledger_version: version };
    let schema = registry.ledger(version).expect("a version of the set").clone();
    let ledger = NullLedger::new(schema, standing.clone());
    // Nothing keeps a seal of its own here, so it never acknowledges.
    let settings = Settings {
        acknowledge_every_micros: i64::MAX,
        ..Settings::new(vec![site("a").site, site("b").site], registry.clone())
    };
    Poster::open(journal.clone(), ledger, WallClock, settings, standing).await.expect("it opens")
}

fn post_all(runtime: &Runtime, mut poster: NullPoster) -> NullPoster {
    runtime.block_on(async { while poster.turn().await.expect("a turn") == Turn::Progress {} });
    let done = poster.done();
    assert_eq!((done.posted, done.quarantined), (TRANSACTIONS as u64, 0), "all are posted");
    poster
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
