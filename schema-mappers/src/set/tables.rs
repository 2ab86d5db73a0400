//! Reads `schema.toml`: tables and operations of one version, each with its lines. What must hold between tables is
//! checked in `check`.

use std::collections::BTreeMap;

use journal_core::model::schema::{Check, Index, Operation};
use journal_core::model::{Column, Name, Parent, Schema, SchemaVersion, Table};

use super::reader::{Fields, Node};
use super::source::SCHEMA_FILE;
use crate::error::SetError;
use crate::expr;

/// The tables of a version and where each thing stands.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) schema: Schema,
    pub(crate) places: Places,
}

/// Lines of a `schema.toml`.
#[derive(Debug)]
pub(crate) struct Places {
    file: Name,
    lines: BTreeMap<(Name, Name), usize>,
}

impl Places {
    /// A fault at a part of a table: a column by its name, else `key`, `unique`, `parents` as `.key` and so on; at
    /// the table itself where that part has no line.
    pub(crate) fn fault(&self, table: &Name, part: &str, message: impl Into<String>) -> SetError {
        let at = |part: &str| self.lines.get(&(table.clone(), part.into())).copied();
        let line = at(part).or_else(|| at("")).unwrap_or(0);
        SetError { file: self.file.to_string(), line, message: message.into() }
    }
}

/// Reads the file's text.
pub(crate) fn read(version: SchemaVersion, text: &str) -> Result<Read, SetError> {
    let file: Name = format!("{version}/{SCHEMA_FILE}").into();
    let root = super::reader::read(&file, text)?;
    let mut reading = Reading { lines: BTreeMap::new() };
    let mut schema = Schema { version, tables: BTreeMap::new(), operations: BTreeMap::new() };
    let mut fields = Fields::new(&root, "the file")?;
    let tables =
        fields.optional("table").ok_or_else(|| root.fault("no table here; write one as [table.NAME]"))?;
    for (key, node) in tables.table("table")? {
        let table = reading.table(&key.name, node)?;
        schema.tables.insert(table.name.clone(), table);
    }
    if let Some(operations) = fields.optional("operation") {
        for (key, node) in operations.table("operation")? {
            let operation = reading.operation(&key.name, node)?;
            schema.operations.insert(operation.name.clone(), operation);
        }
    }
    fields.finish("table, operation")?;
    schema.share_names();
    Ok(Read { schema, places: Places { file, lines: reading.lines } })
}

struct Reading {
    lines: BTreeMap<(Name, Name), usize>,
}

impl Reading {
    fn table(&mut self, name: &str, node: &Node) -> Result<Table, SetError> {
        let name: Name = name.into();
        self.mark(&name, "", node);
        let mut fields = Fields::new(node, format!("table {name}"))?;
        let columns = fields.required("columns")?;
        let key = fields.required("key")?;
        self.mark(&name, ".key", key);
        let mut table = Table::new(name.clone(), self.columns(&name, columns)?, key.texts("key")?);
        if let Some(unique) = fields.optional("unique") {
            self.mark(&name, ".unique", unique);
            for columns in unique.list("unique")? {
                table.unique.push(columns.texts("a unique key")?);
            }
        }
        if let Some(parents) = fields.optional("parents") {
            self.mark(&name, ".parents", parents);
            table.parents = parents.list("parents")?.iter().map(parent).collect::<Result<_, _>>()?;
        }
        if let Some(indexes) = fields.optional("indexes") {
            self.mark(&name, ".indexes", indexes);
            table.indexes = indexes.list("indexes")?.iter().map(listed_index).collect::<Result<_, _>>()?;
        }
        if let Some(checks) = fields.optional("checks") {
            self.mark(&name, ".checks", checks);
            table.checks = checks.list("checks")?.iter().map(listed_check).collect::<Result<_, _>>()?;
        }
        if let Some(fold) = fields.optional("fold") {
            table.fold = fold.flag(&format!("fold of table {name}"))?;
        }
        fields.finish("columns, key, unique, parents, checks, indexes, fold")?;
        Ok(table)
    }

    fn operation(&mut self, name: &str, node: &Node) -> Result<Operation, SetError> {
        let name: Name = name.into();
        self.mark(&name, ".operation", node);
        let mut fields = Fields::new(node, format!("operation {name}"))?;
        let arguments = fields.required("arguments")?;
        let arguments = self.columns(&name, arguments)?;
        fields.finish("arguments")?;
        Ok(Operation { name, arguments })
    }

    fn columns(&mut self, table: &Name, node: &Node) -> Result<Vec<Column>, SetError> {
        let mut columns = Vec::new();
        for (key, node) in node.table("columns")? {
            self.mark(table, &key.name, node);
            columns.push(column(key.name.as_str().into(), node)?);
        }
        if columns.is_empty() { Err(node.fault("columns must not be empty")) } else { Ok(columns) }
    }

    fn mark(&mut self, table: &Name, part: &str, node: &Node) {
        self.lines.insert((table.clone(), part.into()), node.line);
    }
}

/// A column, as a table or a `compute` gives it.
pub(crate) fn column(name: Name, node: &Node) -> Result<Column, SetError> {
    if node.is_text() {
        return Ok(Column { ty: node.ty("the type")?, name, nullable: false });
    }
    let mut fields = Fields::new(node, format!("column {name}"))?;
    let ty = fields.required("type")?.ty("type")?;
    let nullable = fields.optional("null").map(|node| node.flag("null")).transpose()?.unwrap_or(false);
    fields.finish("type, null")?;
    Ok(Column { name, ty, nullable })
}

/// An index, as a table or an `add_index` gives it.
pub(crate) fn index(fields: &mut Fields<'_>) -> Result<Index, SetError> {
    let name = fields.required("name")?.text("name")?.into();
    let columns = fields.required("columns")?.texts("columns")?;
    let unique = fields.optional("unique").map(|node| node.flag("unique")).transpose()?.unwrap_or(false);
    let condition =
        fields.optional("where").map(|node| node.text("where").map(expr::canonical)).transpose()?;
    Ok(Index { name, columns, unique, condition })
}

/// A check, as a table or an `add_check` gives it.
pub(crate) fn check(fields: &mut Fields<'_>) -> Result<Check, SetError> {
    let name = fields.required("name")?.text("name")?.into();
    let that = expr::canonical(fields.required("that")?.text("that")?);
    Ok(Check { name, that })
}

fn listed_index(node: &Node) -> Result<Index, SetError> {
    let mut fields = Fields::new(node, "an index")?;
    let index = index(&mut fields)?;
    fields.finish("name, columns, unique, where")?;
    Ok(index)
}

fn listed_check(node: &Node) -> Result<Check, SetError> {
    let mut fields = Fields::new(node, "a check")?;
    let check = check(&mut fields)?;
    fields.finish("name, that")?;
    Ok(check)
}

fn parent(node: &Node) -> Result<Parent, SetError> {
    let mut fields = Fields::new(node, "a parent")?;
    let columns = fields.required("columns")?.texts("columns")?;
    let table = fields.required("table")?.text("table")?.into();
    fields.finish("columns, table")?;
    Ok(Parent { columns, table })
}
