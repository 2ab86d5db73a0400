//! The ledger in PostgreSQL: the conformance suite, and what only a server does.

use applier::control::sql::SqlControl;
use applier::control::{ControlStore, Desired};
use applier::ledger::conformance::{Rig, SqlRig};
use applier::ledger::sql::SqlLedger;
use applier::ledger::{Fault, Ledger, LedgerChange, LedgerError, LedgerReader, Posted};
use journal_core::codec::chain::{self, SealDraft};
use journal_core::conformance::origin;
use journal_core::model::seal::GENESIS;
use journal_core::model::{Change, Hlc, Row, SealNr, TransNr, Value, Vector};
use journal_core::sql::{Access, Conn, DbUrl, SqlClass};
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::postgres_or_skip;

mod suite {
    use super::{SqlRig, postgres_or_skip};

    async fn rig() -> Option<SqlRig> {
        let database = postgres_or_skip()?.create_database();
        Some(SqlRig::new(database.url.parse().unwrap()).await)
    }

    applier::ledger_conformance!(rig().await);
}

async fn rig() -> Option<SqlRig> {
    let database = postgres_or_skip()?.create_database();
    Some(SqlRig::new(database.url.parse().unwrap()).await)
}

fn shop(id: i64) -> LedgerChange {
    LedgerChange::new(Change::insert("shop", Row::new().with("id", id).with("name", "s")))
}

async fn script(url: &DbUrl, text: &str) {
    Conn::open(url, Access::Write, "test").await.unwrap().lend().script(text).await.unwrap();
}

async fn pid(ledger: &mut SqlLedger) -> i64 {
    let text = "SELECT CAST(pg_backend_pid() AS bigint)";
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
    assert!(error.message.contains(&format!("pid {holder} daybook suite")), "{error}");
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
}

#[tokio::test]
async fn a_session_ended_by_the_server_is_lost_and_leaves_nothing() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await;
    ledger.begin().await.unwrap();
    ledger.apply(&[shop(1)]).await.unwrap();
    let holder = pid(&mut ledger).await;
    script(rig.url(), &format!("SELECT pg_terminate_backend({holder})")).await;
    let Err(LedgerError::Store(error)) = ledger.commit().await else { panic!("it was committed") };
    assert_eq!(error.class, SqlClass::Lost, "{error}");
    let mut ledger = rig.ledger().await;
    let schema = ledger.schema().clone();
    assert_eq!(ledger.scan(&schema, &"shop".into(), None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn after_a_lost_reply_to_a_commit_the_locked_checkpoint_tells_what_happened() {
    let Some(server) = postgres_or_skip() else { return };
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
async fn a_constraint_that_speaks_up_at_commit_is_a_fault_and_a_definite_no() {
    let Some(rig) = rig().await else { return };
    let deferred = "ALTER TABLE item ADD CONSTRAINT late FOREIGN KEY (stock) REFERENCES shop (id) \
                    DEFERRABLE INITIALLY DEFERRED";
    script(rig.url(), deferred).await;
    let mut ledger = rig.ledger().await;
    let item = Row::new().with("id", 1).with("title", "t").with("stock", 7);
    ledger.begin().await.unwrap();
    ledger.apply(&[LedgerChange::new(Change::insert("item", item))]).await.unwrap();
    let Err(LedgerError::Fault { fault, detail }) = ledger.commit().await else { panic!("it was committed") };
    assert_eq!((fault, detail.contains("late")), (Fault::MissingParent, true), "{detail}");
    let mut ledger = rig.ledger().await;
    let schema = ledger.schema().clone();
    assert_eq!(ledger.scan(&schema, &"item".into(), None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn what_a_trigger_of_the_application_raises_is_the_fault_of_the_change() {
    let Some(rig) = rig().await else { return };
    let trigger =
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never''; END';
                   CREATE TRIGGER no BEFORE INSERT ON shop FOR EACH ROW EXECUTE FUNCTION no()";
    script(rig.url(), trigger).await;
    let mut ledger = rig.ledger().await;
    ledger.begin().await.unwrap();
    let refused = ledger.apply(&[shop(1)]).await;
    assert!(matches!(refused, Err(LedgerError::Fault { fault: Fault::Check, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_scan_is_bytewise_whatever_the_collation_of_the_column() {
    let Some(rig) = rig().await else { return };
    script(rig.url(), "ALTER TABLE by_text ALTER COLUMN k TYPE text COLLATE \"en-x-icu\"").await;
    let mut ledger = rig.ledger().await;
    let keys = ["A", "B", "a", "b", "ä"];
    ledger.begin().await.unwrap();
    let insert = |key: &str| LedgerChange::new(Change::insert("by_text", Row::new().with("k", key)));
    ledger.apply(&keys.map(insert)).await.unwrap();
    ledger.commit().await.unwrap();
    let schema = ledger.schema().clone();
    let mut found = Vec::new();
    while let Some((row, _)) = {
        let after: Option<Vec<Value>> = found.last().map(|last: &Value| vec![last.clone()]);
        ledger.scan(&schema, &"by_text".into(), after.as_deref(), 1).await.unwrap().pop()
    } {
        found.push(row.get("k").cloned().unwrap());
    }
    assert_eq!(found, keys.map(Value::from));
}

#[tokio::test]
async fn what_can_be_posted_again_is_not_flushed_and_what_is_sealed_is() {
    let Some(rig) = rig().await else { return };
    let mut ledger = rig.ledger().await.without_flush().await.unwrap();
    let mut prev_hash = GENESIS;
    for nr in 1..=3 {
        ledger.begin().await.unwrap();
        assert_eq!(flushes(&mut ledger).await, "off", "before seal {nr}");
        let draft = SealDraft {
            origin: origin("a"),
            seal_nr: SealNr(nr),
            first_nr: TransNr(1),
            last_nr: TransNr(0),
            hlc: Hlc(nr),
            seen: Vector::default(),
            schema: 1,
            prev_hash,
            sealed_at: 0,
        };
        let run = chain::seal(draft, Vec::new(), Vec::new());
        ledger.seal(&run).await.unwrap();
        assert_eq!(flushes(&mut ledger).await, "on", "with seal {nr}");
        ledger.commit().await.unwrap();
        prev_hash = run.seal.hash;
    }
    ledger.begin().await.unwrap();
    assert_eq!(flushes(&mut ledger).await, "off", "behind all seals");
}

async fn flushes(ledger: &mut SqlLedger) -> String {
    ledger.conn().fetch_one("SHOW synchronous_commit", vec![]).await.unwrap().text(0).unwrap()
}

#[tokio::test]
async fn a_site_without_ledger_or_schema_says_what_is_missing() {
    let Some(rig) = rig().await else { return };
    for (text, word) in [
        ("UPDATE daybook.site SET ledger_version = 4", "version 4, which is not on record"),
        ("UPDATE daybook.site SET ledger_version = 0", "no ledger tables yet"),
        ("DELETE FROM daybook.site", "not made a site yet"),
    ] {
        script(rig.url(), text).await;
        let Err(LedgerError::Damaged(message)) = SqlLedger::open(rig.url(), "test").await else {
            panic!("{text}")
        };
        assert!(message.contains(word), "{message}");
    }
    let Err(error) = SqlControl::open(rig.url()).await.unwrap().standing().await else {
        panic!("no site stands")
    };
    assert!(matches!(error, LedgerError::Damaged(_)), "{error}");
}
