//! The queue of rows that hold an ask code: a new version requires a column of them that nobody has filled in yet. The
//! old column is given up only once it is empty.

use std::collections::BTreeMap;

use journal_core::codec::json::value_to_json;
use journal_core::model::{Name, Row, SchemaVersion, Value};
use schema_mappers::{Ask, Registry};

use super::progress::{Progress, Watch};
use super::rows::{Cursor, Rows, RowsError};
use crate::ledger::LedgerReader;

/// Rows between two notes of progress.
const NOTE_EVERY: u64 = 1000;

/// The rows that wait in one column.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Waiting {
    /// The table.
    pub table: Name,
    /// The column.
    pub column: Name,
    /// The code that stands in it.
    pub code: serde_json::Value,
    /// How many rows hold the code.
    pub rows: u64,
}

/// Counts, in one snapshot, the rows of a ledger that hold an ask code: one line a column that may, also where no row
/// does. Reads each table that has such a column once, whole.
pub async fn count<R: LedgerReader>(
    reader: &mut R,
    registry: &Registry,
    watch: &mut Watch<'_>,
) -> Result<Vec<Waiting>, RowsError> {
    reader.begin_snapshot().await?;
    let counted = within(reader, registry, watch).await;
    let ended = reader.end_snapshot().await;
    let counted = counted?;
    ended?;
    Ok(counted)
}

async fn within<R: LedgerReader>(
    reader: &mut R,
    registry: &Registry,
    watch: &mut Watch<'_>,
) -> Result<Vec<Waiting>, RowsError> {
    let mut rows = Rows::open(reader, registry, None).await?;
    let mut counter = Counter::new(registry, rows.stands_at());
    let mut done: u64 = 0;
    for table in counter.tables() {
        let mut cursor = Cursor::new(&table);
        while let Some((_, row)) = rows.next(&mut cursor).await? {
            counter.row(&table, &row);
            done += 1;
            if done.is_multiple_of(NOTE_EVERY) {
                watch(Progress { done, total: None });
            }
        }
    }
    Ok(counter.finish())
}

/// Counts ask codes in rows that pass by.
#[derive(Debug)]
pub(crate) struct Counter {
    /// By table: column, code and count.
    asks: BTreeMap<Name, Vec<(Name, Value, u64)>>,
}

impl Counter {
    /// For the rows of a version; one that the registry does not know has no codes.
    pub(crate) fn new(registry: &Registry, version: SchemaVersion) -> Self {
        let mut asks: BTreeMap<Name, Vec<(Name, Value, u64)>> = BTreeMap::new();
        for Ask { table, column, code, .. } in registry.set().asks(version).unwrap_or_default() {
            asks.entry(table).or_default().push((column, code, 0));
        }
        Self { asks }
    }

    fn tables(&self) -> Vec<Name> {
        self.asks.keys().cloned().collect()
    }

    /// Takes a row in.
    pub(crate) fn row(&mut self, table: &Name, row: &Row) {
        for (column, code, rows) in self.asks.get_mut(table).into_iter().flatten() {
            *rows += u64::from(row.get(column) == Some(code));
        }
    }

    /// What was counted.
    pub(crate) fn finish(self) -> Vec<Waiting> {
        let columns = self.asks.into_iter().flat_map(|(table, columns)| {
            columns.into_iter().map(move |(column, code, rows)| (table.clone(), column, code, rows))
        });
        columns
            .map(|(table, column, code, rows)| Waiting { table, column, code: value_to_json(&code), rows })
            .collect()
    }
}
