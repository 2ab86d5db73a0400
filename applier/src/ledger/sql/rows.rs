//! Reading rows with their complements: pages of a table in the order of its key, and the rows that hold given values.

use std::collections::BTreeMap;

use journal_core::codec::payload::key_text;
use journal_core::model::{Name, Row, Schema, Table, Value};
use journal_core::sql::{Dialect, Param, Record, SqlClass, SqlError};
use schema_mappers::MappedRow;

use super::text::Verb;
use super::values::{bind, read};
use super::{SqlLedger, text};
use crate::ledger::LedgerError;

impl SqlLedger {
    /// Up to `limit` rows after a key.
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
        let after = after.unwrap_or_default();
        let template = text::scan(self.dialect(), table, after.len());
        let mut params = key_params_from(self.dialect(), table, after)?;
        params.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let (rows, keys) = self.read_rows(table, &template, params).await?;
        let complements = self.complements_of(&table.name, &keys).await?;
        Ok(beside(rows, keys, complements).collect())
    }

    /// See [`Ledger::fetch`](crate::ledger::Ledger::fetch).
    pub(super) async fn fetch_equal(
        &mut self,
        table: &Name,
        columns: &Row,
    ) -> Result<Vec<MappedRow>, LedgerError> {
        let schema = self.held.clone();
        let Some(known) = schema.tables.get(table) else {
            let message = format!("schema version {} has no table {table}", schema.version);
            return Err(LedgerError::Damaged(message));
        };
        let Some(params) = equal_params(self.dialect(), known, columns)? else { return Ok(Vec::new()) };
        let named = |null: bool| {
            columns.iter().filter(move |(_, value)| value.is_null() == null).map(|(name, _)| name)
        };
        let template = self.texts.get(Verb::Fetch, known, named(false), named(true));
        let (rows, keys) = self.read_rows(known, &template, params).await?;
        let complements = self.complements_in(table, &keys).await?;
        let row = |(row, complement)| MappedRow { table: table.clone(), row, complement };
        Ok(beside(rows, keys, complements).map(row).collect())
    }

    /// The rows of a statement that selects all columns, and the texts of their keys.
    async fn read_rows(
        &mut self,
        table: &Table,
        template: &str,
        params: Vec<Param>,
    ) -> Result<(Vec<Row>, Vec<String>), LedgerError> {
        let dialect = self.dialect();
        let records =
            self.conn.lend().fetch(template, params).await.map_err(|error| damaged(table, error))?;
        let mut rows = Vec::with_capacity(records.len());
        let mut keys = Vec::with_capacity(records.len());
        for record in &records {
            let row = read_row(dialect, table, record).map_err(|error| damaged(table, error))?;
            keys.push(table.key_values(&row).map(|key| key_text(&key)).unwrap_or_default());
            rows.push(row);
        }
        Ok((rows, keys))
    }
}

/// Rows, each with its complement.
fn beside(
    rows: Vec<Row>,
    keys: Vec<String>,
    mut complements: BTreeMap<String, Row>,
) -> impl Iterator<Item = (Row, Row)> {
    rows.into_iter().zip(keys).map(move |(row, key)| (row, complements.remove(&key).unwrap_or_default()))
}

/// The parameters of the beginning of a key, in the key's order.
fn key_params_from(dialect: Dialect, table: &Table, key: &[Value]) -> Result<Vec<Param>, LedgerError> {
    let columns = table.key.iter().filter_map(|name| table.column(name));
    let bound = columns.zip(key).map(|(column, value)| bind(dialect, column, value));
    bound.collect::<Result<_, _>>().map_err(|misfit| misfit.at(table, key))
}

/// The parameters of a whole key, in the key's order.
pub(super) fn key_params(dialect: Dialect, table: &Table, key: &[Value]) -> Result<Vec<Param>, LedgerError> {
    let params = key_params_from(dialect, table, key)?;
    if params.len() == table.key.len() {
        return Ok(params);
    }
    Err(LedgerError::Damaged(format!("{} {} is no whole key", table.name, key_text(key))))
}

/// The parameters of the values that are not NULL; `None` where one has no place in its column, so that no row holds it.
fn equal_params(dialect: Dialect, table: &Table, columns: &Row) -> Result<Option<Vec<Param>>, LedgerError> {
    let mut params = Vec::with_capacity(columns.len());
    for (name, value) in columns.iter() {
        let Some(column) = table.column(name) else {
            return Err(LedgerError::Damaged(format!("{} has no column {name}", table.name)));
        };
        if value.is_null() {
            continue;
        }
        match bind(dialect, column, value) {
            Ok(param) if column.ty.holds(value) => params.push(param),
            _ => return Ok(None),
        }
    }
    Ok(Some(params))
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
pub(super) fn damaged(table: &Table, error: SqlError) -> LedgerError {
    match error.class {
        SqlClass::Schema | SqlClass::Data | SqlClass::Constraint(_) => {
            LedgerError::Damaged(format!("table {}: {error}", table.name))
        }
        _ => LedgerError::Store(error),
    }
}
