//! `local_time_to_utc`: what the clocks of a zone showed, in a text, a date or a timestamp that took it for UTC, becomes
//! the instant it was. An hour that was shown twice or never goes the declared way, and what it was is kept.

use journal_core::model::{Type, Value, time};

use super::exchange::{Exchange, Exchanged};
use super::{Arguments, Operation, local_time_sql};
use crate::ddl::Dialect;
use crate::error::SetError;
use crate::loss;
use crate::step::Direction;
use crate::zone::{Ambiguous, Zone};

/// Microseconds of a second, and of a day.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

#[derive(Debug)]
struct LocalTimeToUtc {
    older: Type,
    zone: Zone,
    ambiguous: Ambiguous,
}

pub(super) fn read(arguments: &mut Arguments<'_>) -> Result<Box<dyn Operation>, SetError> {
    let column = arguments.plain_column("column")?;
    if !matches!(column.ty, Type::Text { .. } | Type::Date | Type::Timestamp) {
        return Err(arguments.fields.fault(format!(
            "column {} is {}; a local time is a text, a date or a timestamp",
            column.name, column.ty
        )));
    }
    let node = arguments.fields.required("zone")?;
    let name = node.text("zone")?;
    let zone = Zone::named(name).ok_or_else(|| {
        node.fault(format!("{name:?} is no time zone of the IANA database, such as \"Europe/Berlin\""))
    })?;
    let ambiguous = match arguments.fields.optional("ambiguous") {
        None => Ambiguous::Earlier,
        Some(node) => match node.text("ambiguous")? {
            "earlier" => Ambiguous::Earlier,
            "later" => Ambiguous::Later,
            _ => {
                let fault = "ambiguous is \"earlier\" or \"later\": which of two instants a time means that was shown twice";
                return Err(node.fault(fault));
            }
        },
    };
    let loss = loss::read(arguments, "local_time_to_utc", std::slice::from_ref(&column.name))?;
    arguments.change(&column.name, |column| column.ty = Type::Timestamp);
    let exchange = LocalTimeToUtc { older: column.ty, zone, ambiguous };
    Ok(Exchanged::boxed(arguments, column.name, column.ty, exchange, loss))
}

/// A local time in the form in which texts are written back: a blank in the middle, the fraction only where there is one.
fn text(local: i64) -> String {
    let text = time::timestamp_text(local).replace('T', " ");
    let text = text.trim_end_matches('Z');
    text.strip_suffix(".000000").unwrap_or(text).to_owned()
}

/// Microseconds that clocks show, as if it were UTC.
fn local(value: &Value) -> Option<i64> {
    match value {
        Value::Text(text) if text.is_ascii() && matches!(text.len(), 19 | 26) => {
            let form = format!("{}T{}Z", text.get(..10)?, text.get(11..)?);
            let middle = matches!(text.as_bytes().get(10), Some(b' ' | b'T'));
            time::parse_timestamp(&form).filter(|_| middle)
        }
        Value::Date(days) => i64::from(*days).checked_mul(DAY),
        Value::Timestamp(micros) => Some(*micros),
        _ => None,
    }
}

/// Not so near to the ends of the calendar that an offset would lead beyond.
fn inside(micros: i64) -> bool {
    time::timestamp_in_range(micros.saturating_sub(DAY))
        && time::timestamp_in_range(micros.saturating_add(DAY))
}

