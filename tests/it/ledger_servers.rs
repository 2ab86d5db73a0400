//! The ledger in any database server: sessions that end, wait or lose their answer. The same cases on each product.

use applier::control::{ControlStore, Desired};
use applier::ledger::conformance::{Rig, SqlRig};
use applier::ledger::sql::SqlLedger;
use applier::ledger::{Ledger, LedgerChange, LedgerError, LedgerReader, Posted};
use journal_core::conformance::origin;
use journal_core::model::{Change, Row, SealNr, TransNr};
use journal_core::sql::{Access, Conn, DbUrl, Dialect, SqlClass};
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::{Server, mariadb_or_skip, postgres_or_skip};

/// The cases on one product.
macro_rules! cases {
    ($product:ident, $shared:ident; $($case:ident)*) => {
        mod $product {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(server) = super::$shared() else { return };
                    super::$case(server).await;
                }
            )*
        }
    };
    ($($product:ident, $shared:ident);*) => {$(
        cases!($product, $shared;
            a_pause_that_waits_too_long_names_the_session_in_its_way_and_pauses_nothing
            a_sign_of_life_does_not_wait_for_the_posting_transaction
            a_session_ended_by_the_server_is_lost_and_leaves_nothing
            after_a_lost_reply_to_a_commit_the_checkpoint_tells_what_happened);
    )*};
}

cases!(postgres, postgres_or_skip; mariadb, mariadb_or_skip);

/// A site in a database of its own.
pub(crate) async fn rig(server: &Server) -> SqlRig {
    SqlRig::new(server.create_database().url.parse().unwrap()).await
}

pub(crate) fn shop(id: i64) -> LedgerChange {
    LedgerChange::new(Change::insert("shop", Row::new().with("id", id).with("name", "s")))
}

pub(crate) async fn script(url: &DbUrl, text: &str) {
    Conn::open(url, Access::Write, "test").await.unwrap().lend().script(text).await.unwrap();
}

/// The number by which the server calls a ledger's session.
async fn pid(ledger: &mut SqlLedger) -> i64 {
    let own = match ledger.conn().dialect() {
        Dialect::MariaDb => "connection_id()",
        Dialect::Sqlite | Dialect::Postgres => "pg_backend_pid()",
    };
    let text = format!("SELECT CAST({own} AS {{bigint}})");
    ledger.conn().fetch_one(&text, vec![]).await.unwrap().i64(0).unwrap()
}

async fn a_pause_that_waits_too_long_names_the_session_in_its_way_and_pauses_nothing(server: &Server) {
    let rig = rig(server).await;
    let (mut ledger, mut control) = (rig.ledger().await, rig.control().await);
    ledger.begin().await.unwrap();
    let holder = pid(&mut ledger).await;
    let Err(LedgerError::Store(error)) = control.pause("dba", "index").await else { panic!("it was paused") };
    assert_eq!(error.class, SqlClass::Transient);
    assert!(error.message.starts_with("not paused: a posting transaction is still running"), "{error}");
    // MariaDB knows users and no purposes.
    let purpose = if rig.url().dialect() == Dialect::Postgres { "daybook suite" } else { "" };
    assert!(error.message.contains(&format!("pid {holder} {purpose}")), "{error}");
    assert_eq!(control.standing().await.unwrap().control.desired, Desired::Running);
    ledger.rollback().await.unwrap();
    assert_eq!(control.pause("dba", "index").await.unwrap().desired, Desired::Paused);
}

async fn a_sign_of_life_does_not_wait_for_the_posting_transaction(server: &Server) {
    let rig = rig(server).await;
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

async fn a_session_ended_by_the_server_is_lost_and_leaves_nothing(server: &Server) {
    let rig = rig(server).await;
    let mut ledger = rig.ledger().await;
    ledger.begin().await.unwrap();
    ledger.apply(&[shop(1)]).await.unwrap();
    let holder = pid(&mut ledger).await;
    let end = match rig.url().dialect() {
        Dialect::MariaDb => format!("KILL {holder}"),
        Dialect::Sqlite | Dialect::Postgres => format!("SELECT pg_terminate_backend({holder})"),
    };
    script(rig.url(), &end).await;
    let Err(LedgerError::Store(error)) = ledger.commit().await else { panic!("it was committed") };
    assert_eq!(error.class, SqlClass::Lost, "{error}");
    let mut ledger = rig.ledger().await;
    let schema = ledger.schema().clone();
    assert_eq!(ledger.scan(&schema, &"shop".into(), None, 9).await.unwrap(), []);
}

async fn after_a_lost_reply_to_a_commit_the_checkpoint_tells_what_happened(server: &Server) {
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
        // It waits for the session that lost its client, and then tells the truth.
        ledger.begin().await.unwrap();
        let moved = ledger.advance(&origin("b"), Posted::default(), to).await;
        ledger.rollback().await.unwrap();
        let done = cut != Cut::BeforeCommit;
        let refused = Err(LedgerError::Moved { origin: origin("b") });
        assert_eq!(moved, if done { refused } else { Ok(()) }, "{cut:?}");
        let schema = ledger.schema().clone();
        let shops = ledger.scan(&schema, &"shop".into(), None, 9).await.unwrap();
        assert_eq!(shops.len(), usize::from(done), "{cut:?}: effect and checkpoint disagree");
    }
}
