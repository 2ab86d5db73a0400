//! What a poster makes of a site that has had two lives.

use journal_core::codec::chain::{SealDraft, seal};
use journal_core::conformance::origin;
use journal_core::journal::JournalStore as _;
use journal_core::model::seal::GENESIS;
use journal_core::model::{Epoch, Hlc, Origin, Schema, SchemaVersion, SealNr, SealedRun, TransNr, Vector};
use journal_core::store::memory::MemoryJournal;
use schema_mappers::{Registry, RustMappers, SchemaSet, VersionSource};

use super::{Poster, Settings};
use crate::engine::clock::WallClock;
use crate::ledger::memory::MemorySite;
use crate::ledger::{Ledger as _, Posted};

const SCHEMA: &str = "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\n";

/// One version of one table, and its registry.
pub(super) fn released() -> (Schema, Registry) {
    let source = VersionSource::new(SchemaVersion(1), [("schema.toml", SCHEMA)]);
    let set = SchemaSet::from_sources(vec![source]).unwrap();
    let schema = set.version(SchemaVersion(1)).unwrap().schema().clone();
    let registry = Registry::new(set, RustMappers::none()).unwrap();
    (schema, registry)
}

/// A seal of nothing by somebody who had seen that much of b.
fn run(of: &Origin, seal_nr: i64, prev_hash: [u8; 32], seen: i64) -> SealedRun {
    let draft = SealDraft {
        origin: of.clone(),
        seal_nr: SealNr(seal_nr),
        first_nr: TransNr(1),
        last_nr: TransNr(0),
        hlc: Hlc(seal_nr),
        seen: Vector::from([(origin("b"), SealNr(seen))]),
        schema: 1,
        prev_hash,
        sealed_at: 0,
    };
    seal(draft, Vec::new(), Vec::new())
}

#[tokio::test]
async fn a_new_life_does_not_hide_what_the_one_before_had_seen() {
    let (schema, registry) = released();
    let (old, new) = (origin("d"), Origin { epoch: Epoch(2), ..origin("d") });
    let mut journal = MemoryJournal::new(origin("a"));
    let first = run(&old, 1, GENESIS, 2);
    let second = run(&old, 2, first.seal.hash, 3);
    for run in [first, second, run(&new, 1, GENESIS, 9)] {
        journal.receive(&[run]).await.unwrap();
    }
    let site = MemorySite::new(journal.clone(), schema.into());
    let mut ledger = site.ledger();
    ledger.begin().await.unwrap();
    let posted = Posted { seal_nr: SealNr(1), trans_nr: TransNr(0) };
    ledger.advance(&old, Posted::default(), posted).await.unwrap();
    ledger.commit().await.unwrap();
    let sites = ["a", "b", "d"].map(|name| origin(name).site).to_vec();
    let settings = Settings::new(sites, registry);
    let poster = Poster::open(journal, ledger, WallClock, settings, site.standing()).await.unwrap();
    assert_eq!(poster.recent.floor(&origin("b")), SealNr(2));
}
