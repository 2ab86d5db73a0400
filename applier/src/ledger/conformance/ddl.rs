//! The suite's own tables in SQL, as the logical types say. Written apart from the DDL that schema sets get, so that the
//! suite is a second opinion on it.

use journal_core::model::{Column, Name, Schema, Table, Type};
use journal_core::sql::{Dialect, quote};

/// The statements that create the tables, parents before children, and the one CHECK of the suite.
pub(super) fn create_tables(schema: &Schema, dialect: Dialect) -> String {
    let mut tables: Vec<&Table> = schema.tables.values().collect();
    tables.sort_by_key(|table| table.parents.iter().filter(|parent| parent.table != table.name).count());
    tables.into_iter().map(|table| create_table(schema, table, dialect)).collect()
}

fn create_table(schema: &Schema, table: &Table, dialect: Dialect) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(|column| line(table, column, dialect)).collect();
    lines.push(format!("PRIMARY KEY ({})", list(&table.key)));
    lines.extend(table.unique.iter().map(|unique| format!("UNIQUE ({})", list(unique))));
    for parent in &table.parents {
        let key = list(&schema.tables[&parent.table].key);
        lines.push(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({key})",
            list(&parent.columns),
            quote(&parent.table)
        ));
    }
    if table.name.as_ref() == "checked" {
        lines.push("CONSTRAINT amount_is_not_negative CHECK (amount >= 0)".to_owned());
    }
    let strict = match dialect {
        Dialect::Sqlite => " STRICT",
        Dialect::Postgres => "",
        Dialect::MariaDb => " ENGINE=InnoDB COLLATE={bytewise}",
    };
    format!("CREATE TABLE {} ({}){strict};\n", quote(&table.name), lines.join(", "))
}

fn mariadb(table: &Table, column: &Column, ty: Type) -> String {
    let keyed = table.key.contains(&column.name);
    match ty {
        Type::Bool => "BOOLEAN".to_owned(),
        Type::Int => "BIGINT".to_owned(),
        Type::Decimal { precision, scale } => format!("DECIMAL({precision}, {scale})"),
        Type::Float => "DOUBLE".to_owned(),
        Type::Text { max: Some(max) } => format!("VARCHAR({max})"),
        Type::Text { max: None } if keyed => "VARCHAR(748)".to_owned(),
        Type::Text { max: None } | Type::Json => "LONGTEXT".to_owned(),
        Type::Bytes if keyed => "VARBINARY(3000)".to_owned(),
        Type::Bytes => "LONGBLOB".to_owned(),
        Type::Date => "DATE".to_owned(),
        Type::Time => "TIME(6)".to_owned(),
        Type::Timestamp => "DATETIME(6)".to_owned(),
        Type::Uuid => "CHAR(36)".to_owned(),
    }
}

fn line(table: &Table, column: &Column, dialect: Dialect) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    let ty = match (dialect, column.ty) {
        (Dialect::Sqlite, Type::Bool | Type::Int) => "INTEGER".to_owned(),
        (Dialect::Sqlite, Type::Float) => "REAL".to_owned(),
        (Dialect::Sqlite, Type::Bytes) => "BLOB".to_owned(),
        (Dialect::Sqlite, _) => "TEXT".to_owned(),
        (Dialect::MariaDb, ty) => {
            return format!("{} {}{null}", quote(&column.name), mariadb(table, column, ty));
        }
        (Dialect::Postgres, Type::Bool) => "boolean".to_owned(),
        (Dialect::Postgres, Type::Int) => "bigint".to_owned(),
        (Dialect::Postgres, Type::Decimal { precision, scale }) => format!("numeric({precision}, {scale})"),
        (Dialect::Postgres, Type::Float) => "double precision".to_owned(),
        (Dialect::Postgres, Type::Text { max: Some(max) }) => format!("varchar({max})"),
        (Dialect::Postgres, Type::Text { max: None }) => "text".to_owned(),
        (Dialect::Postgres, Type::Bytes) => "bytea".to_owned(),
        (Dialect::Postgres, Type::Date) => "date".to_owned(),
        (Dialect::Postgres, Type::Time) => "time".to_owned(),
        (Dialect::Postgres, Type::Timestamp) => "timestamptz".to_owned(),
        (Dialect::Postgres, Type::Uuid) => "uuid".to_owned(),
        (Dialect::Postgres, Type::Json) => "json".to_owned(),
    };
    let keyed = table.key.contains(&column.name) && matches!(column.ty, Type::Text { .. });
    let collate = if keyed && dialect == Dialect::Postgres { " COLLATE \"C\"" } else { "" };
    format!("{} {ty}{collate}{null}", quote(&column.name))
}

fn list(names: &[Name]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}
