//! Local times as SQL expressions. The changes of a zone are written into the expression, as a tree that is a few
//! comparisons deep: SQLite knows no zones, and a server's own tables may be of another year than the mapper's.

use journal_core::model::{Type, Value, time};

use crate::ddl::quote::literal;
use crate::ddl::{Dialect, mariadb};
use crate::zone::Zone;

/// A longer expression is computed once and named, since every comparison repeats it.
const REPEATED_BYTES_MAX: usize = 64;

/// What the clocks of the zone show at an instant, as a value of type `older`.
pub(super) fn local(zone: &Zone, e: &str, older: Type, dialect: Dialect) -> String {
    // MariaDB looks from no such query at the row around it.
    if e.len() > REPEATED_BYTES_MAX && dialect != Dialect::MariaDb {
        let shown = local(zone, "daybook_instant", older, dialect);
        return format!("(SELECT {shown} FROM (SELECT {e} AS daybook_instant) AS daybook_clock)");
    }
    let offset = tree(zone.first(), zone.changes(), e, dialect);
    // An offset must not lead beyond the calendar.
    let inside = match dialect {
        Dialect::Sqlite => format!("{e} >= '0001-01-02' AND {e} < '9999-12-31'"),
        Dialect::Postgres => format!(
            "{e} >= CAST('0001-01-02T00:00:00Z' AS timestamptz) AND {e} < CAST('9999-12-31T00:00:00Z' AS timestamptz)"
        ),
        Dialect::MariaDb => format!(
            "{e} >= CAST('0001-01-02T00:00:00' AS DATETIME(6)) AND {e} < CAST('9999-12-31T00:00:00' AS DATETIME(6))"
        ),
    };
    let shown = match dialect {
        Dialect::Sqlite => sqlite(e, &offset, older),
        Dialect::Postgres => postgres(e, &offset, older),
        Dialect::MariaDb => mariadb(e, &offset, older),
    };
    format!("CASE WHEN {inside} THEN {shown} END")
}

/// The offset in force at an instant: seconds east of UTC, in the dialect's words.
fn tree(before: i64, changes: &[(i64, i64)], e: &str, dialect: Dialect) -> String {
    let middle = changes.len() / 2;
    let Some((instant, offset)) = changes.get(middle) else {
        return match dialect {
            Dialect::Sqlite => format!("'{before} seconds'"),
            Dialect::Postgres | Dialect::MariaDb => before.to_string(),
        };
    };
    let micros = instant.saturating_mul(1_000_000);
    let instant = time::timestamp_text(micros);
    let instant = match dialect {
        Dialect::Sqlite => format!("'{instant}'"),
        Dialect::Postgres => format!("CAST('{instant}' AS timestamptz)"),
        Dialect::MariaDb => literal(&Value::Timestamp(micros), Type::Timestamp, dialect),
    };
    let earlier = tree(before, &changes[..middle], e, dialect);
    let later = tree(*offset, &changes[middle + 1..], e, dialect);
    format!("CASE WHEN {e} < {instant} THEN {earlier} ELSE {later} END")
}

fn sqlite(e: &str, offset: &str, older: Type) -> String {
    let shown = |form: &str| format!("strftime('{form}', substr({e}, 1, 19), {offset})");
    match older {
        Type::Date => shown("%Y-%m-%d"),
        Type::Timestamp => format!("{} || substr({e}, 20)", shown("%Y-%m-%dT%H:%M:%S")),
        _ => fitting(
            format!(
                "{} || CASE WHEN substr({e}, 20) = '.000000Z' THEN '' ELSE substr({e}, 20, 7) END",
                shown("%Y-%m-%d %H:%M:%S")
            ),
            older,
        ),
    }
}

fn postgres(e: &str, offset: &str, older: Type) -> String {
    let shifted = format!("({e} + make_interval(secs => {offset}))");
    let shown = format!("({shifted} AT TIME ZONE 'UTC')");
    match older {
        Type::Date => format!("CAST({shown} AS date)"),
        Type::Timestamp => shifted,
        _ => fitting(
            format!(
                "to_char({shown}, 'YYYY-MM-DD HH24:MI:SS') || \
                 CASE WHEN date_trunc('second', {e}) = {e} THEN '' ELSE to_char({e} AT TIME ZONE 'UTC', '.US') END"
            ),
            older,
        ),
    }
}

fn mariadb(e: &str, offset: &str, older: Type) -> String {
    let shown = format!("date_add({e}, INTERVAL ({offset}) SECOND)");
    match older {
        Type::Date => format!("CAST({shown} AS DATE)"),
        Type::Timestamp => shown,
        _ => {
            let [whole, fraction] = ["%Y-%m-%d %H:%i:%s", ".%f"].map(|form| mariadb::moment(&shown, form));
            match older {
                Type::Text { max: Some(..19) } => "NULL".to_owned(),
                Type::Text { max: Some(19..26) } => {
                    format!("CASE WHEN microsecond({e}) = 0 THEN {whole} END")
                }
                _ => format!("{whole} || CASE WHEN microsecond({e}) = 0 THEN '' ELSE {fraction} END"),
            }
        }
    }
}

/// A text that has room in its type. With a fraction it has 26 characters, without it 19.
fn fitting(shown: String, older: Type) -> String {
    match older {
        Type::Text { max: Some(max @ ..26) } => {
            format!(
                "(SELECT CASE WHEN length(shown) <= {max} THEN shown END FROM (SELECT {shown} AS shown) AS daybook_local)"
            )
        }
        _ => shown,
    }
}
