//! Applies a change to rows in memory, as a ledger of the same version would, and refuses it as that would.

use journal_core::model::{Change, Name, Op, Row, Schema, Table, Type, Value};

use super::{MeetError, Refusal};
use crate::error::MapError;
use crate::family;
use crate::mapped::MappedRow;

/// Applies a change of `schema` to `rows`. `stale` are the complement cells of a standing row that the change makes stale,
/// `tied` the tables of which all rows are at hand that belong to the same roots.
pub(super) fn apply(
    rows: &mut Vec<MappedRow>,
    change: &Change,
    stale: &[Name],
    schema: &Schema,
    tied: &[Name],
) -> Result<(), MeetError> {
    let table = schema
        .tables
        .get(&change.entity)
        .ok_or_else(|| MapError::UnknownTable { version: schema.version, table: change.entity.clone() })?;
    let source = if change.key.is_empty() { &change.cells } else { &change.key };
    let key = table.key_row(source).unwrap_or_default();
    let at = rows.iter().position(|row| row.table == table.name && holds(&row.row, &key));
    match (change.op, at) {
        (Op::Insert, Some(_)) => return Err(refused(Refusal::DuplicateKey, table, &key, "stands already")),
        (Op::Insert | Op::Upsert, None) => rows.push(new_row(table, &change.cells)),
        (Op::Update | Op::Delete | Op::Add, None) => {
            return Err(refused(Refusal::MissingRow, table, &key, "is not there"));
        }
        (Op::Update | Op::Upsert, Some(at)) => {
            expect(&rows[at].row, change, table, &key)?;
            set(rows, at, change, stale, table)?;
        }
        (Op::Add, Some(at)) => {
            add(&mut rows[at].row, change, table, &key)?;
            stale.iter().for_each(|cell| drop(rows[at].complement.remove(cell)));
        }
        (Op::Delete, Some(at)) => {
            expect(&rows[at].row, change, table, &key)?;
            rows.remove(at);
        }
        // Calls are expanded before they are mapped.
        (Op::Call, _) => {}
    }
    references(rows, change, schema, tied)
}

/// Takes cells out of the complements of the root rows that a change's row belongs to, or will belong to. `tied` has the
/// root first.
pub(super) fn forget_at_root(
    rows: &mut [MappedRow],
    change: &Change,
    cells: &[Name],
    schema: &Schema,
    tied: &[Name],
) {
    let table = |name: &Name| schema.tables.get(name);
    let (Some(root), Some(table)) = (tied.first().and_then(table), table(&change.entity)) else { return };
    if cells.is_empty() {
        return;
    }
    for key in family::keys(table, change) {
        let named = root.key.iter().zip(&table.key);
        let named: Option<Row> =
            named.map(|(name, own)| Some((name.clone(), key.get(own)?.clone()))).collect();
        let own = rows.iter_mut().filter(|row| row.table == root.name);
        for row in own.filter(|row| named.as_ref().is_some_and(|key| holds(&row.row, key))) {
            cells.iter().for_each(|cell| drop(row.complement.remove(cell)));
        }
    }
}

/// Sets cells of a standing row; a new key must be free.
fn set(
    rows: &mut [MappedRow],
    at: usize,
    change: &Change,
    stale: &[Name],
    table: &Table,
) -> Result<(), MeetError> {
    let row = &mut rows[at];
    row.row.extend(change.cells.iter().map(|(name, value)| (name.clone(), value.clone())));
    stale.iter().for_each(|cell| drop(row.complement.remove(cell)));
    let key = table.key_row(&row.row).unwrap_or_default();
    let same = |other: &MappedRow| other.table == table.name && holds(&other.row, &key);
    if rows.iter().filter(|row| same(row)).count() > 1 {
        return Err(refused(Refusal::DuplicateKey, table, &key, "stands already"));
    }
    Ok(())
}

fn new_row(table: &Table, cells: &Row) -> MappedRow {
    let value = |name: &Name| cells.get(name).cloned().unwrap_or(Value::Null);
    let row = table.columns.iter().map(|column| (column.name.clone(), value(&column.name))).collect();
    MappedRow { table: table.name.clone(), row, complement: Row::new() }
}

fn expect(row: &Row, change: &Change, table: &Table, key: &Row) -> Result<(), MeetError> {
    match change.expect.iter().find(|(name, value)| row.get(name) != Some(value)) {
        None => Ok(()),
        Some((name, _)) => {
            let what = format!("does not hold the old {name} that the change relies on");
            Err(refused(Refusal::UnexpectedRow, table, key, &what))
        }
    }
}

fn add(row: &mut Row, change: &Change, table: &Table, key: &Row) -> Result<(), MeetError> {
    for (name, delta) in change.cells.iter() {
        let ty = table.column(name).map(|column| column.ty);
        let sum = row.get(name).and_then(|old| sum(old, delta)).filter(|sum| fits(ty, sum));
        let sum = sum.ok_or_else(|| {
            let what = format!("cannot take the delta on {name}: it is NULL, or the sum has no place there");
            refused(Refusal::OutOfRange, table, key, &what)
        })?;
        row.set(name.clone(), sum);
    }
    Ok(())
}

fn fits(ty: Option<Type>, value: &Value) -> bool {
    ty.is_some_and(|ty| ty.holds(value))
}

/// An int column takes deltas of ints, a decimal one of decimals.
fn sum(old: &Value, delta: &Value) -> Option<Value> {
    match (old, delta) {
        (Value::Int(old), Value::Int(delta)) => old.checked_add(*delta).map(Value::Int),
        (Value::Decimal(old), Value::Decimal(delta)) => Some(Value::Decimal(old.plus(delta))),
        _ => None,
    }
}

/// References to rows of the same root. Any other parent is not at hand, and the ledger judges it.
fn references(rows: &[MappedRow], change: &Change, schema: &Schema, tied: &[Name]) -> Result<(), MeetError> {
    for table in tied.iter().filter_map(|name| schema.tables.get(name)) {
        let parents = table.parents.iter().filter(|parent| {
            parent.table != table.name
                && tied.contains(&parent.table)
                && table.key.starts_with(&parent.columns)
        });
        for (parent, target) in parents.filter_map(|parent| Some((parent, schema.tables.get(&parent.table)?)))
        {
            let refers = |row: &MappedRow| -> Option<Row> {
                let values = parent.columns.iter().map(|name| row.row.get(name).cloned());
                target.key.iter().cloned().zip(values).map(|(name, value)| Some((name, value?))).collect()
            };
            let stands = |key: &Row| rows.iter().any(|row| row.table == target.name && holds(&row.row, key));
            let own = rows.iter().filter(|row| row.table == table.name);
            if let Some(key) = own.filter_map(refers).find(|key| !stands(key)) {
                let refusal = match change.op != Op::Delete && change.entity == table.name {
                    true => (Refusal::MissingParent, "is not there"),
                    false => (Refusal::StillReferenced, "is still referred to"),
                };
                return Err(refused(refusal.0, target, &key, refusal.1));
            }
        }
    }
    Ok(())
}

fn holds(row: &Row, key: &Row) -> bool {
    key.iter().all(|(name, value)| row.get(name) == Some(value))
}

fn refused(refusal: Refusal, table: &Table, key: &Row, what: &str) -> MeetError {
    let key: Vec<String> = key.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    MeetError::Refused {
        refusal,
        detail: format!("the row of {} with {} {what}", table.name, key.join(", ")),
    }
}
