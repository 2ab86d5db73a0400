//! Every statement of the SQL ledger. Those on Daybook's own tables are templates; those on the application's are made
//! of quoted names, once for each shape of change, and then kept, so that the database finds them prepared.

use std::collections::HashMap;
use std::sync::Arc;

use journal_core::model::{Column, Name, Table, Type};
use journal_core::sql::{Dialect, NewRow, quote};

use super::values::{placeholder, same, select};

pub(super) const POSTED: &str =
    "SELECT origin, epoch, seal_nr, trans_nr FROM {d}posted ORDER BY origin, epoch";
/// From nothing: when the row is there all the same and not at zero, another applier was faster.
pub(super) const NEW_POSTED: NewRow = NewRow {
    insert: "INSERT INTO {d}posted (origin, epoch, seal_nr, trans_nr) VALUES ($1, $2, $3, $4)",
    key: "(origin, epoch)",
};
pub(super) const POSTED_FROM_ZERO: &str = "UPDATE {d}posted SET seal_nr = $3, trans_nr = $4 \
     WHERE origin = $1 AND epoch = $2 AND seal_nr = 0 AND trans_nr = 0";
pub(super) const ADVANCE: &str = "UPDATE {d}posted SET seal_nr = $3, trans_nr = $4 \
     WHERE origin = $1 AND epoch = $2 AND seal_nr = $5 AND trans_nr = $6";

/// A transaction comes behind all that are or were there; the key lets none come twice.
pub(super) const QUARANTINE: &str = "INSERT INTO {d}quarantine \
     (origin, epoch, trans_nr, seal_nr, arrival, code, detail, depends_on, state, who, why, since) \
     SELECT $1, $2, $3, $4, coalesce(max(arrival), 0) + 1, $5, $6, $7, 'held', 'applier', '', {now} \
     FROM {d}quarantine";
/// It keeps its place.
pub(super) const HOLD_AGAIN: &str = "UPDATE {d}quarantine SET code = $4, detail = $5, depends_on = $6, \
     state = 'held', who = 'applier', why = '', since = {now} \
     WHERE origin = $1 AND epoch = $2 AND trans_nr = $3 AND state = $7";
pub(super) const RELEASE: &str = "UPDATE {d}quarantine SET state = $5 \
     WHERE origin = $1 AND epoch = $2 AND trans_nr = $3 AND state = $4";
pub(super) const QUARANTINED: &str = "SELECT origin, epoch, trans_nr, seal_nr, code, detail, depends_on, state \
     FROM {d}quarantine WHERE state IN ('held', 'retry', 'discard') ORDER BY arrival, origin, epoch, trans_nr";
pub(super) const ASKED: &str = "SELECT 1 FROM {d}quarantine WHERE state IN ('retry', 'discard') LIMIT 1";

/// The cells of a complement as a text.
pub(super) fn cells(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite | Dialect::MariaDb => "cells",
        Dialect::Postgres => "CAST(cells AS text)",
    }
}

pub(super) fn complement(dialect: Dialect) -> String {
    format!("SELECT {} FROM {{d}}complement WHERE entity = $1 AND row_key = $2", cells(dialect))
}

pub(super) const DROP_COMPLEMENT: &str = "DELETE FROM {d}complement WHERE entity = $1 AND row_key = $2";
/// Those of many rows, on PostgreSQL by an array, on MariaDB by a JSON text of rows; SQLite takes them one by one.
pub(super) fn drop_complements(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            "DELETE FROM {d}complement WHERE entity = $1 AND row_key = ANY($2::text[])"
        }
        Dialect::MariaDb => {
            "DELETE c FROM json_table($2, '$[*]' COLUMNS (row_key LONGTEXT CHARACTER SET utf8mb4 \
             COLLATE {bytewise} PATH '$[0]')) AS s STRAIGHT_JOIN {d}complement AS c \
             ON c.entity = $1 AND c.row_key = s.row_key"
        }
    }
}

/// The same for those of many rows that have none.
pub(super) fn keep_complements(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            "INSERT INTO {d}complement (entity, row_key, cells) \
             SELECT $1, s.row_key, CAST(s.cells AS jsonb) FROM unnest($2::text[], $3::text[]) AS s(row_key, cells) \
             ON CONFLICT (entity, row_key) DO UPDATE SET cells = excluded.cells"
        }
        Dialect::MariaDb => {
            "INSERT INTO {d}complement (entity, row_key, cells) SELECT $1, s.row_key, s.kept \
             FROM json_table($2, '$[*]' COLUMNS (row_key LONGTEXT CHARACTER SET utf8mb4 COLLATE {bytewise} \
             PATH '$[0]', kept LONGTEXT CHARACTER SET utf8mb4 COLLATE {bytewise} PATH '$[1]')) AS s \
             ON DUPLICATE KEY UPDATE cells = VALUES(cells)"
        }
    }
}
pub(super) const MOVE_COMPLEMENT: &str =
    "UPDATE {d}complement SET row_key = $3 WHERE entity = $1 AND row_key = $2";
