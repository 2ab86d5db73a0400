//! Tables for SQLite: STRICT, so that a value of the wrong kind is an error there as well.

use journal_core::model::{Schema, Table, Type};

use super::quote::{ident, idents};
use super::{Dialect, ObjectNames, indexed};

/// How a logical type is stored. Decimals are texts with exactly their scale, since SQLite's numbers round.
fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool | Type::Int => "INTEGER",
        Type::Float => "REAL",
        Type::Bytes => "BLOB",
        Type::Decimal { .. }
        | Type::Text { .. }
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Uuid
        | Type::Json => "TEXT",
    }
}

pub(super) fn create_table(schema: &Schema, table: &Table, names: &mut ObjectNames) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for column in &table.columns {
        let null = if column.nullable { "" } else { " NOT NULL" };
        lines.push(format!("{} {}{null}", ident(&column.name), type_name(column.ty)));
    }
    lines.push(format!("PRIMARY KEY ({})", idents(&table.key)));
    lines.extend(table.unique.iter().map(|unique| format!("UNIQUE ({})", idents(unique))));
    for parent in &table.parents {
        let key = schema.tables.get(&parent.table).map(|parent| idents(&parent.key)).unwrap_or_default();
        lines.push(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({key})",
            idents(&parent.columns),
            ident(&parent.table)
        ));
    }
    for check in &table.checks {
        let name = ident(&names.name(table, std::slice::from_ref(&check.name), "check"));
        lines.push(super::check(table, check, &name, Dialect::Sqlite));
    }
    let mut statements =
        vec![format!("CREATE TABLE {} (\n  {}\n) STRICT", ident(&table.name), lines.join(",\n  "))];
    for parent in indexed(table) {
        statements.push(format!(
            "CREATE INDEX {} ON {} ({})",
            ident(&names.name(table, &parent.columns, "index")),
            ident(&table.name),
            idents(&parent.columns)
        ));
    }
    statements.extend(table.indexes.iter().map(|index| {
        let name = names.name(table, std::slice::from_ref(&index.name), "index");
        super::index(table, index, &name, Dialect::Sqlite)
    }));
    statements
}
