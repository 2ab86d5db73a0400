//! Which keys a transaction touches and how, so that concurrent writes and dependents are found. Keys are hashed to 128
//! bits; they live in memory only.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use journal_core::model::{Change, Name, Op, Row, Schema, Table, Value};
use schema_mappers::MappedRow;

use crate::ledger::LedgerChange;

/// A hashed key: primary or unique.
pub type KeyHash = u128;

/// What is done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The row begins or ends, or takes or leaves the key.
    Existence,
    /// Columns of the row are set.
    Update,
    /// Deltas are added.
    Add,
    /// Another row refers to it.
    Reference,
    /// The row is named by one of several keys of its table, which cannot be compared with another.
    Form(u32),
}

impl Kind {
    /// Whether two touches of one key can be exchanged without changing the outcome.
    pub fn commutes(self, other: Self) -> bool {
        match (self, other) {
            (Self::Existence, _) | (_, Self::Existence) => false,
            (Self::Form(form), Self::Form(other)) => form == other,
            (Self::Reference | Self::Form(_), _)
            | (_, Self::Reference | Self::Form(_))
            | (Self::Add, Self::Add) => true,
            (Self::Update, Self::Update | Self::Add) | (Self::Add, Self::Update) => false,
        }
    }
}

/// One key touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Touch {
    /// The key.
    pub key: KeyHash,
    /// How.
    pub kind: Kind,
}

/// The keys that changes touch: primary and unique keys written, parents referred to. Changes are in the names of
/// `schema`, the ledger's.
pub(super) fn touch_keys(changes: &[LedgerChange], schema: &Schema, out: &mut Vec<Touch>) {
    out.reserve(changes.len() * 2);
    for image in changes {
        if let Some(table) = schema.tables.get(&image.change.entity) {
            touch(&image.change, table, schema, out);
        }
    }
}

/// The row of a table that holds this key.
pub(super) fn touch_row(table: &Table, key: &[Value], kind: Kind, out: &mut Vec<Touch>) {
    out.push(Touch { key: primary(&table.name, key), kind });
}

/// Touches in order, each once.
pub(super) fn told(mut touches: Vec<Touch>) -> Vec<Touch> {
    touches.sort_unstable();
    touches.dedup();
    touches
}

fn touch(change: &Change, table: &Table, schema: &Schema, out: &mut Vec<Touch>) {
    let kind = match change.op {
        Op::Insert | Op::Upsert | Op::Delete | Op::Call => Kind::Existence,
        Op::Update => Kind::Update,
        Op::Add => Kind::Add,
    };
    let source = if change.key.is_empty() { &change.cells } else { &change.key };
    if let Some(values) = table.key_values(source) {
        let rekeyed = is_rekeyed(change, table);
        out.push(Touch {
            key: primary(&table.name, &values),
            kind: if rekeyed { Kind::Existence } else { kind },
        });
        if rekeyed && let Some(values) = new_key(table, change) {
            out.push(Touch { key: primary(&table.name, &values), kind: Kind::Existence });
        }
    }
    if matches!(change.op, Op::Insert | Op::Upsert | Op::Update) {
        touch_claims(&change.cells, table, schema, out);
    }
}

/// What a row claims beyond its own key.
pub(super) fn touch_row_claims(row: &MappedRow, schema: &Schema, out: &mut Vec<Touch>) {
    if let Some(table) = schema.tables.get(&row.table) {
        touch_claims(&row.row, table, schema, out);
    }
}

/// Unique keys, and parents referred to.
fn touch_claims(cells: &Row, table: &Table, schema: &Schema, out: &mut Vec<Touch>) {
    // A unique index over some rows counts for all: which rows are in it is not seen from a change alone.
    let indexes = table.indexes.iter().filter(|index| index.unique).map(|index| &index.columns);
    for (place, columns) in table.unique.iter().chain(indexes).enumerate() {
        if let Some(values) = present(cells, columns) {
            out.push(Touch { key: hash(&table.name, place + 1, &values), kind: Kind::Existence });
        }
    }
    for parent in &table.parents {
        // A table that refers to one the schema lacks does not load, so the lookup only guards.
        if schema.tables.contains_key(&parent.table)
            && let Some(values) = present(cells, &parent.columns)
        {
            out.push(Touch { key: primary(&parent.table, &values), kind: Kind::Reference });
        }
    }
}

/// Whether an update writes the key.
pub(super) fn is_rekeyed(change: &Change, table: &Table) -> bool {
    change.op == Op::Update && table.key.iter().any(|name| change.cells.contains(name))
}

fn new_key(table: &Table, change: &Change) -> Option<Vec<Value>> {
    table.key.iter().map(|name| change.cells.get(name).or_else(|| change.key.get(name)).cloned()).collect()
}

/// The values of all columns, if all are there and none is NULL.
pub(super) fn present(cells: &Row, columns: &[Name]) -> Option<Vec<Value>> {
    columns.iter().map(|name| cells.get(name).filter(|value| !value.is_null()).cloned()).collect()
}

fn primary(table: &Name, values: &[Value]) -> KeyHash {
    hash(table, 0, values)
}

pub(super) fn hash(table: &Name, place: usize, values: &[Value]) -> KeyHash {
    // Each part says where it ends. Written once, read by both halves.
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&table.len().to_le_bytes());
    bytes.extend_from_slice(table.as_bytes());
    bytes.extend_from_slice(&place.to_le_bytes());
    values.iter().for_each(|value| value.write_canonical(&mut bytes));
    let half = |seed| u128::from(FixedState::with_seed(seed).hash_one(bytes.as_slice()));
    (half(1) << 64) | half(2)
}
