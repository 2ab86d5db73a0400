//! Reading the rows that hold an ask code, each with what is kept of it and since when it holds the code.

use std::collections::BTreeMap;

use journal_core::codec::payload::key_text;
use journal_core::model::{Column, Name, Row, Table, Value};
use journal_core::sql::{Dialect, Param, Record, SqlError, quote};

use super::Question;
use crate::ledger::LedgerError;
use crate::ledger::sql::rows::{damaged, key_params};
use crate::ledger::sql::values::{bind, placeholder, read, same, select};
use crate::ledger::sql::{SqlLedger, text};

impl SqlLedger {
    /// Up to `limit` rows of the ledger that hold a question's code, in the order of their keys, after a key; each with
    /// its complement and with the moment from which it holds the code, where that was noted.
    pub(crate) async fn holding(
        &mut self,
        table: &Table,
        question: &Question,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<Holding>, LedgerError> {
        let dialect = self.dialect();
        let mut params = vec![self.code_param(table, question)?];
        if let Some(key) = after {
            params.extend(key_params(dialect, table, key)?);
        }
        params.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let template = holding_text(dialect, table, &question.column, after.is_some());
        let records =
            self.conn.lend().fetch(&template, params).await.map_err(|error| damaged(table, error))?;
        let mut found = Vec::with_capacity(records.len());
        for record in &records {
            let cells = key_columns(table).into_iter().enumerate();
            let key =
                cells.map(|(at, column)| read(dialect, column, record, at)).collect::<Result<Vec<_>, _>>();
            let key = key.map_err(|error| damaged(table, error))?;
            found.push(Holding { key_text: key_text(&key), key, ..Holding::default() });
        }
        let keys: Vec<String> = found.iter().map(|holding| holding.key_text.clone()).collect();
        let mut complements = self.complements_of(&table.name, &keys).await?;
        let mut notes = self.notes(question, &keys).await?;
        for holding in &mut found {
            holding.complement = complements.remove(&holding.key_text).unwrap_or_default();
            holding.since = notes.remove(&holding.key_text);
        }
        Ok(found)
    }

    /// How many rows hold a question's code.
    pub(crate) async fn count_holding(
        &mut self,
        table: &Table,
        question: &Question,
    ) -> Result<u64, LedgerError> {
        let condition = same(self.dialect(), question.column.ty, &question.column.name, 1);
        let template = format!("SELECT count(*) FROM {} WHERE {condition}", quote(&table.name));
        let params = vec![self.code_param(table, question)?];
        let counted = self.conn.lend().fetch_one(&template, params).await;
        let counted: Result<i64, SqlError> = counted.and_then(|record: Record| record.i64(0));
        Ok(u64::try_from(counted.map_err(|error| damaged(table, error))?).unwrap_or(0))
    }

    /// Whether any row of a table keeps something, so that a code may be a value after all.
    pub(crate) async fn keeps_any(&mut self, table: &Name) -> Result<bool, LedgerError> {
        let found =
            self.conn.lend().fetch_optional(text::ANY_COMPLEMENT, vec![table.as_ref().into()]).await?;
        Ok(found.is_some())
    }

    fn code_param(&self, table: &Table, question: &Question) -> Result<Param, LedgerError> {
        bind(self.dialect(), &question.column, &question.code).map_err(|misfit| misfit.at(table, &[]))
    }

    async fn notes(
        &mut self,
        question: &Question,
        keys: &[String],
    ) -> Result<BTreeMap<String, i64>, LedgerError> {
        let mut found = BTreeMap::new();
        for chunk in keys.chunks(text::COMPLEMENTS_AT_ONCE) {
            let mut params = vec![Param::from(question.id.as_str())];
            params.extend(chunk.iter().map(|key| Param::from(key.as_str())));
            for record in self.conn.lend().fetch(&notes_text(chunk.len()), params).await? {
                found.insert(record.text(0)?, record.i64(1)?);
            }
        }
        Ok(found)
    }
}

/// A row that holds an ask code.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Holding {
    /// Its key.
    pub(crate) key: Vec<Value>,
    /// The same as a JSON array.
    pub(crate) key_text: String,
    /// What is kept of it.
    pub(crate) complement: Row,
    /// Since when, microseconds, where it came to hold the code by posting.
    pub(crate) since: Option<i64>,
}

fn key_columns(table: &Table) -> Vec<&Column> {
    table.key.iter().filter_map(|name| table.column(name)).collect()
}

fn holding_text(dialect: Dialect, table: &Table, column: &Column, after: bool) -> String {
    let keys = key_columns(table);
    let columns: Vec<String> = keys.iter().map(|key| select(dialect, key.ty, &key.name)).collect();
    let ordered: Vec<String> = keys.iter().map(|column| text::bytewise(dialect, column)).collect();
    let (order, name) = (ordered.join(", "), quote(&table.name));
    let condition = same(dialect, column.ty, &column.name, 1);
    let mut next = 2;
    let mut behind = String::new();
    if after {
        let bound: Vec<String> =
            (next..).zip(&keys).map(|(number, column)| placeholder(dialect, column.ty, number)).collect();
        behind = format!(" AND {}", text::behind(dialect, &ordered, &bound));
        next += keys.len();
    }
    let columns = columns.join(", ");
    format!("SELECT {columns} FROM {name} WHERE {condition}{behind} ORDER BY {order} LIMIT ${next}")
}

fn notes_text(keys: usize) -> String {
    let numbers: Vec<String> = (2..keys + 2).map(|number| format!("${number}")).collect();
    format!("SELECT row_key, since FROM {{d}}ask_row WHERE ask = $1 AND row_key IN ({})", numbers.join(", "))
}