impl Exchange for LocalTimeToUtc {
    fn up(&self, value: &Value) -> Result<Value, String> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let local = local(value).filter(|local| inside(*local)).ok_or_else(|| {
            let value: String = value.to_string().chars().take(64).collect();
            format!("{value:?} is no local time such as 2005-05-24 22:53:30")
        })?;
        let second = self.zone.instant(local.div_euclid(SECOND), self.ambiguous);
        Ok(Value::Timestamp(second * SECOND + local.rem_euclid(SECOND)))
    }

    fn down(&self, value: &Value) -> Result<Value, String> {
        let micros = match value {
            Value::Null => return Ok(Value::Null),
            Value::Timestamp(micros) if inside(*micros) => *micros,
            other => {
                return Err(format!(
                    "\"{other}\" is too near to the ends of the calendar to have a local time"
                ));
            }
        };
        let local = micros + self.zone.offset(micros.div_euclid(SECOND)) * SECOND;
        let older = match self.older {
            Type::Date => i32::try_from(local.div_euclid(DAY)).ok().map(Value::Date),
            Type::Timestamp => Some(Value::Timestamp(local)),
            ty => Some(Value::Text(text(local))).filter(|text| ty.holds(text)),
        };
        older.ok_or_else(|| format!("its local time does not fit {}", self.older))
    }

    fn down_sql(&self, expression: &str, dialect: Dialect) -> String {
        local_time_sql::local(&self.zone, expression, self.older, dialect)
    }

    fn keeps(&self, _: Direction) -> bool {
        true
    }

    fn carries_deltas(&self, _: Direction) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Change, Value, time};

    use super::super::testing::{Pair, fault, row};

    fn pair(older: &str, rest: &str) -> Pair {
        Pair::new(
            &format!("id = \"int\"\nat = {{ type = \"{older}\", null = true }}"),
            "id = \"int\"\nat = { type = \"timestamp\", null = true }",
            &format!(
                "op = \"local_time_to_utc\"\ntable = \"t\"\ncolumn = \"at\"\nzone = \"Europe/Berlin\"\n{rest}"
            ),
        )
    }

    fn with(value: impl Into<Value>) -> Change {
        Change::insert("t", row(&[("id", 1.into()), ("at", value.into())]))
    }

    fn at(text: &str) -> Value {
        Value::Timestamp(time::parse_timestamp(text).unwrap())
    }

    #[test]
    fn a_local_time_becomes_its_instant_and_local_again() {
        let pair = pair("text", "");
        let fine = pair.up(with("2024-07-01 12:00:00.500000"));
        assert_eq!(fine.change, with(at("2024-07-01T10:00:00.5Z")));
        let up = pair.up(with("2024-07-01 12:00:00"));
        assert_eq!(up.change, with(at("2024-07-01T10:00:00Z")));
        assert!(up.complement.is_empty());
        assert_eq!(pair.down(up.change).change, with("2024-07-01 12:00:00"));
        let spelt = pair.up(with("2024-07-01T12:00:00"));
        assert_eq!(spelt.complement.set, row(&[("2:at", "2024-07-01T12:00:00".into())]));
        assert!(pair.up_fault(with("yesterday")).contains("is no local time"));
    }

    #[test]
    fn hours_shown_twice_or_never_are_kept_exactly() {
        let pair = pair("timestamp", "ambiguous = \"later\"");
        let twice = pair.up(with(at("2024-10-27T02:30:00Z")));
        assert_eq!(twice.change, with(at("2024-10-27T01:30:00Z")));
        let first = pair.down(with(at("2024-10-27T00:30:00Z")));
        assert_eq!(first.change, with(at("2024-10-27T02:30:00Z")));
        assert_eq!(first.complement.set, row(&[("2:at", at("2024-10-27T00:30:00Z"))]));
        let never = pair.up(with(at("2024-03-31T02:30:00Z")));
        assert_eq!(never.change, with(at("2024-03-31T01:30:00Z")));
        assert_eq!(never.complement.set, row(&[("2:at", at("2024-03-31T02:30:00Z"))]));
    }

    #[test]
    fn all_kinds_of_local_time_hold_the_laws() {
        for older in ["text", "text(26)", "date", "timestamp"] {
            for ambiguous in ["", "ambiguous = \"later\""] {
                pair(older, ambiguous).holds_its_laws();
            }
        }
    }

    #[test]
    fn a_zone_must_be_one() {
        let columns = "id = \"int\"\nat = \"timestamp\"";
        let operation = "op = \"local_time_to_utc\"\ntable = \"t\"\ncolumn = \"at\"\nzone = \"Here\"";
        let error = fault(columns, columns, operation);
        assert!(error.message.contains("\"Here\" is no time zone"), "{error}");
        let error = fault(columns, columns, &operation.replace("\"at\"", "\"id\""));
        assert!(error.message.contains("id is of the key of t"), "{error}");
    }
}
