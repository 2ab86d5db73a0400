//! The client library on database servers: commits whose answer is lost, a server that goes away, the application's own
//! transactions. The same cases on each product.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use journal_core::client::{AppendFailure, GroupCommit, Journal, Transaction};
use journal_core::conformance::{UNLIMITED, initialise, origin};
use journal_core::model::{Column, Row, Schema, SchemaVersion, Table, TransNr, Type};
use journal_core::sql::{Access, Conn, DbUrl};
use journal_core::store::sql::{ReleasedSchema, insert_schema_version, read_tail_rows};
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::{
    Server, Settings, mariadb_or_skip, own_mariadb_or_skip, own_postgres_or_skip, postgres_or_skip,
};
use sqlx::{Connection, MySqlConnection, PgConnection};

/// The cases on one product: those on the shared server, and those that stop one of their own.
macro_rules! cases {
    ($product:ident, $connection:ty, $shared:ident, $own:ident) => {
        mod $product {
            use super::*;

            cases!(@each $shared(); every_caller_gets_its_receipt_though_answers_to_commits_are_lost
                callers_at_once_are_appended_once_though_answers_to_commits_are_lost ids_are_given_out_once_though_answers_are_lost);
            cases!(@each $own(Settings::default()); appends_outlast_a_restart_of_the_server
                a_server_that_stays_away_is_told_after_the_callers_patience);

            #[tokio::test]
            async fn an_append_in_the_applications_own_transaction_lives_and_dies_with_it() {
                let Some(server) = $shared() else { return };
                own_transaction!(server, $connection);
            }
        }
    };
    (@each $server:expr; $($case:ident)*) => {$(
        #[tokio::test]
        async fn $case() {
            let Some(server) = $server else { return };
            super::$case(std::borrow::Borrow::<Server>::borrow(&server)).await;
        }
    )*};
}

/// With the driver's own connection, as an application has it.
macro_rules! own_transaction {
    ($server:ident, $connection:ty) => {
        let database = $server.create_database();
        let url = shop(&database.url).await;
        let journal = Journal::open(&url, &origin("a").site).await.unwrap();
        let mut session = <$connection>::connect(&database.url).await.unwrap();
        let transaction = item(1);
        let mut own = session.begin().await.unwrap();
        assert!(!journal.append_in(&mut *own, &transaction).await.unwrap().repeated());
        own.rollback().await.unwrap();
        assert_eq!(appended(&url).await, []);
        let mut own = session.begin().await.unwrap();
        let receipt = journal.append_in(&mut *own, &transaction).await.unwrap();
        // A retry within the same transaction, and one beside it that has to wait for its end.
        assert!(journal.append_in(&mut *own, &transaction).await.unwrap().repeated());
        let beside = journal.send(&transaction).await.unwrap();
        own.commit().await.unwrap();
        let beside = beside.durable().await.unwrap();
        assert_eq!((beside.id(), beside.repeated()), (receipt.id(), true));
        assert_eq!(appended(&url).await, [(receipt.id().trans_nr, transaction.tx_id())]);
    };
}

cases!(postgres, PgConnection, postgres_or_skip, own_postgres_or_skip);
cases!(mariadb, MySqlConnection, mariadb_or_skip, own_mariadb_or_skip);

/// Makes a database site a of a shop with one table.
async fn shop(url: &str) -> DbUrl {
    let url: DbUrl = url.parse().unwrap();
    initialise(&url, &origin("a")).await;
    let column = |name: &str, ty| Column { name: name.into(), ty, nullable: false };
    let columns = vec![column("id", Type::Int), column("name", Type::Text { max: None })];
    let item = Table::new("item", columns, vec!["id".into()]);
    let schema = Schema {
        version: SchemaVersion(1),
        tables: BTreeMap::from([("item".into(), item)]),
        operations: BTreeMap::new(),
    };
    let released = ReleasedSchema { hash: "h".to_owned(), schema, files: String::new(), released_at: 0 };
    let mut conn = Conn::open(&url, Access::Write, "test").await.unwrap();
    insert_schema_version(conn.lend(), &released).await.unwrap();
    url
}

async fn appended(url: &DbUrl) -> Vec<(TransNr, uuid::Uuid)> {
    let mut conn = Conn::open(url, Access::Read, "test").await.unwrap();
    let rows = read_tail_rows(conn.lend(), &origin("a"), TransNr(0), UNLIMITED).await.unwrap();
    rows.transactions.into_iter().map(|transaction| (transaction.id.trans_nr, transaction.tx_id)).collect()
}

fn item(id: i64) -> Transaction {
    Transaction::new().insert("item", Row::new().with("id", id).with("name", "pear"))
}

