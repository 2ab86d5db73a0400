//! What a poster reads when it opens, and of what is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use journal_core::conformance::origin;
use journal_core::journal::{
    AppendError, Appended, Head, JournalStore, ReadError, ReadLimit, ReceiveError, Tail,
};
use journal_core::model::{NewTransaction, Origin, SealNr, SealedRun, TransNr};
use journal_core::store::memory::MemoryJournal;

use super::keeps_on::sealed_at_b;
use super::lives::released;
use super::{Poster, Settings, Turn};
use crate::control::ControlStore as _;
use crate::engine::clock::WallClock;
use crate::ledger::memory::MemorySite;
use crate::ledger::{Asked, Ledger as _};

/// Counts how often runs are read.
struct Counting {
    journal: MemoryJournal,
    reads: Arc<AtomicUsize>,
}

impl JournalStore for Counting {
    fn origin(&self) -> &Origin {
        self.journal.origin()
    }

    async fn append(&mut self, batch: &[NewTransaction]) -> Result<Vec<Appended>, AppendError> {
        self.journal.append(batch).await
    }

    async fn read_tail(&mut self, after: TransNr, limit: ReadLimit) -> Result<Tail, ReadError> {
        self.journal.read_tail(after, limit).await
    }

    async fn heads(&mut self) -> Result<Vec<Head>, ReadError> {
        self.journal.heads().await
    }

    async fn read_runs(
        &mut self,
        origin: &Origin,
        after: SealNr,
        limit: ReadLimit,
    ) -> Result<Vec<SealedRun>, ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.journal.read_runs(origin, after, limit).await
    }

    async fn receive(&mut self, runs: &[SealedRun]) -> Result<Head, ReceiveError> {
        self.journal.receive(runs).await
    }
}

/// How often runs are read where so many transactions of one run are held: by a poster that opens, and to try all of them
/// again.
async fn reads_with(held: u64) -> (usize, usize) {
    let (schema, registry) = released();
    let mut journal = MemoryJournal::new(origin("a"));
    let site = MemorySite::new(journal.clone(), schema.into());
    journal.receive(&[sealed_at_b(held).await]).await.unwrap();
    let sites = ["a", "b"].map(|name| origin(name).site).to_vec();
    let settings = Settings { ask_every_micros: 0, ..Settings::new(sites, registry) };
    let reads = Arc::new(AtomicUsize::new(0));
    let open = async || {
        let journal = Counting { journal: journal.clone(), reads: reads.clone() };
        Poster::open(journal, site.ledger(), WallClock, settings.clone(), site.standing()).await.unwrap()
    };
    let mut poster = open().await;
    while poster.turn().await.unwrap() == Turn::Progress {}
    assert_eq!(poster.done().quarantined, held);
    reads.store(0, Ordering::Relaxed);
    let mut poster = open().await;
    let opening = reads.swap(0, Ordering::Relaxed);
    let mut turns = 0;
    for (entry, _) in site.ledger().quarantined().await.unwrap() {
        assert!(site.control().ask(&entry.id, Asked::Retry, "test", "").await.unwrap());
    }
    while poster.turn().await.unwrap() == Turn::Progress {
        turns += 1;
    }
    assert_eq!(turns, held, "each is held again");
    (opening, reads.load(Ordering::Relaxed))
}

/// It was once read for each of them.
#[tokio::test]
async fn a_run_is_read_once_however_many_of_its_transactions_are_held() {
    assert_eq!(reads_with(20).await, reads_with(1).await);
}
