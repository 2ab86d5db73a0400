//! Whether a change fits a schema version, as far as that shows without the ledger's rows.

use super::{Column, Schema, Table, Type};
use crate::model::change::{Change, Op};
use crate::model::row::Name;
use crate::model::site::SchemaVersion;
use crate::model::value::Value;

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
