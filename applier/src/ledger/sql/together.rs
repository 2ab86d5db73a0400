//! Carrying out a batch by sets: one statement for all rows of a table that are changed alike, made in advance (`statement`)
//! but on SQLite, where sums are reckoned with what stands there (`listed`).

use journal_core::model::{Name, Op, Row};
use journal_core::sql::Dialect;

use super::asks::{self, Asks};
use super::statement::{Beside, Rows, Statement, Values, statements};
use super::{SqlLedger, fault};
use crate::ledger::sets::{self, Action, Set, Step};
use crate::ledger::{Fault, LedgerChange, LedgerError};

/// New rows from which on a COPY is quicker than a statement with arrays: it takes a round trip more.
pub(super) const MANY_ROWS: usize = 64;

impl SqlLedger {
    pub(super) async fn carry_out_together(&mut self, changes: &[&LedgerChange]) -> Result<(), LedgerError> {
        let schema = self.held.clone();
        let alone = |change: &LedgerChange| stands_alone(self.dialect(), &self.asks, change);
        let steps = sets::plan(&schema, &self.rules, changes, alone)?;
        for step in &steps {
            match step {
                Step::One(change) => self.apply_one(&schema, change).await?,
                Step::Set(set) => self.apply_set(set).await?,
            }
        }
        Ok(())
    }

    async fn apply_set(&mut self, set: &Set<'_>) -> Result<(), LedgerError> {
        let questions = self.asks.of(&set.table.name).unwrap_or_default();
        if self.dialect() != Dialect::Sqlite {
            let mut beside = self.beside();
            for statement in statements(self.dialect(), set, &questions, self.copied_from, &mut beside)? {
                self.send(statement).await?;
            }
            self.keeps(beside);
            return Ok(());
        }
        let done = self.apply_listed(set).await?;
        if set.action.touches_each() {
            expect_rows(done, set.rows.len(), &set.table.name)?;
        }
        for row in &set.rows {
            match set.action {
                Action::Insert => {
                    let none = Row::new();
                    self.begin_complement(&set.table.name, &row.key, row.complement.unwrap_or(&none)).await?;
                }
                Action::Upsert { .. } | Action::Update { .. } => break,
                Action::Delete if self.complemented => self.end_complement(&set.table.name, &row.key).await?,
                Action::Delete => break,
            }
        }
        for question in questions.iter() {
            let told = asks::told(set, question);
            for key in &told.others {
                self.forget(question, key).await?;
            }
            for key in &told.holding {
                self.note(question, key).await?;
            }
        }
        Ok(())
    }

    /// What may be kept beside rows of the ledger.
    pub(super) fn beside(&self) -> Beside {
        Beside { complements: self.complemented, notes: self.asks.noted }
    }

    /// Notes what may be kept there from now on.
    pub(super) fn keeps(&mut self, beside: Beside) {
        (self.complemented, self.asks.noted) = (beside.complements, beside.notes);
    }

    /// Sends a statement, and sees that it touched as many rows as it is about.
    pub(super) async fn send(&mut self, statement: Statement) -> Result<(), LedgerError> {
        let Statement { table, text, values, rows } = statement;
        let mut conn = self.conn.lend();
        let done = match values {
            Values::Bound(params) => conn.execute(&text, params).await,
            Values::Copied(rows) => conn.copy_rows(&text, &rows).await,
        };
        match rows {
            Rows::Each(rows) => {
                expect_rows(done.map_err(|error| fault::of_set(error, &table))?, rows, &table)
            }
            Rows::Some => done.map(drop).map_err(|error| fault::of_set(error, &table)),
            Rows::Beside => Ok(done.map(drop)?),
        }
    }
}

/// Whether a change cannot be one of a set here: a note depends on its row, or it is an upsert on MariaDB, whose own takes the
/// row of any unique key for the one that is meant.
pub(super) fn stands_alone(dialect: Dialect, asks: &Asks, change: &LedgerChange) -> bool {
    (dialect == Dialect::MariaDb && change.change.op == Op::Upsert) || asks.depend_on_the_row(change)
}

fn expect_rows(done: u64, expected: usize, table: &Name) -> Result<(), LedgerError> {
    if usize::try_from(done) == Ok(expected) {
        return Ok(());
    }
    let detail = format!("{table}: of {expected} rows, {done} were there and had room");
    Err(LedgerError::Fault { fault: Fault::MissingRow, detail })
}
