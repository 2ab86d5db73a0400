//! Days, times of day and instants as MariaDB's expressions of another type. It takes more texts for moments than this
//! program writes, and bends days that no calendar has; so texts are looked at before they are cast.

use journal_core::model::Type;

use super::sql::fitting;
use super::sql_moment::{CLOCK, DAY, FRACTION, calendar_day};
use super::sql_number_mariadb::AT_END;
use crate::ddl::Dialect;
use crate::ddl::mariadb::{cast_name, is_of_form, moment, timestamp_text};

pub(super) fn convert(e: &str, from: Type, to: Type) -> String {
    let fits = |text: String, max| fitting(text, max, Dialect::MariaDb);
    let cast = |e: &str| format!("CAST({e} AS {})", cast_name(to));
    match (from, to) {
        (Type::Timestamp, Type::Text { max }) => fits(timestamp_text(e), max),
        (_, Type::Text { max }) if from == Type::Time => {
            fits(format!("time_format({e}, '%H:%i:%s.%f')"), max)
        }
        (Type::Date, Type::Text { max }) => fits(moment(e, "%Y-%m-%d"), max),
        (Type::Date, _) => cast(e),
        (Type::Timestamp, _) => {
            let midnight = format!("CAST({} AS {})", cast(e), cast_name(Type::Timestamp));
            format!("CASE WHEN {e} = {midnight} THEN {} END", cast(e))
        }
        (_, Type::Date) => dated(e, &format!("^{}{AT_END}", DAY.regex), &cast(e)),
        (_, Type::Time) => {
            let form = format!("^{}{}{AT_END}", CLOCK.regex, FRACTION.regex);
            format!("CASE WHEN {} THEN {} END", is_of_form(e, &form), cast(e))
        }
        (_, Type::Timestamp) => {
            let form = format!("^{}T{}{}Z{AT_END}", DAY.regex, CLOCK.regex, FRACTION.regex);
            // Without the letter for UTC.
            dated(e, &form, &cast(&format!("substr({e}, 1, char_length({e}) - 1)")))
        }
        _ => "NULL".to_owned(),
    }
}

fn dated(e: &str, form: &str, cast: &str) -> String {
    let day = calendar_day(e, "SIGNED");
    format!("CASE WHEN {} THEN CASE WHEN {day} THEN {cast} END END", is_of_form(e, form))
}
