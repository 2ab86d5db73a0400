//! The images that lead from rows as they stand to rows as they shall be: ends, then changes, then beginnings.

use std::collections::BTreeMap;

use journal_core::model::{Change, Name, Row, Schema, Table, Value};

use crate::complement::ComplementChange;
use crate::ddl::tables_in_order;
use crate::image::Image;
use crate::mapped::MappedRow;

type Keyed<'r> = BTreeMap<Vec<Value>, &'r MappedRow>;

/// The images, in the names of `schema`: deletes children first, updates, inserts parents first. Rows that stay as they
/// are give none.
pub(super) fn images(found: &[MappedRow], rows: Vec<MappedRow>, schema: &Schema) -> Vec<Image> {
    let (mut ends, mut changes, mut beginnings) = (Vec::new(), Vec::new(), Vec::new());
    for table in order(found, &rows, schema) {
        let (mut old, mut new) = (keyed(found, table), keyed(&rows, table));
        let both: Vec<Vec<Value>> = old.keys().filter(|key| new.contains_key(*key)).cloned().collect();
        for key in both {
            if let (Some(old), Some(new)) = (old.remove(&key), new.remove(&key)) {
                changes.extend(update(table, old, new));
            }
        }
        // One row for another is the row under its new key.
        if let ([(_, from)], [(_, to)]) = (slice(&old).as_slice(), slice(&new).as_slice()) {
            changes.extend(update(table, from, to));
            continue;
        }
        ends.extend(old.values().filter_map(|row| delete(table, row)));
        beginnings.extend(new.values().map(|row| insert(row)));
    }
    ends.reverse();
    ends.into_iter().chain(changes).chain(beginnings).collect()
}

/// The tables of the rows, parents first. Most changes meet rows of one table, which need no order.
fn order<'s>(found: &[MappedRow], rows: &[MappedRow], schema: &'s Schema) -> Vec<&'s Table> {
    let mut names = found.iter().chain(rows).map(|row| &row.table);
    let Some(first) = names.next() else { return Vec::new() };
    match names.all(|name| name == first) {
        true => schema.tables.get(first).into_iter().collect(),
        false => tables_in_order(schema),
    }
}

fn keyed<'r>(rows: &'r [MappedRow], table: &Table) -> Keyed<'r> {
    let own = rows.iter().filter(|row| row.table == table.name);
    own.filter_map(|row| Some((table.key_values(&row.row)?, row))).collect()
}

fn slice<'k, 'r>(rows: &'k Keyed<'r>) -> Vec<(&'k Vec<Value>, &'r MappedRow)> {
    rows.iter().map(|(key, row)| (key, *row)).collect()
}

fn delete(table: &Table, row: &MappedRow) -> Option<Image> {
    Some(Image::new(Change::delete(table.name.clone(), table.key_row(&row.row)?)))
}

fn insert(row: &MappedRow) -> Image {
    let mut image = Image::new(Change::insert(row.table.clone(), row.row.clone()));
    image.complement.set = row.complement.clone();
    image
}

fn update(table: &Table, old: &MappedRow, new: &MappedRow) -> Option<Image> {
    let cells = changed(&old.row, &new.row);
    let gone = old.complement.names().filter(|cell| !new.complement.contains(cell));
    let complement =
        ComplementChange { clear: gone.cloned().collect(), set: changed(&old.complement, &new.complement) };
    if cells.is_empty() && complement.is_empty() {
        return None;
    }
    let change = Change::update(table.name.clone(), table.key_row(&old.row)?, cells);
    Some(Image { change, complement, if_new: None })
}

fn changed(old: &Row, new: &Row) -> Row {
    let differs = |(name, value): &(&Name, &Value)| old.get(name) != Some(value);
    new.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect()
}
