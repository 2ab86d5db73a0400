//! Batches that are planned, down to their statements, before their turn and beside the batch before them: what needs no
//! look at the database. Not on SQLite; a table that is asked for, or a change that stands alone, takes the common way.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use journal_core::model::{Name, Schema};
use journal_core::sql::Dialect;

use super::SqlLedger;
use super::statement::{Statement, statements};
#[cfg(feature = "test-util")]
use super::together::MANY_ROWS;
use crate::ledger::sets::{self, Rules, Step};
use crate::ledger::{LedgerChange, LedgerError};

/// Plans batches, on any thread. Good for the ledger that gave it.
#[derive(Debug, Clone)]
pub struct Planner {
    dialect: Dialect,
    schema: Arc<Schema>,
    rules: Arc<Rules>,
    asked: Arc<BTreeSet<Name>>,
    copied_from: usize,
    /// Whether rows of the ledger may have complements.
    complemented: bool,
}

/// The statements of a batch.
pub struct Planned {
    statements: Vec<Statement>,
    /// Whether rows of the ledger may have complements: before them, and after.
    complemented: (bool, bool),
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statements", self.statements.len()) // What they bind is user data and stays out of logs.
    }
}

impl Planner {
    /// One for a PostgreSQL ledger without complements, for the benches.
    #[cfg(feature = "test-util")]
    pub fn new(schema: Schema) -> Self {
        Self {
            dialect: Dialect::Postgres,
            rules: Arc::new(Rules::of(&schema)),
            schema: Arc::new(schema),
            asked: Arc::default(),
            copied_from: MANY_ROWS,
            complemented: false,
        }
    }

    /// How many steps a batch has, as far as planning goes without making statements, for the benches.
    #[cfg(feature = "test-util")]
    pub fn count_steps(&self, changes: &[&LedgerChange]) -> Result<usize, LedgerError> {
        self.steps(changes).map(|steps| steps.len())
    }

    fn steps<'c>(&'c self, changes: &[&'c LedgerChange]) -> Result<Vec<Step<'c>>, LedgerError> {
        sets::plan(&self.schema, &self.rules, changes, |table| self.asked.contains(table))
    }

    /// The statements of changes, as [`Ledger::apply_together`](crate::ledger::Ledger::apply_together) would send them. `None`
    /// where it has to see the database between them, or would refuse them: it tells.
    pub fn plan(&self, changes: &[&LedgerChange]) -> Option<Planned> {
        if changes.is_empty() {
            return None;
        }
        let steps = self.steps(changes).ok()?;
        let (mut made, mut complemented) = (Vec::with_capacity(steps.len()), self.complemented);
        for step in &steps {
            let Step::Set(set) = step else { return None };
            made.extend(statements(self.dialect, set, self.copied_from, &mut complemented).ok()?);
        }
        Some(Planned { statements: made, complemented: (self.complemented, complemented) })
    }
}

impl SqlLedger {
    pub(super) fn planner_here(&self) -> Option<Planner> {
        if self.dialect() == Dialect::Sqlite {
            return None;
        }
        let asked = self.schema.tables.keys().filter(|table| self.asks.of(table).is_some());
        Some(Planner {
            dialect: self.dialect(),
            schema: self.held.clone(),
            rules: self.rules.clone(),
            asked: Arc::new(asked.cloned().collect()),
            copied_from: self.copied_from,
            complemented: self.complemented,
        })
    }

    /// Sends the statements. `false`, and nothing was done, when complements have come to be kept by a batch before, which
    /// they know nothing of.
    pub(super) async fn carry_out_planned(&mut self, planned: Planned) -> Result<bool, LedgerError> {
        let (before, after) = planned.complemented;
        if self.complemented && !before {
            return Ok(false);
        }
        self.complemented |= after;
        for statement in planned.statements {
            self.send(statement).await?;
        }
        Ok(true)
    }
}
