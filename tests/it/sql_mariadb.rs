//! The seam to MariaDB on a real server: what a session means, what errors mean, which values come back as they were.

use std::time::Duration;

use journal_core::sql::{Access, Conn, Constraint, DbUrl, Param, SqlClass, SqlError};
use journal_tests::servers::{Settings, mariadb_or_skip, on_mysql, own_mariadb_or_skip};
use uuid::Uuid;

async fn open(url: &str) -> Conn {
    Conn::open(&url.parse().unwrap(), Access::Write, "test").await.unwrap()
}

async fn script(conn: &mut Conn, text: &str) {
    conn.lend().script(text).await.unwrap();
}

async fn number(conn: &mut Conn, query: &str) -> i64 {
    conn.lend().fetch_one(query, vec![]).await.unwrap().i64(0).unwrap()
}

async fn error(conn: &mut Conn, statement: &str, params: Vec<Param>) -> SqlError {
    conn.lend().execute(statement, params).await.unwrap_err()
}

#[tokio::test]
async fn a_statement_means_the_same_whatever_the_server_is_set_to() {
    let options =
        ["sql-mode=", "default-time-zone=-08:00", "autocommit=0", "transaction-isolation=SERIALIZABLE"];
    let options =
        options.into_iter().chain(["collation-server=utf8mb4_unicode_ci", "group-concat-max-len=1048576"]);
    let settings = Settings { options: options.map(str::to_owned).collect(), ..Settings::default() };
    let Some(server) = own_mariadb_or_skip(settings) else { return };
    let database = server.create_database();
    let mut conn = open(&database.url).await;
    conn.check_server().await.unwrap();
    script(&mut conn, "CREATE TABLE \"t\" (\"n\" tinyint, \"s\" varchar(4)) COLLATE {bytewise}").await;
    let told =
        conn.lend().fetch_one("SELECT 'a' || '\\' || \"s\" FROM (SELECT 'c' AS \"s\") x", vec![]).await;
    assert_eq!(told.unwrap().text(0).unwrap(), "a\\c");
    assert_eq!(number(&mut conn, "SELECT 'a' = 'A' OR 'a' = 'a ' OR 'ss' = 'ß'").await, 0);
    assert_eq!(number(&mut conn, "SELECT length(group_concat('12345' SEPARATOR ''))").await, 5);
    assert_eq!(number(&mut conn, "SELECT from_unixtime(0) = '1970-01-01 00:00:00'").await, 1);
    for statement in ["INSERT INTO t (n) VALUES (300)", "INSERT INTO t (s) VALUES ('12345')"] {
        assert_eq!(error(&mut conn, statement, vec![]).await.class, SqlClass::Data, "{statement}");
    }
    // It commits by itself, and another session sees it.
    script(&mut conn, "INSERT INTO t VALUES (1, 'x')").await;
    let mut other = open(&database.url).await;
    assert_eq!(number(&mut other, "SELECT count(*) FROM t").await, 1);
    // Reads of a transaction that writes see what was committed a moment ago.
    conn.begin().await.unwrap();
    assert_eq!(number(&mut conn, "SELECT count(*) FROM t").await, 1);
    script(&mut other, "INSERT INTO t VALUES (2, 'y')").await;
    assert_eq!(number(&mut conn, "SELECT count(*) FROM t").await, 2);
    conn.rollback().await.unwrap();
}

