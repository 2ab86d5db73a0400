//! When a poster may rest without another look.

use journal_core::conformance::{new_transaction, origin};
use journal_core::journal::{JournalStore as _, ReadLimit};
use journal_core::store::memory::MemoryJournal;

use super::lives::released;
use super::{Poster, Settings, Turn};
use crate::engine::clock::WallClock;
use crate::ledger::memory::MemorySite;

#[tokio::test]
async fn a_poster_is_not_level_while_a_limit_keeps_back_what_it_has_not_seen() {
    let (schema, registry) = released();
    let one = |transactions, bytes| ReadLimit { transactions, bytes };
    for batch in [one(1, usize::MAX), one(1000, 1)] {
        let mut journal = MemoryJournal::new(origin("a"));
        let site = MemorySite::new(journal.clone(), schema.clone().into());
        let settings = Settings { batch, ..Settings::new(vec![origin("a").site], registry.clone()) };
        let mut poster =
            Poster::open(journal.clone(), site.ledger(), WallClock, settings, site.standing()).await.unwrap();
        journal.append(&[1, 2, 3].map(|number| new_transaction(number, 1))).await.unwrap();
        for left in [2, 1, 0] {
            assert_eq!(poster.turn().await.unwrap(), Turn::Progress);
            assert_eq!(poster.is_level(), left == 0, "{left} transactions left, {batch:?}");
        }
        assert_eq!(poster.turn().await.unwrap(), Turn::Idle);
    }
}
