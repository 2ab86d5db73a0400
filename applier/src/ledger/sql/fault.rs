//! From a database's refusal to the fault of the change that met it. Details name the table, the key, the column or the
//! constraint, and hold no SQL.

use journal_core::codec::payload::key_text;
use journal_core::model::{Change, Name, Op, Row, Schema, Table, Value};
use journal_core::sql::{Constraint, SqlClass, SqlError};

use crate::ledger::fit::Misfit;
use crate::ledger::{Fault, LedgerError};

/// The error of a statement that carried out a change.
pub(super) fn of_change(
    error: SqlError,
    schema: &Schema,
    table: &Table,
    key: &[Value],
    change: &Change,
) -> LedgerError {
    let fault = match &error.class {
        SqlClass::Constraint(Constraint::Unique) => Fault::DuplicateKey,
        SqlClass::Constraint(Constraint::ForeignKey) => foreign_key(schema, table, key, change),
        SqlClass::Constraint(Constraint::NotNull) => Fault::NotNull,
        SqlClass::Constraint(Constraint::Check | Constraint::Raised) => Fault::Check,
        SqlClass::Data if error.has_no_place() => Fault::OutOfRange,
        SqlClass::Data | SqlClass::Schema => {
            return LedgerError::Damaged(format!("{} {}: {error}", table.name, key_text(key)));
        }
        SqlClass::Transient
        | SqlClass::Full
        | SqlClass::Lost
        | SqlClass::Refused
        | SqlClass::Broken
        | SqlClass::Unsafe => {
            return LedgerError::Store(error);
        }
    };
    Misfit::new(fault, why(fault, &error, schema, table, change)).at(table, key)
}

/// The error of a statement on many rows: what the data can be at fault for is a fault, of which row nobody says.
pub(super) fn of_set(error: SqlError, table: &Name) -> LedgerError {
    let fault = match &error.class {
        SqlClass::Constraint(Constraint::Unique) => Fault::DuplicateKey,
        SqlClass::Constraint(Constraint::ForeignKey) => Fault::MissingParent,
        SqlClass::Constraint(Constraint::NotNull) => Fault::NotNull,
        SqlClass::Constraint(Constraint::Check | Constraint::Raised) => Fault::Check,
        SqlClass::Data | SqlClass::Schema => Fault::OutOfRange,
        _ => return LedgerError::Store(error),
    };
    LedgerError::Fault { fault, detail: format!("{table}: refused for some of its rows") }
}

/// The error of a COMMIT. A constraint that only speaks up here is the data's fault, of which row nobody says.
pub(super) fn of_commit(error: SqlError) -> LedgerError {
    let fault = match &error.class {
        SqlClass::Constraint(Constraint::Unique) => Fault::DuplicateKey,
        SqlClass::Constraint(Constraint::ForeignKey) => Fault::MissingParent,
        SqlClass::Constraint(Constraint::NotNull) => Fault::NotNull,
        SqlClass::Constraint(Constraint::Check | Constraint::Raised) => Fault::Check,
        // A trigger that was deferred reckoned with a value.
        SqlClass::Data if error.has_no_place() => Fault::OutOfRange,
        _ => return LedgerError::Store(error),
    };
    let by = error.object.as_deref().unwrap_or("a deferred constraint");
    LedgerError::Fault { fault, detail: format!("{by} refused the transaction as a whole") }
}

/// A broken reference has two ends, and the databases name neither alike: the operation tells which.
fn foreign_key(schema: &Schema, table: &Table, key: &[Value], change: &Change) -> Fault {
    match change.op {
        Op::Delete => Fault::StillReferenced,
        Op::Insert | Op::Upsert | Op::Add | Op::Call => Fault::MissingParent,
        Op::Update => {
            let moves = table
                .key
                .iter()
                .zip(key)
                .any(|(name, old)| change.cells.get(name).is_some_and(|new| new != old));
            let referred = || {
                let mut parents = schema.tables.values().flat_map(|child| &child.parents);
                parents.any(|parent| parent.table == table.name)
            };
            if moves && referred() { Fault::StillReferenced } else { Fault::MissingParent }
        }
    }
}

fn why(fault: Fault, error: &SqlError, schema: &Schema, table: &Table, change: &Change) -> String {
    // SQLite names the columns in its message and no constraint; PostgreSQL the constraint. Neither holds values.
    let by = match (&error.object, error.message.split_once("constraint failed: ")) {
        (Some(object), _) => format!(" ({object})"),
        (None, Some((_, columns))) => format!(" ({columns})"),
        (None, None) => String::new(),
    };
    match fault {
        Fault::DuplicateKey => format!("a row of that primary or unique key is there already{by}"),
        Fault::MissingParent => format!("{} is not there{by}", parents(schema, table, &change.cells)),
        Fault::StillReferenced => format!("other rows refer to it{by}"),
        Fault::NotNull => format!("a column that may not be NULL would be{by}"),
        Fault::Check if error.class == SqlClass::Constraint(Constraint::Raised) => {
            format!("a trigger of the ledger refuses it ({})", error.code)
        }
        Fault::Check => format!("a check of the ledger refuses it{by}"),
        _ if error.is_beyond_limits() => format!("a value is too large here: {}", error.message),
        _ => "a value has no exact place in its column".to_owned(),
    }
}

/// The parents a row with these cells refers to: one of them is missing.
fn parents(schema: &Schema, table: &Table, cells: &Row) -> String {
    let named: Vec<String> = table
        .parents
        .iter()
        .filter(|parent| schema.tables.contains_key(&parent.table))
        .filter_map(|parent| {
            let key: Option<Vec<Value>> =
                parent.columns.iter().map(|name| cells.get(name).cloned()).collect();
            let key = key.filter(|key| !key.iter().any(Value::is_null))?;
            Some(format!("{} {}", parent.table, key_text(&key)))
        })
        .collect();
    if named.is_empty() { "a parent".to_owned() } else { named.join(" or ") }
}
