//! The status of a site that has a bit of everything.

use applier::control::spent::Spent;
use applier::control::status::{OwnStatus, PeerStatus, SiteStatus};
use applier::control::{ControlStore, Desired};
use applier::ledger::conformance::{Rig, SqlRig, draft_seal_without, memory_rig};
use applier::ledger::{Asked, Fault, Ledger, LedgerError, Posted, Quarantined};
use journal_core::conformance::origin;
use journal_core::journal::JournalStore;
use journal_core::model::{SealNr, TransNr, TransactionId};
use journal_core::sql::{Access, Conn, DbUrl};
use journal_tests::tether;

use crate::ledger_sqlite;

/// Puts the second transaction of a peer in quarantine and passes the first two of three received.
async fn post_some(rig: &SqlRig) {
    let peer = memory_rig("b");
    let run = draft_seal_without(&peer, 20..24, &[4]).await;
    rig.journal().await.receive(&[run]).await.unwrap();
    let mut ledger = rig.ledger().await;
    ledger.begin().await.unwrap();
    let id = TransactionId { origin: origin("b"), trans_nr: TransNr(2) };
    let (fault, detail) = (Fault::MissingParent, "item [1]: shop [2] is not there".to_owned());
    ledger
        .quarantine(&Quarantined { id, seal_nr: SealNr(1), fault, detail, depends_on: None })
        .await
        .unwrap();
    let to = Posted { seal_nr: SealNr(0), trans_nr: TransNr(2) };
    ledger.advance(&origin("b"), Posted::default(), to).await.unwrap();
    ledger.commit().await.unwrap();
}

#[tokio::test]
async fn a_status_counts_what_is_there_and_says_what_is_in_the_way() {
    let rig = ledger_sqlite::rig().await;
    let run = draft_seal_without(&rig, 0..5, &[2, 3]).await;
    let mut ledger = rig.ledger().await;
    ledger.begin().await.unwrap();
    ledger.seal(&run).await.unwrap();
    ledger.commit().await.unwrap();
    draft_seal_without(&rig, 5..7, &[]).await;
    post_some(&rig).await;
    let mut control = rig.control().await;
    let free = control.lease().await.unwrap();
    control.take_lease(&free, "host/1").await.unwrap().unwrap();
    let id = TransactionId { origin: origin("b"), trans_nr: TransNr(2) };
    assert!(control.ask(&id, Asked::Discard, "dba", "a test").await.unwrap());
    control.pause("dba", "index").await.unwrap();
    control.note_waiting("version 9 is not known here").await.unwrap();
    assert_eq!(SiteStatus::read(rig.url()).await.unwrap().spent, None);
    let mut spent = Spent::default();
    spent.transactions = 7;
    (spent.reading, spent.preparing, spent.applying, spent.committing) = (1000, 2000, 3999, 4000);
    control.note_spent(1, &spent).await.unwrap();

    let status = SiteStatus::read(rig.url()).await.unwrap();
    assert_eq!((status.site.as_str(), status.epoch, status.dialect.as_str()), ("a", 1, "SQLite"));
    assert_eq!((status.desired, status.generation, status.ledger_version), (Desired::Paused, 2, 1));
    assert_eq!((status.who.as_str(), status.why.as_str()), ("dba", "index"));
    assert!(status.since.unwrap().as_str() > "2020");
    assert_eq!((status.lease_holder.as_deref(), status.fence), (Some("host/1"), 1));
    let own = OwnStatus { seal_nr: 1, trans_nr: 5, appended: 7, accepted: 3, rejected: 2, unsealed: 2 };
    assert_eq!(status.own, own);
    let peer = PeerStatus {
        site: "b".to_owned(),
        epoch: 1,
        received_seal: 1,
        received_nr: 4,
        posted_seal: 0,
        posted_nr: 2,
        not_posted: 1,
    };
    assert_eq!(status.peers, [peer]);
    assert_eq!((status.quarantined, status.asked, status.hole), (1, 1, None));
    assert_eq!(status.waiting.unwrap().reason, "version 9 is not known here");
    let spent = status.spent.unwrap();
    assert_eq!((spent.since.as_str(), spent.transactions), ("1970-01-01T00:00:00.000001Z", 7));
    let sums = [spent.reading_ms, spent.preparing_ms, spent.applying_ms, spent.committing_ms];
    assert_eq!(sums, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_reason_to_wait_goes_when_posting_moves_and_keeps_its_time_while_it_lasts() {
    let rig = ledger_sqlite::rig().await;
    let mut control = rig.control().await;
    control.note_waiting("a").await.unwrap();
    let first = SiteStatus::read(rig.url()).await.unwrap().waiting.unwrap();
    control.note_waiting("a").await.unwrap();
    assert_eq!(SiteStatus::read(rig.url()).await.unwrap().waiting.unwrap(), first);
    control.note_waiting("").await.unwrap();
    assert_eq!(SiteStatus::read(rig.url()).await.unwrap().waiting, None);
}

#[tokio::test]
async fn every_pause_resume_and_wish_is_on_record() {
    let rig = ledger_sqlite::rig().await;
    post_some(&rig).await;
    let mut control = rig.control().await;
    let id = TransactionId { origin: origin("b"), trans_nr: TransNr(2) };
    control.pause("ann", "index").await.unwrap();
    control.pause("ann", "index again").await.unwrap();
    control.resume("bob", "done").await.unwrap();
    assert!(control.ask(&id, Asked::Retry, "cy", "the parent is back").await.unwrap());
    let mut conn = Conn::open(rig.url(), Access::Read, "test").await.unwrap();
    let text = "SELECT who, what, why, done_at FROM {d}action ORDER BY action_nr";
    let records = conn.lend().fetch(text, Vec::new()).await.unwrap();
    let said: Vec<[String; 3]> = records
        .iter()
        .map(|record| [record.text(0).unwrap(), record.text(1).unwrap(), record.text(2).unwrap()])
        .collect();
    let expected =
        [["ann", "pause", "index"], ["bob", "resume", "done"], ["cy", "retry b/1/2", "the parent is back"]];
    assert_eq!(said, expected);
    assert!(records.iter().all(|record| record.i64(3).unwrap() > 1_577_836_800_000_000));
}

#[tokio::test]
async fn a_database_that_is_no_site_says_so() {
    let directory = tether::directory("daybook-status-");
    let url: DbUrl = format!("sqlite:{}", directory.path().join("x.db").display()).parse().unwrap();
    Conn::open(&url, Access::Create, "test").await.unwrap().close().await;
    let error = SiteStatus::read(&url).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged(_)), "{error}");
}
