//! Batches whose statements are made before their turn, beside the batch before them: what needs no look at the database.
//! PostgreSQL only; a table that is asked for, or a change that stands alone, takes the common way.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use journal_core::model::{Name, Schema};
use journal_core::sql::Dialect;

use super::SqlLedger;
use super::statement::{Statement, statements};
use crate::ledger::sets::{self, Rules, Step};
use crate::ledger::{LedgerChange, LedgerError};

/// Makes the statements of batches, on any thread. Good for the ledger that gave it.
#[derive(Debug, Clone)]
pub struct Preparing {
    schema: Arc<Schema>,
    rules: Arc<Rules>,
    asked: Arc<BTreeSet<Name>>,
    copied_from: usize,
    /// Whether rows of the ledger may have complements.
    complemented: bool,
}

/// The statements of a batch.
pub struct Prepared {
    statements: Vec<Statement>,
    /// Whether rows of the ledger may have complements: before them, and after.
    complemented: (bool, bool),
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statements", self.statements.len()) // What they bind is user data and stays out of logs.
    }
}

impl Preparing {
    /// The statements of changes, as [`Ledger::apply_together`](crate::ledger::Ledger::apply_together) would send them. `None`
    /// where it has to see the database between them, or would refuse them: it tells.
    pub fn prepare(&self, changes: &[&LedgerChange]) -> Option<Prepared> {
        if changes.is_empty() {
            return None;
        }
        let steps =
            sets::plan(&self.schema, &self.rules, changes, |table| self.asked.contains(table)).ok()?;
        let (mut made, mut complemented) = (Vec::with_capacity(steps.len()), self.complemented);
        for step in &steps {
            let Step::Set(set) = step else { return None };
            made.extend(statements(set, self.copied_from, &mut complemented).ok()?);
        }
        Some(Prepared { statements: made, complemented: (self.complemented, complemented) })
    }
}

impl SqlLedger {
    pub(super) fn preparing_here(&self) -> Option<Preparing> {
        if self.dialect() != Dialect::Postgres {
            return None;
        }
        let asked = self.schema.tables.keys().filter(|table| self.asks.of(table).is_some());
        Some(Preparing {
            schema: self.schema.clone(),
            rules: self.rules.clone(),
            asked: Arc::new(asked.cloned().collect()),
            copied_from: self.copied_from,
            complemented: self.complemented,
        })
    }

    /// Sends the statements. `false`, and nothing was done, when complements have come to be kept by a batch before, which
    /// they know nothing of.
    pub(super) async fn carry_out_prepared(&mut self, prepared: Prepared) -> Result<bool, LedgerError> {
        let (before, after) = prepared.complemented;
        if self.complemented && !before {
            return Ok(false);
        }
        self.complemented |= after;
        for statement in prepared.statements {
            self.send(statement).await?;
        }
        Ok(true)
    }
}
