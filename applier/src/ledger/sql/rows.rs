//! Reading rows: pages of a table in the order of its key, with their complements.

use journal_core::codec::payload::key_text;
use journal_core::model::{Name, Row, Schema, Table, Value};
use journal_core::sql::{Dialect, Param, Record, SqlClass, SqlError};

use super::values::{bind, read};
use super::{SqlLedger, text};
use crate::ledger::LedgerError;

impl SqlLedger {
    pub(super) async fn scan_page(
        &mut self,
        schema: &Schema,
        table: &Name,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<(Row, Row)>, LedgerError> {
        let Some(table) = schema.tables.get(table) else {
            let message = format!("schema version {} has no table {table}", schema.version);
            return Err(LedgerError::Damaged(message));
        };
        let template = text::scan(self.dialect(), table, after.is_some());
        let mut params = match after {
            Some(key) => key_params(self.dialect(), table, key)?,
            None => Vec::new(),
        };
        params.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let dialect = self.dialect();
        let records =
            self.conn.lend().fetch(&template, params).await.map_err(|error| damaged(table, error))?;
        let mut rows = Vec::with_capacity(records.len());
        let mut keys = Vec::with_capacity(records.len());
        for record in &records {
            let row = read_row(dialect, table, record).map_err(|error| damaged(table, error))?;
            keys.push(table.key_values(&row).map(|key| key_text(&key)).unwrap_or_default());
            rows.push(row);
        }
        let mut complements = self.complements_of(&table.name, &keys).await?;
        let with = |(row, key): (Row, String)| (row, complements.remove(&key).unwrap_or_default());
        Ok(rows.into_iter().zip(keys).map(with).collect())
    }
}

/// The parameters of a whole key, in the key's order.
pub(super) fn key_params(dialect: Dialect, table: &Table, key: &[Value]) -> Result<Vec<Param>, LedgerError> {
    let columns = table.key.iter().filter_map(|name| table.column(name));
    let bound = columns.zip(key).map(|(column, value)| bind(dialect, column, value));
    let params: Vec<Param> = bound.collect::<Result<_, _>>().map_err(|misfit| misfit.at(table, key))?;
    if params.len() == table.key.len() {
        return Ok(params);
    }
    Err(LedgerError::Damaged(format!("{} {} is no whole key", table.name, key_text(key))))
}

/// The row of a record that selected all columns in the table's order.
fn read_row(dialect: Dialect, table: &Table, record: &Record) -> Result<Row, SqlError> {
    table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| Ok((column.name.clone(), read(dialect, column, record, at)?)))
        .collect()
}

/// A table that cannot be read as its schema version says.
fn damaged(table: &Table, error: SqlError) -> LedgerError {
    match error.class {
        SqlClass::Schema | SqlClass::Data => LedgerError::Damaged(format!("table {}: {error}", table.name)),
        _ => LedgerError::Store(error),
    }
}
