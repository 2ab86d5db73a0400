//! The journal in PostgreSQL: the conformance suite, the hole rule, and commits whose answer is lost.

use journal_core::conformance::{SqlRig, UNLIMITED, content, initialise, new_transaction, origin, seal_next};
use journal_core::journal::{AppendError, Appended, JournalStore, ReceiveError, Tail};
use journal_core::model::{SealNr, TransNr};
use journal_core::sql::{Access, ConnRef, DbUrl, SqlClass};
use journal_core::store::sql::{SqlJournal, append_in};
use journal_tests::proxy::{Cut, Proxy};
use journal_tests::servers::{Settings, own_postgres_or_skip, postgres_or_skip};
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sqlx::{Connection, PgConnection};

mod suite {
    use super::{SqlRig, postgres_or_skip};

    fn rig() -> Option<SqlRig> {
        let server = postgres_or_skip()?;
        Some(SqlRig::new(|| server.create_database().url.parse().unwrap()))
    }

    journal_core::journal_conformance!(rig());
}

/// A journal of site a in a database of its own, and its address.
async fn journal(url: &str) -> (SqlJournal, String) {
    let address: DbUrl = url.parse().unwrap();
    initialise(&address, &origin("a")).await;
    (SqlJournal::open(&address, Access::Write, "test").await.unwrap(), url.to_owned())
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

async fn append(store: &mut SqlJournal, seed: u64) -> TransNr {
    store.append(&[new_transaction(seed, 1)]).await.unwrap()[0].trans_nr
}

async fn tail(store: &mut SqlJournal) -> Tail {
    store.read_tail(TransNr(0), UNLIMITED).await.unwrap()
}

fn numbers(tail: &Tail) -> Vec<TransNr> {
    tail.transactions.iter().map(|transaction| transaction.id.trans_nr).collect()
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

/// Writers that commit and roll back in any order, a reader that moves on as it may: what it passes, it has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_many_writers_reads_each_commit_once() {
    const WRITERS: u64 = 6;
    const ROUNDS: u64 = 40;
    let Some(server) = postgres_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let url = url.clone();
        let mut chance = ChaCha8Rng::seed_from_u64(seed.wrapping_add(writer));
        writers.spawn(async move {
            let mut committed = Vec::new();
            let mut session = PgConnection::connect(&url).await.unwrap();
            for round in 0..ROUNDS {
                run(&mut session, "BEGIN").await;
                let batch =
                    [new_transaction(writer * 1000 + round, 1 + usize::from(chance.random::<bool>()))];
                let appended = append_in(ConnRef::from(&mut session), &origin("a"), &batch).await.unwrap();
                if chance.random_bool(0.4) {
                    run(&mut session, "SELECT pg_sleep(0.004)").await; // The server's own: it widens the window.
                }
                if chance.random_bool(0.3) {
                    run(&mut session, "ROLLBACK").await;
                } else {
                    run(&mut session, "COMMIT").await;
                    committed.push(appended[0].trans_nr);
                }
            }
            committed
        });
    }
    let (mut read, mut after, mut holes) = (Vec::new(), TransNr(0), 0);
    let mut committed = Vec::new();
    while let Some(done) = {
        let tail = store.read_tail(after, UNLIMITED).await.unwrap();
        read.extend(numbers(&tail));
        holes += usize::from(tail.hole.is_some());
        after = tail.up_to;
        if writers.is_empty() { None } else { Some(writers.try_join_next()) }
    } {
        committed.extend(done.into_iter().flat_map(Result::unwrap));
    }
    read.extend(numbers(&store.read_tail(after, UNLIMITED).await.unwrap()));
    committed.sort_unstable();
    assert_eq!(read, committed, "seed {seed}");
    println!("{} commits, {holes} looks stopped at a hole", committed.len());
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_gives_its_number_when_asked_again() {
    let Some(server) = postgres_or_skip() else { return };
    let proxy = Proxy::start(server);
    let database = server.create_database();
    initialise(&database.url.parse().unwrap(), &origin("a")).await;
    let through = proxy.url(server, &database.name).parse().unwrap();
    let mut store = SqlJournal::open(&through, Access::Write, "test").await.unwrap();
    for (seed, cut, kept) in
        [(1, Cut::ReplyLost, true), (2, Cut::BeforeCommit, false), (3, Cut::ReplyHalved, true)]
    {
        let batch = [new_transaction(seed, 2)];
        proxy.cut_at_commit(cut, 0);
        let error = store.append(&batch).await.unwrap_err();
        assert!(matches!(&error, AppendError::Store(error) if error.class == SqlClass::Lost), "{error:?}");
        let again = store.append(&batch).await.unwrap();
        assert_eq!(again[0].repeated, kept, "{cut:?}");
        let once_more = Appended { repeated: true, ..again[0] };
        assert_eq!(store.append(&batch).await, Ok(vec![once_more]));
    }
    let read: Vec<_> = tail(&mut store).await.transactions.iter().map(content).collect();
    assert_eq!(read, [1, 2, 3].map(|seed| new_transaction(seed, 2)));
}

#[tokio::test]
async fn runs_whose_receipt_is_lost_are_received_once() {
    let Some(server) = postgres_or_skip() else { return };
    let mut rig = SqlRig::new(|| server.create_database().url.parse().unwrap());
    let mut peer = journal_core::conformance::Rig::create(&mut rig, &origin("b")).await;
    append(&mut peer, 1).await;
    let runs = [seal_next(&mut rig, &mut peer, &[]).await];
    let proxy = Proxy::start(server);
    for cut in [Cut::ReplyLost, Cut::BeforeCommit, Cut::ReplyHalved] {
        let database = server.create_database();
        initialise(&database.url.parse().unwrap(), &origin("a")).await;
        let through = proxy.url(server, &database.name).parse().unwrap();
        let mut store = SqlJournal::open(&through, Access::Write, "test").await.unwrap();
        proxy.cut_at_commit(cut, 0);
        let error = store.receive(&runs).await.unwrap_err();
        assert!(matches!(&error, ReceiveError::Store(error) if error.class == SqlClass::Lost), "{error:?}");
        assert_eq!(store.receive(&runs).await.unwrap().seal_nr, SealNr(1));
        assert!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.unwrap() == runs);
    }
}
