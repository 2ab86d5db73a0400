//! What complements hold, as SQL expressions for views: the join of a ledger table with the complements of its rows, the
//! text of a row's key under which they stand, and the cells in them. Never writes a complement; the applier does.
//!
//! The cells of a row are one JSON object, each kept value under its cell's name with its kind:
//! `{"2:fax":{"text":"555"},"2:note":null}` (`journal_core::codec::cells`).

use journal_core::model::{Column, Name, Table, Type};

use super::quote::{ident, text};
use super::{Dialect, Sources, mariadb, postgres};

/// The column that carries a row's kept cells from the ledger's table to the view that needs them. No table of a set can
/// have one of this name.
pub(crate) const CELLS: &str = "daybook_kept";

/// A kept cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Whether anything is kept under its name, be it NULL: an expression that is true or false.
    pub(crate) there: String,
    /// The value, in the form in which the dialect stores its type; NULL where nothing is kept.
    pub(crate) value: String,
}

/// A ledger table as a source of a view: its columns, and [`CELLS`].
pub(crate) fn table_with_cells(table: &Table, sources: &Sources, dialect: Dialect) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|column| format!("t.{}", ident(&column.name))).collect();
    let key = key_text(table, dialect);
    format!(
        "(SELECT {}, c.cells AS {CELLS} FROM {} AS t LEFT JOIN {} AS c ON c.entity = {} AND c.row_key = {key})",
        columns.join(", "),
        ident(sources.name(&table.name)),
        dialect.render(sources.complement()),
        text(&table.name),
    )
}

/// The text under which a row's complement stands: `journal_core::codec::payload::key_text` of its key.
fn key_text(table: &Table, dialect: Dialect) -> String {
    let parts: Vec<String> = table
        .key
        .iter()
        .filter_map(|name| table.column(name))
        .map(|column| key_part(column, dialect))
        .collect();
    format!("'[' || {} || ']'", parts.join(" || ',' || "))
}

fn key_part(column: &Column, dialect: Dialect) -> String {
    let e = format!("t.{}", ident(&column.name));
    let quoted = |text: String| format!("'\"' || {text} || '\"'");
    match (column.ty, dialect) {
        (Type::Bool, Dialect::Sqlite | Dialect::MariaDb) => {
            format!("CASE {e} WHEN 0 THEN 'false' ELSE 'true' END")
        }
        (Type::Int, Dialect::MariaDb) => mariadb::cast_text(&e),
        (Type::Int | Type::Bool, _) => format!("CAST({e} AS text)"),
        (Type::Text { .. }, Dialect::Sqlite) => format!("json_quote({e})"),
        (Type::Text { .. }, Dialect::Postgres) => format!("CAST(to_json(CAST({e} AS text)) AS text)"),
        (Type::Text { .. }, Dialect::MariaDb) => mariadb::json_text(&e),
        // The backslash before the x is written twice in JSON.
        (Type::Bytes, Dialect::Sqlite | Dialect::MariaDb) => quoted(format!("'\\\\x' || lower(hex({e}))")),
        (Type::Bytes, Dialect::Postgres) => quoted(format!("E'\\\\\\\\x' || encode({e}, 'hex')")),
        (Type::Date, Dialect::Postgres) => quoted(format!("to_char({e}, 'YYYY-MM-DD')")),
        (Type::Timestamp, Dialect::Postgres) => {
            quoted(format!("to_char({e} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"))
        }
        (Type::Timestamp, Dialect::MariaDb) => quoted(mariadb::timestamp_text(&e)),
        (_, Dialect::MariaDb) => quoted(mariadb::cast_text(&e)),
        // Stored as the text that the key has; other types make no keys.
        (_, _) => quoted(format!("CAST({e} AS text)")),
    }
}

/// The cell of that name among the cells of `source`, an expression for what [`CELLS`] holds. `ty` is the type of the
/// column whose value is kept.
pub(crate) fn cell(source: &str, name: &Name, ty: Type, dialect: Dialect) -> Kept {
    let kind = kind(ty);
    match dialect {
        Dialect::Sqlite => {
            let path = |rest: &str| text(&format!("$.\"{name}\"{rest}"));
            Kept {
                there: format!("(json_type({source}, {}) IS NOT NULL)", path("")),
                value: sqlite_value(&format!("json_extract({source}, {})", path(&format!(".{kind}"))), ty),
            }
        }
        Dialect::Postgres => {
            let cell = format!("({source} -> {})", text(name));
            let there = format!("({cell} IS NOT NULL)");
            Kept { there, value: postgres_value(&format!("({cell} ->> {})", text(kind)), ty) }
        }
        Dialect::MariaDb => {
            let path = |rest: &str| text(&format!("$.\"{name}\"{rest}"));
            Kept {
                there: format!("(coalesce(json_contains_path({source}, 'one', {}), 0) = 1)", path("")),
                value: mariadb_value(&mariadb::json_at(source, &path(&format!(".\"{kind}\""))), ty),
            }
        }
    }
}

/// The name of a value's kind in a cell, as [`Value::kind`](journal_core::model::Value::kind) gives it.
fn kind(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::Int => "int",
        Type::Decimal { .. } => "decimal",
        Type::Float => "float",
        Type::Text { .. } => "text",
        Type::Bytes => "bytes",
        Type::Date => "date",
        Type::Time => "time",
        Type::Timestamp => "timestamp",
        Type::Uuid => "uuid",
        Type::Json => "json",
    }
}

fn sqlite_value(e: &str, ty: Type) -> String {
    match ty {
        // Kept without zeros at the end, stored with exactly the type's scale.
        Type::Decimal { scale: 0, .. } => e.to_owned(),
        Type::Decimal { scale, .. } => {
            let zeros = "0".repeat(scale.into());
            format!(
                "CASE instr({e}, '.') WHEN 0 THEN {e} || '.{zeros}' \
                 ELSE substr({e} || '{zeros}', 1, instr({e}, '.') + {scale}) END"
            )
        }
        Type::Float => format!(
            "CASE {e} WHEN 'inf' THEN 9e999 WHEN '-inf' THEN -9e999 WHEN 'NaN' THEN NULL ELSE CAST({e} AS REAL) END"
        ),
        Type::Bytes => format!("unhex({e})"),
        _ => e.to_owned(),
    }
}

/// Content that its type cannot hold there is NULL, as in the tables.
fn mariadb_value(e: &str, ty: Type) -> String {
    match ty {
        Type::Text { .. } | Type::Uuid | Type::Json => e.to_owned(),
        Type::Bool => format!("CASE WHEN {e} IN ('true', '1') THEN 1 WHEN {e} IN ('false', '0') THEN 0 END"),
        Type::Bytes => format!("unhex({e})"),
        Type::Float => format!(
            "CASE WHEN {e} NOT IN ('inf', '-inf', 'NaN', '-0.0') THEN CAST({e} AS {}) END",
            mariadb::cast_name(ty)
        ),
        // Without the letter for UTC.
        Type::Timestamp => format!("CAST(substr({e}, 1, 26) AS {})", mariadb::cast_name(ty)),
        Type::Int | Type::Decimal { .. } | Type::Date | Type::Time => {
            format!("CAST({e} AS {})", mariadb::cast_name(ty))
        }
    }
}

fn postgres_value(e: &str, ty: Type) -> String {
    match ty {
        Type::Text { max: None } => e.to_owned(),
        Type::Bytes => format!("decode({e}, 'hex')"),
        _ => format!("CAST({e} AS {})", postgres::type_name(ty)),
    }
}
