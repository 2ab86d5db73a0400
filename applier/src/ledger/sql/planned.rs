//! Batches that are planned, down to their statements, before their turn and beside the batch before them: what needs no
//! look at the database. Not on SQLite; a change that stands alone takes the common way.

use std::fmt;
use std::sync::Arc;

use journal_core::model::Schema;
use journal_core::sql::Dialect;

use super::SqlLedger;
use super::asks::Asks;
use super::statement::{Beside, Statement, statements};
#[cfg(feature = "test-util")]
use super::together::MANY_ROWS;
use super::together::stands_alone;
use crate::ledger::sets::{self, Rules, Step};
use crate::ledger::{LedgerChange, LedgerError};

/// Plans batches, on any thread. Good for the ledger that gave it.
#[derive(Debug, Clone)]
pub struct Planner {
    dialect: Dialect,
    schema: Arc<Schema>,
    rules: Arc<Rules>,
    asks: Asks,
    copied_from: usize,
    beside: Beside,
}

/// The statements of a batch.
pub struct Planned {
    statements: Vec<Statement>,
    /// What may be kept beside rows of the ledger: before them, and after.
    beside: (Beside, Beside),
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statements", self.statements.len()) // What they bind is user data and stays out of logs.
    }
}

impl Planner {
    /// One for a PostgreSQL ledger without complements or questions, for the benches.
    #[cfg(feature = "test-util")]
    pub fn new(schema: Schema) -> Self {
        Self {
            dialect: Dialect::Postgres,
            rules: Arc::new(Rules::of(&schema)),
            schema: Arc::new(schema),
            asks: Asks::default(),
            copied_from: MANY_ROWS,
            beside: Beside::default(),
        }
    }

    /// How many steps a batch has, as far as planning goes without making statements, for the benches.
    #[cfg(feature = "test-util")]
    pub fn count_steps(&self, changes: &[&LedgerChange]) -> Result<usize, LedgerError> {
        self.steps(changes).map(|steps| steps.len())
    }

    fn steps<'c>(&'c self, changes: &[&'c LedgerChange]) -> Result<Vec<Step<'c>>, LedgerError> {
        sets::plan(&self.schema, &self.rules, changes, |change| {
            stands_alone(self.dialect, &self.asks, change)
        })
    }

    /// The statements of changes, as [`Ledger::apply_together`](crate::ledger::Ledger::apply_together) would send them. `None`
    /// where it has to see the database between them, or would refuse them: it tells.
    pub fn plan(&self, changes: &[&LedgerChange]) -> Option<Planned> {
        if changes.is_empty() {
            return None;
        }
        let steps = self.steps(changes).ok()?;
        let (mut made, mut beside) = (Vec::with_capacity(steps.len()), self.beside);
        for step in &steps {
            let Step::Set(set) = step else { return None };
            let questions = self.asks.of(&set.table.name).unwrap_or_default();
            made.extend(statements(self.dialect, set, &questions, self.copied_from, &mut beside).ok()?);
        }
        Some(Planned { statements: made, beside: (self.beside, beside) })
    }
}

impl SqlLedger {
    pub(super) fn planner_here(&self) -> Option<Planner> {
        if self.dialect() == Dialect::Sqlite {
            return None;
        }
        Some(Planner {
            dialect: self.dialect(),
            schema: self.held.clone(),
            rules: self.rules.clone(),
            asks: self.asks.clone(),
            copied_from: self.copied_from,
            beside: self.beside(),
        })
    }

    /// Sends the statements. `false`, and nothing was done, when something has come to be kept by a batch before, which they
    /// know nothing of.
    pub(super) async fn carry_out_planned(&mut self, planned: Planned) -> Result<bool, LedgerError> {
        let (before, after) = planned.beside;
        let now = self.beside();
        if (now.complements && !before.complements) || (now.notes && !before.notes) {
            return Ok(false);
        }
        self.keeps(Beside {
            complements: now.complements || after.complements,
            notes: now.notes || after.notes,
        });
        for statement in planned.statements {
            self.send(statement).await?;
        }
        Ok(true)
    }
}
