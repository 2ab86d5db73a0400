//! Random rows and changes of one schema version, near enough to sense that most of them are accepted: references find
//! their parents, keys of updates stand, groups of columns are whole.

use journal_core::model::{Change, Name, Row, Schema, Table, Value};

use super::book::Book;
use super::dice::Dice;
use super::values::Values;

/// Draws rows and changes.
#[derive(Debug)]
pub(super) struct Drafts<'a> {
    pub(super) values: &'a Values,
    pub(super) schema: &'a Schema,
    pub(super) dice: &'a mut Dice,
}

impl Drafts<'_> {
    /// A row for a table, whose parents are in the book. `None` when it needs a parent and there is none.
    pub(super) fn row(&mut self, table: &Table, book: &Book) -> Option<Row> {
        let mut row = self.values.row(self.dice, table);
        self.small_keys(table, &mut row);
        self.refer(table, book, &mut row)?;
        Some(row)
    }

    /// A change of some table.
    pub(super) fn change(&mut self, book: &Book) -> Option<Change> {
        let tables: Vec<&Table> = self.schema.tables.values().collect();
        let table = *self.dice.pick(&tables)?;
        match self.dice.below(10) {
            0 | 1 => self.insert(table, book),
            2..=4 => self.update(table, book),
            5 | 6 => self.upsert(table, book),
            7 | 8 => self.delta(table, book),
            _ => self.delete(table, book),
        }
    }

    fn insert(&mut self, table: &Table, book: &Book) -> Option<Change> {
        let mut row = self.row(table, book)?;
        self.leave_out(table, &mut row);
        Some(Change::insert(table.name.clone(), row))
    }

    fn upsert(&mut self, table: &Table, book: &Book) -> Option<Change> {
        let mut row = self.row(table, book)?;
        self.leave_out(table, &mut row);
        self.complete(table, &mut row);
        if self.dice.percent(70) {
            row.extend(self.standing(table, book).and_then(|stands| table.key_row(&stands))?);
        }
        Some(Change::upsert(table.name.clone(), row))
    }

    fn update(&mut self, table: &Table, book: &Book) -> Option<Change> {
        let stands = self.standing(table, book)?;
        let key = table.key_row(&stands)?;
        let fresh = self.row(table, book)?;
        let share = if self.dice.percent(50) { 20 } else { 60 };
        let keys_too = self.dice.percent(15);
        let mut set: Row = fresh
            .into_iter()
            .filter(|(name, _)| (keys_too || !table.key.contains(name)) && self.dice.percent(share))
            .collect();
        self.complete(table, &mut set);
        let expect = self.expect(table, &stands);
        (!set.is_empty()).then(|| Change::update(table.name.clone(), key, set).expecting(expect))
    }

    fn delta(&mut self, table: &Table, book: &Book) -> Option<Change> {
        let stands = self.standing(table, book)?;
        let addable = |name: &&Name| {
            let number = table.column(name).is_some_and(|column| column.ty.is_number());
            number && !table.key.contains(name) && stands.get(name).is_some_and(|value| !value.is_null())
        };
        let columns: Vec<&Name> = stands.names().filter(addable).collect();
        let column = table.column(self.dice.pick(&columns)?)?;
        let delta = Row::new().with(column.name.clone(), self.values.value(self.dice, column.ty, false));
        Some(Change::add(table.name.clone(), table.key_row(&stands)?, delta))
    }

    fn delete(&mut self, table: &Table, book: &Book) -> Option<Change> {
        let stands = self.standing(table, book)?;
        let expect = self.expect(table, &stands);
        Some(Change::delete(table.name.clone(), table.key_row(&stands)?).expecting(expect))
    }

    /// Mostly nothing; else old values, most of them as they stand.
    fn expect(&mut self, table: &Table, stands: &Row) -> Row {
        if self.dice.percent(70) {
            return Row::new();
        }
        let mut expect: Row = stands.clone().into_iter().filter(|_| self.dice.percent(30)).collect();
        if self.dice.percent(30)
            && let Some(column) = self.dice.pick(&table.columns)
        {
            expect.set(column.name.clone(), self.values.value(self.dice, column.ty, column.nullable));
        }
        expect
    }

    /// A row that stands in the book.
    fn standing(&mut self, table: &Table, book: &Book) -> Option<Row> {
        let rows: Vec<_> = book.table(&table.name).collect();
        self.dice.pick(&rows).map(|held| held.row.clone())
    }

    /// Mostly small numbers for keys, so that rows of several tables meet.
    fn small_keys(&mut self, table: &Table, row: &mut Row) {
        for name in &table.key {
            let number = matches!(row.get(name), Some(Value::Int(_)));
            if number && self.dice.percent(80) {
                row.set(name.clone(), self.dice.between(1, 9));
            }
        }
    }

    /// Leaves out some of the columns that may be NULL.
    fn leave_out(&mut self, table: &Table, row: &mut Row) {
        for column in table.columns.iter().filter(|column| column.nullable) {
            if self.dice.percent(40) {
                row.remove(&column.name);
            }
        }
    }

    /// Fills up groups of columns that some version reads as one, now and then: a part of a group meets its row.
    fn complete(&mut self, table: &Table, set: &mut Row) {
        if self.dice.percent(50) {
            return;
        }
        for group in &table.together {
            if !group.iter().any(|name| set.contains(name)) {
                continue;
            }
            for column in group.iter().filter_map(|name| table.column(name)) {
                if !set.contains(&column.name) {
                    set.set(column.name.clone(), self.values.value(self.dice, column.ty, column.nullable));
                }
            }
        }
    }

    /// Lets the row refer to parents of the book, or to nothing where it may.
    fn refer(&mut self, table: &Table, book: &Book, row: &mut Row) -> Option<()> {
        for parent in &table.parents {
            let target = self.schema.tables.get(&parent.table)?;
            let optional =
                parent.columns.iter().all(|name| table.column(name).is_some_and(|column| column.nullable));
            let found = self.standing(target, book).and_then(|stands| target.key_values(&stands));
            let values = match found {
                Some(values) if !optional || self.dice.percent(70) => values,
                _ if optional => vec![Value::Null; parent.columns.len()],
                _ => return None,
            };
            row.extend(parent.columns.iter().cloned().zip(values));
        }
        Some(())
    }
}
