//! What must hold within one version: names, keys, unique keys, parents. Looks at no other version.

use std::collections::BTreeSet;

use journal_core::model::{Column, Name, Schema, Table, Type};

use super::tables::Places;
use crate::error::SetError;
use crate::expr::Expression;

/// Room for suffixes of generated names within PostgreSQL's 63 bytes.
pub(crate) const NAME_CHARS_MAX: usize = 51;
/// Below the limits of every store (PostgreSQL 1600, SQLite 2000).
const COLUMNS_MAX: usize = 1000;
/// Columns that PostgreSQL gives every table itself.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Checks a version as read.
pub(super) fn check(schema: &Schema, places: &Places) -> Result<(), SetError> {
    for table in schema.tables.values() {
        check_table(table, places)?;
    }
    for table in schema.tables.values() {
        check_parents(schema, table, places)?;
    }
    check_cycles(schema, places)?;
    for operation in schema.operations.values() {
        let fault = |part: &str, message: String| Err(places.fault(&operation.name, part, message));
        if let Err(message) = check_name(&operation.name) {
            return fault(".operation", message);
        }
        if schema.tables.contains_key(&operation.name) {
            return fault(
                ".operation",
                format!("{:?} is a table already; give the operation another name", operation.name),
            );
        }
        for argument in &operation.arguments {
            check_name(&argument.name).or_else(|message| fault(&argument.name, message))?;
        }
    }
    Ok(())
}

/// The form of table and column names; they become identifiers in every store.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let head = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    let tail = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !head || !tail || name.len() > NAME_CHARS_MAX {
        return Err(format!(
            "{name:?} is no name: at most {NAME_CHARS_MAX} of a-z, 0-9 and _, beginning with a letter"
        ));
    }
    match ["daybook", "sqlite_", "pg_"].into_iter().find(|taken| name.starts_with(taken)) {
        Some(taken) => Err(format!("{name:?} begins with {taken:?}, which is taken; choose another name")),
        None => Ok(()),
    }
}

