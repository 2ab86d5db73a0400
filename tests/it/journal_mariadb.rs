//! The journal in MariaDB: the conformance suite, numbers in the order of commits, the application's own snapshot, limits
//! of the server.

use journal_core::conformance::{
    Rig as _, SqlRig, UNLIMITED, initialise, new_transaction, origin, seal_next,
};
use journal_core::journal::{AppendError, JournalStore};
use journal_core::model::{SealNr, TransNr};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, SqlClass};
use journal_core::store::sql::{SqlJournal, append_in, install};
use journal_tests::servers::{Settings, mariadb_or_skip, own_mariadb_or_skip};
use sqlx::{Connection, MySqlConnection};

use crate::journal_servers::{self, BOUND, append, journal, numbers, tail};

mod suite {
    use super::{SqlRig, mariadb_or_skip};

    fn rig() -> Option<SqlRig> {
        let server = mariadb_or_skip()?;
        Some(SqlRig::new(|| server.create_database().url.parse().unwrap()))
    }

    journal_core::journal_conformance!(rig());
}

/// A session that has appended transactions in a database transaction of its own and not yet committed.
async fn open_writer(url: &str, seeds: std::ops::Range<u64>) -> (MySqlConnection, Vec<TransNr>) {
    let mut session = MySqlConnection::connect(url).await.unwrap();
    run(&mut session, "BEGIN").await;
    let batch: Vec<_> = seeds.map(|seed| new_transaction(seed, 1)).collect();
    let appended = append_in(ConnRef::from(&mut session), &origin("a"), &batch).await.unwrap();
    (session, appended.into_iter().map(|appended| appended.trans_nr).collect())
}

async fn run(session: &mut MySqlConnection, text: &'static str) {
    sqlx::raw_sql(text).execute(session).await.unwrap();
}

/// Returns once another session of this database has come to where it takes numbers.
async fn somebody_takes_numbers(session: &mut MySqlConnection) {
    // What InnoDB shows of its locks is older the oftener it is asked.
    const TAKING: &str = "SELECT CAST(count(*) AS SIGNED) FROM /*M! information_schema.processlist */ /*!80022 performance_schema.processlist */ \
         WHERE DB = DATABASE() AND STATE = 'Updating' AND INFO LIKE 'UPDATE daybook_trans_nr%'";
    let look = async {
        while sqlx::query_scalar::<_, i64>(TAKING).fetch_one(&mut *session).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, look).await.expect("nobody appends");
}

#[tokio::test]
async fn no_number_commits_before_a_lower_one() {
    let Some(server) = mariadb_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let (mut late, low) = open_writer(&url, 1..3).await;
    let mut other = SqlJournal::open(&url.parse().unwrap(), Access::Write, "test").await.unwrap();
    let higher = tokio::spawn(async move { append(&mut other, 3).await });
    let mut watch = MySqlConnection::connect(&url).await.unwrap();
    somebody_takes_numbers(&mut watch).await;
    let seen = tail(&mut store).await;
    assert_eq!((numbers(&seen), seen.up_to, seen.hole), (vec![], TransNr(0), None));
    assert!(!higher.is_finished());
    run(&mut late, "COMMIT").await;
    let high = higher.await.unwrap();
    assert_eq!([low[0], low[1], high], [TransNr(1), TransNr(2), TransNr(3)]);
    let seen = tail(&mut store).await;
    assert_eq!((numbers(&seen), seen.up_to, seen.hole), (vec![low[0], low[1], high], high, None));
}

