//! The ledger in MariaDB: the conformance suite, and what only this server does.

use applier::control::{ControlStore, Desired};
use applier::ledger::conformance::{Rig, SqlRig};
use applier::ledger::sql::SqlLedger;
use applier::ledger::{Fault, Ledger, LedgerChange, LedgerError, LedgerReader, Posted};
use journal_core::conformance::origin;
use journal_core::model::{Change, Row, SealNr, TransNr};
use journal_core::sql::{Access, Conn, DbUrl, SqlClass};
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::mariadb_or_skip;

mod suite {
    use super::{SqlRig, mariadb_or_skip};

    async fn rig() -> Option<SqlRig> {
        let database = mariadb_or_skip()?.create_database();
        Some(SqlRig::new(database.url.parse().unwrap()).await)
    }

    applier::ledger_conformance!(rig().await);
}

async fn rig() -> Option<SqlRig> {
    let database = mariadb_or_skip()?.create_database();
    Some(SqlRig::new(database.url.parse().unwrap()).await)
}

fn shop(id: i64) -> LedgerChange {
    LedgerChange::new(Change::insert("shop", Row::new().with("id", id).with("name", "s")))
}

fn staff(id: i64, boss: i64) -> LedgerChange {
    LedgerChange::new(Change::insert("staff", Row::new().with("id", id).with("boss", boss)))
}

async fn script(url: &DbUrl, text: &str) {
    Conn::open(url, Access::Write, "test").await.unwrap().lend().script(text).await.unwrap();
}

async fn pid(ledger: &mut SqlLedger) -> i64 {
    let text = "SELECT CAST(connection_id() AS SIGNED)";
    ledger.conn().fetch_one(text, vec![]).await.unwrap().i64(0).unwrap()
}

#[tokio::test]
async fn a_pause_that_waits_too_long_names_the_session_in_its_way_and_pauses_nothing() {
    let Some(rig) = rig().await else { return };
    let (mut ledger, mut control) = (rig.ledger().await, rig.control().await);
    ledger.begin().await.unwrap();
    let holder = pid(&mut ledger).await;
    let Err(LedgerError::Store(error)) = control.pause("dba", "index").await else { panic!("it was paused") };
    assert_eq!(error.class, SqlClass::Transient);
    assert!(error.message.starts_with("not paused: a posting transaction is still running"), "{error}");
    assert!(error.message.contains(&format!("pid {holder} ")), "{error}");
    assert_eq!(control.standing().await.unwrap().control.desired, Desired::Running);
    ledger.rollback().await.unwrap();
    assert_eq!(control.pause("dba", "index").await.unwrap().desired, Desired::Paused);
}

#[tokio::test]
async fn a_sign_of_life_does_not_wait_for_the_posting_transaction() {
    let Some(rig) = rig().await else { return };
    let (mut ledger, mut control) = (rig.ledger().await, rig.control().await);
    let free = control.lease().await.unwrap();
    let held = control.take_lease(&free, "one").await.unwrap().unwrap();
    ledger.begin().await.unwrap();
    ledger.apply(&[shop(1)]).await.unwrap();
    assert!(control.beat(held.fence).await.unwrap());
    ledger.commit().await.unwrap();
    assert!(control.lease().await.unwrap().beat > held.beat);
    assert!(!control.beat(held.fence + 1).await.unwrap());
}

