//! One table with a column of every type, and changes that use all of them.

use std::collections::BTreeMap;

use journal_core::model::schema::Operation;
use journal_core::model::{Change, Column, Row, Schema, SchemaVersion, Table, Type, Value};
use uuid::Uuid;

/// The types, each as a column of its name.
pub(super) const TYPES: [(&str, Type); 12] = [
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("decimal", Type::Decimal { precision: 38, scale: 10 }),
    ("float", Type::Float),
    ("text", Type::Text { max: None }),
    ("short", Type::Text { max: Some(5) }),
    ("bytes", Type::Bytes),
    ("date", Type::Date),
    ("time", Type::Time),
    ("timestamp", Type::Timestamp),
    ("uuid", Type::Uuid),
    ("json", Type::Json),
];

pub(super) fn schema() -> Schema {
    let columns: Vec<Column> =
        TYPES.iter().map(|(name, ty)| Column { name: (*name).into(), ty: *ty, nullable: true }).collect();
    let zoo = Table::new("zoo", columns.clone(), vec!["int".into()]);
    let feed = Operation { name: "feed".into(), arguments: columns };
    Schema {
        version: SchemaVersion(1),
        tables: BTreeMap::from([("zoo".into(), zoo)]),
        operations: BTreeMap::from([("feed".into(), feed)]),
    }
}

/// A row with every kind of value, at the ends of their ranges.
fn full() -> Row {
    Row::new()
        .with("bool", true)
        .with("int", i64::MIN)
        .with("decimal", Value::Decimal("-1234567890123456789012345678.0123456789".parse().unwrap()))
        .with("float", -0.0)
        .with("text", "Zoë — 日本 \u{1F9FE} \"quoted\"\n")
        .with("short", "")
        .with("bytes", vec![0, 255, 92, 120])
        .with("date", Value::Date(-719_162))
        .with("time", Value::Time(86_399_999_999))
        .with("timestamp", Value::Timestamp(253_402_300_799_999_999))
        .with("uuid", Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_002a))
        .with("json", Value::Json(r#"{"b":[1,2.50,null],"a":"é"}"#.to_owned()))
}

/// Changes by name, one of every operation.
pub(super) fn changes() -> Vec<(&'static str, Change)> {
    let key = || Row::new().with("int", 17);
    let nulls: Row = TYPES.iter().map(|(name, _)| ((*name).into(), Value::Null)).collect();
    vec![
        ("insert", Change::insert("zoo", full())),
        ("upsert", Change::upsert("zoo", nulls.with("int", 251))),
        (
            "update",
            Change::update("zoo", key(), Row::new().with("text", "new").with("bool", Value::Null))
                .expecting(Row::new().with("text", "old")),
        ),
        ("delete", Change::delete("zoo", key()).expecting(Row::new().with("date", Value::Null))),
        (
            "add",
            Change::add("zoo", key(), Row::new().with("decimal", Value::Decimal("-0.5".parse().unwrap()))),
        ),
        ("call", Change::call("feed", Row::new().with("int", 65_536).with("time", Value::Time(0)))),
    ]
}
