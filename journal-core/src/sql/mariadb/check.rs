//! Whether a server may hold an origin: what was acknowledged must survive a power failure, and no value may be bent.

use sqlx::{MySqlConnection, Row as _};

use crate::sql::error::{SqlClass, SqlError};

const SETTINGS: &str = "SELECT version(), CAST(@@innodb_flush_log_at_trx_commit AS CHAR), IF(@@log_bin, 'ON', 'OFF'), \
     CAST(@@sync_binlog AS CHAR), CAST(@@binlog_format AS CHAR), @@SESSION.sql_mode, @@SESSION.time_zone, \
     @@SESSION.collation_connection, CAST(@@GLOBAL.group_concat_max_len AS SIGNED)";
/// Only MySQL has it.
const REDO_LOG: &str = "SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_enabled'";
const OTHER_ENGINES: &str = "SELECT TABLE_NAME, coalesce(ENGINE, 'none') FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND coalesce(ENGINE, 'none') <> 'InnoDB' \
     ORDER BY TABLE_NAME LIMIT 4";

/// Of a session, because its meaning depends on them: `sql_mode` has them all.
const MODES: [&str; 4] = ["STRICT_ALL_TABLES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT"];

/// Bytes that a list may have at least in a session that says nothing of it: an application's, which reads views of lists.
const LIST_BYTES_MIN: i64 = 1024 * 1024;

