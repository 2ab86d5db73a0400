//! A retry after a lost answer gives the first answer.

use super::material::{append, origin};
use super::{Rig, UNLIMITED, content, new_transaction, seal_next};
use crate::journal::{AppendError, Appended, JournalStore as _};
use crate::model::{NewTransaction, TransNr};

/// Again by the same handle, by another one, and after the transaction was sealed.
pub async fn a_repeated_key_gives_its_first_number<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let batch = [new_transaction(1, 2), new_transaction(2, 1)];
    let first = store.append(&batch).await.expect("append");
    let again: Vec<Appended> = first.iter().map(|first| Appended { repeated: true, ..*first }).collect();
    assert_eq!(store.append(&batch).await, Ok(again.clone()));
    let mut other = rig.reopen(&store).await;
    assert_eq!(other.append(&batch).await, Ok(again.clone()));
    seal_next(rig, &mut store, &[]).await;
    assert_eq!(other.append(&batch).await, Ok(again));
    let tail = other.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    assert_eq!(tail.transactions.iter().map(content).collect::<Vec<_>>(), batch);
}

/// A batch of which a part is there already.
pub async fn a_retry_appends_only_what_is_new<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let numbers = append(&mut store, 0..70).await;
    let batch: Vec<NewTransaction> = (35..140).map(|seed| new_transaction(seed, 1)).collect();
    let appended = store.append(&batch).await.expect("append");
    for (at, appended) in appended.iter().enumerate() {
        assert_eq!(appended.repeated, at < 35, "{at}");
        if at < 35 {
            assert_eq!(appended.trans_nr, numbers[35 + at]);
        }
    }
    let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    let expected: Vec<NewTransaction> = (0..140).map(|seed| new_transaction(seed, 1)).collect();
    assert!(tail.transactions.iter().map(content).collect::<Vec<_>>() == expected);
}

/// Two callers of one batch may bring the same retry.
pub async fn a_key_twice_in_one_batch_is_one_transaction<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let batch = [new_transaction(1, 3), new_transaction(2, 1), new_transaction(1, 3)];
    let appended = store.append(&batch).await.expect("append");
    assert_eq!(appended[0].trans_nr, appended[2].trans_nr);
    assert_eq!(appended.iter().map(|appended| appended.repeated).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(store.read_tail(TransNr(0), UNLIMITED).await.expect("tail").transactions.len(), 2);
}

/// The same key means the same transaction, or somebody has lost count.
pub async fn a_key_with_other_content_is_refused_with_its_whole_batch<R: Rig>(rig: &mut R) {
    let mut store = rig.create(&origin("a")).await;
    let first = append(&mut store, 1..2).await[0];
    let same_key = |change: &dyn Fn(&mut NewTransaction)| {
        let mut transaction = new_transaction(1, 1);
        change(&mut transaction);
        transaction
    };
    let others = [
        same_key(&|other| other.author = format!("{}!", other.author).into()),
        same_key(&|other| other.schema_version.0 += 1),
        same_key(&|other| other.entries[0].payload.push(0)),
        new_transaction(1, 2),
    ];
    for other in others {
        let tx_id = other.tx_id;
        let refused = store.append(&[new_transaction(5, 1), other]).await;
        assert_eq!(refused, Err(AppendError::OtherContent { tx_id, trans_nr: first }));
    }
    let tail = store.read_tail(TransNr(0), UNLIMITED).await.expect("tail");
    assert_eq!(tail.transactions.iter().map(content).collect::<Vec<_>>(), [new_transaction(1, 1)]);
}
