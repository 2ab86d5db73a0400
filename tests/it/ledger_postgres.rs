//! The ledger in PostgreSQL: the conformance suite, and what only a server does.

use applier::control::ControlStore;
use applier::control::sql::SqlControl;
use applier::ledger::conformance::{Rig, SqlRig};
use applier::ledger::sql::SqlLedger;
use applier::ledger::{Fault, Ledger, LedgerChange, LedgerError, LedgerReader};
use journal_core::codec::chain::{self, SealDraft};
use journal_core::conformance::origin;
use journal_core::model::seal::GENESIS;
use journal_core::model::{Change, Hlc, Row, SealNr, TransNr, Value, Vector};
use journal_tests::servers::postgres_or_skip;

use crate::ledger_servers::{self, script, shop};

async fn rig() -> Option<SqlRig> {
    Some(ledger_servers::rig(postgres_or_skip()?).await)
}

mod suite {
    use super::rig;

    applier::ledger_conformance!(rig().await);
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
    for (code, expected) in [
        ("P0001", Fault::Check),
        ("MY001", Fault::Check),
        ("45000", Fault::Check),
        ("22012", Fault::OutOfRange),
    ] {
        let raises = format!(
            "CREATE OR REPLACE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''never'' USING ERRCODE = ''{code}''; END'"
        );
        let at_once = "DROP TRIGGER IF EXISTS no ON shop; \
                       CREATE TRIGGER no BEFORE INSERT ON shop FOR EACH ROW EXECUTE FUNCTION no()";
        let deferred = "DROP TRIGGER no ON shop; CREATE CONSTRAINT TRIGGER no AFTER INSERT ON shop \
                        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()";
        script(rig.url(), &raises).await;
        for (when, trigger) in [("at once", at_once), ("at the commit", deferred)] {
            script(rig.url(), trigger).await;
            let mut ledger = rig.ledger().await;
            ledger.begin().await.unwrap();
            let refused = match ledger.apply(&[shop(1)]).await {
                Ok(()) => ledger.commit().await,
                refused => refused,
            };
            let fault = refused.map_err(|error| match error {
                LedgerError::Fault { fault, .. } => Some(fault),
                _ => None,
            });
            assert_eq!(fault, Err(Some(expected)), "{code} {when}");
        }
    }
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
