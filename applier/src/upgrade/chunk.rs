//! The next rows of a feed, as they are at the new version. Reads and maps; writes nothing.

use journal_core::codec::payload::key_text;
use journal_core::model::{Change, Name, SchemaVersion, Value};
use schema_mappers::{ComplementChange, Feed, Image, MapError, MappedRow, Registry};

use super::layout::staged_name;
use super::reshape::ReshapeError;
use crate::ledger::groups::{Group, Groups};
use crate::ledger::sql::SqlLedger;

/// Rows on their way.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Whole rows for the new tables, under the names these have while they are filled.
    pub(super) images: Vec<Image>,
    /// The key of the last root row read; the next chunk begins after it.
    pub(super) last: Vec<Value>,
    /// Rows read, members' among them.
    pub(super) rows: u64,
}

/// A walk through the rows of one feed.
#[derive(Debug)]
pub(super) struct Walk<'w> {
    registry: &'w Registry,
    from: SchemaVersion,
    to: SchemaVersion,
    root: Name,
    groups: Groups,
}

impl<'w> Walk<'w> {
    /// Begins at the first root row, or after the one with that key.
    pub(super) fn new(
        registry: &'w Registry,
        (from, to): (SchemaVersion, SchemaVersion),
        feed: &Feed,
        after: Option<&[Value]>,
    ) -> Self {
        Self { registry, from, to, root: feed.root.table.clone(), groups: Groups::new(feed, after) }
    }

    /// The next rows: whole groups, as few as make `limit` rows. `None` when there are no more. The site is paused, so
    /// that what is read stays as it is; the caller insists on that before it writes.
    pub(super) async fn next(
        &mut self,
        ledger: &mut SqlLedger,
        limit: usize,
    ) -> Result<Option<Chunk>, ReshapeError> {
        let schema = self.registry.ledger(self.from)?;
        let mut chunk = Chunk { images: Vec::new(), last: Vec::new(), rows: 0 };
        while chunk.rows < limit as u64 {
            let Some(Group { key, rows }) = self.groups.next(ledger, schema).await? else { break };
            chunk.rows += rows.len() as u64;
            let mapped = self.registry.map_rows(self.from, self.to, rows);
            let mapped = mapped.map_err(|error| self.no_image(&key, error))?;
            chunk.images.extend(mapped.into_iter().map(staged));
            chunk.last = key;
        }
        Ok((chunk.rows > 0).then_some(chunk))
    }

    fn no_image(&self, key: &[Value], error: MapError) -> ReshapeError {
        match error {
            MapError::CannotMap { reason, to, .. } => {
                let (table, reason) = (self.root.clone(), reason.to_string());
                ReshapeError::Row { table, key: key_text(key), from: self.from, to, reason }
            }
            error => error.into(),
        }
    }
}

fn staged(mapped: MappedRow) -> Image {
    let complement = ComplementChange { set: mapped.complement, clear: Vec::new() };
    Image { change: Change::insert(staged_name(&mapped.table), mapped.row), complement, if_new: None }
}