#[tokio::test]
async fn a_session_ended_by_the_server_is_lost_and_leaves_nothing() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    ledger.begin().await.unwrap();
    ledger.apply(&[shop(1)]).await.unwrap();
    let holder = pid(&mut ledger).await;
    script(rig.url(), &format!("KILL {holder}")).await;
    let Err(LedgerError::Store(error)) = ledger.commit().await else { panic!("it was committed") };
    assert_eq!(error.class, SqlClass::Lost, "{error}");
    let mut ledger = rig.ledger().await;
    let schema = ledger.schema().clone();
    assert_eq!(ledger.scan(&schema, &"shop".into(), None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn after_a_lost_reply_to_a_commit_the_locked_checkpoint_tells_what_happened() {
    let Some(server) = mariadb_or_skip() else { return };
    for cut in [Cut::BeforeCommit, Cut::ReplyLost, Cut::ReplyHalved] {
        let database = server.create_database();
        let rig = SqlRig::new(database.url.parse().unwrap()).await;
        let proxy = Proxy::start(server);
        let through: DbUrl = proxy.url(server, &database.name).parse().unwrap();
        let mut ledger = SqlLedger::open(&through, "suite").await.unwrap();
        let to = Posted { seal_nr: SealNr(1), trans_nr: TransNr(1) };
        ledger.begin().await.unwrap();
        ledger.apply(&[shop(1)]).await.unwrap();
        ledger.advance(&origin("b"), Posted::default(), to).await.unwrap();
        proxy.cut_at_commit(cut, 0);
        let Err(LedgerError::Store(error)) = ledger.commit().await else { panic!("{cut:?}: a reply came") };
        assert_eq!(error.class, SqlClass::Lost, "{cut:?}: {error}");
        drop(ledger);
        proxy.cuts_made(1).await;
        let mut ledger = rig.ledger().await;
        ledger.begin().await.unwrap();
        let found = ledger.lock_posted(&origin("b")).await.unwrap();
        let done = cut != Cut::BeforeCommit;
        assert_eq!(found, if done { to } else { Posted::default() }, "{cut:?}");
        ledger.rollback().await.unwrap();
        let schema = ledger.schema().clone();
        let shops = ledger.scan(&schema, &"shop".into(), None, 9).await.unwrap();
        assert_eq!(shops.len(), usize::from(done), "{cut:?}: effect and checkpoint disagree");
    }
}

#[tokio::test]
async fn what_a_trigger_of_the_application_raises_is_the_fault_of_the_change() {
    let Some(rig) = rig().await else { return };
    let trigger = "CREATE TRIGGER no BEFORE INSERT ON shop FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never'";
    script(rig.url(), trigger).await;
    let mut ledger = rig.ledger().await;
    ledger.begin().await.unwrap();
    let refused = ledger.apply(&[shop(1)]).await;
    assert!(matches!(refused, Err(LedgerError::Fault { fault: Fault::Check, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_text_too_long_for_the_index_of_its_key_is_refused_whole_and_found_in_no_row() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    // Blanks at the end: a column of bounded length alone would cut them off and say nothing.
    let key = |length: usize| Row::new().with("k", format!("{:<length$}", "x"));
    let insert = |length: usize| LedgerChange::new(Change::insert("by_text", key(length)));
    ledger.begin().await.unwrap();
    ledger.apply(&[insert(740)]).await.unwrap();
    let refused = ledger.apply(&[insert(760)]).await;
    let Err(LedgerError::Fault { fault, detail }) = refused else { panic!("{refused:?}") };
    assert_eq!(fault, Fault::OutOfRange, "{detail}");
    ledger.rollback().await.unwrap();
    ledger.begin().await.unwrap();
    let together = ledger.apply_together(&[&insert(1), &insert(760)]).await;
    assert!(matches!(together, Err(LedgerError::Fault { .. })), "{together:?}");
    ledger.rollback().await.unwrap();
    assert!(ledger.fetch(&"by_text".into(), &key(760)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_that_refers_to_itself_moves_and_ends_and_others_keep_it() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    let id = |id: i64| Row::new().with("id", id);
    let moved =
        |from: i64, to: i64| LedgerChange::new(Change::update("staff", id(from), id(to).with("boss", to)));
    ledger.begin().await.unwrap();
    ledger.apply(&[staff(1, 1), moved(1, 2), staff(3, 2)]).await.unwrap();
    ledger.commit().await.unwrap();
    for (change, expected) in [
        (LedgerChange::new(Change::delete("staff", id(2))), Fault::StillReferenced),
        (moved(2, 4), Fault::StillReferenced),
        (LedgerChange::new(Change::update("staff", id(2), Row::new().with("boss", 9))), Fault::MissingParent),
        (staff(5, 6), Fault::MissingParent),
    ] {
        ledger.begin().await.unwrap();
        let refused = ledger.apply(std::slice::from_ref(&change)).await;
        let Err(LedgerError::Fault { fault, detail }) = refused else { panic!("{change:?}: {refused:?}") };
        assert_eq!(fault, expected, "{detail}");
        ledger.rollback().await.unwrap();
    }
    let checks = ledger.conn().fetch_one("SELECT CAST(@@foreign_key_checks AS SIGNED)", vec![]).await;
    assert_eq!(checks.unwrap().i64(0).unwrap(), 1, "it looks again");
    ledger.begin().await.unwrap();
    ledger.apply(&[3, 2].map(|nr| LedgerChange::new(Change::delete("staff", id(nr))))).await.unwrap();
    ledger.commit().await.unwrap();
    let schema = ledger.schema().clone();
    assert_eq!(ledger.scan(&schema, &"staff".into(), None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_kept_beside_a_row_of_a_long_key_is_refused_by_name() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    let mut image = LedgerChange::new(Change::insert("by_text", Row::new().with("k", "k".repeat(700))));
    image.complement.set = Row::new().with("2:gone", 1);
    for together in [false, true] {
        ledger.begin().await.unwrap();
        let other = LedgerChange::new(Change::insert("by_text", Row::new().with("k", "other")));
        let refused = match together {
            true => ledger.apply_together(&[&other, &image]).await,
            false => ledger.apply(std::slice::from_ref(&image)).await,
        };
        let Err(LedgerError::Fault { fault, detail }) = refused else { panic!("{refused:?}") };
        assert_eq!(fault, Fault::OutOfRange, "{detail}");
        assert!(detail.contains("at most 680 characters"), "{detail}");
        ledger.rollback().await.unwrap();
    }
}
