//! Logical types: what a column holds, whatever database it is in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::time;
use crate::model::value::Value;

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

    /// Reads a JSON value as this type: numbers for int and float, numbers and texts for decimal, texts for dates, times and
    /// UUIDs, `\x` and hex digits for bytes, anything for json; null for any. `None` when it is not of the type.
    pub fn read_json(self, json: &serde_json::Value) -> Option<Value> {
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
