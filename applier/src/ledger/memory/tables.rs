//! Rows in memory with their constraints, each checked as soon as a change is made, as the SQL ledgers check theirs. Pure.
//! Cheap to copy: a copy shares every table until it changes it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use journal_core::codec::payload::key_text;
use journal_core::model::{Name, Op, Parent, Row, Schema, Table, Value};
use schema_mappers::ComplementChange;

use crate::ledger::fit::{self, Misfit};
use crate::ledger::sets::{Set, Step};
use crate::ledger::{Fault, LedgerChange, LedgerError};

type Key = Arc<[Value]>;

/// All tables of a ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables(Arc<BTreeMap<Name, Arc<Rows>>>);

/// One table's rows, and what its constraints look up.
#[derive(Debug, Clone, Default)]
struct Rows {
    rows: BTreeMap<Key, Stored>,
    /// For each unique key of the table, which row has which values.
    unique: Vec<BTreeMap<Vec<Value>, Key>>,
    /// For each parent of the table, how many rows refer to which parent row.
    refers: Vec<BTreeMap<Vec<Value>, usize>>,
}

#[derive(Debug, Clone)]
struct Stored {
    row: Arc<Row>,
    complement: Arc<Row>,
}

impl Stored {
    fn read(&self) -> (Row, Row) {
        (self.row.as_ref().clone(), self.complement.as_ref().clone())
    }
}

impl Rows {
    /// The key of the one row that holds these values, where the columns are one of the table's unique keys, with no
    /// NULL among them, and there is such a row.
    fn by_unique(&self, table: &Table, columns: &Row) -> Option<Key> {
        let same = |unique: &[Name]| {
            unique.len() == columns.len() && unique.iter().all(|name| columns.contains(name))
        };
        let (unique, index) = table.unique.iter().zip(&self.unique).find(|(unique, _)| same(unique))?;
        index.get(&values_of(unique, columns)?).cloned()
    }
}

impl Tables {
    /// Up to `limit` rows in the order of the key, after all that begin with `after`, with their complements.
    pub(super) fn scan(&self, table: &Name, after: Option<&[Value]>, limit: usize) -> Vec<(Row, Row)> {
        let Some(table) = self.0.get(table) else { return Vec::new() };
        let after = after.unwrap_or_default();
        let from = if after.is_empty() { Bound::Unbounded } else { Bound::Excluded(after) };
        let found = table.rows.range::<[Value], _>((from, Bound::Unbounded));
        let found = found.skip_while(|(key, _)| !after.is_empty() && key.starts_with(after));
        found.take(limit).map(|(_, stored)| stored.read()).collect()
    }

    /// All rows in the order of the key, as they are stored.
    pub(super) fn shared(&self, table: &Name) -> Vec<Arc<Row>> {
        let rows = self.table(table).into_iter().flat_map(|table| table.rows.values());
        rows.map(|stored| stored.row.clone()).collect()
    }

    /// The rows that hold exactly these values, in the order of the key. Quick where the columns begin the key or are a
    /// unique key.
    pub(super) fn equal(&self, table: &Table, columns: &Row) -> Vec<(Row, Row)> {
        let Some(rows) = self.table(&table.name) else { return Vec::new() };
        let prefix: Vec<Value> = table.key.iter().map_while(|name| columns.get(name).cloned()).collect();
        let holds =
            |stored: &&Stored| columns.iter().all(|(name, value)| stored.row.get(name) == Some(value));
        let found: Vec<&Stored> = match rows.by_unique(table, columns) {
            Some(key) => rows.rows.get(&key).filter(holds).into_iter().collect(),
            None => {
                let from = (Bound::Included(prefix.as_slice()), Bound::Unbounded);
                let range = rows.rows.range::<[Value], _>(from);
                range
                    .take_while(|(key, _)| key.starts_with(&prefix))
                    .map(|(_, stored)| stored)
                    .filter(holds)
                    .collect()
            }
        };
        found.into_iter().map(Stored::read).collect()
    }

    /// Applies one change with its complement. After a fault the tables may hold a part of it: drop them.
    pub(super) fn apply(&mut self, schema: &Schema, image: &LedgerChange) -> Result<(), LedgerError> {
        let (table, key) = fit::check(schema, image)?;
        let mut work = Work { tables: self, schema, table, key };
        let done = work.carry_out(image);
        let key = work.key;
        done.map_err(|misfit| misfit.at(table, &key))
    }

