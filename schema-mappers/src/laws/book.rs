//! A small ledger in memory: the rows of some tables with their complements, by key. It judges keys, unique keys,
//! parents and checks as a database does, and knows nothing of mappings.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Column, Name, Row, Schema, Table, Value};

use super::refusal::Refusal;
use crate::checks::TableChecks;
use crate::expr::Expression;
use crate::mapped::MappedRow;

/// A row's place: its table and the values of its key.
pub(super) type Place = (Name, Vec<Value>);

/// A row and its complement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) row: Row,
    pub(super) complement: Row,
}

/// All rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Book(BTreeMap<Place, Held>);

impl Book {
    /// A book of these rows, which must be of the schema.
    pub(super) fn of(schema: &Schema, rows: impl IntoIterator<Item = MappedRow>) -> Result<Self, Refusal> {
        let mut book = Self::default();
        for MappedRow { table, row, complement } in rows {
            book.insert(table_of(schema, &table)?, row, complement)?;
        }
        Ok(book)
    }

    /// Puts a row where none of its key stands.
    pub(super) fn insert(&mut self, table: &Table, mut row: Row, complement: Row) -> Result<(), Refusal> {
        for column in &table.columns {
            if !row.contains(&column.name) {
                row.set(column.name.clone(), Value::Null);
            }
        }
        let fits = |(name, value): (&Name, &Value)| {
            let held =
                |column: &Column| if value.is_null() { column.nullable } else { column.ty.holds(value) };
            table.column(name).is_some_and(held)
        };
        if !row.iter().all(fits) {
            return Err(Refusal::Misfit { table: table.name.clone(), row });
        }
        let key = table.key_values(&row).unwrap_or_default();
        match self.0.entry((table.name.clone(), key)) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(Held { row, complement });
                Ok(())
            }
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(Refusal::Duplicate { table: table.name.clone() })
            }
        }
    }

    /// Takes the row of a key out, if it stands.
    pub(super) fn remove(&mut self, table: &Table, key: &Row) -> Option<Held> {
        self.0.remove(&(table.name.clone(), table.key_values(key)?))
    }

    /// Takes a row out by its place.
    pub(super) fn remove_at(&mut self, place: &Place) {
        self.0.remove(place);
    }

    /// The places of all rows, in order.
    pub(super) fn places(&self) -> Vec<Place> {
        self.0.keys().cloned().collect()
    }

    /// The rows of one table, in the order of their keys.
    pub(super) fn table<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Held> {
        self.0.iter().filter(move |((table, _), _)| table == name).map(|(_, held)| held)
    }

    /// All rows, for mapping.
    pub(super) fn rows(&self) -> impl Iterator<Item = MappedRow> {
        self.0.iter().map(|((table, _), held)| MappedRow {
            table: table.clone(),
            row: held.row.clone(),
            complement: held.complement.clone(),
        })
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rows that another book does not have so.
    pub(super) fn beyond(&self, other: &Self) -> Vec<MappedRow> {
        let mine = self.0.iter().filter(|(place, held)| other.0.get(place) != Some(held));
        Self(mine.map(|(place, held)| (place.clone(), held.clone())).collect()).rows().collect()
    }

    /// Whether unique keys, parents and checks of a schema are kept.
    pub(super) fn is_sound(&self, schema: &Schema) -> bool {
        schema.tables.values().all(|table| {
            self.keeps_uniques(table) && self.keeps_parents(schema, table) && self.keeps_checks(table)
        })
    }

    fn keeps_checks(&self, table: &Table) -> bool {
        if table.checks.is_empty() {
            return true;
        }
        let checks = TableChecks::of(table);
        self.table(&table.name).all(|held| checks.broken_by(&held.row).is_none())
    }

    fn keeps_uniques(&self, table: &Table) -> bool {
        let indexes = table.indexes.iter().filter(|index| index.unique);
        let indexes = indexes.map(|index| (&index.columns, index.condition.as_deref()));
        table.unique.iter().map(|columns| (columns, None)).chain(indexes).all(|(columns, condition)| {
            // The loader has read the condition over these columns.
            let condition =
                condition.and_then(|condition| Expression::condition(condition, &table.columns).ok());
            let meant = |held: &&Held| {
                condition
                    .as_ref()
                    .is_none_or(|condition| condition.evaluate(&held.row).0 == Value::Bool(true))
            };
            let mut seen = BTreeSet::new();
            // NULLs are distinct, so rows with one are left out.
            let mut values =
                self.table(&table.name).filter(meant).filter_map(|held| whole(&held.row, columns));
            values.all(|values| seen.insert(values))
        })
    }

    fn keeps_parents(&self, schema: &Schema, table: &Table) -> bool {
        table.parents.iter().all(|parent| {
            let Some(target) = schema.tables.get(&parent.table) else { return false };
            self.table(&table.name)
                .filter_map(|held| whole(&held.row, &parent.columns))
                .all(|values| self.0.contains_key(&(target.name.clone(), values)))
        })
    }
}

/// The values of some columns; `None` when one of them is NULL.
fn whole(row: &Row, columns: &[Name]) -> Option<Vec<Value>> {
    columns.iter().map(|column| row.get(column).filter(|value| !value.is_null()).cloned()).collect()
}

/// A table of a schema.
pub(super) fn table_of<'a>(schema: &'a Schema, name: &Name) -> Result<&'a Table, Refusal> {
    schema.tables.get(name).ok_or_else(|| Refusal::NoTable { table: name.clone() })
}
