//! When a poster looks for what operators asked of the quarantine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use journal_core::conformance::{new_transaction, origin};
use journal_core::journal::JournalStore as _;
use journal_core::model::{SealNr, TransNr, TransactionId};
use journal_core::store::memory::MemoryJournal;

use super::lives::released;
use super::{ASKED_WAITS, Poster, Settings, Turn};
use crate::control::ControlStore as _;
use crate::engine::clock::Clock;
use crate::ledger::memory::MemorySite;
use crate::ledger::{Asked, Fault, Ledger as _, Quarantined};

const EVERY: i64 = 10;

#[derive(Debug, Clone, Default)]
struct SetClock(Arc<AtomicI64>);

impl SetClock {
    fn pass(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Puts a transaction of b's into quarantine and asks to discard it.
async fn ask(site: &MemorySite, number: i64) {
    let id = TransactionId { origin: origin("b"), trans_nr: TransNr(number) };
    let (seal_nr, detail) = (SealNr(1), String::new());
    let held = Quarantined { id: id.clone(), seal_nr, fault: Fault::Unmappable, detail, depends_on: None };
    let mut ledger = site.ledger();
    ledger.begin().await.unwrap();
    ledger.quarantine(&held).await.unwrap();
    ledger.commit().await.unwrap();
    assert!(site.control().ask(&id, Asked::Discard, "test", "").await.unwrap());
}

#[tokio::test]
async fn what_was_asked_waits_for_work_but_not_for_long() {
    let (schema, registry) = released();
    let mut journal = MemoryJournal::new(origin("a"));
    let site = MemorySite::new(journal.clone(), schema.into());
    let clock = SetClock::default();
    clock.pass(1_000_000);
    let sites = ["a", "b"].map(|name| origin(name).site).to_vec();
    let settings = Settings { ask_every_micros: EVERY, ..Settings::new(sites, registry) };
    let mut poster =
        Poster::open(journal.clone(), site.ledger(), clock.clone(), settings, site.standing()).await.unwrap();
    let ended = |site: &MemorySite| site.put_aside().iter().filter(|aside| aside.ended.is_some()).count();
    // It has looked at what lies there when it opened, and now looks for what is asked.
    for _ in 0..2 {
        assert_eq!(poster.turn().await.unwrap(), Turn::Idle);
    }

    // Looked for a moment ago: not again before its time.
    ask(&site, 1).await;
    assert_eq!((poster.turn().await.unwrap(), ended(&site)), (Turn::Idle, 0));
    // What is to be decided goes first, then what was asked.
    clock.pass(EVERY);
    journal.append(&[new_transaction(1, 1)]).await.unwrap();
    assert_eq!((poster.turn().await.unwrap(), ended(&site)), (Turn::Progress, 0));
    assert_eq!((poster.turn().await.unwrap(), ended(&site)), (Turn::Progress, 1));
    while poster.turn().await.unwrap() != Turn::Idle {}

    // Later it goes before what is to be decided.
    ask(&site, 2).await;
    clock.pass(EVERY * ASKED_WAITS);
    journal.append(&[new_transaction(2, 1)]).await.unwrap();
    assert_eq!((poster.turn().await.unwrap(), ended(&site)), (Turn::Progress, 2));
    assert_eq!(poster.done().accepted + poster.done().rejected, 1);
}

/// Once they all went first.
#[tokio::test]
async fn however_many_leave_quarantine_own_transactions_are_decided_meanwhile() {
    let (schema, registry) = released();
    let mut journal = MemoryJournal::new(origin("a"));
    let site = MemorySite::new(journal.clone(), schema.into());
    for number in 1..=3 {
        ask(&site, number).await;
    }
    let sites = ["a", "b"].map(|name| origin(name).site).to_vec();
    let settings = Settings::new(sites, registry);
    let clock = SetClock::default();
    let mut poster =
        Poster::open(journal.clone(), site.ledger(), clock, settings, site.standing()).await.unwrap();
    journal.append(&[new_transaction(1, 1)]).await.unwrap();
    let ended = || site.put_aside().iter().filter(|aside| aside.ended.is_some()).count();
    let mut done = Vec::new();
    while poster.turn().await.unwrap() == Turn::Progress {
        done.push((ended(), poster.done().accepted + poster.done().rejected));
    }
    assert_eq!(done, [(1, 0), (1, 1), (2, 1), (3, 1)]);
}