    /// Carries out a step of a plan. The rows of a set come last first: their order says nothing.
    pub(super) fn carry_out(&mut self, schema: &Schema, step: &Step<'_>) -> Result<(), LedgerError> {
        let Set { table, action, rows } = match step {
            Step::One(change) => return self.apply(schema, change),
            Step::Set(set) => set,
        };
        for row in rows.iter().rev() {
            let stands = self.table(&table.name).and_then(|rows| rows.rows.get(row.key.as_slice()));
            for (name, sum) in row.sums.iter() {
                let base = stands.and_then(|stored| stored.row.get(name)).unwrap_or(&Value::Null);
                if !table.column(name).is_some_and(|column| sum.has_room(column.ty, base)) {
                    let misfit = Misfit::new(Fault::OutOfRange, "the sums may be more than the column holds");
                    return Err(misfit.at(table, &row.key));
                }
            }
            row.changes(table, action).iter().try_for_each(|change| self.apply(schema, change))?;
        }
        Ok(())
    }

    fn table(&self, name: &Name) -> Option<&Rows> {
        self.0.get(name).map(AsRef::as_ref)
    }

    fn table_mut(&mut self, table: &Table) -> &mut Rows {
        let rows = Arc::make_mut(&mut self.0).entry(table.name.clone()).or_insert_with(|| {
            Arc::new(Rows {
                rows: BTreeMap::new(),
                unique: vec![BTreeMap::new(); table.unique.len()],
                refers: vec![BTreeMap::new(); table.parents.len()],
            })
        });
        Arc::make_mut(rows)
    }

    /// Whether a row is there.
    fn stands(&self, table: &Name, key: &[Value]) -> bool {
        self.table(table).is_some_and(|table| table.rows.contains_key(key))
    }
}

/// A change under way.
struct Work<'a> {
    tables: &'a mut Tables,
    schema: &'a Schema,
    table: &'a Table,
    key: Vec<Value>,
}

