//! Days, times of day and instants as SQL expressions of another type. PostgreSQL's own reading of texts takes far more
//! than this program writes, and fails the statement on the rest; so texts are looked at before they are cast.

use journal_core::model::Type;

use super::sql::fitting;
use super::sql_moment_mariadb;
use crate::ddl::Dialect;

/// A form of a text: for SQLite a GLOB pattern, for the others a regular expression.
pub(super) struct Form {
    glob: &'static str,
    pub(super) regex: &'static str,
}

pub(super) const DAY: Form =
    Form { glob: "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]", regex: "[0-9]{4}-[0-9]{2}-[0-9]{2}" };
pub(super) const CLOCK: Form =
    Form { glob: "[0-9][0-9]:[0-5][0-9]:[0-5][0-9]", regex: "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]" };
pub(super) const FRACTION: Form = Form { glob: ".[0-9][0-9][0-9][0-9][0-9][0-9]", regex: "([.][0-9]{6})?" };

pub(super) fn convert(e: &str, from: Type, to: Type, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => sqlite(e, from, to),
        Dialect::Postgres => postgres(e, from, to),
        Dialect::MariaDb => sql_moment_mariadb::convert(e, from, to),
    }
}

fn sqlite(e: &str, from: Type, to: Type) -> String {
    const MIDNIGHT: &str = "T00:00:00.000000Z";
    match (from, to) {
        (_, Type::Text { max }) => fitting(e.to_owned(), max, Dialect::Sqlite),
        (Type::Date, _) => format!("{e} || '{MIDNIGHT}'"),
        (Type::Timestamp, _) => {
            format!("CASE WHEN substr({e}, 11) = '{MIDNIGHT}' THEN substr({e}, 1, 10) END")
        }
        (_, Type::Date) => {
            format!("CASE WHEN {e} GLOB '{}' AND {} THEN {e} END", DAY.glob, sqlite_day(e))
        }
        (_, Type::Time) => format!(
            "CASE WHEN substr({e}, 1, 2) >= '24' THEN NULL WHEN {e} GLOB '{0}' THEN {e} || '.000000' \
             WHEN {e} GLOB '{0}{1}' THEN {e} END",
            CLOCK.glob, FRACTION.glob
        ),
        (_, Type::Timestamp) => {
            let head = format!("{}T{}", DAY.glob, CLOCK.glob);
            let day = sqlite_day(&format!("substr({e}, 1, 10)"));
            format!(
                "CASE WHEN NOT coalesce({day}, 0) OR substr({e}, 12, 2) >= '24' THEN NULL \
                 WHEN {e} GLOB '{head}Z' THEN substr({e}, 1, 19) || '.000000Z' \
                 WHEN {e} GLOB '{head}{}Z' THEN {e} END",
                FRACTION.glob
            )
        }
        _ => "NULL".to_owned(),
    }
}

/// A day that the calendar has, from the year 1: SQLite moves the others on.
fn sqlite_day(e: &str) -> String {
    format!("({e} >= '0001' AND date({e}) = {e})")
}

fn postgres(e: &str, from: Type, to: Type) -> String {
    let utc = format!("({e} AT TIME ZONE 'UTC')");
    let fits = |text: String, max| fitting(text, max, Dialect::Postgres);
    match (from, to) {
        (Type::Date, Type::Text { max }) => fits(format!("to_char({e}, 'YYYY-MM-DD')"), max),
        (Type::Time, Type::Text { max }) => {
            fits(format!("to_char(CAST({e} AS interval), 'HH24:MI:SS.US')"), max)
        }
        (Type::Timestamp, Type::Text { max }) => {
            fits(format!("to_char({utc}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"), max)
        }
        (Type::Date, _) => format!("(CAST({e} AS timestamp) AT TIME ZONE 'UTC')"),
        (Type::Timestamp, _) => {
            format!("CASE WHEN {utc} = date_trunc('day', {utc}) THEN CAST({utc} AS date) END")
        }
        (_, Type::Date) => {
            let day = calendar_day(e, "int");
            format!("CASE WHEN {e} ~ '^{}$' THEN CASE WHEN {day} THEN CAST({e} AS date) END END", DAY.regex)
        }
        (_, Type::Time) => {
            format!("CASE WHEN {e} ~ '^{}{}$' THEN CAST({e} AS time) END", CLOCK.regex, FRACTION.regex)
        }
        (_, Type::Timestamp) => {
            let form = format!("^{}T{}{}Z$", DAY.regex, CLOCK.regex, FRACTION.regex);
            let day = calendar_day(e, "int");
            format!("CASE WHEN {e} ~ '{form}' THEN CASE WHEN {day} THEN CAST({e} AS timestamptz) END END")
        }
        _ => "NULL".to_owned(),
    }
}

/// A text that begins with digits like those of a day: whether the calendar has it, from the year 1. `int` is what CAST calls
/// a whole number.
pub(super) fn calendar_day(e: &str, int: &str) -> String {
    let (year, month) = (format!("CAST(substr({e}, 1, 4) AS {int})"), format!("substr({e}, 6, 2)"));
    let leap = format!("{year} % 4 = 0 AND ({year} % 100 <> 0 OR {year} % 400 = 0)");
    let last = format!(
        "CASE WHEN {month} IN ('04', '06', '09', '11') THEN 30 WHEN {month} <> '02' THEN 31 WHEN {leap} THEN 29 ELSE 28 END"
    );
    format!(
        "{year} >= 1 AND CAST({month} AS {int}) BETWEEN 1 AND 12 AND CAST(substr({e}, 9, 2) AS {int}) BETWEEN 1 AND {last}"
    )
}
