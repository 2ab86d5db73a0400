//! One version of an application's schema, in logical types: what client and engine check changes against.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::change::{Change, Op};
use super::decimal::Decimal;
use super::row::Name;
use super::site::SchemaVersion;
use super::value::Value;

mod table;

pub use table::{Check, Column, Index, Parent, Table};

/// The logical type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Type {
    /// True or false.
    Bool,
    /// Signed 64-bit.
    Int,
    /// Exact, at most `precision` digits, `scale` of them behind the point.
    Decimal {
        /// Digits in all, 1 to 1000.
        precision: u16,
        /// Digits behind the point, at most `precision`.
        scale: u16,
    },
    /// 64-bit float.
    Float,
    /// Unicode text without NUL, at most `max` characters where given.
    Text {
        /// Most characters.
        max: Option<u32>,
    },
    /// Bytes.
    Bytes,
    /// A day, years 0001 to 9999.
    Date,
    /// A time of day in microseconds.
    Time,
    /// An instant in microseconds UTC, years 0001 to 9999.
    Timestamp,
    /// A UUID.
    Uuid,
    /// JSON, kept as written.
    Json,
}

impl Type {
    /// Whether values of the type have one order in every store, so that they can be key columns.
    pub fn may_be_key(self) -> bool {
        match self {
            Self::Int
            | Self::Text { .. }
            | Self::Date
            | Self::Timestamp
            | Self::Uuid
            | Self::Bytes
            | Self::Bool => true,
            Self::Decimal { .. } | Self::Float | Self::Time | Self::Json => false,
        }
    }

    /// Whether deltas can be added to a column of the type.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Decimal { .. })
    }

    /// Whether the column holds `value` exactly. NULL is the column's affair, not the type's.
    pub fn holds(self, value: &Value) -> bool {
        use super::time;
        match (self, value) {
            (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Float, Value::Float(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Uuid, Value::Uuid(_)) => true,
            (Self::Decimal { precision, scale }, Value::Decimal(decimal)) => {
                decimal.scale() <= usize::from(scale)
                    && decimal.integer_digits() + usize::from(scale) <= usize::from(precision)
            }
            (Self::Text { max }, Value::Text(text)) => {
                !text.contains('\0') && max.is_none_or(|max| text.chars().count() <= max as usize)
            }
            (Self::Date, Value::Date(days)) => time::date_in_range(*days),
            (Self::Time, Value::Time(micros)) => time::time_in_range(*micros),
            (Self::Timestamp, Value::Timestamp(micros)) => time::timestamp_in_range(*micros),
            (Self::Json, Value::Json(text)) => {
                !text.contains('\0') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
            }
            _ => false,
        }
    }

    /// Reads a JSON value as this type: numbers and texts for int and decimal, texts for dates and times, `\x` hex or
    /// plain text for bytes, anything for json. `None` when it is not of the type.
    pub fn read_json(self, json: &serde_json::Value) -> Option<Value> {
        use super::time;
        use serde_json::Value as Json;
        if self == Self::Json {
            return Some(if json.is_null() { Value::Null } else { Value::Json(json.to_string()) });
        }
        let value = match (self, json) {
            (_, Json::Null) => return Some(Value::Null),
            (Self::Bool, Json::Bool(value)) => Value::Bool(*value),
            (Self::Int, Json::Number(number)) => Value::Int(number.as_i64()?),
            (Self::Float, Json::Number(number)) => Value::Float(number.as_f64()?),
            (Self::Decimal { .. }, Json::Number(number)) => Value::Decimal(number.to_string().parse().ok()?),
            (Self::Decimal { .. }, Json::String(text)) => Value::Decimal(text.parse().ok()?),
            (Self::Text { .. }, Json::String(text)) => Value::Text(text.clone()),
            (Self::Bytes, Json::String(text)) => Value::Bytes(read_hex(text.strip_prefix("\\x")?)?),
            (Self::Date, Json::String(text)) => Value::Date(time::parse_date(text)?),
            (Self::Time, Json::String(text)) => Value::Time(time::parse_time(text)?),
            (Self::Timestamp, Json::String(text)) => Value::Timestamp(time::parse_timestamp(text)?),
            (Self::Uuid, Json::String(text)) => Value::Uuid(text.parse().ok()?),
            _ => return None,
        };
        self.holds(&value).then_some(value)
    }

    /// The default a number starts from, for sums.
    pub fn zero(self) -> Option<Value> {
        match self {
            Self::Int => Some(Value::Int(0)),
            Self::Decimal { .. } => Some(Value::Decimal(Decimal::from(0))),
            _ => None,
        }
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Float => f.write_str("float"),
            Self::Text { max: None } => f.write_str("text"),
            Self::Text { max: Some(max) } => write!(f, "text({max})"),
            Self::Bytes => f.write_str("bytes"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Uuid => f.write_str("uuid"),
            Self::Json => f.write_str("json"),
        }
    }
}

