//! What the tests of shipping begin with.

use journal_core::codec::chain::{SealDraft, seal};
use journal_core::conformance::{UNLIMITED, new_transaction, origin};
use journal_core::journal::{JournalStore as _, ReadLimit};
use journal_core::model::seal::GENESIS;
use journal_core::model::{Hlc, SealNr, TransNr, Vector};
use journal_core::store::memory::MemoryJournal;

/// One run at a time.
pub(super) const ONE: ReadLimit = ReadLimit { transactions: 1, bytes: 1 };

/// A peer's journal with seals of one transaction each.
pub(super) async fn peer_with(seals: u64) -> MemoryJournal {
    let mut journal = MemoryJournal::new(origin("b"));
    let (mut after, mut prev_hash) = (SealNr(0), GENESIS);
    for seed in 0..seals {
        let trans_nr = journal.append(&[new_transaction(seed, 2)]).await.unwrap()[0].trans_nr;
        let tail = journal.read_tail(TransNr(trans_nr.0 - 1), UNLIMITED).await.unwrap();
        after = after.next();
        let draft = SealDraft {
            origin: origin("b"),
            seal_nr: after,
            first_nr: trans_nr,
            last_nr: trans_nr,
            hlc: Hlc(after.0),
            seen: Vector::new(),
            schema: 1,
            prev_hash,
            sealed_at: 0,
        };
        let run = seal(draft, tail.transactions, Vec::new());
        journal.seal(&run).unwrap();
        prev_hash = run.seal.hash;
    }
    journal
}
