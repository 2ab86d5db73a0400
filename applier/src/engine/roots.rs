//! What a change touches of tables that some version ties together: their roots, in names that all sites share. The answer
//! depends on the change as it was written, and on nothing that differs between sites, so that changes which meet in one
//! version's tables meet everywhere. Pure.

use journal_core::model::{Change, Name, Op, Row, Schema, SchemaVersion, Table, Value};
use schema_mappers::{Registry, Root};

use super::keys::{Kind, Touch, hash, is_rekeyed, present};

/// Set the hashes of roots apart from those of primary keys (0) and unique keys (from 1).
const ROW: usize = usize::MAX;
const MEMBERS: usize = usize::MAX - 1;

/// The roots that a change of a version touches, and those it refers to.
pub(super) fn touch_roots(
    change: &Change,
    registry: &Registry,
    (schema, version): (&Schema, SchemaVersion),
    out: &mut Vec<Touch>,
) {
    if change.op == Op::Call {
        for each in registry.expand(version, version, change).unwrap_or_default() {
            touch_roots(&each, registry, (schema, version), out);
        }
        return;
    }
    let Some(table) = schema.tables.get(&change.entity) else { return };
    if registry.is_tied(version, &table.name) {
        let (row, members) = kinds(change, table, registry.is_root(version, &table.name));
        touch(&registry.roots(version, change), row, members, out);
    }
    if !matches!(change.op, Op::Insert | Op::Upsert | Op::Update) {
        return;
    }
    for parent in table.parents.iter().filter(|parent| registry.is_tied(version, &parent.table)) {
        let above = schema.tables.get(&parent.table);
        if let Some((above, values)) = above.zip(present(&change.cells, &parent.columns)) {
            let (row, members) = match registry.is_root(version, &above.name) {
                true => (Some(Kind::Reference), None),
                false => (None, Some(Kind::Reference)),
            };
            touch(&registry.roots(version, &named(&above.name, &above.key, values)), row, members, out);
        }
    }
}

/// What a change does to its root's row, and to the rows beside it.
fn kinds(change: &Change, table: &Table, is_root: bool) -> (Option<Kind>, Option<Kind>) {
    let begins_or_ends = match change.op {
        Op::Insert | Op::Upsert | Op::Delete | Op::Call => true,
        Op::Update => is_rekeyed(change, table),
        Op::Add => false,
    };
    let kind = if change.op == Op::Add { Kind::Add } else { Kind::Update };
    match (begins_or_ends, is_root) {
        (true, true) => (Some(Kind::Existence), Some(Kind::Existence)),
        (true, false) => (Some(Kind::Update), Some(Kind::Existence)),
        (false, _) => (Some(kind), None),
    }
}

fn touch(roots: &[Root], row: Option<Kind>, members: Option<Kind>, out: &mut Vec<Touch>) {
    for root in roots {
        let values: Vec<Value> = root.key.iter().map(|(_, value)| value.clone()).collect();
        // A root that cannot be told may be any of its table's, and one named by another key this one; the others only note
        // that they are of the table.
        let any = match (values.is_empty(), root.form) {
            (true, _) => Kind::Existence,
            (false, Some(form)) if row != Some(Kind::Reference) && row.is_some() => Kind::Form(form),
            (false, _) => Kind::Reference,
        };
        out.push(Touch { key: hash(&root.table, ROW, &[]), kind: any });
        if !values.is_empty() {
            out.extend(row.map(|kind| Touch { key: hash(&root.table, ROW, &values), kind }));
            out.extend(members.map(|kind| Touch { key: hash(&root.table, MEMBERS, &values), kind }));
        }
    }
}

/// A change that says nothing but which row it is about.
fn named(table: &Name, key: &[Name], values: Vec<Value>) -> Change {
    let key: Row = key.iter().cloned().zip(values).collect();
    Change::update(table.clone(), key, Row::new())
}
