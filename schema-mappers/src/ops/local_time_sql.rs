//! Local times as SQL expressions. The changes of a zone are written into the expression, as a tree that is a few
//! comparisons deep: SQLite knows no zones, and a server's own tables may be of another year than the mapper's.

use journal_core::model::{Type, time};

use crate::ddl::Dialect;
use crate::zone::Zone;

/// A longer expression is computed once and named, since every comparison repeats it.
const REPEATED_BYTES_MAX: usize = 64;

/// What the clocks of the zone show at an instant, as a value of type `older`.
pub(super) fn local(zone: &Zone, e: &str, older: Type, dialect: Dialect) -> String {
    if e.len() > REPEATED_BYTES_MAX {
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
    };
    let shown = match dialect {
        Dialect::Sqlite => sqlite(e, &offset, older),
        Dialect::Postgres => postgres(e, &offset, older),
    };
    format!("CASE WHEN {inside} THEN {shown} END")
}

/// The offset in force at an instant: seconds east of UTC, in the dialect's words.
fn tree(before: i64, changes: &[(i64, i64)], e: &str, dialect: Dialect) -> String {
    let middle = changes.len() / 2;
    let Some((instant, offset)) = changes.get(middle) else {
        return match dialect {
            Dialect::Sqlite => format!("'{before} seconds'"),
            Dialect::Postgres => before.to_string(),
        };
    };
    let instant = time::timestamp_text(instant.saturating_mul(1_000_000));
    let instant = match dialect {
        Dialect::Sqlite => format!("'{instant}'"),
        Dialect::Postgres => format!("CAST('{instant}' AS timestamptz)"),
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