async fn every_caller_gets_its_receipt_though_answers_to_commits_are_lost(server: &Server) {
    let proxy = Proxy::start(server);
    let database = server.create_database();
    let direct = shop(&database.url).await;
    let through = proxy.url(server, &database.name).parse().unwrap();
    let journal = Journal::open(&through, &origin("a").site).await.unwrap();
    let mut expected = Vec::new();
    for round in 0..12_i64 {
        let cut = [Cut::ReplyLost, Cut::BeforeCommit, Cut::ReplyHalved][usize::try_from(round % 3).unwrap()];
        let transactions: Vec<Transaction> = (0..8).map(|at| item(round * 8 + at)).collect();
        proxy.cut_at_commit(cut, usize::from(round % 2 == 0));
        let mut pending = Vec::new();
        for transaction in &transactions {
            pending.push(journal.send(transaction).await.unwrap());
        }
        for (pending, transaction) in pending.into_iter().zip(&transactions) {
            let receipt = pending.durable().await.unwrap();
            expected.push((receipt.id().trans_nr, transaction.tx_id()));
        }
    }
    assert!(expected.is_sorted(), "numbers rise in the order of the sends");
    assert_eq!(appended(&direct).await, expected);
}

/// As before, with callers who do not send before they have an answer, so that two commits may be under way.
async fn callers_at_once_are_appended_once_though_answers_to_commits_are_lost(server: &Server) {
    let proxy = Proxy::start(server);
    let database = server.create_database();
    let direct = shop(&database.url).await;
    let through = proxy.url(server, &database.name).parse().unwrap();
    let journal = Journal::open(&through, &origin("a").site).await.unwrap();
    let mut expected = Vec::new();
    for round in 0..12_i64 {
        let cut = [Cut::ReplyLost, Cut::BeforeCommit, Cut::ReplyHalved][usize::try_from(round % 3).unwrap()];
        proxy.cut_at_commit(cut, usize::from(round % 2 == 0));
        expected.extend(callers(&journal, round * 40..(round + 1) * 40).join_all().await);
    }
    expected.sort_unstable();
    let read = appended(&direct).await;
    assert_eq!(read.iter().map(|(nr, _)| *nr).collect::<Vec<_>>(), expected);
    assert_eq!(read.iter().map(|(_, tx_id)| tx_id).collect::<BTreeSet<_>>().len(), 480);
}

async fn appends_outlast_a_restart_of_the_server(server: &Server) {
    let url = shop(&server.create_database().url).await;
    let journal = Journal::open(&url, &origin("a").site).await.unwrap();
    let first = item(1);
    journal.append(&first).await.unwrap();
    server.stop_immediate();
    let pending = journal.send(&item(2)).await.unwrap();
    server.restart();
    let second = pending.durable().await.unwrap();
    assert!(journal.append(&first).await.unwrap().repeated());
    let read = appended(&url).await;
    assert_eq!((read.len(), read[1].0), (2, second.id().trans_nr));
}

async fn a_server_that_stays_away_is_told_after_the_callers_patience(server: &Server) {
    let url = shop(&server.create_database().url).await;
    let group_commit = GroupCommit { patience: Duration::from_millis(50), ..GroupCommit::default() };
    let journal = Journal::builder(&url, &origin("a").site).group_commit(group_commit).open().await.unwrap();
    server.stop_immediate();
    let transaction = item(1);
    let failure = journal.append(&transaction).await.unwrap_err();
    assert!(matches!(failure, AppendFailure::InDoubt(_) | AppendFailure::Refused(_)), "{failure:?}");
    server.restart();
    assert!(!journal.append(&transaction).await.unwrap().repeated());
    assert_eq!(appended(&url).await.len(), 1);
}

/// A session that keeps every append to a journal waiting, as a long one of an application's own would.
struct Barrier(PgConnection);

impl Barrier {
    async fn raise(database: &str) -> Self {
        let mut session = PgConnection::connect(database).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE daybook.journal IN EXCLUSIVE MODE")
            .execute(&mut session)
            .await
            .unwrap();
        Self(session)
    }

    /// Waits until so many sessions stand at it.
    async fn met_by(&mut self, sessions: i64) {
        let standing =
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'daybook.journal'::regclass";
        while sqlx::query_scalar::<_, i64>(standing).fetch_one(&mut self.0).await.unwrap() < sessions {
            tokio::task::yield_now().await;
        }
    }

    async fn drop(mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await.unwrap();
    }
}