impl Work<'_> {
    fn carry_out(&mut self, image: &LedgerChange) -> Result<(), Misfit> {
        let (change, complement) = (&image.change, &image.complement);
        match change.op {
            Op::Insert => self.insert(&change.cells, &complement.set),
            Op::Upsert if self.tables.stands(&self.table.name, &self.key) => {
                self.update(&change.cells, &Row::new(), complement)
            }
            Op::Upsert => match &image.if_new {
                Some(new) => self.insert(&new.row, &new.complement),
                None => self.insert(&change.cells, &complement.set),
            },
            Op::Update => self.update(&change.cells, &change.expect, complement),
            Op::Add => self.add(&change.cells, complement),
            Op::Delete => self.delete(&change.expect),
            Op::Call => Err(Misfit::new(Fault::Unfit, "a call is no change of a row")),
        }
    }

    fn insert(&mut self, cells: &Row, complement: &Row) -> Result<(), Misfit> {
        let absent = |name: &Name| cells.get(name).cloned().unwrap_or(Value::Null);
        let columns = self.table.columns.iter();
        let row = columns.map(|column| (column.name.clone(), absent(&column.name))).collect();
        let key = self.key.clone();
        self.put(key, Stored { row: Arc::new(row), complement: Arc::new(complement.clone()) })
    }

    fn update(&mut self, cells: &Row, expect: &Row, change: &ComplementChange) -> Result<(), Misfit> {
        let Stored { row, mut complement } = self.find(expect)?;
        if !change.is_empty() {
            change.apply(Arc::make_mut(&mut complement));
        }
        if cells.is_empty() && change.is_empty() {
            return Ok(());
        }
        let mut row = row.as_ref().clone();
        row.extend(cells.iter().map(|(name, value)| (name.clone(), value.clone())));
        let after = fit::key_of(self.table, &row).unwrap_or_else(|| self.key.clone());
        self.take_out();
        let moved = after != self.key;
        self.put(after, Stored { row: Arc::new(row), complement })?;
        if moved { self.check_unreferred() } else { Ok(()) }
    }

    fn add(&mut self, deltas: &Row, change: &ComplementChange) -> Result<(), Misfit> {
        let stored = self.find(&Row::new())?;
        let mut sums = Row::new();
        for (name, delta) in deltas.iter() {
            let Some(column) = self.table.column(name) else { continue };
            let base = stored.row.get(name).unwrap_or(&Value::Null);
            sums.set(name.clone(), fit::sum(column.ty, name, base, delta)?);
        }
        self.update(&sums, &Row::new(), change)
    }

    fn delete(&mut self, expect: &Row) -> Result<(), Misfit> {
        self.find(expect)?;
        self.take_out();
        self.check_unreferred()
    }

    /// The row as it stands, if it holds the expected values.
    fn find(&self, expect: &Row) -> Result<Stored, Misfit> {
        let found = self.tables.table(&self.table.name).and_then(|table| table.rows.get(self.key.as_slice()));
        let Some(stored) = found else {
            return Err(Misfit::new(Fault::MissingRow, "the row is not there"));
        };
        if expect.iter().any(|(name, value)| stored.row.get(name) != Some(value)) {
            let names: Vec<&str> = expect.names().map(AsRef::as_ref).collect();
            let why = format!("the row does not hold the expected values of {}", names.join(", "));
            return Err(Misfit::new(Fault::UnexpectedRow, why));
        }
        Ok(stored.clone())
    }

    /// Takes the row out, with all that is known of it.
    fn take_out(&mut self) {
        let table = self.table;
        let rows = self.tables.table_mut(table);
        let Some(stored) = rows.rows.remove(self.key.as_slice()) else { return };
        for (columns, index) in table.unique.iter().zip(&mut rows.unique) {
            if let Some(values) = values_of(columns, &stored.row) {
                index.remove(&values);
            }
        }
        for (parent, counts) in table.parents.iter().zip(&mut rows.refers) {
            let Some(values) = values_of(&parent.columns, &stored.row) else { continue };
            if let Some(count) = counts.get_mut(&values) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&values);
                }
            }
        }
    }

    /// Puts a row in, if no other has its keys and its parents are there.
    fn put(&mut self, key: Vec<Value>, stored: Stored) -> Result<(), Misfit> {
        let table = self.table;
        let key: Key = key.into();
        let row = stored.row.clone();
        let rows = self.tables.table_mut(table);
        if rows.rows.contains_key(&key) {
            return Err(duplicate(&table.key));
        }
        for (columns, index) in table.unique.iter().zip(&mut rows.unique) {
            if let Some(values) = values_of(columns, &row)
                && index.insert(values, key.clone()).is_some()
            {
                return Err(duplicate(columns));
            }
        }
        for (parent, counts) in table.parents.iter().zip(&mut rows.refers) {
            if let Some(values) = values_of(&parent.columns, &row) {
                *counts.entry(values).or_default() += 1;
            }
        }
        rows.rows.insert(key, stored);
        table.parents.iter().try_for_each(|parent| self.check_parent(parent, &row))
    }

    fn check_parent(&self, parent: &Parent, row: &Row) -> Result<(), Misfit> {
        match values_of(&parent.columns, row) {
            Some(key) if !self.tables.stands(&parent.table, &key) => {
                let why = format!("{} {} is not there", parent.table, key_text(&key));
                Err(Misfit::new(Fault::MissingParent, why))
            }
            _ => Ok(()),
        }
    }

    /// Whether no row refers to the key that has just gone.
    fn check_unreferred(&self) -> Result<(), Misfit> {
        for child in self.schema.tables.values() {
            let Some(rows) = self.tables.table(&child.name) else { continue };
            let mut refers = child.parents.iter().zip(&rows.refers);
            if refers
                .any(|(parent, counts)| parent.table == self.table.name && counts.contains_key(&self.key))
            {
                let why = format!("other rows refer to it ({})", child.name);
                return Err(Misfit::new(Fault::StillReferenced, why));
            }
        }
        Ok(())
    }
}

fn duplicate(columns: &[Name]) -> Misfit {
    let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
    let why = format!("a row of that primary or unique key is there already ({})", columns.join(", "));
    Misfit::new(Fault::DuplicateKey, why)
}

/// The values of columns, unless one is NULL: then they are equal to nothing and refer to nothing.
fn values_of(columns: &[Name], row: &Row) -> Option<Vec<Value>> {
    let values: Option<Vec<Value>> = columns.iter().map(|name| row.get(name).cloned()).collect();
    values.filter(|values| !values.iter().any(Value::is_null))
}