#[tokio::test]
async fn a_number_whose_transaction_rolls_back_is_given_again() {
    let Some(server) = mariadb_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let (mut late, low) = open_writer(&url, 1..2).await;
    run(&mut late, "ROLLBACK").await;
    assert_eq!(append(&mut store, 2).await, low[0]);
    // So does a session that goes away.
    let (late, next) = open_writer(&url, 3..4).await;
    late.close().await.unwrap();
    assert_eq!(append(&mut store, 4).await, next[0]);
    assert_eq!(numbers(&tail(&mut store).await), [TransNr(1), TransNr(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_many_writers_reads_each_commit_once_and_without_a_hole() {
    let Some(server) = mariadb_or_skip() else { return };
    let committed = journal_servers::a_reader_beside_many_writers(server, "DO SLEEP(0.004)").await;
    let dense: Vec<TransNr> = (1..).map(TransNr).take(committed.len()).collect();
    assert_eq!(committed, dense);
}

#[tokio::test]
async fn a_long_transaction_that_writes_no_journal_rows_stalls_nobody() {
    let Some(server) = mariadb_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let mut unrelated = MySqlConnection::connect(&url).await.unwrap();
    run(&mut unrelated, "CREATE TABLE other (id bigint) ENGINE = InnoDB").await;
    run(&mut unrelated, "BEGIN; INSERT INTO other VALUES (1); SELECT count(*) FROM daybook_journal").await;
    let number = append(&mut store, 1).await;
    assert_eq!(numbers(&tail(&mut store).await), [number]);
    run(&mut unrelated, "COMMIT").await;
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_gives_its_number_when_asked_again() {
    let Some(server) = mariadb_or_skip() else { return };
    journal_servers::an_append_whose_answer_is_lost(server).await;
}

#[tokio::test]
async fn runs_whose_receipt_is_lost_are_received_once() {
    let Some(server) = mariadb_or_skip() else { return };
    journal_servers::runs_whose_receipt_is_lost(server).await;
}

/// An application's session has the server's defaults: REPEATABLE READ, of which a snapshot may be older than the counter.
#[tokio::test]
async fn an_append_under_an_old_snapshot_takes_the_next_number_and_finds_no_repetition_it_cannot_see() {
    let Some(server) = mariadb_or_skip() else { return };
    let (mut store, url) = journal(&server.create_database().url).await;
    let mut session = MySqlConnection::connect(&url).await.unwrap();
    run(&mut session, "BEGIN; SELECT * FROM daybook_trans_nr; SELECT * FROM daybook_journal").await;
    let first = append(&mut store, 1).await;
    // Newer than the snapshot, and yet a number of its own.
    let appended =
        append_in(ConnRef::from(&mut session), &origin("a"), &[new_transaction(2, 2)]).await.unwrap();
    assert_eq!((appended[0].trans_nr, appended[0].repeated), (TransNr(first.0 + 1), false));
    // The same key as one that the snapshot does not show: to be tried again, and not appended twice.
    let again = append_in(ConnRef::from(&mut session), &origin("a"), &[new_transaction(1, 1)]).await;
    let Err(AppendError::Store(error)) = again else { panic!("{again:?}") };
    assert_eq!(error.class, SqlClass::Transient, "{error}");
    run(&mut session, "ROLLBACK").await;
    let again = append_in(ConnRef::from(&mut session), &origin("a"), &[new_transaction(1, 1)]).await.unwrap();
    assert_eq!((again[0].trans_nr, again[0].repeated), (first, true));
}

#[tokio::test]
async fn an_entry_larger_than_the_server_takes_is_refused_and_the_session_goes_on() {
    let settings = Settings { options: vec!["max-allowed-packet=2M".to_owned()], ..Settings::default() };
    let Some(server) = own_mariadb_or_skip(settings) else { return };
    let (mut store, _) = journal(&server.create_database().url).await;
    let mut large = new_transaction(1, 1);
    large.entries[0].payload = vec![7; 3 << 20];
    let Err(AppendError::Store(error)) = store.append(&[large.clone()]).await else { panic!("it is taken") };
    assert_eq!(error.class, SqlClass::Data);
    assert!(error.message.contains("max_allowed_packet is 2097152"), "{error}");
    large.entries[0].payload.truncate(1 << 20);
    // Several of them go in statements of their own.
    let batch: Vec<_> = (2..5)
        .map(|seed| {
            let mut next = new_transaction(seed, 1);
            next.entries[0].payload = large.entries[0].payload.clone();
            next
        })
        .collect();
    assert_eq!(store.append(&batch).await.unwrap().len(), 3);
    assert_eq!(tail(&mut store).await.transactions.len(), 3);
}

#[tokio::test]
async fn a_server_that_could_lose_a_receipt_is_refused() {
    for (option, told) in [
        (&["innodb-flush-log-at-trx-commit=2"][..], "innodb_flush_log_at_trx_commit is 2, not 1"),
        (&["log-bin", "sync-binlog=0"], "sync_binlog is 0, not 1, with the binary log on"),
    ] {
        let options = option.iter().map(|option| (*option).to_owned()).collect();
        let settings = Settings { options, ..Settings::default() };
        let Some(server) = own_mariadb_or_skip(settings) else { return };
        let url: DbUrl = server.create_database().url.parse().unwrap();
        let mut conn = Conn::open(&url, Access::Write, "test").await.unwrap();
        let error = install(&mut conn).await.unwrap_err();
        assert_eq!(error.class, SqlClass::Unsafe);
        assert!(error.message.contains(told), "{error}");
        conn.lend()
            .script("SET GLOBAL innodb_flush_log_at_trx_commit = 1, GLOBAL sync_binlog = 1")
            .await
            .unwrap();
        initialise(&url, &origin("a")).await;
        SqlJournal::open(&url, Access::Write, "test").await.unwrap();
    }
}

#[tokio::test]
async fn a_table_of_another_engine_is_refused_by_name() {
    let Some(server) = mariadb_or_skip() else { return };
    let (_, url) = journal(&server.create_database().url).await;
    let mut session = MySqlConnection::connect(&url).await.unwrap();
    run(&mut session, "CREATE TABLE loose (id bigint) ENGINE = MyISAM").await;
    let error = SqlJournal::open(&url.parse().unwrap(), Access::Write, "test").await.unwrap_err();
    let journal_core::store::sql::OpenError::Store { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.class, SqlClass::Unsafe);
    assert!(source.message.contains("table loose is kept by engine MyISAM, not InnoDB"), "{source}");
    // Who only reads may look at it all the same.
    SqlJournal::open(&url.parse().unwrap(), Access::Read, "test").await.unwrap();
}

#[tokio::test]
async fn what_a_crash_left_of_a_migration_is_finished() {
    let Some(server) = mariadb_or_skip() else { return };
    let database = server.create_database();
    let url: DbUrl = database.url.parse().unwrap();
    let mut conn = Conn::open(&url, Access::Write, "test").await.unwrap();
    install(&mut conn).await.unwrap();
    // As after a crash between the statements: some tables are there, and the note that all of it ran is not.
    conn.lend().script("DROP VIEW daybook_entry; DROP TABLE daybook_run, daybook_site; DELETE FROM daybook_journal_migrations").await.unwrap();
    initialise(&url, &origin("a")).await;
    let (mut store, _) = journal(&database.url).await;
    assert_eq!(append(&mut store, 1).await, TransNr(1));
    // What is there stays: the counter is not set back.
    conn.lend().script("DELETE FROM daybook_journal_migrations").await.unwrap();
    install(&mut conn).await.unwrap();
    assert_eq!(append(&mut store, 2).await, TransNr(2));
    // Another text under a number that ran, and a later release.
    conn.lend().script("UPDATE daybook_journal_migrations SET checksum = 'x'").await.unwrap();
    assert_eq!(install(&mut conn).await.unwrap_err().class, SqlClass::Schema);
    conn.lend().script("UPDATE daybook_journal_migrations SET version = 99").await.unwrap();
    assert_eq!(install(&mut conn).await.unwrap_err().class, SqlClass::Schema);
}

#[tokio::test]
async fn two_that_install_at_once_take_turns() {
    let Some(server) = mariadb_or_skip() else { return };
    let url: DbUrl = server.create_database().url.parse().unwrap();
    let (mut one, mut two) = (
        Conn::open(&url, Access::Write, "test").await.unwrap(),
        Conn::open(&url, Access::Write, "test").await.unwrap(),
    );
    let (first, second) = tokio::join!(install(&mut one), install(&mut two));
    assert_eq!((first, second), (Ok(()), Ok(())));
    let noted = one.lend().fetch_one("SELECT count(*) FROM {d}journal_migrations", vec![]).await.unwrap();
    assert_eq!(noted.i64(0), Ok(1));
}

/// What reads the journal in plain SQL finds packed entries as it finds rows.
#[tokio::test]
async fn packed_entries_read_as_rows() {
    const ENTRIES: &str = "SELECT trans_nr, entry_nr, tx_id, schema_version, entity, op, row_key, codec, payload, author, \
         appended_at FROM {d}entry WHERE origin = 'b' ORDER BY trans_nr, entry_nr";
    let Some(server) = mariadb_or_skip() else { return };
    let mut rig = SqlRig::new(|| server.create_database().url.parse().unwrap());
    let mut peer = rig.create(&origin("b")).await;
    let mut odd = new_transaction(2, 2);
    odd.author = "O'Brien \"ö\" \\ 😀 ".into();
    odd.entries[1].row_key = "[\"a\\\"b\", 'c ']".to_owned();
    peer.append(&[new_transaction(1, 3), odd]).await.unwrap();
    let run = seal_next(&mut rig, &mut peer, &[]).await;
    let mut store = rig.create(&origin("a")).await;
    store.receive(&[run]).await.unwrap();
    assert_eq!(store.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.unwrap().len(), 1);
    let (mut rows, mut packed) = (peer.connection().await.unwrap(), store.connection().await.unwrap());
    let (rows, packed) = (
        rows.lend().fetch(ENTRIES, vec![]).await.unwrap(),
        packed.lend().fetch(ENTRIES, vec![]).await.unwrap(),
    );
    assert_eq!((rows.len(), packed.len()), (5, 5));
    for (row, packed) in rows.iter().zip(&packed) {
        for at in [0, 1, 3, 7, 10] {
            assert_eq!(row.i64(at), packed.i64(at));
        }
        for at in [4, 5, 6, 9] {
            assert_eq!(row.text(at), packed.text(at));
        }
        assert_eq!((row.uuid(2), row.bytes(8)), (packed.uuid(2), packed.bytes(8)));
    }
}
