//! Tables for PostgreSQL. Constraints have names, so that a refusal can be read, and are checked at once, not at the
//! end of a transaction: the applier must see which row breaks one.

use journal_core::model::{Column, Name, Schema, Table, Type};

use super::quote::{ident, idents};
use super::{Dialect, ObjectNames, indexed};

/// How a logical type is stored.
pub(super) fn type_name(ty: Type) -> String {
    match ty {
        Type::Bool => "boolean".to_owned(),
        Type::Int => "bigint".to_owned(),
        Type::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        Type::Float => "double precision".to_owned(),
        Type::Text { max: None } => "text".to_owned(),
        // A longer varchar than PostgreSQL has cannot be declared, and is checked by the client all the same.
        Type::Text { max: Some(max) } if max > 10_485_760 => "text".to_owned(),
        Type::Text { max: Some(max) } => format!("varchar({max})"),
        Type::Bytes => "bytea".to_owned(),
        Type::Date => "date".to_owned(),
        Type::Time => "time".to_owned(),
        Type::Timestamp => "timestamptz".to_owned(),
        Type::Uuid => "uuid".to_owned(),
        Type::Json => "json".to_owned(),
    }
}

pub(super) fn create_table(schema: &Schema, table: &Table, names: &mut ObjectNames) -> Vec<String> {
    let mut lines: Vec<String> = table.columns.iter().map(|column| column_line(table, column)).collect();
    let mut constraint = |columns: &[Name], kind: &str| ident(&names.name(table, columns, kind));
    lines.push(format!("CONSTRAINT {} PRIMARY KEY ({})", constraint(&table.key, "key"), idents(&table.key)));
    for unique in &table.unique {
        lines.push(format!("CONSTRAINT {} UNIQUE ({})", constraint(unique, "unique"), idents(unique)));
    }
    for parent in &table.parents {
        let key = schema.tables.get(&parent.table).map(|parent| idents(&parent.key)).unwrap_or_default();
        lines.push(format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({key}) NOT DEFERRABLE",
            constraint(&parent.columns, "fk"),
            idents(&parent.columns),
            ident(&parent.table)
        ));
    }
    for check in &table.checks {
        let name = constraint(std::slice::from_ref(&check.name), "check");
        lines.push(super::check(table, check, &name, Dialect::Postgres));
    }
    let mut statements = vec![format!("CREATE TABLE {} (\n  {}\n)", ident(&table.name), lines.join(",\n  "))];
    for parent in indexed(table) {
        statements.push(format!(
            "CREATE INDEX {} ON {} ({})",
            constraint(&parent.columns, "index"),
            ident(&table.name),
            idents(&parent.columns)
        ));
    }
    statements.extend(table.indexes.iter().map(|index| {
        let name = names.name(table, std::slice::from_ref(&index.name), "index");
        super::index(table, index, &name, Dialect::Postgres)
    }));
    statements
}

/// Text in keys compares by bytes, as in every other store, and so does what refers to it.
fn column_line(table: &Table, column: &Column) -> String {
    let indexed = table.key.contains(&column.name)
        || table.unique.iter().any(|unique| unique.contains(&column.name))
        || table.indexes.iter().any(|index| index.columns.contains(&column.name))
        || table.parents.iter().any(|parent| parent.columns.contains(&column.name));
    let collate = if indexed && matches!(column.ty, Type::Text { .. }) { " COLLATE \"C\"" } else { "" };
    let null = if column.nullable { "" } else { " NOT NULL" };
    format!("{} {}{collate}{null}", ident(&column.name), type_name(column.ty))
}
