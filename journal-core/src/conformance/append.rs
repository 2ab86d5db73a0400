//! Appending: order, fidelity, limits, durability.

use super::material::{append, origin};
use super::{Rig, UNLIMITED, content, new_transaction};
use crate::journal::{AppendError, JournalStore as _};
use crate::model::transaction::PAYLOAD_BYTES_MAX;
use crate::model::{NewTransaction, StoredEntry, TransNr};
use crate::sql::SqlClass;

/// Numbers rise within a batch and from batch to batch, and the tail has their order.
pub async fn numbers_rise_in_the_order_of_a_batch<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let mut numbers = append(&mut store, 0..5).await;
    numbers.extend(append(&mut store, 5..7).await);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(numbers[0] > TransNr(0));
    let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    let read: Vec<TransNr> = tail.transactions.iter().map(|transaction| transaction.id.trans_nr).collect();
    assert_eq!(read, numbers);
    assert_eq!(Some(&tail.up_to), numbers.last());
    assert!(tail.transactions.iter().all(|transaction| transaction.id.origin == origin("a")));
}

/// Nothing a journal row can hold is changed on its way, also what this release does not understand.
pub async fn a_transaction_reads_back_byte_for_byte<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let mut transaction = new_transaction(1, 1);
    transaction.author = "Zoë, 'quoted' \"twice\" — 日本".into();
    let strange = |entry_nr, op: &str, codec, payload: Vec<u8>| StoredEntry {
        entry_nr,
        entity: "Größe; DROP TABLE x".into(),
        op: op.into(),
        row_key: "[\"\u{1F9FE}\",null]".to_owned(),
        codec,
        payload,
    };
    transaction.entries.push(strange(2, "", 1, Vec::new()));
    transaction.entries.push(strange(3, "merge-of-a-later-release", i64::MAX, vec![0; 3]));
    transaction.entries.push(strange(4, "update", -1, (0..=255).cycle().take(70_000).collect()));
    store.append(std::slice::from_ref(&transaction)).await.expect("append");
    let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    assert_eq!(tail.transactions.iter().map(content).collect::<Vec<_>>(), [transaction]);
}

/// Batches larger than one statement, with transactions of several entries.
pub async fn a_batch_of_any_size_is_taken_whole<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let batch: Vec<NewTransaction> =
        (0..331).map(|seed| new_transaction(seed, 1 + usize::from(seed % 3 == 0) * 2)).collect();
    let appended = store.append(&batch).await.expect("append");
    assert_eq!(appended.len(), batch.len());
    assert!(appended.iter().all(|appended| !appended.repeated));
    let one_large = new_transaction(1000, 700);
    store.append(std::slice::from_ref(&one_large)).await.expect("append");
    let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    let read: Vec<NewTransaction> = tail.transactions.iter().map(content).collect();
    assert!(read == [batch, vec![one_large]].concat());
}

/// No transactions, no numbers.
pub async fn an_empty_batch_appends_nothing<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    assert_eq!(store.append(&[]).await, Ok(Vec::new()));
    assert_eq!(store.read_tail(TransNr(0), UNLIMITED).await.expect("tail").transactions, []);
}

/// A transaction without entries, with entries out of order, or with too large a payload would poison what is sealed.
pub async fn what_no_journal_may_hold_is_refused<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let mut out_of_order = new_transaction(2, 2);
    out_of_order.entries[1].entry_nr = 3;
    let mut too_large = new_transaction(3, 1);
    too_large.entries[0].payload = vec![0; PAYLOAD_BYTES_MAX + 1];
    for bad in [new_transaction(1, 0), out_of_order, too_large] {
        let error = store.append(&[new_transaction(9, 1), bad]).await.expect_err("refused");
        assert!(matches!(&error, AppendError::Store(error) if error.class == SqlClass::Data), "{error:?}");
    }
    assert_eq!(store.read_tail(TransNr(0), UNLIMITED).await.expect("tail").transactions, []);
}

/// What was acknowledged is there for whoever opens the journal next.
pub async fn an_append_survives_its_handle<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let numbers = append(&mut store, 0..3).await;
    let mut next = rig.reopen(&store).await;
    drop(store);
    let tail = next.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    assert_eq!(tail.transactions.len(), 3);
    let later = append(&mut next, 3..4).await;
    assert!(later[0] > numbers[2]);
}
