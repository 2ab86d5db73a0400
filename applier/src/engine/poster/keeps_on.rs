//! What a poster does while something else has to wait.

use journal_core::codec::chain::{SealDraft, seal};
use journal_core::conformance::{new_transaction, origin};
use journal_core::journal::JournalStore as _;
use journal_core::model::seal::GENESIS;
use journal_core::model::{Hlc, NewTransaction, SchemaVersion, SealNr, SealedRun, TransNr, Vector};
use journal_core::store::memory::MemoryJournal;

use super::lives::released;
use super::{Poster, Settings, Turn};
use crate::engine::clock::WallClock;
use crate::ledger::memory::{MemoryLedger, MemorySite};

/// A run of b's of so many transactions, which no ledger takes.
pub(super) async fn sealed_at_b(transactions: u64) -> SealedRun {
    let mut journal = MemoryJournal::new(origin("b"));
    let batch: Vec<NewTransaction> = (0..transactions).map(|seed| new_transaction(seed, 1)).collect();
    journal.append(&batch).await.unwrap();
    let limit = journal_core::conformance::UNLIMITED;
    let tail = journal.read_tail(TransNr(0), limit).await.unwrap();
    let draft = SealDraft {
        origin: origin("b"),
        seal_nr: SealNr(1),
        first_nr: TransNr(1),
        last_nr: tail.up_to,
        hlc: Hlc(1),
        seen: Vector::new(),
        schema: 1,
        prev_hash: GENESIS,
        sealed_at: 0,
    };
    seal(draft, tail.transactions, Vec::new())
}

/// Turns until it does nothing but wait; why it does.
async fn rest(poster: &mut Poster<MemoryJournal, MemoryLedger, WallClock>) -> String {
    loop {
        match poster.turn().await.unwrap() {
            Turn::Progress => assert!(!poster.is_level()),
            Turn::Waiting(why) => return why,
            turn => panic!("{turn:?}"),
        }
    }
}

async fn seen_by_own_seal(journal: &mut MemoryJournal) -> Option<SealNr> {
    let limit = journal_core::conformance::UNLIMITED;
    let runs = journal.read_runs(&origin("a"), SealNr(0), limit).await.unwrap();
    runs.last().and_then(|run| run.seal.seen.get(&origin("b")).copied())
}

/// `receipt.replicated` once had no answer for as long as anything waited.
#[tokio::test]
async fn what_is_posted_is_acknowledged_while_own_transactions_wait_for_a_version() {
    let (schema, registry) = released();
    let mut journal = MemoryJournal::new(origin("a"));
    let site = MemorySite::new(journal.clone(), schema.into());
    let unknown = NewTransaction { schema_version: SchemaVersion(9), ..new_transaction(7, 1) };
    journal.append(&[unknown]).await.unwrap();
    journal.receive(&[sealed_at_b(1).await]).await.unwrap();
    let sites = ["a", "b"].map(|name| origin(name).site).to_vec();
    let settings = Settings { acknowledge_every_micros: 0, ..Settings::new(sites, registry) };
    let mut poster =
        Poster::open(journal.clone(), site.ledger(), WallClock, settings, site.standing()).await.unwrap();
    assert_eq!(poster.turn().await.unwrap(), Turn::Progress);
    assert!(poster.waits_for().is_some_and(|why| why.contains("schema version 9")));
    let why = rest(&mut poster).await;
    assert!(why.contains("schema version 9"), "{why}");
    assert_eq!(seen_by_own_seal(&mut journal).await, Some(SealNr(1)));
}

#[tokio::test]
async fn what_is_posted_is_acknowledged_while_a_lane_waits_for_what_it_had_seen() {
    let (schema, registry) = released();
    let mut journal = MemoryJournal::new(origin("a"));
    let site = MemorySite::new(journal.clone(), schema.into());
    let first = sealed_at_b(1).await;
    let next = SealDraft {
        origin: origin("b"),
        seal_nr: SealNr(2),
        first_nr: TransNr(2),
        last_nr: TransNr(1),
        hlc: Hlc(2),
        seen: Vector::from([(origin("c"), SealNr(5))]),
        schema: 1,
        prev_hash: first.seal.hash,
        sealed_at: 0,
    };
    journal.receive(&[first, seal(next, Vec::new(), Vec::new())]).await.unwrap();
    let sites = ["a", "b", "c"].map(|name| origin(name).site).to_vec();
    let settings = Settings { acknowledge_every_micros: 0, ..Settings::new(sites, registry) };
    let mut poster =
        Poster::open(journal.clone(), site.ledger(), WallClock, settings, site.standing()).await.unwrap();
    let why = rest(&mut poster).await;
    assert!(why.contains("waits for transactions of c/1"), "{why}");
    assert_eq!(seen_by_own_seal(&mut journal).await, Some(SealNr(1)));
}
