//! The conversions of the module above as SQL expressions. A value without exact image gives NULL, and no value makes a
//! statement fail.

use journal_core::model::Type;

use super::sql_number_mariadb::AT_END;
use super::{possible, sql_moment, sql_number};
use crate::ddl::quote::length;
use crate::ddl::{Dialect, mariadb};

/// Whether [`convert`] can say the way from one type to the other. PostgreSQL 15 cannot ask of a text whether it is JSON.
pub(crate) fn has(from: Type, to: Type) -> bool {
    possible(from, to) && !(matches!(from, Type::Text { .. }) && to == Type::Json)
}

/// `expression`, which is of type `from`, as one of type `to`.
pub(crate) fn convert(expression: &str, from: Type, to: Type, dialect: Dialect) -> String {
    let number = |ty: Type| matches!(ty, Type::Int | Type::Decimal { .. } | Type::Text { .. });
    let moment = |ty: Type| matches!(ty, Type::Date | Type::Time | Type::Timestamp);
    match (from, to) {
        (from, to) if from == to => expression.to_owned(),
        (from, to) if number(from) && number(to) => sql_number::convert(expression, from, to, dialect),
        (from, to) if moment(from) || moment(to) => sql_moment::convert(expression, from, to, dialect),
        (Type::Float, _) | (_, Type::Float) => sql_number::convert_float(expression, from, to, dialect),
        (from, to) => plain(expression, from, to, dialect),
    }
}

/// A text that has room in its type.
pub(super) fn fitting(text: String, max: Option<u32>, dialect: Dialect) -> String {
    match max {
        None => text,
        Some(max) => format!("CASE WHEN {} <= {max} THEN {text} END", length(&text, dialect)),
    }
}

/// Truth, UUIDs and JSON.
fn plain(e: &str, from: Type, to: Type, dialect: Dialect) -> String {
    let (yes, no) = match dialect {
        Dialect::Sqlite | Dialect::MariaDb => ("1", "0"),
        Dialect::Postgres => ("TRUE", "FALSE"),
    };
    match (from, to) {
        (Type::Bool, Type::Int) => match dialect {
            Dialect::Sqlite | Dialect::MariaDb => e.to_owned(),
            Dialect::Postgres => format!("CAST(CAST({e} AS int) AS bigint)"),
        },
        (Type::Int, Type::Bool) => format!("CASE {e} WHEN 1 THEN {yes} WHEN 0 THEN {no} END"),
        (Type::Bool, Type::Text { max }) => {
            fitting(format!("CASE {e} WHEN {yes} THEN 'true' WHEN {no} THEN 'false' END"), max, dialect)
        }
        (Type::Text { .. }, Type::Bool) => {
            format!("CASE {e} WHEN 'true' THEN {yes} WHEN 'false' THEN {no} END")
        }
        (Type::Uuid | Type::Json, Type::Text { max }) => fitting(
            match dialect {
                Dialect::Sqlite | Dialect::MariaDb => e.to_owned(),
                Dialect::Postgres => format!("CAST({e} AS text)"),
            },
            max,
            dialect,
        ),
        (Type::Text { .. }, Type::Uuid) => match dialect {
            Dialect::Sqlite => {
                let hex = |digits: usize| "[0-9a-f]".repeat(digits);
                let form = [8, 4, 4, 4, 12].map(hex).join("-");
                format!("CASE WHEN lower({e}) GLOB '{form}' THEN lower({e}) END")
            }
            Dialect::Postgres => {
                let form = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
                format!("CASE WHEN {e} ~ '{form}' THEN CAST({e} AS uuid) END")
            }
            Dialect::MariaDb => {
                let form = format!("^[0-9a-fA-F]{{8}}(-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}{AT_END}");
                format!("CASE WHEN {} THEN lower({e}) END", mariadb::is_of_form(e, &form))
            }
        },
        _ => "NULL".to_owned(),
    }
}
