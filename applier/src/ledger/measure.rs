//! What the benches measure of a ledger by itself: planning a batch, and making the statements of what is planned. Nothing
//! else uses it, and nothing here is promised.

use journal_core::model::Schema;
use journal_core::sql::{Dialect, Param};

use super::sets::{Rules, Step, plan};
use super::sql::{listed, statement};
use super::{LedgerChange, LedgerError};

/// Plans batches for one schema.
#[derive(Debug)]
pub struct Planner {
    schema: Schema,
    rules: Rules,
}

impl Planner {
    /// For the ledger's schema.
    pub fn new(schema: Schema) -> Self {
        Self { rules: Rules::of(&schema), schema }
    }

    /// Plans a batch.
    ///
    /// # Errors
    /// A change that does not fit its table.
    pub fn plan<'c>(&'c self, changes: &[&'c LedgerChange]) -> Result<Plan<'c>, LedgerError> {
        plan(&self.schema, &self.rules, changes, |_| false).map(Plan)
    }
}

/// A planned batch.
#[derive(Debug)]
pub struct Plan<'c>(Vec<Step<'c>>);

impl Plan<'_> {
    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.0.len()
    }

    /// The statements of its sets with what they bind, none of them copied. On SQLite sums begin at zero.
    ///
    /// # Errors
    /// A value that its column does not hold.
    pub fn statements(&self, dialect: Dialect) -> Result<Vec<(String, Vec<Param>)>, LedgerError> {
        let mut statements = Vec::new();
        for step in &self.0 {
            let Step::Set(set) = step else { continue };
            match dialect {
                Dialect::Postgres => {
                    statements.push(statement::statement(set.table, &set.action, &set.rows)?);
                }
                Dialect::Sqlite => statements.extend(listed::statements(set)?),
            }
        }
        Ok(statements)
    }
}
