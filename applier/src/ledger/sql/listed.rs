//! Carrying out sets on SQLite: statements that list their rows. Each call of the library goes to a thread of its own and
//! back, which takes longer than what SQLite does with a row.

use std::collections::HashMap;

use journal_core::model::{Column, Name, Row, Table, Value};
use journal_core::sql::{Dialect, Param, quote};

use super::text::on_conflict;
use super::values::{bind, read, select};
use super::{SqlLedger, fault};
use crate::ledger::fit::{self, Misfit};
use crate::ledger::sets::{Action, Set, SetRow};
use crate::ledger::{Fault, LedgerError};

/// How many rows a statement lists, the most first: few sizes, so that the texts repeat and stay prepared. The most stays
/// far below SQLite's 32,766 parameters.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A row with the values that it gets.
struct Listed<'r> {
    key: &'r [Value],
    cells: Row,
}

impl SqlLedger {
    /// Carries out a set; how many rows it touched.
    pub(super) async fn apply_listed(&mut self, set: &Set<'_>) -> Result<u64, LedgerError> {
        let table = set.table;
        let columns: Vec<&Column> = match &set.action {
            Action::Insert | Action::Upsert { .. } => table.columns.iter().collect(),
            Action::Update { sets, adds } => {
                sets.iter().chain(adds).filter_map(|name| table.column(name)).collect()
            }
            Action::Delete => Vec::new(),
        };
        let rows = self.listed(set).await?;
        let mut done = 0;
        for chunk in chunks(&rows) {
            let text = match &set.action {
                Action::Insert => insert(table, chunk.len()),
                Action::Upsert { sets } => insert(table, chunk.len()) + &on_conflict(table, sets),
                Action::Update { .. } => update(table, &columns, chunk.len()),
                Action::Delete => {
                    format!("DELETE FROM {} WHERE {}", quote(&table.name), of_keys(table, chunk.len()))
                }
            };
            let mut params = Vec::with_capacity(chunk.len() * (table.key.len() + columns.len()));
            for row in chunk {
                if matches!(set.action, Action::Update { .. } | Action::Delete) {
                    bind_key(table, row.key, &mut params)?;
                }
                for column in &columns {
                    let value = row.cells.get(&column.name).unwrap_or(&Value::Null);
                    let bound = bind(Dialect::Sqlite, column, value);
                    params.push(bound.map_err(|misfit| misfit.at(table, row.key))?);
                }
            }
            let touched = self.conn.lend().execute(&text, params).await;
            done += touched.map_err(|error| fault::of_set(error, &table.name))?;
        }
        Ok(done)
    }

    /// The rows with their values: sums are reckoned here, since SQLite knows no exact decimals, and its whole numbers turn
    /// into floats when they overflow. The transaction holds the one writer lock, so what was read still stands.
    async fn listed<'r>(&mut self, set: &'r Set<'_>) -> Result<Vec<Listed<'r>>, LedgerError> {
        let whole = |row: &'r SetRow<'_>| Listed { key: &row.key, cells: row.cells.as_ref().clone() };
        let mut rows: Vec<Listed<'r>> = set.rows.iter().map(whole).collect();
        let Action::Update { adds, .. } = &set.action else { return Ok(rows) };
        if adds.is_empty() {
            return Ok(rows);
        }
        let bases = self.bases(set.table, adds, &rows).await?;
        for (row, given) in rows.iter_mut().zip(&set.rows) {
            let at = |misfit: Misfit| misfit.at(set.table, row.key);
            let base = bases.get(row.key);
            let base = base.ok_or_else(|| at(Misfit::new(Fault::MissingRow, "the row is not there")))?;
            for (name, sum) in given.sums.iter() {
                let Some(column) = set.table.column(name) else { continue };
                let stands = base.get(name).unwrap_or(&Value::Null);
                if !sum.has_room(column.ty, stands) {
                    return Err(at(Misfit::new(
                        Fault::OutOfRange,
                        "the sums may be more than the column holds",
                    )));
                }
                let total = fit::sum(column.ty, name, stands, &sum.total).map_err(at)?;
                row.cells.set(name.clone(), total);
            }
        }
        Ok(rows)
    }

    /// What stands in some columns of rows, by their keys. Rows that are not there are left out.
    async fn bases(
        &mut self,
        table: &Table,
        names: &[Name],
        rows: &[Listed<'_>],
    ) -> Result<HashMap<Vec<Value>, Row>, LedgerError> {
        let columns: Vec<&Column> =
            table.key.iter().chain(names).filter_map(|name| table.column(name)).collect();
        let selected: Vec<String> =
            columns.iter().map(|column| select(Dialect::Sqlite, column.ty, &column.name)).collect();
        let mut found = HashMap::with_capacity(rows.len());
        for chunk in chunks(rows) {
            let text = format!(
                "SELECT {} FROM {} WHERE {}",
                selected.join(", "),
                quote(&table.name),
                of_keys(table, chunk.len())
            );
            let mut params = Vec::with_capacity(chunk.len() * table.key.len());
            for row in chunk {
                bind_key(table, row.key, &mut params)?;
            }
            let refused = |error| fault::of_set(error, &table.name);
            for record in self.conn.lend().fetch(&text, params).await.map_err(refused)? {
                let mut row = Row::new();
                for (at, column) in columns.iter().enumerate() {
                    let value = read(Dialect::Sqlite, column, &record, at).map_err(refused)?;
                    row.set(column.name.clone(), value);
                }
                if let Some(key) = table.key_values(&row) {
                    found.insert(key, row);
                }
            }
        }
        Ok(found)
    }
}

/// Pieces of the sizes that statements have.
fn chunks<'r, 'k>(mut rows: &'r [Listed<'k>]) -> impl Iterator<Item = &'r [Listed<'k>]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

fn bind_key(table: &Table, key: &[Value], params: &mut Vec<Param>) -> Result<(), LedgerError> {
    for (name, value) in table.key.iter().zip(key) {
        if let Some(column) = table.column(name) {
            params.push(bind(Dialect::Sqlite, column, value).map_err(|misfit| misfit.at(table, key))?);
        }
    }
    Ok(())
}

fn insert(table: &Table, rows: usize) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let values = values(rows, columns.len());
    format!("INSERT INTO {} ({}) {values}", quote(&table.name), columns.join(", "))
}

/// The key comes first in each row, then the columns in their order.
fn update(table: &Table, columns: &[&Column], rows: usize) -> String {
    let name = quote(&table.name);
    let keys = table.key.len();
    let changes = columns
        .iter()
        .enumerate()
        .map(|(at, column)| format!("{} = s.column{}", quote(&column.name), keys + at + 1));
    let same =
        table.key.iter().enumerate().map(|(at, key)| format!("{name}.{} = s.column{}", quote(key), at + 1));
    format!(
        "UPDATE {name} SET {} FROM ({}) AS s WHERE {}",
        changes.collect::<Vec<_>>().join(", "),
        values(rows, keys + columns.len()),
        same.collect::<Vec<_>>().join(" AND ")
    )
}

/// That a row is one of those whose keys are listed.
fn of_keys(table: &Table, rows: usize) -> String {
    let key: Vec<String> = table.key.iter().map(|name| quote(name)).collect();
    format!("({}) IN ({})", key.join(", "), values(rows, key.len()))
}

fn values(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let cells: Vec<String> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", cells.join(", "))
    };
    format!("VALUES {}", (0..rows).map(row).collect::<Vec<_>>().join(", "))
}
