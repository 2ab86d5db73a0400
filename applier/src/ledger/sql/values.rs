//! Values between the model and a SQL database: how each logical type is bound, compared, selected and read back, per
//! dialect. Never rounds: what a column cannot hold exactly is a fault before it is bound.

use journal_core::model::{Column, Type, Value, time};
use journal_core::sql::{Cell, Dialect, Param, Record, SqlClass, SqlError, quote};

use crate::ledger::fit::{Misfit, out_of_range};

/// The parameter for a value of a column: see [`cell`].
pub(super) fn bind(dialect: Dialect, column: &Column, value: &Value) -> Result<Param, Misfit> {
    cell(dialect, column, value).map(Param::from)
}

/// What a statement or COPY is given for a value of a column, which [`fit`](crate::ledger::fit) has found to hold it; or why
/// this database cannot hold it exactly all the same.
pub(super) fn cell<'v>(dialect: Dialect, column: &Column, value: &'v Value) -> Result<Cell<'v>, Misfit> {
    if value.is_null() {
        return Ok(null(dialect, column.ty));
    }
    held(dialect, column.ty, value).ok_or_else(|| out_of_range(column.ty, &column.name, value))
}

/// A NULL of the type's kind of parameter.
fn null(dialect: Dialect, ty: Type) -> Cell<'static> {
    match (ty, dialect) {
        (Type::Bool, Dialect::Postgres) => Cell::Bool(None),
        (Type::Int, _) | (Type::Bool, Dialect::Sqlite | Dialect::MariaDb) => Cell::I64(None),
        (Type::Float, _) => Cell::F64(None),
        (Type::Bytes, _) => Cell::Bytes(None),
        (Type::Uuid, Dialect::Postgres) => Cell::Uuid(None),
        (Type::Uuid, Dialect::Sqlite | Dialect::MariaDb)
        | (
            Type::Decimal { .. } | Type::Text { .. } | Type::Date | Type::Time | Type::Timestamp | Type::Json,
            _,
        ) => Cell::Text(None),
    }
}

/// The cell of a value that the type holds; `None` when this database has no exact place for it all the same.
fn held(dialect: Dialect, ty: Type, value: &Value) -> Option<Cell<'_>> {
    let text = |text: String| Cell::Text(Some(text.into()));
    Some(match (value, dialect) {
        (Value::Bool(value), Dialect::Postgres) => Cell::Bool(Some(*value)),
        (Value::Bool(value), Dialect::Sqlite | Dialect::MariaDb) => i64::from(*value).into(),
        (Value::Int(value), _) => (*value).into(),
        (Value::Float(value), _) => Cell::F64(Some(float(dialect, *value)?)),
        (Value::Decimal(value), _) => match ty {
            Type::Decimal { scale, .. } => text(value.to_scale(usize::from(scale))?),
            _ => return None,
        },
        (Value::Text(value) | Value::Json(value), _) => value.as_str().into(),
        (Value::Bytes(value), _) => value.as_slice().into(),
        (Value::Date(days), _) => text(time::date_text(*days)),
        (Value::Time(micros), _) => text(time::time_text(*micros)),
        // Without the letter for UTC, which the session is set to.
        (Value::Timestamp(micros), Dialect::MariaDb) => {
            text(time::timestamp_text(*micros).trim_end_matches('Z').to_owned())
        }
        (Value::Timestamp(micros), _) => text(time::timestamp_text(*micros)),
        (Value::Uuid(value), Dialect::Postgres) => (*value).into(),
        (Value::Uuid(value), Dialect::Sqlite | Dialect::MariaDb) => text(value.to_string()),
        (Value::Null, _) => return None,
    })
}

/// SQLite stores a NaN as NULL and drops the sign of zero; both would be another value when read back. MariaDB has neither
/// NaN nor infinities, and tells the two zeros apart in some places and not in others.
fn float(dialect: Dialect, value: f64) -> Option<f64> {
    match dialect {
        Dialect::Sqlite if value.is_nan() || (value == 0.0 && value.is_sign_negative()) => None,
        Dialect::Sqlite => Some(value),
        Dialect::Postgres if value.is_nan() => Some(f64::NAN), // One NaN, whatever its bits.
        Dialect::Postgres => Some(value),
        Dialect::MariaDb => {
            (value.is_finite() && (value != 0.0 || value.is_sign_positive())).then_some(value)
        }
    }
}

