//! Changes in JSON: codec 2's payloads and the lines of `daybook append`. Types come from the schema.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::unambiguous;
use crate::model::{Change, Column, Op, Row, Schema, Value};

/// Why a JSON text is no change or no transaction. Names the thing and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum JsonError {
    #[error("not JSON: {0}")]
    Syntax(String),
    #[error("{0}")]
    Ambiguous(String),
    #[error("{place} must be {wanted}")]
    Shape { place: String, wanted: &'static str },
    #[error("{place} has a member {member:?}, which means nothing there; it takes {known}")]
    UnknownMember { place: String, member: String, known: &'static str },
    #[error("schema version {version} has no table or operation {entity:?}")]
    UnknownEntity { version: i64, entity: String },
    #[error("{entity:?} has no column {column:?} in schema version {version}")]
    UnknownColumn { version: i64, entity: String, column: String },
    #[error("column {entity}.{column} is {ty}; {value} is no such value")]
    WrongType { entity: String, column: String, ty: String, value: String },
}

/// A transaction as a line of NDJSON tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The idempotency key, where the line carries one.
    pub tx_id: Option<Uuid>,
    /// Who writes it, where the line says so.
    pub author: Option<String>,
    /// Its changes in order.
    pub changes: Vec<Change>,
}

/// Reads `{"at":..,"tx_id":..,"author":..,"entries":[{"op":..,"table":..,..}]}`. `at` is for people and is not kept.
pub fn read_line(text: &str, schema: &Schema) -> Result<Line, JsonError> {
    let line = unambiguous::read(text).map_err(syntax)?;
    let line = object(&line, "the line")?;
    only(line, "the line", &["at", "tx_id", "author", "entries"], "at, tx_id, author, entries")?;
    let text_of = |member: &str| match line.get(member) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(shape(member, "a text")),
    };
    let tx_id = match text_of("tx_id")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| shape("tx_id", "a UUID"))?),
    };
    let entries = line.get("entries").and_then(Json::as_array).ok_or_else(|| shape("entries", "an array"))?;
    let changes = entries.iter().map(|entry| read_entry(entry, schema)).collect::<Result<_, _>>()?;
    Ok(Line { tx_id, author: text_of("author")?, changes })
}

/// Reads one entry: `op`, `table` and the members its operation takes.
pub fn read_entry(entry: &Json, schema: &Schema) -> Result<Change, JsonError> {
    let members = object(entry, "an entry")?;
    let op: Op = members
        .get("op")
        .and_then(Json::as_str)
        .and_then(|op| op.parse().ok())
        .ok_or_else(|| shape("op", "one of insert, update, upsert, delete, add, call"))?;
    let entity = members.get("table").and_then(Json::as_str).ok_or_else(|| shape("table", "a text"))?;
    let mut body = members.clone();
    body.shift_remove("op");
    body.shift_remove("table");
    read_body(entity, op, &Json::Object(body), schema)
}

/// Reads codec 2's payload.
pub(super) fn read_payload(entity: &str, op: Op, text: &str, schema: &Schema) -> Result<Change, JsonError> {
    read_body(entity, op, &unambiguous::read(text).map_err(syntax)?, schema)
}

/// Reads an entry's members besides operation and table: codec 2's payload.
pub fn read_body(entity: &str, op: Op, body: &Json, schema: &Schema) -> Result<Change, JsonError> {
    let members = object(body, "the payload")?;
    let (name, allowed, known): (&str, &[&str], &'static str) = match op {
        Op::Insert | Op::Upsert => ("row", &["row"], "row"),
        Op::Update => ("set", &["key", "set", "expect"], "key, set, expect"),
        Op::Delete => ("", &["key", "expect"], "key, expect"),
        Op::Add => ("delta", &["key", "delta"], "key, delta"),
        Op::Call => ("arguments", &["arguments"], "arguments"),
    };
    only(members, &format!("the {op} on {entity:?}"), allowed, known)?;
    let columns: &[Column] = match op {
        Op::Call => schema.operations.get(entity).map(|operation| operation.arguments.as_slice()),
        _ => schema.tables.get(entity).map(|table| table.columns.as_slice()),
    }
    .ok_or_else(|| JsonError::UnknownEntity { version: schema.version.0, entity: entity.to_owned() })?;
    let row = |member: &str| match members.get(member) {
        None => Ok(Row::new()),
        Some(cells) => read_row(entity, cells, columns, schema),
    };
    Ok(Change {
        entity: Arc::from(entity),
        op,
        key: row("key")?,
        cells: if name.is_empty() { Row::new() } else { row(name)? },
        expect: row("expect")?,
    })
}

fn read_row(entity: &str, cells: &Json, columns: &[Column], schema: &Schema) -> Result<Row, JsonError> {
    let mut row = Row::new();
    for (name, json) in object(cells, "key, row, set, delta, expect and arguments")? {
        let column = columns.iter().find(|column| column.name.as_ref() == name).ok_or_else(|| {
            JsonError::UnknownColumn {
                version: schema.version.0,
                entity: entity.to_owned(),
                column: name.clone(),
            }
        })?;
        let value = column.ty.read_json(json).ok_or_else(|| JsonError::WrongType {
            entity: entity.to_owned(),
            column: name.clone(),
            ty: column.ty.to_string(),
            value: json.to_string().chars().take(64).collect(),
        })?;
        row.set(column.name.clone(), value);
    }
    Ok(row)
}

/// Writes a change's members besides operation and table: codec 2's payload.
pub fn change_body(change: &Change) -> Json {
    let row = |row: &Row| -> Json {
        row.iter()
            .map(|(name, value)| (name.as_ref().to_owned(), value_to_json(value)))
            .collect::<Map<_, _>>()
            .into()
    };
    let mut body = match change.op {
        Op::Insert | Op::Upsert => json!({ "row": row(&change.cells) }),
        Op::Update => json!({ "key": row(&change.key), "set": row(&change.cells) }),
        Op::Delete => json!({ "key": row(&change.key) }),
        Op::Add => json!({ "key": row(&change.key), "delta": row(&change.cells) }),
        Op::Call => json!({ "arguments": row(&change.cells) }),
    };
    if !change.expect.is_empty() {
        body["expect"] = row(&change.expect);
    }
    body
}

/// A value as [`Type::read_json`](crate::model::Type::read_json) takes it back.
pub fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => {
            serde_json::Number::from_f64(*value).map_or_else(|| value.to_string().into(), Json::Number)
        }
        Value::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        Value::Bytes(bytes) => {
            let mut text = String::from("\\x");
            bytes.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
            text.into()
        }
        Value::Decimal(_)
        | Value::Text(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Uuid(_) => value.to_string().into(),
    }
}

fn object<'j>(json: &'j Json, place: &str) -> Result<&'j Map<String, Json>, JsonError> {
    json.as_object().ok_or_else(|| shape(place, "an object"))
}

fn syntax(error: serde_json::Error) -> JsonError {
    let said = error.to_string();
    if error.is_data() { JsonError::Ambiguous(said) } else { JsonError::Syntax(said) }
}

fn shape(place: &str, wanted: &'static str) -> JsonError {
    JsonError::Shape { place: place.to_owned(), wanted }
}

fn only(
    members: &Map<String, Json>,
    place: &str,
    allowed: &[&str],
    known: &'static str,
) -> Result<(), JsonError> {
    match members.keys().find(|member| !allowed.contains(&member.as_str())) {
        None => Ok(()),
        Some(member) => {
            Err(JsonError::UnknownMember { place: place.to_owned(), member: member.clone(), known })
        }
    }
}