/// A text that names no logical type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no type: one of bool, int, decimal(P,S), float, text, text(N), bytes, date, time, timestamp, uuid, json"
)]
pub struct UnknownType(pub String);

impl FromStr for Type {
    type Err = UnknownType;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownType(text.to_owned());
        let (head, arguments) = match text.split_once('(') {
            Some((head, rest)) => (head, Some(rest.strip_suffix(')').ok_or_else(unknown)?)),
            None => (text, None),
        };
        Ok(match (head, arguments) {
            ("bool", None) => Self::Bool,
            ("int", None) => Self::Int,
            ("float", None) => Self::Float,
            ("text", None) => Self::Text { max: None },
            ("bytes", None) => Self::Bytes,
            ("date", None) => Self::Date,
            ("time", None) => Self::Time,
            ("timestamp", None) => Self::Timestamp,
            ("uuid", None) => Self::Uuid,
            ("json", None) => Self::Json,
            ("text", Some(max)) => {
                let max = max.trim().parse().ok().filter(|max| *max > 0).ok_or_else(unknown)?;
                Self::Text { max: Some(max) }
            }
            ("decimal", Some(arguments)) => {
                let (precision, scale) = arguments.split_once(',').ok_or_else(unknown)?;
                let precision: u16 = precision.trim().parse().map_err(|_| unknown())?;
                let scale: u16 = scale.trim().parse().map_err(|_| unknown())?;
                if precision == 0 || precision > 1000 || scale > precision {
                    return Err(unknown());
                }
                Self::Decimal { precision, scale }
            }
            _ => return Err(unknown()),
        })
    }
}

impl TryFrom<String> for Type {
    type Error = UnknownType;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Type> for String {
    fn from(ty: Type) -> Self {
        ty.to_string()
    }
}

/// A named business operation and its arguments; a mapper turns calls of it into rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name.
    pub name: Name,
    /// Its arguments.
    pub arguments: Vec<Column>,
}

/// One version of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Which one.
    pub version: SchemaVersion,
    /// Its tables by name.
    pub tables: BTreeMap<Name, Table>,
    /// Its business operations by name.
    #[serde(default)]
    pub operations: BTreeMap<Name, Operation>,
}

/// Why a change does not fit a schema version. Every message names the thing and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ChangeError {
    #[error("schema version {version} has no table {entity:?}; it has {known}")]
    UnknownTable { version: SchemaVersion, entity: Name, known: String },
    #[error("schema version {version} has no operation {entity:?}")]
    UnknownOperation { version: SchemaVersion, entity: Name },
    #[error("table {entity:?} has no column {column:?} in schema version {version}; it has {known}")]
    UnknownColumn { version: SchemaVersion, entity: Name, column: Name, known: String },
    #[error("column {entity}.{column} is {ty}; it cannot hold the {kind} {value:?} exactly")]
    WrongType { entity: Name, column: Name, ty: Type, kind: &'static str, value: String },
    #[error("column {entity}.{column} may not be NULL")]
    Null { entity: Name, column: Name },
    #[error("the {op} on {entity:?} lacks a value for {column:?}")]
    Missing { entity: Name, op: Op, column: Name },
    #[error("the key of the {op} on {entity:?} names {column:?}, which is not of the primary key ({key})")]
    NotKey { entity: Name, op: Op, column: Name, key: String },
    #[error("the {op} on {entity:?} changes nothing")]
    Empty { entity: Name, op: Op },
    #[error("the {op} on {entity:?} carries {what}, which only other operations have")]
    Misplaced { entity: Name, op: Op, what: &'static str },
    #[error(
        "column {entity}.{column} is {ty}; deltas can only be added to int and decimal columns outside the key"
    )]
    NotAddable { entity: Name, column: Name, ty: Type },
}

impl Schema {
    /// Gives its names the texts that they share with those of other schemas and of rows that are read: they are found equal
    /// without a look at them. A text stays in memory as long as the process.
    pub fn share_names(&mut self) {
        for (_, mut table) in std::mem::take(&mut self.tables) {
            table.share_names();
            self.tables.insert(table.name.clone(), table);
        }
    }