#[tokio::test]
async fn a_snapshot_stays_and_what_was_open_by_mistake_is_never_committed() {
    let Some(server) = mariadb_or_skip() else { return };
    let database = server.create_database();
    let (mut conn, mut other) = (open(&database.url).await, open(&database.url).await);
    script(&mut conn, "CREATE TABLE t (n bigint)").await;
    // MySQL ends no idle transaction.
    const IDLE: &str = "SELECT CAST(0 /*M! + @@idle_transaction_timeout */ AS SIGNED)";
    let bound = if on_mysql() { 0 } else { 60 };
    assert_eq!(number(&mut conn, IDLE).await, bound);
    conn.begin_snapshot().await.unwrap();
    script(&mut other, "INSERT INTO t VALUES (1)").await;
    assert_eq!(number(&mut conn, "SELECT count(*) FROM t").await, 0);
    assert_eq!(error(&mut conn, "INSERT INTO t VALUES (2)", vec![]).await.class, SqlClass::Transient);
    assert_eq!(number(&mut conn, IDLE).await, 0);
    conn.commit().await.unwrap();
    assert_eq!(number(&mut conn, "SELECT count(*) FROM t").await, 1);
    assert_eq!(number(&mut conn, IDLE).await, bound);
    conn.begin().await.unwrap();
    script(&mut conn, "INSERT INTO t VALUES (3)").await;
    conn.begin().await.unwrap();
    conn.commit().await.unwrap();
    assert_eq!(number(&mut conn, "SELECT count(*) FROM t").await, 1);
    let mut reader = Conn::open(&database.url.parse().unwrap(), Access::Read, "test").await.unwrap();
    assert_eq!(number(&mut reader, "SELECT count(*) FROM t").await, 1);
    for statement in ["INSERT INTO t VALUES (4)", "DELETE FROM t", "DROP TABLE t"] {
        assert!(reader.lend().execute(statement, vec![]).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn each_error_is_of_the_class_that_chooses_the_reaction() {
    const TABLES: &str = "CREATE TABLE parent (id bigint PRIMARY KEY); \
         CREATE TABLE child (id bigint PRIMARY KEY, parent bigint, name varchar(8) NOT NULL DEFAULT '', day date, \
         small tinyint, CONSTRAINT \"child_parent\" FOREIGN KEY (parent) REFERENCES parent (id), \
         CONSTRAINT \"positive\" CHECK (small > 0)); \
         INSERT INTO parent VALUES (1); INSERT INTO child (id, parent) VALUES (1, 1)";
    let Some(server) = mariadb_or_skip() else { return };
    let mut conn = open(&server.create_database().url).await;
    script(&mut conn, TABLES).await;
    let constraint = SqlClass::Constraint;
    let cases: [(&str, Vec<Param>, SqlClass, Option<&str>); 13] = [
        (
            "INSERT INTO parent VALUES ($1)",
            vec![1_i64.into()],
            constraint(Constraint::Unique),
            Some("PRIMARY"),
        ),
        (
            "INSERT INTO child (id, parent) VALUES (2, $1)",
            vec![9_i64.into()],
            constraint(Constraint::ForeignKey),
            Some("child_parent"),
        ),
        (
            "DELETE FROM parent WHERE id = $1",
            vec![1_i64.into()],
            constraint(Constraint::ForeignKey),
            Some("child_parent"),
        ),
        (
            "INSERT INTO child (id, name) VALUES (3, NULL)",
            vec![],
            constraint(Constraint::NotNull),
            Some("name"),
        ),
        (
            "INSERT INTO child (id, small) VALUES (4, -1)",
            vec![],
            constraint(Constraint::Check),
            Some("positive"),
        ),
        ("INSERT INTO child (id, small) VALUES (5, $1)", vec![300_i64.into()], SqlClass::Data, None),
        ("INSERT INTO child (id, name) VALUES (6, $1)", vec!["secret word".into()], SqlClass::Data, None),
        ("INSERT INTO child (id, small) VALUES (7, $1)", vec!["secret".into()], SqlClass::Data, None),
        ("INSERT INTO child (id, day) VALUES (8, $1)", vec!["secret".into()], SqlClass::Data, None),
        ("INSERT INTO child (id, day) VALUES (8, '0000-00-00')", vec![], SqlClass::Data, None),
        ("SELECT nothing FROM child", vec![], SqlClass::Schema, None),
        ("SELECT 1 FROM nowhere", vec![], SqlClass::Schema, None),
        ("SELECT 1 FRM child", vec![], SqlClass::Data, None),
    ];
    for (statement, params, class, object) in cases {
        let error = error(&mut conn, statement, params).await;
        assert_eq!((&error.class, error.object.as_deref()), (&class, object), "{statement}: {error}");
        assert!(!error.message.contains("secret"), "{error}");
    }
    // None of it was written, and the session goes on.
    assert_eq!(number(&mut conn, "SELECT count(*) FROM child").await, 1);
}

#[tokio::test]
async fn locks_deadlocks_and_ended_sessions_are_told_apart() {
    let Some(server) = mariadb_or_skip() else { return };
    let database = server.create_database();
    let (mut one, mut two) = (open(&database.url).await, open(&database.url).await);
    script(&mut one, "CREATE TABLE t (id bigint PRIMARY KEY, n bigint); INSERT INTO t VALUES (1, 0), (2, 0)")
        .await;
    one.begin().await.unwrap();
    two.begin().await.unwrap();
    script(&mut one, "UPDATE t SET n = 1 WHERE id = 1").await;
    let busy = error(&mut two, "SELECT n FROM t WHERE id = 1 FOR UPDATE NOWAIT", vec![]).await;
    assert_eq!(
        (busy.class, busy.code.as_str()),
        (SqlClass::Transient, if on_mysql() { "3572" } else { "1205" })
    );
    script(&mut two, "UPDATE t SET n = 2 WHERE id = 2").await;
    // Each wants what the other has: one of them is told.
    let waits = async { one.lend().execute("UPDATE t SET n = 3 WHERE id = 2", vec![]).await };
    let closes = async { two.lend().execute("UPDATE t SET n = 4 WHERE id = 1", vec![]).await };
    let (waits, closes) = tokio::join!(waits, closes);
    let deadlock = waits.err().or(closes.err()).unwrap();
    assert_eq!((deadlock.class, deadlock.code.as_str()), (SqlClass::Transient, "1213"));
    one.rollback().await.unwrap();
    two.rollback().await.unwrap();

    let id = number(&mut one, "SELECT CAST(connection_id() AS SIGNED)").await;
    script(&mut two, &format!("KILL {id}")).await;
    let killed = one.lend().execute("SELECT 1", vec![]).await.unwrap_err();
    assert_eq!(killed.class, SqlClass::Lost, "{killed}");
    let timeout = if on_mysql() { "wait_timeout" } else { "idle_transaction_timeout" };
    script(&mut two, &format!("SET SESSION {timeout} = 1")).await;
    two.begin().await.unwrap();
    let mut watch = open(&database.url).await;
    let id = "SELECT count(*) FROM {processlist} WHERE DB = DATABASE() AND ID <> connection_id()";
    let gone = async { while number(&mut watch, id).await > 0 {} };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("an idle transaction goes on for ever");
    let idle = two.lend().execute("SELECT 1", vec![]).await.unwrap_err();
    assert_eq!(idle.class, SqlClass::Lost, "{idle}");
}

#[tokio::test]
async fn a_server_with_no_way_in_is_told_from_one_that_is_gone() {
    let settings = Settings { password: Some("open-sesame".into()), ..Settings::default() };
    let Some(server) = own_mariadb_or_skip(settings) else { return };
    let database = server.create_database();
    let class = async |url: &str| {
        let url: DbUrl = url.parse().unwrap();
        let error = Conn::open(&url, Access::Write, "test").await.unwrap_err();
        assert!(!error.to_string().contains("sesame"), "{error}");
        error.class
    };
    let wrong = server.url_with_password(&database.name, Some("open-barley"));
    assert_eq!(class(&wrong).await, SqlClass::Refused);
    assert_eq!(class(&server.url("nowhere")).await, SqlClass::Refused);
    let mut conn = open(&database.url).await;
    server.stop_immediate();
    let gone = conn.lend().execute("SELECT 1", vec![]).await.unwrap_err();
    assert_eq!(gone.class, SqlClass::Lost, "{gone}");
    assert!(matches!(class(&database.url).await, SqlClass::Lost | SqlClass::Refused));
}

#[tokio::test]
async fn values_come_back_as_they_were_or_are_refused() {
    let Some(server) = mariadb_or_skip() else { return };
    let mut conn = open(&server.create_database().url).await;
    script(&mut conn, "CREATE TABLE t (n bigint, f double, b boolean, s longtext, y longblob, u binary(16)) COLLATE {bytewise}").await;
    let uuid = Uuid::from_u128(0x0190_0000_7000_8000_0000_0000_0020_0000);
    let texts = ["", " ", "a ", "A\0b", "😀 ü", "O'Neil \\ \"x\" $1 ?", "\u{feff}"];
    let floats = [0.0, 0.1, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 5e-324, 1e23, -2.5e-7, 9007199254740993.0];
    let numbers = [0, 1, -1, i64::MIN, i64::MAX];
    let bytes: Vec<u8> = (0..=255).collect();
    for at in 0..floats.len() {
        let (n, f, s) = (numbers[at % numbers.len()], floats[at], texts[at % texts.len()]);
        script(&mut conn, "DELETE FROM t").await;
        let params = vec![
            n.into(),
            Param::F64(Some(f)),
            (at % 2 == 0).into(),
            s.into(),
            bytes.clone().into(),
            uuid.into(),
        ];
        conn.lend().execute("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6)", params).await.unwrap();
        let row = conn.lend().fetch_one("SELECT n, f, b, s, y, u FROM t", vec![]).await.unwrap();
        assert_eq!((row.i64(0), row.bool(2), row.text(3)), (Ok(n), Ok(at % 2 == 0), Ok(s.to_owned())));
        assert_eq!(row.f64(1).unwrap().to_bits(), f.to_bits(), "{f:e}");
        assert_eq!((row.bytes(4), row.uuid(5)), (Ok(bytes.clone()), Ok(uuid)));
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let refused = error(&mut conn, "UPDATE t SET f = $1", vec![Param::F64(Some(bad))]).await;
        assert_eq!(refused.class, SqlClass::Data, "{refused}");
    }
    let nulls = vec![
        Param::I64(None),
        Param::F64(None),
        Param::Bool(None),
        Param::Text(None),
        Param::Bytes(None),
        Param::Uuid(None),
    ];
    conn.lend().execute("UPDATE t SET n = $1, f = $2, b = $3, s = $4, y = $5, u = $6", nulls).await.unwrap();
    let row = conn.lend().fetch_one("SELECT n, f, b, s, y, u FROM t", vec![]).await.unwrap();
    assert!((0..6).all(|at| row.is_null(at).unwrap()));
    assert_eq!((row.opt_i64(0), row.opt_text(3), row.opt_uuid(5)), (Ok(None), Ok(None), Ok(None)));
    // A parameter that stands twice, and one that stands before its elders.
    let row =
        conn.lend().fetch_one("SELECT $2 || $1 || $2 || '$1'", vec!["a".into(), "b".into()]).await.unwrap();
    assert_eq!(row.text(0).unwrap(), "bab$1");
}