/// Has a database take no new connections; the session that said so.
async fn take_no_more(server: &Server, database: &str) -> PgConnection {
    let mut elsewhere = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let closed = sqlx::query("UPDATE pg_database SET datallowconn = false WHERE datname = $1");
    closed.bind(database).execute(&mut elsewhere).await.unwrap();
    elsewhere
}

/// Callers who append at once, and wait.
fn callers(journal: &Journal, ids: std::ops::Range<i64>) -> tokio::task::JoinSet<TransNr> {
    let mut callers = tokio::task::JoinSet::new();
    for id in ids {
        let journal = journal.clone();
        callers.spawn(async move { journal.append(&item(id)).await.unwrap().id().trans_nr });
    }
    callers
}

#[tokio::test]
async fn many_callers_have_two_commits_under_way_on_postgres_and_what_is_sent_keeps_its_order() {
    let Some(server) = postgres_or_skip() else { return };
    let database = server.create_database();
    let url = shop(&database.url).await;
    let journal = Journal::open(&url, &origin("a").site).await.unwrap();
    let mut barrier = Barrier::raise(&database.url).await;
    let at_once = callers(&journal, 0..40);
    barrier.met_by(2).await;
    let mut sent = Vec::new();
    for id in 40..80 {
        sent.push(journal.send(&item(id)).await.unwrap());
    }
    let after = callers(&journal, 80..120);
    barrier.drop().await;
    let mut in_order = Vec::new();
    for pending in sent {
        in_order.push(pending.durable().await.unwrap().id().trans_nr);
    }
    assert!(in_order.is_sorted());
    let (at_once, after) = (at_once.join_all().await, after.join_all().await);
    assert!(after.iter().min() > in_order.last());
    let mut all = [at_once, in_order, after].concat();
    all.sort_unstable();
    assert_eq!(all, appended(&url).await.into_iter().map(|(nr, _)| nr).collect::<Vec<_>>());
    assert_eq!(all.len(), 120);
}

#[tokio::test]
async fn a_second_connection_that_cannot_be_had_keeps_nobody_waiting() {
    let Some(server) = postgres_or_skip() else { return };
    let database = server.create_database();
    let url = shop(&database.url).await;
    let journal = Journal::open(&url, &origin("a").site).await.unwrap();
    let mut barrier = Barrier::raise(&database.url).await;
    let _elsewhere = take_no_more(server, &database.name).await;
    let callers = callers(&journal, 0..100);
    barrier.met_by(1).await;
    barrier.drop().await;
    let numbers: BTreeSet<TransNr> = callers.join_all().await.into_iter().collect();
    assert_eq!(numbers.len(), 100);
}

#[tokio::test]
async fn a_second_connection_that_is_lost_keeps_nobody_waiting() {
    let Some(server) = postgres_or_skip() else { return };
    let database = server.create_database();
    let url = shop(&database.url).await;
    // Longer than the test may take: who waited for it would be seen.
    let group_commit = GroupCommit { patience: Duration::from_secs(600), ..GroupCommit::default() };
    let journal = Journal::builder(&url, &origin("a").site).group_commit(group_commit).open().await.unwrap();
    let mut barrier = Barrier::raise(&database.url).await;
    let first = callers(&journal, 0..40);
    barrier.met_by(2).await;
    barrier.drop().await;
    first.join_all().await;
    let mut elsewhere = take_no_more(server, &database.name).await;
    let ended = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 10000) AS gone FROM pg_stat_activity \
         WHERE datname = $1 AND application_name = 'daybook client' ORDER BY backend_start DESC LIMIT 1) AS ended WHERE gone",
    );
    assert_eq!(ended.bind(&database.name).fetch_one(&mut elsewhere).await.unwrap(), 1);
    callers(&journal, 40..140).join_all().await;
    let reopened = sqlx::query("UPDATE pg_database SET datallowconn = true WHERE datname = $1");
    reopened.bind(&database.name).execute(&mut elsewhere).await.unwrap();
    assert_eq!(appended(&url).await.len(), 140);
}

async fn ids_are_given_out_once_though_answers_are_lost(server: &Server) {
    let proxy = Proxy::start(server);
    let database = server.create_database();
    shop(&database.url).await;
    let through = proxy.url(server, &database.name).parse().unwrap();
    let mut given = BTreeSet::new();
    for cut in [Cut::ReplyLost, Cut::BeforeCommit, Cut::ReplyHalved] {
        let journal = Journal::open(&through, &origin("a").site).await.unwrap();
        proxy.cut_at_commit(cut, 0);
        assert!(given.insert(journal.next_id("item").await.unwrap()));
        journal.reserve_ids_above("item", 5).await.unwrap();
    }
}
