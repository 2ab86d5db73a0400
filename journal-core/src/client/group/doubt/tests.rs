//! What the book says after sends and answers, in whichever order they come.

use crate::model::Epoch;
use crate::sql::{SqlClass, SqlError};

use super::*;

#[test]
fn what_was_sent_outlives_its_caller_until_it_is_settled() {
    let doubts = Arc::<Doubts>::default();
    let (tx_id, origin) = (Uuid::now_v7(), Origin { site: "a".parse().unwrap(), epoch: Epoch(1) });
    let claim = doubts.claim(tx_id).unwrap();
    assert_eq!(doubts.claim(tx_id).unwrap_err(), NotClaimed::Busy);
    claim.sending(1, origin.clone());
    drop(claim);
    let claim = doubts.claim(tx_id).unwrap();
    let place = Sent { at: 1, origin };
    assert_eq!(claim.sent().as_ref(), Some(&place));
    claim.is_void(&place);
    assert_eq!(claim.sent(), None);
    drop(claim);
    assert!(doubts.book.lock().unwrap().open.is_empty());
}

#[test]
fn an_answer_that_comes_late_settles_its_own_send_and_nothing_newer() {
    let doubts = Arc::<Doubts>::default();
    let (tx_id, epoch) = (Uuid::now_v7(), Epoch(1));
    let place = |at: usize| Sent { at, origin: Origin { site: "a".parse().unwrap(), epoch } };
    let send = |at: usize| doubts.claim(tx_id).unwrap().sending(at, place(at).origin);
    let sent = || doubts.claim(tx_id).unwrap().sent();
    let refused = AppendFailure::Refused(SqlError::new(SqlClass::Full, "no room"));
    let lost = AppendFailure::InDoubt(SqlError::new(SqlClass::Lost, "gone"));
    // Its caller has gone: it was not taken.
    send(0).settle(Err(&refused));
    assert_eq!((sent(), doubts.in_doubt()), (None, 0));
    // It was sent to the same site again: only the last answer is about what may still come.
    let (first, second) = (send(0), send(0));
    first.settle(Err(&refused));
    assert_eq!(sent(), Some(place(0)));
    second.settle(Err(&refused));
    assert_eq!(sent(), Some(place(0)), "the first of them was in doubt when the second was sent");
    second.settle(Err(&AppendFailure::Refused(SqlError::new(SqlClass::Data, "too long"))));
    assert_eq!(sent(), None);
    // It was void at the first site and sent to another: what the first still says is not about that.
    let first = send(0);
    doubts.claim(tx_id).unwrap().is_void(&place(0));
    let second = send(1);
    for late in [Err(&lost), Err(&refused), Ok(())] {
        first.settle(late);
        assert_eq!((sent(), doubts.in_doubt()), (Some(place(1)), 1));
    }
    second.settle(Ok(()));
    first.settle(Err(&refused));
    assert_eq!((sent(), doubts.in_doubt()), (Some(place(1)), 0));
}

#[test]
fn what_may_stand_anywhere_is_remembered_and_one_place_settles_itself_alone() {
    let doubts = Arc::<Doubts>::default();
    let (tx_id, epoch) = (Uuid::now_v7(), Epoch(1));
    let place = |at: usize| Sent { at, origin: Origin { site: "a".parse().unwrap(), epoch } };
    let claim = doubts.claim(tx_id).unwrap();
    claim.note_anywhere(true);
    drop(claim);
    let claim = doubts.claim(tx_id).unwrap();
    assert!(claim.may_be_anywhere());
    claim.sending(2, place(2).origin);
    claim.is_void(&place(1));
    assert_eq!(claim.sent(), Some(place(2)));
    assert_eq!(claim.void(3), [false, true, false]);
    claim.is_void(&place(2));
    assert_eq!((claim.sent(), claim.void(3)), (None, vec![false, true, true]));
    assert!(claim.may_be_anywhere());
    claim.sending(1, place(1).origin).settle(Ok(()));
    claim.note_anywhere(true);
    assert!(!claim.may_be_anywhere(), "its receipt waits for no other site");
    claim.is_void(&place(1));
    assert_eq!(claim.sent(), None);
    drop(claim);
    assert!(doubts.book.lock().unwrap().open.is_empty());
}

#[test]
fn acknowledged_ones_are_remembered_up_to_a_bound_and_doubts_for_good() {
    let (doubts, origin) = (Arc::<Doubts>::default(), Origin { site: "a".parse().unwrap(), epoch: Epoch(1) });
    let send = |acknowledge: bool, tell: bool| {
        let tx_id = Uuid::now_v7();
        let claim = doubts.claim(tx_id).unwrap();
        let sending = claim.sending(0, origin.clone());
        if acknowledge {
            sending.settle(Ok(()));
        }
        if tell {
            claim.told();
        }
        tx_id
    };
    let (doubt, untold) = (send(false, false), send(true, false));
    let (first, second) = (send(true, true), send(true, true));
    for _ in 1..ACKNOWLEDGED_MAX {
        send(true, true);
    }
    let known = |tx_id: Uuid| doubts.claim(tx_id).unwrap().sent().is_some();
    assert_eq!((known(doubt), known(first), known(second)), (true, false, true));
    assert!(known(untold), "its caller may append it again, and the client may have moved");
    assert_eq!(doubts.book.lock().unwrap().open.len(), ACKNOWLEDGED_MAX + 2);
    assert_eq!(doubts.in_doubt(), 1);
}
