//! The life of a quarantined transaction.

use journal_core::conformance::origin;
use journal_core::model::{SealNr, TransNr, TransactionId};

use super::Rig;
use crate::control::ControlStore;
use crate::ledger::{Asked, Fault, Ledger, LedgerError, Quarantined, Release};

/// A transaction of the peer that was put aside.
pub(super) fn put_aside(nr: i64) -> Quarantined {
    Quarantined {
        id: id(nr),
        seal_nr: SealNr(nr + 1),
        fault: Fault::MissingParent,
        detail: format!("item [{nr}]: shop [\"ä\"] is not there"),
        depends_on: None,
    }
}

fn id(nr: i64) -> TransactionId {
    TransactionId { origin: origin("b"), trans_nr: TransNr(nr) }
}

async fn keep<L: Ledger>(ledger: &mut L, transactions: &[Quarantined]) {
    ledger.begin().await.expect("begin");
    for transaction in transactions {
        ledger.quarantine(transaction).await.expect("quarantine");
    }
    ledger.commit().await.expect("commit");
}

async fn release<L: Ledger>(ledger: &mut L, nr: i64, asked: Asked, outcome: Release) -> bool {
    ledger.begin().await.expect("begin");
    let released = ledger.release(&id(nr), asked, outcome).await.expect("an answer");
    ledger.commit().await.expect("commit");
    released
}

async fn hold_again<L: Ledger>(ledger: &mut L, transaction: &Quarantined, asked: Asked) -> bool {
    ledger.begin().await.expect("begin");
    let held = ledger.hold_again(transaction, asked).await.expect("an answer");
    ledger.commit().await.expect("commit");
    held
}

/// With all that was said of them, whatever their numbers.
pub async fn quarantined_transactions_come_in_the_order_of_arrival<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let dependent = Quarantined { fault: Fault::Dependent, depends_on: Some(id(7)), ..put_aside(3) };
    let first = [put_aside(7), dependent.clone()];
    keep(&mut ledger, &first).await;
    keep(&mut ledger, &[put_aside(1)]).await;
    let expected: Vec<_> =
        [put_aside(7), dependent, put_aside(1)].into_iter().map(|each| (each, Asked::Nothing)).collect();
    assert_eq!(rig.ledger().await.quarantined().await.expect("quarantined"), expected);
}

/// A wish is no outcome: the poster carries it out.
pub async fn what_is_asked_for_a_quarantined_transaction_shows_until_it_is_carried_out<R: Rig>(rig: &R) {
    let (mut ledger, mut control) = (rig.ledger().await, rig.control().await);
    keep(&mut ledger, &[put_aside(1), put_aside(2)]).await;
    assert!(!ledger.asked().await.expect("asked"));
    assert!(control.ask(&id(1), Asked::Retry, "dba", "parent is back").await.expect("ask"));
    assert!(control.ask(&id(2), Asked::Discard, "dba", "a test").await.expect("ask"));
    assert!(!control.ask(&id(3), Asked::Discard, "dba", "?").await.expect("ask"), "nobody put it aside");
    assert!(ledger.asked().await.expect("asked"));
    let asked: Vec<Asked> =
        ledger.quarantined().await.expect("quarantined").into_iter().map(|(_, asked)| asked).collect();
    assert_eq!(asked, [Asked::Retry, Asked::Discard]);
    assert!(release(&mut ledger, 1, Asked::Retry, Release::Posted).await);
    assert!(release(&mut ledger, 2, Asked::Discard, Release::Discarded).await);
    assert!(!ledger.asked().await.expect("asked"));
    assert!(ledger.quarantined().await.expect("quarantined").is_empty());
    assert!(!control.ask(&id(1), Asked::Retry, "dba", "again").await.expect("ask"), "it has ended");
}

/// Its place decides what depends on what.
pub async fn a_retry_that_fails_is_held_again_in_its_place<R: Rig>(rig: &R) {
    let (mut ledger, mut control) = (rig.ledger().await, rig.control().await);
    keep(&mut ledger, &[put_aside(5), put_aside(6)]).await;
    assert!(control.ask(&id(5), Asked::Retry, "dba", "try").await.expect("ask"));
    let again = Quarantined { fault: Fault::Check, detail: "still no".to_owned(), ..put_aside(5) };
    assert!(hold_again(&mut ledger, &again, Asked::Retry).await);
    let expected = [(again, Asked::Nothing), (put_aside(6), Asked::Nothing)];
    assert_eq!(ledger.quarantined().await.expect("quarantined"), expected);
    assert!(control.ask(&id(5), Asked::Discard, "dba", "no").await.expect("ask"));
    assert!(control.ask(&id(5), Asked::Nothing, "dba", "on second thought").await.expect("ask"));
    assert!(!ledger.asked().await.expect("asked"));
}

/// Nor does one end that never began.
pub async fn a_quarantine_that_has_ended_does_not_begin_again<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    keep(&mut ledger, &[put_aside(1)]).await;
    assert!(release(&mut ledger, 1, Asked::Nothing, Release::Discarded).await);
    for nr in [1, 2] {
        assert!(!release(&mut ledger, nr, Asked::Nothing, Release::Posted).await);
        assert!(!hold_again(&mut ledger, &put_aside(nr), Asked::Nothing).await);
    }
    keep(&mut ledger, &[put_aside(3)]).await;
    for nr in [1, 3] {
        ledger.begin().await.expect("begin");
        let refused = ledger.quarantine(&put_aside(nr)).await;
        assert!(matches!(refused, Err(LedgerError::Damaged(_))), "{refused:?}");
        ledger.rollback().await.expect("roll back");
    }
}

/// A poster carries out what it saw; whoever asked for something else meanwhile was told that it is recorded.
pub async fn only_what_is_asked_last_is_carried_out<R: Rig>(rig: &R) {
    let (mut ledger, mut control) = (rig.ledger().await, rig.control().await);
    keep(&mut ledger, &[put_aside(1)]).await;
    let all = [Asked::Nothing, Asked::Retry, Asked::Discard];
    for last in all {
        assert!(control.ask(&id(1), last, "dba", "").await.expect("ask"));
        for seen in all.into_iter().filter(|seen| *seen != last) {
            for outcome in [Release::Posted, Release::Discarded] {
                assert!(!release(&mut ledger, 1, seen, outcome).await, "{seen:?} was seen, {last:?} asked");
            }
            let again = Quarantined { detail: "seen".to_owned(), ..put_aside(1) };
            assert!(!hold_again(&mut ledger, &again, seen).await, "{seen:?} was seen, {last:?} asked");
        }
        assert_eq!(ledger.quarantined().await.expect("quarantined"), [(put_aside(1), last)]);
    }
    assert!(release(&mut ledger, 1, Asked::Discard, Release::Discarded).await);
}
