//! Whether a change fits the tables of a version at all, judged without looking at a row: the same verdict, code for
//! code, in every ledger. What depends on rows is the database's to say.

use journal_core::codec::payload::key_text;
use journal_core::model::{Column, Name, Op, Row, Schema, Table, Type, Value};

use super::{Fault, LedgerChange, LedgerError};

/// The table a change is about, and the key of the row it is about; or the fault.
pub(crate) fn check<'s>(
    schema: &'s Schema,
    image: &LedgerChange,
) -> Result<(&'s Table, Vec<Value>), LedgerError> {
    let change = &image.change;
    let table = match schema.tables.get(&change.entity) {
        Some(table) if change.op != Op::Call => table,
        _ => {
            let detail =
                format!("schema version {} has no table {} to {}", schema.version, change.entity, change.op);
            return Err(LedgerError::Fault { fault: Fault::Unfit, detail });
        }
    };
    let source = if matches!(change.op, Op::Insert | Op::Upsert) { &change.cells } else { &change.key };
    let key = key_of(table, source).ok_or_else(|| {
        let detail =
            format!("{}: the {} lacks a part of the key ({})", table.name, change.op, join(&table.key));
        LedgerError::Fault { fault: Fault::Unfit, detail }
    })?;
    check_cells(table, image).map_err(|misfit| misfit.at(table, &key))?;
    Ok((table, key))
}

/// The values of a table's key in a row that holds them all and none of them NULL.
pub(crate) fn key_of(table: &Table, row: &Row) -> Option<Vec<Value>> {
    table.key_values(row).filter(|key| !key.iter().any(Value::is_null))
}

/// Most characters of a key in a detail, which is cut at its end: what is wrong comes behind the key.
const KEY_CHARS_MAX: usize = 120;

/// A fault with what is wrong, before it is known where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) fault: Fault,
    pub(crate) why: String,
}

impl Misfit {
    pub(crate) fn new(fault: Fault, why: impl Into<String>) -> Self {
        Self { fault, why: why.into() }
    }

    /// The fault at a row: its detail names the table and the key.
    pub(crate) fn at(self, table: &Table, key: &[Value]) -> LedgerError {
        let detail = format!("{} {}: {}", table.name, shown(key), self.why);
        LedgerError::Fault { fault: self.fault, detail }
    }
}

/// A key as far as people read it.
fn shown(key: &[Value]) -> String {
    let mut text = key_text(key);
    if let Some((end, _)) = text.char_indices().nth(KEY_CHARS_MAX) {
        text.truncate(end);
        text.push_str("..");
    }
    text
}

/// Whether a column of the type holds the value exactly.
pub(crate) fn check_value(ty: Type, column: &Name, value: &Value) -> Result<(), Misfit> {
    if ty.holds(value) {
        return Ok(());
    }
    if ty.to_string().split('(').next() == Some(value.kind()) {
        return Err(out_of_range(ty, column, value));
    }
    let why = format!("column {column} is {ty}; it holds no {}", value.kind());
    Err(Misfit::new(Fault::Unfit, why))
}

/// The fault of a value of the right kind that has no exact place in the column.
pub(crate) fn out_of_range(ty: Type, column: &Name, value: &Value) -> Misfit {
    let shown: String = value.to_string().chars().take(64).collect();
    Misfit::new(Fault::OutOfRange, format!("column {column} is {ty}; it cannot hold {shown:?} exactly"))
}

/// Why a sum has no value.
pub(crate) const DELTA_ON_NULL: &str = "a delta was to be added to NULL";

/// The exact sum of what stands in a column and a delta; a fault where the column cannot hold it.
pub(crate) fn sum(ty: Type, column: &Name, base: &Value, delta: &Value) -> Result<Value, Misfit> {
    let sum = match (base, delta) {
        (Value::Null, _) => return Err(Misfit::new(Fault::OutOfRange, DELTA_ON_NULL)),
        (Value::Int(base), Value::Int(delta)) => base.checked_add(*delta).map(Value::Int),
        (Value::Decimal(base), Value::Decimal(delta)) => Some(Value::Decimal(base.plus(delta))),
        _ => None,
    };
    match sum {
        Some(sum) if ty.holds(&sum) => Ok(sum),
        _ => {
            Err(Misfit::new(Fault::OutOfRange, format!("the sum is more than column {column} ({ty}) holds")))
        }
    }
}

fn check_cells(table: &Table, image: &LedgerChange) -> Result<(), Misfit> {
    let change = &image.change;
    for (name, value) in change.key.iter() {
        if !table.key.contains(name) {
            return Err(Misfit::new(
                Fault::Unfit,
                format!("column {name} is not of the key ({})", join(&table.key)),
            ));
        }
        check_cell(table, name, value)?;
    }
    for (name, value) in change.cells.iter() {
        check_cell(table, name, value)?;
    }
    check_expect(table, &change.expect, change.op)?;
    match change.op {
        Op::Insert => check_whole(table, &change.cells),
        Op::Upsert => check_upsert(table, image),
        Op::Add => check_addable(table, &change.cells),
        Op::Update | Op::Delete | Op::Call => Ok(()),
    }
}

fn check_cell(table: &Table, name: &Name, value: &Value) -> Result<(), Misfit> {
    let column = column(table, name)?;
    match value {
        Value::Null if column.nullable => Ok(()),
        Value::Null => Err(Misfit::new(Fault::NotNull, format!("column {name} may not be NULL"))),
        value => check_value(column.ty, name, value),
    }
}

fn column<'t>(table: &'t Table, name: &Name) -> Result<&'t Column, Misfit> {
    table.column(name).ok_or_else(|| Misfit::new(Fault::Unfit, format!("there is no column {name}")))
}

fn check_expect(table: &Table, expect: &Row, op: Op) -> Result<(), Misfit> {
    if !expect.is_empty() && !matches!(op, Op::Update | Op::Delete) {
        return Err(Misfit::new(Fault::Unfit, format!("the {op} carries expected old values")));
    }
    for (name, value) in expect.iter().filter(|(_, value)| !value.is_null()) {
        check_value(column(table, name)?.ty, name, value)?;
    }
    // A NULL expected of a column that holds none is no misfit: it is not what stands there.
    expect.names().try_for_each(|name| column(table, name).map(|_| ()))
}

fn check_whole(table: &Table, row: &Row) -> Result<(), Misfit> {
    match table.columns.iter().find(|column| !column.nullable && !row.contains(&column.name)) {
        None => Ok(()),
        Some(column) => {
            Err(Misfit::new(Fault::NotNull, format!("there is no value for column {}", column.name)))
        }
    }
}

fn check_upsert(table: &Table, image: &LedgerChange) -> Result<(), Misfit> {
    let Some(new) = &image.if_new else { return check_whole(table, &image.change.cells) };
    for (name, value) in new.row.iter() {
        check_cell(table, name, value)?;
    }
    if table.key_values(&new.row) != table.key_values(&image.change.cells) {
        return Err(Misfit::new(Fault::Unfit, "the row to insert has another key than the row to change"));
    }
    check_whole(table, &new.row)
}

fn check_addable(table: &Table, deltas: &Row) -> Result<(), Misfit> {
    for (name, delta) in deltas.iter() {
        let column = column(table, name)?;
        if !column.ty.is_number() || table.key.contains(name) || delta.is_null() {
            let why = format!("deltas are added to int and decimal columns outside the key, not to {name}");
            return Err(Misfit::new(Fault::Unfit, why));
        }
    }
    Ok(())
}

fn join(names: &[Name]) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
}
