//! Many whole rows at once, for the move of existing rows: one statement for many rows of a table. Says nothing of which
//! row a database refuses; whoever loads applies the rows one by one then, and hears it.

use std::collections::BTreeMap;

use journal_core::model::{Table, Value};
use journal_core::sql::{Dialect, Param, quote};

use super::SqlLedger;
use super::values::{bind, placeholder};
use crate::ledger::{LedgerChange, LedgerError};

/// Most rows of one statement, and the sizes its shorter rests are cut into, so that few texts are prepared.
const ROWS_AT_ONCE: [usize; 3] = [100, 10, 1];
/// SQLite takes 32,766 parameters a statement, the others 65,535.
const PARAMETERS_MAX: usize = 30_000;

impl SqlLedger {
    /// Inserts whole new rows, with their complements, in the open transaction. Rows of one table that stand together
    /// share a statement. After an error the transaction can only be rolled back.
    pub(crate) async fn load(&mut self, inserts: &[LedgerChange]) -> Result<(), LedgerError> {
        let schema = self.held.clone();
        let together = inserts.chunk_by(|one, next| one.change.entity == next.change.entity);
        for rows in together {
            let Some(table) = rows.first().and_then(|row| schema.tables.get(&row.change.entity)) else {
                let message = format!("schema version {} lacks a table of the rows to load", schema.version);
                return Err(LedgerError::Damaged(message));
            };
            let loaded = self.load_table(table, rows).await;
            self.noted(loaded)?;
        }
        Ok(())
    }

    async fn load_table(&mut self, table: &Table, rows: &[LedgerChange]) -> Result<(), LedgerError> {
        let most = PARAMETERS_MAX / table.columns.len().max(1);
        let mut texts: BTreeMap<usize, String> = BTreeMap::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let size = ROWS_AT_ONCE.into_iter().find(|size| *size <= rest.len().min(most)).unwrap_or(1);
            let (now, later) = rest.split_at(size);
            let mut params = Vec::with_capacity(size * table.columns.len());
            for row in now {
                params.extend(self.load_params(table, row)?);
            }
            let text = texts.entry(size).or_insert_with(|| load_text(self.conn.dialect(), table, size));
            self.conn.lend().execute(text, params).await?;
            rest = later;
        }
        for row in rows.iter().filter(|row| !row.complement.set.is_empty()) {
            let key = table.key_values(&row.change.cells).unwrap_or_default();
            self.begin_complement(&table.name, &key, &row.complement.set).await?;
        }
        Ok(())
    }

    fn load_params(&self, table: &Table, row: &LedgerChange) -> Result<Vec<Param>, LedgerError> {
        let (_, key) = crate::ledger::fit::check(&self.held, row)?;
        let null = Value::Null;
        let bound = table
            .columns
            .iter()
            .map(|column| bind(self.dialect(), column, row.change.cells.get(&column.name).unwrap_or(&null)));
        bound.collect::<Result<_, _>>().map_err(|misfit| misfit.at(table, &key))
    }
}

fn load_text(dialect: Dialect, table: &Table, rows: usize) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let row = |row: usize| {
        let cells = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| placeholder(dialect, column.ty, row * table.columns.len() + at + 1));
        format!("({})", cells.collect::<Vec<_>>().join(", "))
    };
    let values: Vec<String> = (0..rows).map(row).collect();
    format!("INSERT INTO {} ({}) VALUES {}", quote(&table.name), columns.join(", "), values.join(", "))
}