/// What differs between the two products that are told apart here.
#[derive(Debug)]
struct Product {
    /// The oldest release that knows every statement: its name, then its number.
    from: (&'static str, (u32, u32, u32)),
    /// What each calls the bytewise collation; see [`BYTEWISE`](crate::sql::BYTEWISE).
    collation: &'static str,
}

const MARIADB: Product = Product { from: ("MariaDB 10.6", (10, 6, 0)), collation: "utf8mb4_nopad_bin" };
/// 8.0.23 has invisible columns, the last that came of what is needed.
const MYSQL: Product = Product { from: ("MySQL 8.0.23", (8, 0, 23)), collation: "utf8mb4_0900_bin" };

/// What the server and the session say of themselves.
#[derive(Debug, Clone)]
struct Settings {
    version: String,
    flush: String,
    binlog: String,
    sync_binlog: String,
    binlog_format: String,
    sql_mode: String,
    time_zone: String,
    collation: String,
    list_bytes: i64,
    redo_log: String,
}

/// Refuses ([`SqlClass::Unsafe`]) a server that would lose or bend what is written there; says all that is wrong.
pub(in crate::sql) async fn check(conn: &mut MySqlConnection) -> Result<(), SqlError> {
    let row = sqlx::query(SETTINGS).fetch_one(&mut *conn).await?;
    let redo_log = sqlx::query(REDO_LOG).fetch_optional(&mut *conn).await?;
    let settings = Settings {
        version: row.try_get(0)?,
        flush: row.try_get(1)?,
        binlog: row.try_get(2)?,
        sync_binlog: row.try_get(3)?,
        binlog_format: row.try_get(4)?,
        sql_mode: row.try_get(5)?,
        time_zone: row.try_get(6)?,
        collation: row.try_get(7)?,
        list_bytes: row.try_get(8)?,
        redo_log: redo_log.map(|row| row.try_get(1)).transpose()?.unwrap_or_default(),
    };
    let mut wrong = faults(&settings);
    for row in sqlx::query(OTHER_ENGINES).fetch_all(conn).await? {
        let (table, engine): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        wrong.push(format!("table {table} is kept by engine {engine}, not InnoDB"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!("the server is not safe for a journal: {}", wrong.join("; "));
    Err(SqlError::new(SqlClass::Unsafe, message))
}

fn faults(settings: &Settings) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut hold = |holds: bool, fault: String| {
        if !holds {
            wrong.push(fault);
        }
    };
    let product = if settings.version.contains("MariaDB") { &MARIADB } else { &MYSQL };
    let (name, oldest) = product.from;
    let known = release(&settings.version).is_some_and(|release| release >= oldest);
    hold(known, format!("version {} is not {name} or newer", settings.version));
    let flushes = ["1", "3"].contains(&settings.flush.as_str());
    hold(flushes, format!("innodb_flush_log_at_trx_commit is {}, not 1", settings.flush));
    hold(settings.redo_log != "OFF", "the redo log of InnoDB is switched off".to_owned());
    let lists = settings.list_bytes >= LIST_BYTES_MIN;
    hold(lists, format!("group_concat_max_len is {}, not {LIST_BYTES_MIN} or more", settings.list_bytes));
    if settings.binlog != "OFF" {
        hold(
            settings.sync_binlog == "1",
            format!("sync_binlog is {}, not 1, with the binary log on", settings.sync_binlog),
        );
        let fits = settings.binlog_format != "STATEMENT";
        hold(fits, "binlog_format is STATEMENT, which READ COMMITTED cannot be written in".to_owned());
    }
    for mode in MODES {
        let set = settings.sql_mode.split(',').any(|have| have == mode);
        hold(set, format!("the session's sql_mode lacks {mode}, which was set on connecting"));
    }
    hold(
        settings.time_zone == "+00:00",
        format!("the session's time_zone is {}, not +00:00", settings.time_zone),
    );
    hold(
        settings.collation == product.collation,
        format!("the session's collation is {}, not {}", settings.collation, product.collation),
    );
    wrong
}

fn release(version: &str) -> Option<(u32, u32, u32)> {
    // A prefix that old replicas need, and that has nothing to do with the version.
    let numbers = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = numbers.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings {
            version: "10.11.19-MariaDB-0+deb12u1".to_owned(),
            flush: "1".to_owned(),
            binlog: "OFF".to_owned(),
            sync_binlog: "0".to_owned(),
            binlog_format: "MIXED".to_owned(),
            sql_mode: MODES.join(","),
            time_zone: "+00:00".to_owned(),
            collation: "utf8mb4_nopad_bin".to_owned(),
            list_bytes: LIST_BYTES_MIN,
            redo_log: String::new(),
        }
    }

    fn check(change: impl Fn(&mut Settings), fault: &str) {
        let mut settings = good();
        change(&mut settings);
        let faults = faults(&settings).join("; ");
        assert!(if fault.is_empty() { faults.is_empty() } else { faults.contains(fault) }, "{faults}");
    }

    #[test]
    fn each_setting_that_loses_or_bends_is_named() {
        check(|_| {}, "");
        check(|settings| settings.flush = "3".to_owned(), "");
        check(|settings| settings.flush = "2".to_owned(), "innodb_flush_log_at_trx_commit is 2");
        check(|settings| settings.redo_log = "OFF".to_owned(), "the redo log");
        check(|settings| settings.list_bytes = 1024, "group_concat_max_len is 1024, not 1048576 or more");
        check(|settings| settings.binlog = "ON".to_owned(), "sync_binlog is 0");
        check(
            |settings| {
                (settings.binlog, settings.sync_binlog) = ("ON".to_owned(), "1".to_owned());
                settings.binlog_format = "STATEMENT".to_owned();
            },
            "binlog_format is STATEMENT",
        );
        check(|settings| settings.sql_mode = "NO_ENGINE_SUBSTITUTION".to_owned(), "lacks STRICT_ALL_TABLES");
        check(|settings| settings.time_zone = "SYSTEM".to_owned(), "time_zone is SYSTEM");
        check(|settings| settings.collation = "utf8mb4_general_ci".to_owned(), "utf8mb4_general_ci");
    }

    #[test]
    fn mysql_is_held_to_what_it_has() {
        let mysql = |settings: &mut Settings| {
            settings.version = "8.4.7".to_owned();
            settings.collation = MYSQL.collation.to_owned();
        };
        check(mysql, "");
        check(
            |settings| {
                mysql(settings);
                settings.collation = MARIADB.collation.to_owned();
            },
            "collation is utf8mb4_nopad_bin, not utf8mb4_0900_bin",
        );
    }

    #[test]
    fn a_release_that_is_too_old_is_told_from_others() {
        let fault = |version: &str| {
            let settings = Settings { version: version.to_owned(), ..good() };
            faults(&settings).into_iter().find(|fault| fault.starts_with("version"))
        };
        for version in ["10.6.2-MariaDB", "11.8.3-MariaDB-log", "8.0.23", "8.4.0-debug", "9.7.4-2"] {
            assert_eq!(fault(version), None);
        }
        for (version, oldest) in [
            ("5.5.5-10.5.9-MariaDB", "MariaDB 10.6"),
            ("8.0.22", "MySQL 8.0.23"),
            ("5.7.44-log", "MySQL 8.0.23"),
            ("", "MySQL 8.0.23"),
        ] {
            assert_eq!(fault(version), Some(format!("version {version} is not {oldest} or newer")));
        }
    }
}
