//! Troubles on order do what they say, and a reshape swaps the tables.

use journal_core::conformance::origin;
use journal_core::model::{Change, Name, Row, SchemaVersion, SealNr, TransNr, Value};

use super::faults::{Call, Faults, Trouble};
use super::*;
use crate::control::ControlStore;
use crate::ledger::Fault;
use crate::ledger::conformance::memory_rig;

fn shop(id: i64) -> Row {
    Row::new().with("id", id).with("name", "s")
}

fn site() -> (MemorySite, Faults) {
    let site = memory_rig("a").0;
    let faults = site.faults();
    (site, faults)
}

/// Posts shop `id`, the peer's transaction `id`.
async fn post(ledger: &mut MemoryLedger, id: i64) -> Result<(), LedgerError> {
    let place = |nr: i64| Posted { seal_nr: SealNr(nr), trans_nr: TransNr(nr) };
    ledger.begin().await?;
    ledger.apply(&[LedgerChange::new(Change::insert("shop", shop(id)))]).await?;
    ledger.advance(&origin("b"), place(id - 1), place(id)).await?;
    ledger.commit().await
}

fn class(error: &LedgerError) -> SqlClass {
    match error {
        LedgerError::Store(error) => error.class.clone(),
        other => panic!("{other:?}"),
    }
}

fn shops(site: &MemorySite) -> usize {
    assert_eq!(site.posted().len(), site.rows(&"shop".into()).len().min(1), "effect without checkpoint");
    site.rows(&"shop".into()).len()
}

#[tokio::test]
async fn a_commit_fails_in_every_way_that_was_ordered() {
    for (trouble, expected, done) in [
        (Trouble::Refused, SqlClass::Transient, 0),
        (Trouble::UndoneReplyLost, SqlClass::Lost, 0),
        (Trouble::Crash, SqlClass::Lost, 0),
        (Trouble::DoneReplyLost, SqlClass::Lost, 1),
        (Trouble::DoneCrash, SqlClass::Lost, 1),
    ] {
        let (site, faults) = site();
        let mut ledger = site.ledger();
        faults.arm(Call::Commit, 1, trouble);
        let error = post(&mut ledger, 1).await.unwrap_err();
        assert_eq!((class(&error), shops(&site)), (expected, done), "{trouble:?}");
        assert_eq!(faults.fired(), [(Call::Commit, trouble)]);
        // What was under way holds nobody up.
        if trouble == Trouble::Refused {
            ledger.rollback().await.unwrap();
        } else {
            assert_eq!(class(&ledger.begin().await.unwrap_err()), SqlClass::Lost, "{trouble:?}: it works on");
        }
        let next = i64::try_from(done).unwrap() + 1;
        post(&mut site.ledger(), next).await.unwrap();
    }
}

#[tokio::test]
async fn every_kind_of_call_can_be_the_one_that_fails() {
    for (call, nth) in [(Call::Begin, 2), (Call::Apply, 2), (Call::Advance, 2), (Call::Commit, 2)] {
        for trouble in [Trouble::Refused, Trouble::UndoneReplyLost, Trouble::DoneReplyLost] {
            let (site, faults) = site();
            faults.arm(call, nth, trouble);
            post(&mut site.ledger(), 1).await.unwrap();
            assert!(faults.fired().is_empty(), "{call:?} was counted wrongly");
            assert!(post(&mut site.ledger(), 2).await.is_err(), "{call:?} {trouble:?}");
            let done = call == Call::Commit && trouble == Trouble::DoneReplyLost;
            assert_eq!(shops(&site), 1 + usize::from(done), "{call:?} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn a_crash_ends_every_handle_of_its_time_and_none_that_comes_later() {
    let (site, faults) = site();
    let (mut old, mut old_control) = (site.ledger(), site.control());
    faults.crash();
    assert_eq!(class(&old.posted().await.unwrap_err()), SqlClass::Lost);
    assert_eq!(class(&old_control.standing().await.unwrap_err()), SqlClass::Lost);
    post(&mut site.ledger(), 1).await.unwrap();
    site.control().standing().await.unwrap();
    assert_eq!(shops(&site), 1);
}

#[tokio::test]
async fn troubles_that_were_taken_back_do_not_strike() {
    let (site, faults) = site();
    Call::ALL.into_iter().for_each(|call| faults.arm(call, 1, Trouble::Crash));
    faults.disarm();
    post(&mut site.ledger(), 1).await.unwrap();
    assert!(faults.fired().is_empty());
}

#[tokio::test]
async fn a_reshape_swaps_the_tables_of_a_paused_site_and_keeps_the_rest() {
    let (site, _faults) = site();
    post(&mut site.ledger(), 1).await.unwrap();
    let mut next = site.schema().as_ref().clone();
    next.version = SchemaVersion(2);
    let next = Arc::new(next);
    let rows = |id: i64| vec![(Name::from("shop"), shop(id), Row::new().with("2:colour", "red"))];
    assert!(site.reshape(next.clone(), rows(5)).is_err(), "the site runs");
    site.control().pause("dba", "reshape").await.unwrap();
    let orphan = Row::new().with("id", 1).with("title", "t").with("shop", 9);
    let refused = site.reshape(next.clone(), vec![("item".into(), orphan, Row::new())]);
    assert!(matches!(refused, Err(LedgerError::Fault { fault: Fault::MissingParent, .. })), "{refused:?}");
    assert_eq!(site.standing().ledger_version, SchemaVersion(1));
    site.reshape(next, rows(5)).unwrap();
    let (row, complement) = site.rows(&"shop".into()).remove(0);
    assert_eq!((row.get("id"), complement.get("2:colour")), (Some(&Value::Int(5)), Some(&"red".into())));
    assert_eq!(site.standing().ledger_version, SchemaVersion(2));
    assert_eq!(site.posted().len(), 1);
    let mut ledger = site.ledger();
    assert_eq!(ledger.begin().await.unwrap().ledger_version, SchemaVersion(2));
}
