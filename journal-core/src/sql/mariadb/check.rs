//! Whether a server may hold an origin: what was acknowledged must survive a power failure, and no value may be bent.

use sqlx::{MySqlConnection, Row as _};

use crate::sql::error::{SqlClass, SqlError};

const SETTINGS: &str = "SELECT version(), CAST(@@innodb_flush_log_at_trx_commit AS CHAR), IF(@@log_bin, 'ON', 'OFF'), \
     CAST(@@sync_binlog AS CHAR), CAST(@@binlog_format AS CHAR), @@SESSION.sql_mode, @@SESSION.time_zone, \
     @@SESSION.collation_connection";
const OTHER_ENGINES: &str = "SELECT TABLE_NAME, coalesce(ENGINE, 'none') FROM information_schema.TABLES \
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND coalesce(ENGINE, 'none') <> 'InnoDB' \
     ORDER BY TABLE_NAME LIMIT 4";

/// The oldest release whose statements are known here. MySQL never was tried: no release of it.
const MARIADB_FROM: (u32, u32) = (10, 6);

/// Of a session, because its meaning depends on them: `sql_mode` has them all.
const MODES: [&str; 5] = [
    "STRICT_ALL_TABLES",
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "PIPES_AS_CONCAT",
    "SIMULTANEOUS_ASSIGNMENT",
];

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
}

/// Refuses ([`SqlClass::Unsafe`]) a server that would lose or bend what is written there; says all that is wrong.
pub(in crate::sql) async fn check(conn: &mut MySqlConnection) -> Result<(), SqlError> {
    let row = sqlx::query(SETTINGS).fetch_one(&mut *conn).await?;
    let settings = Settings {
        version: row.try_get(0)?,
        flush: row.try_get(1)?,
        binlog: row.try_get(2)?,
        sync_binlog: row.try_get(3)?,
        binlog_format: row.try_get(4)?,
        sql_mode: row.try_get(5)?,
        time_zone: row.try_get(6)?,
        collation: row.try_get(7)?,
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
    hold(is_known(&settings.version), format!("version {} is not MariaDB 10.6 or newer", settings.version));
    let flushes = ["1", "3"].contains(&settings.flush.as_str());
    hold(flushes, format!("innodb_flush_log_at_trx_commit is {}, not 1", settings.flush));
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
        settings.collation == "utf8mb4_nopad_bin",
        format!("the session's collation is {}, not utf8mb4_nopad_bin", settings.collation),
    );
    wrong
}

fn is_known(version: &str) -> bool {
    // A prefix that old replicas need, and that has nothing to do with the version.
    let numbers = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = numbers.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else { return false };
    version.contains("MariaDB") && (major, minor) >= MARIADB_FROM
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
    fn a_release_that_was_tried_is_told_from_others() {
        for (version, fits) in [
            ("10.6.2-MariaDB", true),
            ("11.8.3-MariaDB-log", true),
            ("5.5.5-10.5.9-MariaDB", false),
            ("8.0.36", false),
            ("8.4.0-debug", false),
            ("5.7.44-log", false),
            ("", false),
        ] {
            assert_eq!(is_known(version), fits, "{version}");
        }
    }
}
