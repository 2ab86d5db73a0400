//! Changes that need the rows they meet: the rows go to the version of the change, the change is applied there, and what
//! comes back is compared with what stood. Pure: the rows are read by the caller.

mod apply;
mod difference;

use journal_core::model::{Change, Op, Row, SchemaVersion, Value};

use crate::error::MapError;
use crate::image::Image;
use crate::mapped::MappedRow;
use crate::registry::Registry;

/// Why a change could not be carried with the rows at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeetError {
    /// The mapping has no place for it, or for the rows it meets.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The rows refuse it: the same answer that a ledger at the version of the change would give.
    #[error("{detail}")]
    Refused {
        /// What a ledger would say.
        refusal: Refusal,
        /// The row and what stands there, for people.
        detail: String,
    },
}

/// Why the rows at hand refuse a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// A row of that primary key stands there already.
    DuplicateKey,
    /// The row would refer to a parent that is not there.
    MissingParent,
    /// The row to delete, or whose key changes, is still referred to.
    StillReferenced,
    /// The row to change is not there.
    MissingRow,
    /// The row does not hold the old values the change relies on.
    UnexpectedRow,
    /// The result has no exact place in the column: an overflow, or a delta on NULL.
    OutOfRange,
}

impl Registry {
    /// A change of version `from` as images at version `to`, with the rows it needs: `found` are all rows of the ledger at
    /// `to` that the selectors of its [`Meeting`](crate::Meeting) name, with their complements, in any order. The images
    /// are to be posted in order; there are none when the change changes nothing.
    ///
    /// # Errors
    /// [`MeetError::Refused`] where the rows refuse the change, else as [`Registry::map`].
    pub fn map_with(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        change: &Change,
        found: &[MappedRow],
    ) -> Result<Vec<Image>, MeetError> {
        let mut rows = self.map_rows(to, from, found.to_vec())?;
        let tied = self.tied_to(from, &change.entity);
        let written = self.written(from, change)?;
        apply::forget_at_root(
            &mut rows,
            change,
            &self.stale_at_root(from, &written),
            self.ledger(from)?,
            &tied,
        );
        let stale = self.stale_at(from, change);
        apply::apply(&mut rows, change, &stale, self.ledger(from)?, &tied)?;
        let rows = self.settled(to, self.map_rows(from, to, rows)?);
        Ok(difference::images(found, rows, self.ledger(to)?))
    }

    /// A change that writes every cell of its row by beginning or ending it, as one that says so.
    fn written(&self, from: SchemaVersion, change: &Change) -> Result<Change, MapError> {
        let table = self.ledger(from)?.tables.get(&change.entity);
        let whole = matches!(change.op, Op::Insert | Op::Delete);
        let Some(table) = table.filter(|_| whole) else { return Ok(change.clone()) };
        let cells = table.columns.iter().map(|column| (column.name.clone(), Value::Null));
        Ok(Change::update(table.name.clone(), Row::new(), cells.collect()))
    }

    /// Rows without what other versions kept of them and can no longer mean: each way, as far as there is a place for them.
    /// Beyond that nothing is posted before it is settled there.
    fn settled(&self, at: SchemaVersion, rows: Vec<MappedRow>) -> Vec<MappedRow> {
        let newer = (at.0 + 1..=self.set().newest().number().0).rev().collect::<Vec<_>>();
        let older = (1..at.0).collect();
        [newer, older].into_iter().fold(rows, |rows, farthest_first| {
            let mut settled = farthest_first.into_iter().map(SchemaVersion).filter_map(|end| {
                let there = self.map_rows(at, end, rows.clone()).ok()?;
                self.map_rows(end, at, there).ok()
            });
            settled.next().unwrap_or(rows)
        })
    }
}
