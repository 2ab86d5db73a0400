//! The text of a row's complement: a JSON object that SQL can read, with the kind of each value, so that the row comes
//! back exactly as it was: `{"2:fax":{"text":"555"},"2:note":null}`. Views look into it: what is written here is a
//! promise to them (`schema-mappers/src/ddl/kept.rs`).

use serde_json::{Map, Value as Json};

use crate::model::{Row, Value, time};

/// A text that is no row's complement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CellsError(String);

/// The text of a row. Bools and ints are written as JSON's own; floats, decimals, times, uuids and json as texts; bytes as
/// hex digits.
pub fn write(row: &Row) -> String {
    let cells = row.iter().map(|(name, value)| (name.as_ref().to_owned(), write_value(value)));
    Json::Object(cells.collect()).to_string()
}

fn write_value(value: &Value) -> Json {
    let content = match value {
        Value::Null => return Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => format!("{value:?}").into(),
        Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        Value::Decimal(_)
        | Value::Text(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Uuid(_)
        | Value::Json(_) => value.to_string().into(),
    };
    Json::Object(Map::from_iter([(value.kind().to_owned(), content)]))
}

/// The row of a text. Nothing is guessed: what [`write()`] does not write is an error.
pub fn read(text: &str) -> Result<Row, CellsError> {
    let json: Json = serde_json::from_str(text).map_err(|error| CellsError(error.to_string()))?;
    let cells = json.as_object().ok_or_else(|| CellsError("it is no JSON object".to_owned()))?;
    let read = |(name, cell): (&String, &Json)| match read_value(cell) {
        Some(value) => Ok((name.as_str().into(), value)),
        None => Err(CellsError(format!("cell {name:?} holds no value of a known kind"))),
    };
    cells.iter().map(read).collect()
}

fn read_value(cell: &Json) -> Option<Value> {
    let members = match cell {
        Json::Null => return Some(Value::Null),
        Json::Object(members) if members.len() == 1 => members,
        _ => return None,
    };
    let (kind, content) = members.iter().next()?;
    match (kind.as_str(), content) {
        ("bool", Json::Bool(value)) => return Some(Value::Bool(*value)),
        ("int", Json::Number(number)) => return number.as_i64().map(Value::Int),
        _ => {}
    }
    let text = content.as_str()?;
    match kind.as_str() {
        "decimal" => text.parse().ok().map(Value::Decimal),
        "float" => text.parse().ok().map(Value::Float),
        "text" => Some(Value::Text(text.to_owned())),
        "bytes" => read_hex(text).map(Value::Bytes),
        "date" => time::parse_date(text).map(Value::Date),
        "time" => time::parse_time(text).map(Value::Time),
        "timestamp" => time::parse_timestamp(text).map(Value::Timestamp),
        "uuid" => text.parse().ok().map(Value::Uuid),
        "json" => Some(Value::Json(text.to_owned())),
        _ => None,
    }
}

/// Bytes of hex digits.
pub fn read_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_written_in_a_form_of_its_own_and_comes_back() {
        let values: [(Value, &str); 14] = [
            (Value::Null, "null"),
            (true.into(), r#"{"bool":true}"#),
            (i64::MIN.into(), r#"{"int":-9223372036854775808}"#),
            (Value::Decimal("-1.5".parse().unwrap()), r#"{"decimal":"-1.5"}"#),
            (0.1.into(), r#"{"float":"0.1"}"#),
            ((-0.0).into(), r#"{"float":"-0.0"}"#),
            (f64::NEG_INFINITY.into(), r#"{"float":"-inf"}"#),
            ("a\"\n\u{1}Ä".into(), r#"{"text":"a\"\n\u0001Ä"}"#),
            (vec![1, 255].into(), r#"{"bytes":"01ff"}"#),
            (Value::Date(0), r#"{"date":"1970-01-01"}"#),
            (Value::Time(1), r#"{"time":"00:00:00.000001"}"#),
            (Value::Timestamp(-1), r#"{"timestamp":"1969-12-31T23:59:59.999999Z"}"#),
            (Value::Uuid(uuid::Uuid::nil()), r#"{"uuid":"00000000-0000-0000-0000-000000000000"}"#),
            (Value::Json("{ \"a\": 1.0 }".into()), r#"{"json":"{ \"a\": 1.0 }"}"#),
        ];
        for (value, text) in values {
            let row = Row::new().with("2:cell", value);
            let written = write(&row);
            assert_eq!(written, format!("{{\"2:cell\":{text}}}"));
            assert_eq!(read(&written), Ok(row));
        }
    }

    #[test]
    fn what_is_no_complement_is_not_guessed_at() {
        for text in [
            "",
            "[]",
            "\"00\"",
            r#"{"a":1}"#,
            r#"{"a":{"int":"1"}}"#,
            r#"{"a":{"int":1.5}}"#,
            r#"{"a":{"text":"x","int":1}}"#,
            r#"{"a":{"colour":"red"}}"#,
            r#"{"a":{"bytes":"0"}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