    /// Checks that a change names tables and columns of this version, that each value is held exactly, that keys are
    /// whole, and that nothing is missing. What depends on the ledger's rows is not judged here.
    pub fn check(&self, change: &Change) -> Result<(), ChangeError> {
        if change.op == Op::Call {
            return self.check_call(change);
        }
        let table = self.tables.get(&change.entity).ok_or_else(|| ChangeError::UnknownTable {
            version: self.version,
            entity: change.entity.clone(),
            known: join(self.tables.keys()),
        })?;
        self.check_shape(table, change)?;
        self.check_key(table, change)?;
        for (name, value) in change.cells.iter() {
            self.check_cell(table, name, value)?;
        }
        for (name, value) in change.expect.iter() {
            // An expected old value may be NULL where the column may be.
            self.check_cell(table, name, value)?;
        }
        match change.op {
            Op::Insert | Op::Upsert => check_whole(table, change),
            Op::Add => check_addable(table, change),
            Op::Update | Op::Delete | Op::Call => Ok(()),
        }
    }

    fn check_call(&self, change: &Change) -> Result<(), ChangeError> {
        let operation = self.operations.get(&change.entity).ok_or_else(|| ChangeError::UnknownOperation {
            version: self.version,
            entity: change.entity.clone(),
        })?;
        for argument in &operation.arguments {
            let value = change.cells.get(&argument.name).unwrap_or(&Value::Null);
            check_value(&operation.name, argument, value)?;
        }
        match change.cells.names().find(|name| !operation.arguments.iter().any(|known| known.name == **name))
        {
            None => Ok(()),
            Some(name) => Err(ChangeError::UnknownColumn {
                version: self.version,
                entity: change.entity.clone(),
                column: name.clone(),
                known: join(operation.arguments.iter().map(|argument| &argument.name)),
            }),
        }
    }

    fn check_shape(&self, table: &Table, change: &Change) -> Result<(), ChangeError> {
        let misplaced =
            |what| Err(ChangeError::Misplaced { entity: table.name.clone(), op: change.op, what });
        match change.op {
            Op::Insert | Op::Upsert if !change.key.is_empty() => misplaced("a key beside its row"),
            Op::Insert | Op::Upsert | Op::Add if !change.expect.is_empty() => {
                misplaced("expected old values")
            }
            Op::Delete if !change.cells.is_empty() => misplaced("values to set"),
            Op::Update | Op::Add if change.cells.is_empty() => {
                Err(ChangeError::Empty { entity: table.name.clone(), op: change.op })
            }
            _ => Ok(()),
        }
    }

    fn check_key(&self, table: &Table, change: &Change) -> Result<(), ChangeError> {
        if matches!(change.op, Op::Insert | Op::Upsert) {
            return Ok(());
        }
        if let Some(name) = change.key.names().find(|name| !table.key.contains(name)) {
            return Err(ChangeError::NotKey {
                entity: table.name.clone(),
                op: change.op,
                column: name.clone(),
                key: join(&table.key),
            });
        }
        for name in &table.key {
            let value = change.key.get(name).ok_or_else(|| ChangeError::Missing {
                entity: table.name.clone(),
                op: change.op,
                column: name.clone(),
            })?;
            self.check_cell(table, name, value)?;
        }
        Ok(())
    }

    fn check_cell(&self, table: &Table, name: &Name, value: &Value) -> Result<(), ChangeError> {
        let column = table.column(name).ok_or_else(|| ChangeError::UnknownColumn {
            version: self.version,
            entity: table.name.clone(),
            column: name.clone(),
            known: join(table.columns.iter().map(|column| &column.name)),
        })?;
        check_value(&table.name, column, value)
    }
}

fn check_value(entity: &Name, column: &Column, value: &Value) -> Result<(), ChangeError> {
    if value.is_null() {
        return if column.nullable {
            Ok(())
        } else {
            Err(ChangeError::Null { entity: entity.clone(), column: column.name.clone() })
        };
    }
    if column.ty.holds(value) {
        return Ok(());
    }
    Err(ChangeError::WrongType {
        entity: entity.clone(),
        column: column.name.clone(),
        ty: column.ty,
        kind: value.kind(),
        value: value.to_string().chars().take(64).collect(),
    })
}

fn check_whole(table: &Table, change: &Change) -> Result<(), ChangeError> {
    let lacking =
        table.columns.iter().find(|column| !column.nullable && !change.cells.contains(&column.name));
    match lacking {
        None => Ok(()),
        Some(column) => Err(ChangeError::Missing {
            entity: table.name.clone(),
            op: change.op,
            column: column.name.clone(),
        }),
    }
}

fn check_addable(table: &Table, change: &Change) -> Result<(), ChangeError> {
    for (name, value) in change.cells.iter() {
        let Some(column) = table.column(name) else { continue };
        if !column.ty.is_number() || table.key.contains(name) || value.is_null() {
            return Err(ChangeError::NotAddable {
                entity: table.name.clone(),
                column: name.clone(),
                ty: column.ty,
            });
        }
    }
    Ok(())
}

fn join<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    names.into_iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
}
