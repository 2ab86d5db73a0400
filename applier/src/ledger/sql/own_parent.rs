//! Rows that refer to themselves, on MariaDB. It looks at references row by row while a statement is at work, and so refuses
//! to end such a row, or to move it with its reference, which every other store takes. What it refuses of a table that
//! refers to itself is done again without its look, and looked at here when it is done.

use journal_core::model::{Column, Op, Table};
use journal_core::sql::{Constraint, Dialect, Param, SqlClass, quote};

use super::SqlLedger;
use super::apply::Work;
use super::rows::key_params;
use super::values::placeholder;
use crate::ledger::LedgerError;

const LOOK_AWAY: &str = "SET foreign_key_checks = 0";
const LOOK: &str = "SET foreign_key_checks = 1";

/// Whether the row of a change may refer to itself.
pub(super) fn may_be(work: &Work<'_>) -> bool {
    work.table.parents.iter().any(|parent| parent.table == work.table.name)
}

impl SqlLedger {
    /// Carries out the statement of a change; how many rows it touched.
    pub(super) async fn write_own_parent(
        &mut self,
        work: &Work<'_>,
        text: &str,
        params: Vec<Param>,
    ) -> Result<u64, LedgerError> {
        let error = match self.conn.lend().execute(text, params.clone()).await {
            Err(error) if error.class == SqlClass::Constraint(Constraint::ForeignKey) => error,
            done => return done.map_err(|error| work.refused(error)),
        };
        self.conn.lend().script(LOOK_AWAY).await?;
        let done = self.conn.lend().execute(text, params).await;
        // A connection that cannot be told to look again is not used again: this is no fault of the data.
        self.conn.lend().script(LOOK).await?;
        let done = done.map_err(|error| work.refused(error))?;
        match self.is_left_alone(work).await? || self.lacks_a_parent(work).await? {
            true => Err(work.refused(error)),
            false => Ok(done),
        }
    }

    /// Whether rows refer to a key that is no longer there.
    async fn is_left_alone(&mut self, work: &Work<'_>) -> Result<bool, LedgerError> {
        let ended = match work.image.change.op {
            Op::Delete => true,
            Op::Update => work.key_after() != work.key,
            Op::Insert | Op::Upsert | Op::Add | Op::Call => false,
        };
        if !ended {
            return Ok(false);
        }
        for child in work.schema.tables.values() {
            for parent in child.parents.iter().filter(|parent| parent.table == work.table.name) {
                let columns = parent.columns.iter().filter_map(|name| child.column(name));
                let equal: Vec<String> = columns.zip(1..).map(equals).collect();
                let text =
                    format!("SELECT 1 FROM {} WHERE {} LIMIT 1", quote(&child.name), equal.join(" AND "));
                let params = key_params(self.dialect(), work.table, &work.key)?;
                if self.conn.lend().fetch_optional(&text, params).await?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether the row refers to one that is not there.
    async fn lacks_a_parent(&mut self, work: &Work<'_>) -> Result<bool, LedgerError> {
        if work.image.change.op == Op::Delete {
            return Ok(false);
        }
        let (table, name) = (work.table, quote(&work.table.name));
        let own: Vec<String> =
            key_columns(table).zip(1..).map(|(column, nr)| equals_in("c", column, nr)).collect();
        for parent in &table.parents {
            let Some(above) = work.schema.tables.get(&parent.table) else { continue };
            let pairs = parent.columns.iter().zip(&above.key);
            let same: Vec<String> =
                pairs.map(|(own, key)| format!("p.{} = c.{}", quote(key), quote(own))).collect();
            let refers: Vec<String> =
                parent.columns.iter().map(|name| format!("c.{} IS NOT NULL", quote(name))).collect();
            let text = format!(
                "SELECT 1 FROM {name} AS c WHERE {} AND {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
                own.join(" AND "),
                refers.join(" AND "),
                quote(&above.name),
                same.join(" AND ")
            );
            let params = key_params(self.dialect(), table, &work.key_after())?;
            if self.conn.lend().fetch_optional(&text, params).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn key_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.key.iter().filter_map(|name| table.column(name))
}

fn equals((column, number): (&Column, usize)) -> String {
    format!("{} = {}", quote(&column.name), placeholder(Dialect::MariaDb, column.ty, number))
}

fn equals_in(alias: &str, column: &Column, number: usize) -> String {
    format!("{alias}.{}", equals((column, number)))
}
