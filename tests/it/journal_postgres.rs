//! The journal in PostgreSQL: the conformance suite, the hole rule, and commits whose answer is lost.

use journal_core::conformance::{SqlRig, new_transaction, origin};
use journal_core::model::TransNr;
use journal_core::sql::{Access, ConnRef};
use journal_core::store::sql::{SqlJournal, append_in};
use journal_tests::servers::{Settings, own_postgres_or_skip, postgres_or_skip};
use sqlx::{Connection, PgConnection};

use crate::journal_servers::{self, append, journal, numbers, tail};

mod suite {
    use super::{SqlRig, postgres_or_skip};

    fn rig() -> Option<SqlRig> {
        let server = postgres_or_skip()?;
        Some(SqlRig::new(|| server.create_database().url.parse().unwrap()))
    }

    journal_core::journal_conformance!(rig());
}

/// A session that has appended transactions in a database transaction of its own and not yet committed.
async fn open_writer(url: &str, seeds: std::ops::Range<u64>) -> (PgConnection, Vec<TransNr>) {
    let mut session = PgConnection::connect(url).await.unwrap();
    run(&mut session, "BEGIN").await;
    let batch: Vec<_> = seeds.map(|seed| new_transaction(seed, 1)).collect();
    let appended = append_in(ConnRef::from(&mut session), &origin("a"), &batch).await.unwrap();
    (session, appended.into_iter().map(|appended| appended.trans_nr).collect())
}

async fn run(session: &mut PgConnection, text: &'static str) {
    sqlx::raw_sql(text).execute(session).await.unwrap();
}

#[tokio::test]
async fn a_lower_number_that_commits_late_is_waited_for_and_read() {
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let (mut late, low) = open_writer(&url, 1..3).await;
    let high = append(&mut store, 3).await;
    assert!(low[1] < high);
    for _look in 0..3 {
        let seen = tail(&mut store).await;
        assert_eq!((numbers(&seen), seen.up_to), (vec![], TransNr(low[0].0 - 1)));
        let hole = seen.hole.unwrap();
        assert_eq!((hole.first, hole.last), (low[0], low[1]));
    }
    run(&mut late, "COMMIT").await;
    let seen = tail(&mut store).await;
    assert_eq!((numbers(&seen), seen.hole), (vec![low[0], low[1], high], None));
}

#[tokio::test]
async fn what_stands_before_a_hole_is_read_meanwhile() {
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let before = append(&mut store, 1).await;
    let (mut late, low) = open_writer(&url, 2..3).await;
    append(&mut store, 3).await;
    let seen = tail(&mut store).await;
    assert_eq!((numbers(&seen), seen.up_to), (vec![before], before));
    assert_eq!(seen.hole.unwrap().first, low[0]);
    run(&mut late, "ROLLBACK").await;
}

#[tokio::test]
async fn a_number_whose_transaction_rolls_back_is_passed() {
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let (mut late, _) = open_writer(&url, 1..2).await;
    let high = append(&mut store, 2).await;
    assert!(tail(&mut store).await.hole.is_some());
    run(&mut late, "ROLLBACK").await;
    let seen = tail(&mut store).await;
    assert_eq!((numbers(&seen), seen.up_to, seen.hole), (vec![high], high, None));
    // A hole that was dead before anybody looked holds nobody up either.
    let (late, _) = open_writer(&url, 3..4).await;
    late.close().await.unwrap();
    let higher = append(&mut store, 4).await;
    let mut fresh = SqlJournal::open(&url.parse().unwrap(), Access::Read, "test").await.unwrap();
    assert_eq!(numbers(&tail(&mut fresh).await), [high, higher]);
}

