//! How a line of NDJSON is read: what names a value, and what names none.

use journal_core::codec::json::{JsonError, read_line};
use journal_core::model::{Schema, Value};

use super::kinds::Kind;
use super::page::row;

const HEAD: &str = "
## In lines of NDJSON

`daybook append` reads a value as its column's type. What names none is refused ([D0501](errors/D0501.md)), and the line
with it. A text without a zone names no instant. JSON is kept without the blanks between its parts, and with each
character and each exponent spelt in one way. The client library keeps JSON as it is.

| column | in the line | is read as |
| --- | --- | --- |
";

/// Kinds, and what stands in a line for a value of theirs.
const WRITTEN: &[(&str, &[&str])] = &[
    ("bool", &["true", "1"]),
    ("int", &["9223372036854775807", "9223372036854775808", "18446744073709551615", "1.0"]),
    ("whole", &["18446744073709551615"]),
    ("decimal", &["12.50", "\"12.50\"", "0.1000000000000000055511151231257827", "1e3", "\"NaN\""]),
    ("float", &["0.1", "-0.0", "9007199254740993", "1e400", "\"NaN\""]),
    ("text", &["\"\"", "null", "\"a\\u0000b\"", "\"\\ud800\"", "7"]),
    ("bytes", &["\"\\\\x6100ff\"", "\"abc\""]),
    ("date", &["\"0000-00-00\"", "\"2023-02-29\"", "\"10000-01-01\"", "\"infinity\""]),
    ("time", &["\"22:53:30.5\"", "\"24:00:00\"", "\"23:59:60\"", "\"22:53:30.0000001\"", "\"22:53:30+02\""]),
    (
        "timestamp",
        &[
            "\"2005-05-24T22:53:30+02:00\"",
            "\"2005-05-24 22:53:30.5Z\"",
            "\"2005-05-24T22:53:30\"",
            "\"2005-05-24T22:53:30.0000001Z\"",
            "\"0000-00-00 00:00:00Z\"",
            "\"0000-12-31T23:59:59Z\"",
            "\"infinity\"",
        ],
    ),
    ("uuid", &["\"0E37DF36-F698-11E6-8DD4-CB9CED3DF976\"", "\"0e37df36\""]),
    (
        "json",
        &[
            "{\"b\" : 1, \"a\" : 2}",
            "{\"a\":1,\"a\":2}",
            "12345678901234567890.12345678901234567890",
            "1E400",
            "\"\\u00e9\\/\"",
            "null",
        ],
    ),
];

/// The section of the page.
pub(super) fn section(kinds: &[Kind], schema: &Schema) -> String {
    let mut text = HEAD.to_owned();
    for (name, written) in WRITTEN {
        let kind = kinds.iter().find(|kind| kind.name == *name).unwrap();
        for written in *written {
            let read = match read(kind, written, schema) {
                Ok(Value::Null) => "NULL".to_owned(),
                Ok(value) if value == Value::from("") => "the empty text".to_owned(),
                Ok(value) => format!("`{value}`"),
                Err(_) => "refused".to_owned(),
            };
            text += &row(&kind.ty.to_string(), &[format!("`{written}`"), read]);
        }
    }
    text
}

fn read(kind: &Kind, written: &str, schema: &Schema) -> Result<Value, JsonError> {
    let table = kind.value_table();
    let line =
        format!(r#"{{"entries":[{{"op":"insert","table":"{table}","row":{{"id":1,"v":{written}}}}}]}}"#);
    let line = read_line(&line, schema)?;
    Ok(line.changes[0].cells.get("v").cloned().unwrap())
}
