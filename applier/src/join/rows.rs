//! The new ledger's rows are made equal to the snapshot's, table by table, through the engine's values. First goes what is
//! there and not in the snapshot just so, then comes what is missing: so no row ever meets another's key, whatever an
//! earlier try left. Where nothing is there yet, all of it comes.

use std::collections::VecDeque;
use std::sync::Arc;

use journal_core::model::{Change, Name, Op, Row, Schema, Table, Value};
use journal_core::sql::{Access, Conn, Dialect, SqlClass, quote};
use schema_mappers::ddl::tables_in_order;
use serde::Serialize;

use super::hold::Hold;
use super::source::Snapshot;
use super::{JoinError, Order, Plan, Stage, Tell, references};
use crate::audit::Progress;
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerChange, LedgerError, LedgerReader as _};

/// Rows that are read at once, and most of a transaction.
const PAGE_ROWS: usize = 1000;
/// Rows of a table from which on PostgreSQL's planner is told of it.
const ANALYSED_FROM: u64 = 1000;

/// A table of the new ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Its name.
    pub table: Name,
    /// Its rows.
    pub rows: u64,
    /// Of these, rows that this command wrote; the others an earlier one had brought.
    pub written: u64,
    /// Rows of an earlier try that had changed or were gone meanwhile.
    pub dropped: u64,
}

/// Fills the new ledger.
pub(super) struct Copier {
    into: SqlLedger,
    schema: Arc<Schema>,
    hold: Hold,
    done: u64,
    total: u64,
}

impl Copier {
    /// Over a connection of its own, with references off.
    pub(super) async fn open(
        order: &Order,
        plan: &Plan,
        snapshot: &Snapshot,
        hold: Hold,
    ) -> Result<Self, JoinError> {
        let schema = snapshot.ledger.schema().clone();
        let conn = Conn::open(&order.new.url, Access::Write, "add a site").await?;
        let mut into = SqlLedger::over(conn, schema.clone());
        references::take_off(&mut into, &schema, &hold).await?;
        // What makes the site whole is flushed, and all before with it.
        let into = into.without_flush().await?;
        let total = plan.tables.iter().map(|table| table.rows).sum();
        Ok(Self { into, schema, hold, done: 0, total })
    }

