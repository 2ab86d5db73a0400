//! Batches whose statements are made before their turn, beside the batch before them: what needs no look at the database.
//! PostgreSQL only; a ledger that keeps complements, a table that is asked for, or a change that stands alone takes the
//! common way.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use journal_core::model::{Name, Schema};
use journal_core::sql::Dialect;

use super::SqlLedger;
use super::together::Statement;
use crate::ledger::sets::{self, Rules, Step};
use crate::ledger::{LedgerChange, LedgerError};

/// Makes the statements of batches, on any thread. Good for the ledger that gave it.
#[derive(Debug, Clone)]
pub struct Preparing {
    schema: Arc<Schema>,
    rules: Arc<Rules>,
    asked: Arc<BTreeSet<Name>>,
    copied_from: usize,
}

/// The statements of a batch.
pub struct Prepared(Vec<Statement>);

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statements", self.0.len()) // What they bind is user data and stays out of logs.
    }
}

impl Preparing {
    /// The statements of changes, as [`Ledger::apply_together`](crate::ledger::Ledger::apply_together) would send them. `None`
    /// where it has to see the database between them, or would refuse them: it tells.
    pub fn prepare(&self, changes: &[&LedgerChange]) -> Option<Prepared> {
        if changes.is_empty() || changes.iter().any(|change| !change.complement.is_empty()) {
            return None;
        }
        let steps =
            sets::plan(&self.schema, &self.rules, changes, |table| self.asked.contains(table)).ok()?;
        let statement = |step: &Step<'_>| match step {
            Step::Set(set) => Statement::of(set, self.copied_from).ok(),
            Step::One(_) => None,
        };
        steps.iter().map(statement).collect::<Option<_>>().map(Prepared)
    }
}

impl SqlLedger {
    pub(super) fn preparing_here(&self) -> Option<Preparing> {
        if self.dialect() != Dialect::Postgres || self.complemented {
            return None;
        }
        let asked = self.schema.tables.keys().filter(|table| self.asks.of(table).is_some());
        Some(Preparing {
            schema: self.schema.clone(),
            rules: self.rules.clone(),
            asked: Arc::new(asked.cloned().collect()),
            copied_from: self.copied_from,
        })
    }

    /// Sends the statements. `false`, and nothing was done, when complements have come to be kept since they were made.
    pub(super) async fn carry_out_prepared(&mut self, prepared: Prepared) -> Result<bool, LedgerError> {
        if self.complemented {
            return Ok(false);
        }
        for statement in prepared.0 {
            self.send(statement).await?;
        }
        Ok(true)
    }
}