/// The expression of a parameter in a statement.
pub(super) fn placeholder(dialect: Dialect, ty: Type, number: usize) -> String {
    let cast = match (dialect, ty) {
        // A text beside a number or a moment is compared and reckoned with as a float.
        (Dialect::MariaDb, Type::Decimal { precision, scale }) => {
            return format!("CAST(${number} AS DECIMAL({precision},{scale}))");
        }
        (Dialect::MariaDb, Type::Date) => return format!("CAST(${number} AS DATE)"),
        // A parameter that MySQL itself takes for a time it reads as a day and an hour: '10:11:12.000005' as 05:00:00.
        (Dialect::MariaDb, Type::Time) => return format!("CAST(CAST(${number} AS CHAR) AS TIME(6))"),
        (Dialect::MariaDb, Type::Timestamp) => return format!("CAST(${number} AS DATETIME(6))"),
        (Dialect::MariaDb, _) => "",
        (Dialect::Sqlite, _) => "",
        (
            Dialect::Postgres,
            Type::Bool | Type::Int | Type::Float | Type::Text { .. } | Type::Bytes | Type::Uuid,
        ) => "",
        (Dialect::Postgres, Type::Decimal { .. }) => "::numeric",
        (Dialect::Postgres, Type::Date) => "::date",
        (Dialect::Postgres, Type::Time) => "::time",
        (Dialect::Postgres, Type::Timestamp) => "::timestamptz",
        (Dialect::Postgres, Type::Json) => "::json",
    };
    format!("${number}{cast}")
}

/// A condition that a column holds exactly a parameter's value, NULL included. Canonical like the model's equality:
/// json by its text, floats by their bits.
pub(super) fn same(dialect: Dialect, ty: Type, column: &str, number: usize) -> String {
    let column = quote(column);
    match (dialect, ty) {
        (Dialect::Sqlite, _) => format!("{column} IS ${number}"),
        (Dialect::MariaDb, _) => format!("{column} <=> {}", placeholder(dialect, ty, number)),
        (Dialect::Postgres, Type::Json) => format!("{column}::text IS NOT DISTINCT FROM ${number}"),
        (Dialect::Postgres, Type::Float) => {
            format!("float8send({column}) IS NOT DISTINCT FROM float8send(${number})")
        }
        (Dialect::Postgres, _) => {
            format!("{column} IS NOT DISTINCT FROM {}", placeholder(dialect, ty, number))
        }
    }
}

/// The expression that selects a column so that [`read`] understands it.
pub(super) fn select(dialect: Dialect, ty: Type, column: &str) -> String {
    let column = quote(column);
    match (dialect, ty) {
        (Dialect::Sqlite, _) => column,
        (
            Dialect::Postgres,
            Type::Bool | Type::Int | Type::Float | Type::Text { .. } | Type::Bytes | Type::Uuid,
        ) => column,
        (Dialect::MariaDb, Type::Decimal { .. }) => format!("CAST({column} AS CHAR)"),
        (Dialect::MariaDb, Type::Date) => format!("DATE_FORMAT({column}, '%Y-%m-%d')"),
        (Dialect::MariaDb, Type::Time) => format!("TIME_FORMAT({column}, '%H:%i:%s.%f')"),
        (Dialect::MariaDb, Type::Timestamp) => format!("DATE_FORMAT({column}, '%Y-%m-%dT%H:%i:%s.%fZ')"),
        (Dialect::MariaDb, _) => column,
        (Dialect::Postgres, Type::Decimal { .. } | Type::Json) => format!("{column}::text"),
        // Spelled out, because the short form of `::text` depends on a setting of the database.
        (Dialect::Postgres, Type::Date) => format!("to_char({column}, 'YYYY-MM-DD')"),
        (Dialect::Postgres, Type::Time) => format!("to_char({column}, 'HH24:MI:SS.US')"),
        (Dialect::Postgres, Type::Timestamp) => {
            format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        }
    }
}

/// The value of a selected column. Content that is no value of the type was not written by Daybook: an error.
pub(super) fn read(dialect: Dialect, column: &Column, record: &Record, at: usize) -> Result<Value, SqlError> {
    if record.is_null(at)? {
        return Ok(Value::Null);
    }
    let value = match (column.ty, dialect) {
        (Type::Bool, Dialect::Postgres) => Some(Value::Bool(record.bool(at)?)),
        (Type::Bool, Dialect::Sqlite | Dialect::MariaDb) => match record.i64(at)? {
            0 => Some(Value::Bool(false)),
            1 => Some(Value::Bool(true)),
            _ => None,
        },
        (Type::Int, _) => Some(Value::Int(record.i64(at)?)),
        (Type::Float, _) => Some(Value::Float(record.f64(at)?)),
        (Type::Bytes, _) => Some(Value::Bytes(record.bytes(at)?)),
        (Type::Text { .. }, _) => Some(Value::Text(record.text(at)?)),
        (Type::Json, _) => Some(Value::Json(record.text(at)?)),
        (Type::Uuid, Dialect::Postgres) => Some(Value::Uuid(record.uuid(at)?)),
        (Type::Uuid, Dialect::Sqlite | Dialect::MariaDb) => record.text(at)?.parse().ok().map(Value::Uuid),
        (Type::Decimal { .. }, _) => record.text(at)?.parse().ok().map(Value::Decimal),
        (Type::Date, _) => time::parse_date(&record.text(at)?).map(Value::Date),
        (Type::Time, _) => time::parse_time(&record.text(at)?).map(Value::Time),
        (Type::Timestamp, _) => time::parse_timestamp(&record.text(at)?).map(Value::Timestamp),
    };
    value.ok_or_else(|| {
        let message = format!("column {} holds what is no {}", column.name, column.ty);
        SqlError::new(SqlClass::Schema, message)
    })
}