/// Those of before migration 3: JSON texts, not objects.
pub(super) fn old_complements(dialect: Dialect) -> String {
    let cells = cells(dialect);
    format!(
        "SELECT entity, row_key, {cells} FROM {{d}}complement WHERE {cells} LIKE '\"%' ORDER BY entity, row_key LIMIT 1000"
    )
}
pub(super) const ANY_COMPLEMENT: &str = "SELECT 1 FROM {d}complement WHERE entity = $1 LIMIT 1";

/// Keeps cells, given as the text of `journal_core::codec::cells`.
pub(super) fn keep_complement(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "INSERT INTO {d}complement (entity, row_key, cells) VALUES ($1, $2, $3) \
             ON CONFLICT (entity, row_key) DO UPDATE SET cells = excluded.cells"
        }
        Dialect::MariaDb => {
            "INSERT INTO {d}complement (entity, row_key, cells) VALUES ($1, $2, $3) \
             ON DUPLICATE KEY UPDATE cells = VALUES(cells)"
        }
        Dialect::Postgres => {
            "INSERT INTO {d}complement (entity, row_key, cells) VALUES ($1, $2, CAST($3 AS jsonb)) \
             ON CONFLICT (entity, row_key) DO UPDATE SET cells = excluded.cells"
        }
    }
}

/// Keys that one look for complements names; a fixed number, so that the text repeats.
pub(super) const COMPLEMENTS_AT_ONCE: usize = 128;

pub(super) fn complements(dialect: Dialect) -> String {
    let keys: Vec<String> = (2..COMPLEMENTS_AT_ONCE + 2).map(|number| format!("${number}")).collect();
    format!(
        "SELECT row_key, {} FROM {{d}}complement WHERE entity = $1 AND row_key IN ({})",
        cells(dialect),
        keys.join(", ")
    )
}

/// What a statement on a table does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Verb {
    /// A whole row: all columns of the table.
    Insert,
    /// A whole row, or the named cells for the one that stands there.
    Upsert,
    /// New values, by key and expected values.
    Update,
    /// Deltas, by key, where no base is NULL. Not on SQLite: the others' arithmetic is exact and overflows loudly.
    Add,
    /// An end, by key and expected values.
    Delete,
    /// A look whether the row is there, by key and expected values.
    Find,
    /// The named cells, by key.
    Read,
    /// Whole rows in the order of the key, locked, by the named cells: those of `expect` are NULL.
    Fetch,
}

/// Texts of this size of schema repeat; applications that set columns in every combination start over.
const TEXTS_MAX: usize = 4096;

/// The statements on the application's tables made so far.
#[derive(Debug)]
pub(super) struct Texts {
    dialect: Dialect,
    made: HashMap<Shape, Arc<str>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shape {
    verb: Verb,
    table: Name,
    cells: Vec<Name>,
    expect: Vec<Name>,
}

impl Texts {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, made: HashMap::new() }
    }

    /// The text for a shape of change. Its parameters are, in this order: the cells (for an insert or upsert the whole
    /// row in the table's order), the key, the expected values.
    pub(super) fn get<'n>(
        &mut self,
        verb: Verb,
        table: &Table,
        cells: impl Iterator<Item = &'n Name>,
        expect: impl Iterator<Item = &'n Name>,
    ) -> Arc<str> {
        let shape = Shape {
            verb,
            table: table.name.clone(),
            cells: cells.cloned().collect(),
            expect: expect.cloned().collect(),
        };
        if let Some(text) = self.made.get(&shape) {
            return text.clone();
        }
        let text: Arc<str> = write(self.dialect, table, &shape).into();
        if self.made.len() >= TEXTS_MAX {
            self.made.clear();
        }
        self.made.insert(shape, text.clone());
        text
    }
}

fn write(dialect: Dialect, table: &Table, shape: &Shape) -> String {
    let name = quote(&table.name);
    let named = |names: &[Name]| -> Vec<Column> {
        names.iter().filter_map(|name| table.column(name).cloned()).collect()
    };
    let cells = named(&shape.cells);
    let numbered =
        |from: usize, columns: &[Column], write: &dyn Fn(usize, &Column) -> String| -> Vec<String> {
            columns.iter().enumerate().map(|(at, column)| write(from + at, column)).collect()
        };
    let by_key = |from: usize| -> String {
        let equal = |number, column: &Column| {
            format!("{} = {}", quote(&column.name), placeholder(dialect, column.ty, number))
        };
        let mut conditions = numbered(from, &named(&table.key), &equal);
        let same = |number, column: &Column| same(dialect, column.ty, &column.name, number);
        conditions.extend(numbered(from + table.key.len(), &named(&shape.expect), &same));
        conditions.join(" AND ")
    };
    let bound = |number, column: &Column| placeholder(dialect, column.ty, number);
    let set = |number, column: &Column| format!("{} = {}", quote(&column.name), bound(number, column));
    let added = |number, column: &Column| {
        let name = quote(&column.name);
        format!("{name} = {name} + {}", bound(number, column))
    };
    match shape.verb {
        Verb::Insert | Verb::Upsert => {
            let values = numbered(1, &table.columns, &bound).join(", ");
            let columns = list(table.columns.iter().map(|column| &column.name));
            let insert = format!("INSERT INTO {name} ({columns}) VALUES ({values})");
            if shape.verb == Verb::Insert { insert } else { insert + &on_conflict(table, &shape.cells) }
        }
        Verb::Update => {
            format!(
                "UPDATE {name} SET {} WHERE {}",
                numbered(1, &cells, &set).join(", "),
                by_key(cells.len() + 1)
            )
        }
        Verb::Add => {
            let based: String =
                cells.iter().map(|column| format!(" AND {} IS NOT NULL", quote(&column.name))).collect();
            let sums = numbered(1, &cells, &added).join(", ");
            format!("UPDATE {name} SET {sums} WHERE {}{based}", by_key(cells.len() + 1))
        }
        Verb::Delete => format!("DELETE FROM {name} WHERE {}", by_key(1)),
        Verb::Find => format!("SELECT 1 FROM {name} WHERE {}{{for_share}}", by_key(1)),
        Verb::Read => {
            let columns: Vec<String> =
                cells.iter().map(|column| select(dialect, column.ty, &column.name)).collect();
            format!("SELECT {} FROM {name} WHERE {}", columns.join(", "), by_key(1))
        }
        Verb::Fetch => fetch(dialect, table, &cells, &shape.expect),
    }
}