    /// Makes every table equal to the snapshot's, parents first.
    pub(super) async fn all(
        &mut self,
        snapshot: &mut Snapshot,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<Copied>, JoinError> {
        let schema = self.schema.clone();
        let mut copied = Vec::new();
        for table in tables_in_order(&schema) {
            copied.push(self.table(&mut snapshot.ledger, table, tell).await?);
        }
        Ok(copied)
    }

    /// Ends it, with references back and checked; gives under what it wrote, and in which schema.
    pub(super) async fn end(mut self) -> Result<(Hold, Arc<Schema>), JoinError> {
        references::put_back(&mut self.into, &self.hold).await?;
        self.into.into_conn().close().await;
        Ok((self.hold, self.schema))
    }

    async fn table(
        &mut self,
        from: &mut SqlLedger,
        table: &Table,
        tell: &mut Tell<'_>,
    ) -> Result<Copied, JoinError> {
        let stage = Stage::Rows(table.name.clone());
        let total = Some(self.total);
        tell(&stage, Progress { done: self.done, total });
        let empty = self.into.scan(&self.schema, &table.name, None, 1).await?.is_empty();
        let mut copied = Copied { table: table.name.clone(), rows: 0, written: 0, dropped: 0 };
        if !empty {
            copied.dropped = self.drop_others(from, table).await?;
        }
        let (mut there, mut here) = (Walk::new(table), Walk::new(table));
        here.ended = empty;
        let mut missing = Vec::new();
        while let Some(row) = there.next(from, &self.schema).await? {
            while here.peek(&mut self.into, &self.schema).await?.is_some_and(|have| have.key < row.key) {
                here.page.pop_front();
            }
            copied.rows += 1;
            self.done += 1;
            if here.page.front().is_none_or(|have| have.key != row.key) {
                missing.push(row.insert(table));
            }
            if missing.len() >= PAGE_ROWS {
                copied.written += self.write(&mut missing).await?;
                tell(&stage, Progress { done: self.done, total });
            }
        }
        copied.written += self.write(&mut missing).await?;
        tell(&stage, Progress { done: self.done, total });
        self.analyse(&copied).await?;
        Ok(copied)
    }

    /// Drops the rows that the snapshot does not hold just so. How many.
    async fn drop_others(&mut self, from: &mut SqlLedger, table: &Table) -> Result<u64, JoinError> {
        let (mut there, mut here) = (Walk::new(table), Walk::new(table));
        let (mut others, mut dropped) = (Vec::new(), 0);
        while let Some(have) = here.next(&mut self.into, &self.schema).await? {
            while there.peek(from, &self.schema).await?.is_some_and(|row| row.key < have.key) {
                there.page.pop_front();
            }
            if there.page.front() != Some(&have) {
                others.push(have.delete(table));
            }
            if others.len() >= PAGE_ROWS {
                dropped += self.write(&mut others).await?;
            }
        }
        Ok(dropped + self.write(&mut others).await?)
    }

    /// Writes changes in a transaction of their own, unless another command has claimed the site since. Rows that the
    /// database refuses together are tried one by one, so that the error names the row.
    async fn write(&mut self, changes: &mut Vec<LedgerChange>) -> Result<u64, JoinError> {
        let changes = std::mem::take(changes);
        if changes.is_empty() {
            return Ok(0);
        }
        for one_by_one in [false, true] {
            self.hold.begin(&mut self.into).await?;
            let inserts = changes.iter().all(|change| change.change.op == Op::Insert);
            let written = match inserts && !one_by_one {
                true => self.into.load(&changes).await,
                false => self.into.apply(&changes).await,
            };
            match written {
                Ok(()) => {
                    self.into.commit().await?;
                    break;
                }
                Err(LedgerError::Store(error))
                    if !one_by_one && matches!(error.class, SqlClass::Constraint(_) | SqlClass::Data) =>
                {
                    self.into.rollback().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(changes.len() as u64)
    }

    async fn analyse(&mut self, copied: &Copied) -> Result<(), JoinError> {
        let mut conn = self.into.conn();
        if conn.dialect() == Dialect::Postgres && copied.rows >= ANALYSED_FROM {
            conn.ddl(&format!("ANALYZE {}", quote(&copied.table))).await?;
        }
        Ok(())
    }
}

/// A row with its key, and with what is kept of it.
#[derive(Debug, PartialEq)]
struct Whole {
    key: Vec<Value>,
    row: Row,
    kept: Row,
}

impl Whole {
    fn insert(self, table: &Table) -> LedgerChange {
        let mut insert = LedgerChange::new(Change::insert(table.name.clone(), self.row));
        insert.complement.set = self.kept;
        insert
    }

    fn delete(self, table: &Table) -> LedgerChange {
        let key: Row = table.key.iter().cloned().zip(self.key).collect();
        LedgerChange::new(Change::delete(table.name.clone(), key))
    }
}

/// A way through a table in the order of its keys.
struct Walk<'t> {
    table: &'t Table,
    page: VecDeque<Whole>,
    last: Option<Vec<Value>>,
    ended: bool,
}

impl<'t> Walk<'t> {
    fn new(table: &'t Table) -> Self {
        Self { table, page: VecDeque::new(), last: None, ended: false }
    }

    async fn next(&mut self, ledger: &mut SqlLedger, schema: &Schema) -> Result<Option<Whole>, LedgerError> {
        self.fill(ledger, schema).await?;
        Ok(self.page.pop_front())
    }

    async fn peek(&mut self, ledger: &mut SqlLedger, schema: &Schema) -> Result<Option<&Whole>, LedgerError> {
        self.fill(ledger, schema).await?;
        Ok(self.page.front())
    }

    async fn fill(&mut self, ledger: &mut SqlLedger, schema: &Schema) -> Result<(), LedgerError> {
        if !self.page.is_empty() || self.ended {
            return Ok(());
        }
        let rows = ledger.scan(schema, &self.table.name, self.last.as_deref(), PAGE_ROWS).await?;
        self.ended = rows.len() < PAGE_ROWS;
        for (row, kept) in rows {
            let whole_key = || LedgerError::Damaged(format!("a row of {} has no whole key", self.table.name));
            let key = self.table.key_values(&row).ok_or_else(whole_key)?;
            self.page.push_back(Whole { key, row, kept });
        }
        self.last = self.page.back().map(|row| row.key.clone()).or(self.last.take());
        Ok(())
    }
}