#[tokio::test]
async fn no_number_is_taken_before_the_lock_that_shows_it() {
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    // Often enough that the server has a plan for any values and locks before it carries that out.
    let mut before = TransNr(0);
    for seed in 1..=10 {
        before = append(&mut store, seed).await;
    }
    let mut holder = PgConnection::connect(&url).await.unwrap();
    run(&mut holder, "BEGIN; LOCK TABLE daybook.journal IN SHARE MODE").await;
    let waiting = tokio::spawn(async move { append(&mut store, 11).await });
    let waits =
        "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'daybook.journal'::regclass AND NOT granted";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut holder).await.unwrap() {}
    let last = sqlx::query_scalar::<_, i64>("SELECT last_value FROM daybook.trans_nr");
    assert_eq!(TransNr(last.fetch_one(&mut holder).await.unwrap()), before);
    run(&mut holder, "COMMIT").await;
    assert_eq!(waiting.await.unwrap(), TransNr(before.0 + 1));
}

#[tokio::test]
async fn a_long_transaction_that_writes_no_journal_rows_stalls_nobody() {
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let mut unrelated = PgConnection::connect(&url).await.unwrap();
    run(&mut unrelated, "CREATE TABLE other (id bigint)").await;
    run(&mut unrelated, "BEGIN; INSERT INTO other VALUES (1); SELECT count(*) FROM daybook.journal").await;
    let (mut late, _) = open_writer(&url, 1..2).await;
    let high = append(&mut store, 2).await;
    run(&mut late, "ROLLBACK").await;
    let seen = tail(&mut store).await;
    assert_eq!((numbers(&seen), seen.hole), (vec![high], None));
    run(&mut unrelated, "COMMIT").await;
}

#[tokio::test]
async fn an_idle_journal_writer_is_named() {
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let (mut idle, _) = open_writer(&url, 1..2).await;
    run(&mut idle, "SET application_name = 'till 7'").await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut idle).await.unwrap();
    append(&mut store, 2).await;
    let writers = tail(&mut store).await.hole.unwrap().writers;
    assert_eq!(writers.len(), 1, "{writers:?}");
    let expected = format!("pid {pid} (till 7, idle in transaction, in its transaction since 2");
    assert!(writers[0].starts_with(&expected), "{writers:?}");
    run(&mut idle, "ROLLBACK").await;
}

#[tokio::test]
async fn a_writer_that_came_after_the_hole_was_seen_does_not_keep_it_open() {
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let (mut first, _) = open_writer(&url, 1..2).await;
    let second = append(&mut store, 2).await;
    assert!(tail(&mut store).await.hole.is_some());
    let (mut later, third) = open_writer(&url, 3..4).await;
    let fourth = append(&mut store, 4).await;
    run(&mut first, "ROLLBACK").await;
    let seen = tail(&mut store).await;
    assert_eq!(numbers(&seen), [second]);
    assert_eq!(seen.hole.unwrap().first, third[0]);
    run(&mut later, "COMMIT").await;
    assert_eq!(numbers(&tail(&mut store).await), [second, third[0], fourth]);
}

#[tokio::test]
async fn a_prepared_transaction_keeps_its_hole_open_until_it_is_decided() {
    let settings =
        Settings { options: vec!["max_prepared_transactions=2".to_owned()], ..Settings::default() };
    let Some(server) = own_postgres_or_skip(settings) else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let (mut session, low) = open_writer(&url, 1..2).await;
    let high = append(&mut store, 2).await;
    assert!(tail(&mut store).await.hole.is_some());
    run(&mut session, "PREPARE TRANSACTION 'two_phase'").await;
    let hole = tail(&mut store).await.hole.unwrap();
    assert!(hole.writers[0].contains("prepared transaction"), "{hole:?}");
    run(&mut session, "COMMIT PREPARED 'two_phase'").await;
    assert_eq!(numbers(&tail(&mut store).await), [low[0], high]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_many_writers_reads_each_commit_once() {
    let Some(server) = postgres_or_skip() else { return };
    journal_servers::a_reader_beside_many_writers(server, "SELECT pg_sleep(0.004)").await;
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_gives_its_number_when_asked_again() {
    let Some(server) = postgres_or_skip() else { return };
    journal_servers::an_append_whose_answer_is_lost(server).await;
}

#[tokio::test]
async fn runs_whose_receipt_is_lost_are_received_once() {
    let Some(server) = postgres_or_skip() else { return };
    journal_servers::runs_whose_receipt_is_lost(server).await;
}