/// A plain `=` where there is a value, so that the index of a key is used.
fn fetch(dialect: Dialect, table: &Table, cells: &[Column], nulls: &[Name]) -> String {
    let equal = |(at, column): (usize, &Column)| match column.ty {
        Type::Json | Type::Float => same(dialect, column.ty, &column.name, at + 1),
        ty => format!("{} = {}", quote(&column.name), placeholder(dialect, ty, at + 1)),
    };
    let mut conditions: Vec<String> = cells.iter().enumerate().map(equal).collect();
    conditions.extend(nulls.iter().map(|name| format!("{} IS NULL", quote(name))));
    let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    let keys = table.key.iter().filter_map(|name| table.column(name));
    let order: Vec<String> = keys.map(|column| bytewise(dialect, column)).collect();
    let (columns, name) = (selected(dialect, table), quote(&table.name));
    format!("SELECT {columns} FROM {name} WHERE {condition} ORDER BY {}{{for_update}}", order.join(", "))
}

/// All columns in the table's order.
fn selected(dialect: Dialect, table: &Table) -> String {
    let columns = table.columns.iter().map(|column| select(dialect, column.ty, &column.name));
    columns.collect::<Vec<_>>().join(", ")
}

/// What an upsert does where a row with its key stands, on SQLite and PostgreSQL.
pub(super) fn on_conflict(table: &Table, cells: &[Name]) -> String {
    let key = list(&table.key);
    let sets: Vec<String> =
        cells.iter().map(|name| format!("{} = excluded.{}", quote(name), quote(name))).collect();
    if sets.is_empty() {
        format!(" ON CONFLICT ({key}) DO NOTHING")
    } else {
        format!(" ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "))
    }
}

/// One page of a table in the order of its key, after the first so many columns of a key, or from the beginning; the
/// last parameter is the limit. Text compares by bytes, whatever the column's own collation.
pub(super) fn scan(dialect: Dialect, table: &Table, after: usize) -> String {
    let keys: Vec<&Column> = table.key.iter().filter_map(|name| table.column(name)).collect();
    let ordered: Vec<String> = keys.iter().map(|column| bytewise(dialect, column)).collect();
    let order = ordered.join(", ");
    let after = after.min(keys.len());
    let bound: Vec<String> = keys[..after]
        .iter()
        .enumerate()
        .map(|(at, column)| placeholder(dialect, column.ty, at + 1))
        .collect();
    let from = match after {
        0 => String::new(),
        _ => format!(" WHERE {}", behind(dialect, &ordered[..after], &bound)),
    };
    let limit = after + 1;
    let (columns, name) = (selected(dialect, table), quote(&table.name));
    format!("SELECT {columns} FROM {name}{from} ORDER BY {order} LIMIT ${limit}")
}

/// That columns come behind values, in the order of the columns.
pub(super) fn behind(dialect: Dialect, columns: &[String], values: &[String]) -> String {
    match (dialect, columns, values) {
        // It looks a comparison of rows up in no index.
        (Dialect::MariaDb, [column, rest @ ..], [value, others @ ..]) if !rest.is_empty() => {
            let equal = behind(dialect, rest, others);
            format!("({column} >= {value} AND ({column} > {value} OR {equal}))")
        }
        _ => format!("({}) > ({})", columns.join(", "), values.join(", ")),
    }
}

pub(super) fn bytewise(dialect: Dialect, column: &Column) -> String {
    let name = quote(&column.name);
    match (dialect, column.ty) {
        (Dialect::Postgres, Type::Text { .. }) => format!("{name} COLLATE \"C\""),
        _ => name,
    }
}

fn list<'n>(names: impl IntoIterator<Item = &'n Name>) -> String {
    names.into_iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}