/// The form of a table's name: `_v1` at the end would meet a view of version 1 in SQLite, `kept_1` at the beginning what
/// ledgers keep for other versions.
pub(crate) fn check_table_name(name: &str) -> Result<(), String> {
    check_name(name)?;
    if crate::kept::is_kept(name) {
        return Err(format!(
            "table name {name:?} begins as those do that ledgers keep for other versions; choose another name"
        ));
    }
    let ends_as_view = name
        .rsplit_once("_v")
        .is_some_and(|(_, digits)| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if ends_as_view {
        return Err(format!(
            "table name {name:?} ends as a version's view does; choose one without _v and a number at the end"
        ));
    }
    Ok(())
}

/// The form of a column's name.
pub(crate) fn check_column_name(name: &str) -> Result<(), String> {
    check_name(name)?;
    if SYSTEM_COLUMNS.contains(&name) {
        return Err(format!("column name {name:?} is PostgreSQL's own; choose another one"));
    }
    Ok(())
}

fn check_table(table: &Table, places: &Places) -> Result<(), SetError> {
    let fault = |part: &str, message: String| places.fault(&table.name, part, message);
    check_table_name(&table.name).map_err(|message| fault("", message))?;
    if table.columns.len() > COLUMNS_MAX {
        return Err(fault(
            "",
            format!("table {} has {} columns; at most {COLUMNS_MAX}", table.name, table.columns.len()),
        ));
    }
    for column in &table.columns {
        check_column_name(&column.name).map_err(|message| fault(&column.name, message))?;
    }
    for column in named(table, &table.key, ".key", places)? {
        if column.nullable {
            return Err(fault(
                &column.name,
                format!("key column {} may not be null; take null = true out", column.name),
            ));
        }
        check_indexed(table, column, places)?;
    }
    for unique in &table.unique {
        for column in named(table, unique, ".unique", places)? {
            check_indexed(table, column, places)?;
        }
    }
    check_conditions(table, places)?;
    check_indexes(table, places)
}

fn check_conditions(table: &Table, places: &Places) -> Result<(), SetError> {
    let mut names = BTreeSet::new();
    for check in &table.checks {
        let fault = |message: String| places.fault(&table.name, ".checks", message);
        check_name(&check.name).map_err(&fault)?;
        if !names.insert(&check.name) {
            return Err(fault(format!("{} has two checks {:?}; name one otherwise", table.name, check.name)));
        }
        Expression::condition(&check.that, &table.columns)
            .map_err(|message| fault(format!("check {}: {message}", check.name)))?;
    }
    Ok(())
}

fn check_indexes(table: &Table, places: &Places) -> Result<(), SetError> {
    let mut names = BTreeSet::new();
    for index in &table.indexes {
        let fault = |message: String| places.fault(&table.name, ".indexes", message);
        check_name(&index.name).map_err(&fault)?;
        if !names.insert(&index.name) {
            return Err(fault(format!(
                "{} has two indexes {:?}; name one otherwise",
                table.name, index.name
            )));
        }
        for column in named(table, &index.columns, ".indexes", places)? {
            if index.unique {
                check_indexed(table, column, places)?;
            } else if column.ty == Type::Json {
                return Err(fault(format!(
                    "column {} is json, which has no order for an index",
                    column.name
                )));
            }
        }
        if let Some(condition) = &index.condition {
            Expression::condition(condition, &table.columns)
                .map_err(|message| fault(format!("index {}: {message}", index.name)))?;
        }
        if index.unique && index.condition.is_none() {
            let columns = index.columns.join("\", \"");
            let message = format!(
                "index {} has every row and is unique; write it as unique = [[\"{columns}\"]], with no index",
                index.name
            );
            return Err(fault(message));
        }
    }
    Ok(())
}

fn check_indexed(table: &Table, column: &Column, places: &Places) -> Result<(), SetError> {
    if column.ty.may_be_key() {
        return Ok(());
    }
    let message = format!(
        "column {} is {}, which has no one order in every store; keys are made of int, text, bool, bytes, date, timestamp, uuid",
        column.name, column.ty
    );
    Err(places.fault(&table.name, &column.name, message))
}

/// The columns of a list of names, which must exist and differ.
fn named<'a>(
    table: &'a Table,
    names: &[Name],
    part: &str,
    places: &Places,
) -> Result<Vec<&'a Column>, SetError> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for name in names {
        let column = table.column(name).ok_or_else(|| {
            let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_ref()).collect();
            let message = format!("table {} has no column {name:?}; it has {}", table.name, known.join(", "));
            places.fault(&table.name, part, message)
        })?;
        if !seen.insert(name) {
            return Err(places.fault(
                &table.name,
                part,
                format!("column {name:?} is named twice; name it once"),
            ));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn check_parents(schema: &Schema, table: &Table, places: &Places) -> Result<(), SetError> {
    for parent in &table.parents {
        let fault = |message: String| places.fault(&table.name, ".parents", message);
        let columns = named(table, &parent.columns, ".parents", places)?;
        let other = schema.tables.get(&parent.table).ok_or_else(|| {
            let known: Vec<&str> = schema.tables.keys().map(AsRef::as_ref).collect();
            fault(format!(
                "there is no table {:?} to be a parent; there are {}",
                parent.table,
                known.join(", ")
            ))
        })?;
        if columns.len() != other.key.len() {
            return Err(fault(format!(
                "{} columns refer to {}, whose key has {}: {}",
                columns.len(),
                other.name,
                other.key.len(),
                other.key.join(", ")
            )));
        }
        for (column, key) in columns.iter().zip(&other.key) {
            let wanted = other.column(key).map(|key| key.ty);
            if wanted != Some(column.ty) {
                let wanted = wanted.map(|ty| ty.to_string()).unwrap_or_default();
                return Err(fault(format!(
                    "column {} is {}, but {}.{key}, to which it refers, is {wanted}; give both one type",
                    column.name, column.ty, other.name
                )));
            }
        }
    }
    Ok(())
}

/// Parents must have an order. A table may be its own parent.
fn check_cycles(schema: &Schema, places: &Places) -> Result<(), SetError> {
    let ordered = crate::ddl::order::parents_first(schema);
    match schema.tables.values().find(|table| !ordered.iter().any(|known| known.name == table.name)) {
        None => Ok(()),
        Some(table) => Err(places.fault(
            &table.name,
            ".parents",
            format!("table {} is in a circle of parents; rows could not be put in an order, so take one reference out", table.name),
        )),
    }
}
