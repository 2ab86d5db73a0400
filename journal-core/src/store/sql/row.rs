//! One row of the journal table on its way there: bound to a statement, or copied.

use crate::model::{NewTransaction, Origin, StoredEntry, TransNr};
use crate::sql::{ConnRef, CopyIn, Param, SqlError};

use super::text;

/// One row to write, borrowed from its transaction.
#[derive(Clone, Copy)]
pub(super) struct JournalRow<'t> {
    pub(super) trans_nr: TransNr,
    pub(super) tx_id: uuid::Uuid,
    schema_version: i64,
    author: &'t str,
    appended_at: i64,
    entries: &'t [StoredEntry],
    /// Which of `entries` this row is.
    at: usize,
}

impl<'t> JournalRow<'t> {
    pub(super) fn of_new(trans_nr: TransNr, new: &'t NewTransaction, appended_at: i64) -> Self {
        Self {
            trans_nr,
            tx_id: new.tx_id,
            schema_version: new.schema_version.0,
            author: &new.author,
            appended_at,
            entries: &new.entries,
            at: 0,
        }
    }

    pub(super) fn rest(self) -> impl Iterator<Item = Self> {
        (1..self.entries.len()).map(move |at| Self { at, ..self })
    }

    pub(super) fn with_rest(self) -> impl Iterator<Item = Self> {
        std::iter::once(self).chain(self.rest())
    }

    /// What it takes in a statement, nearly.
    pub(super) fn bytes(&self) -> usize {
        let entry = &self.entries[self.at];
        entry.payload.len() + entry.row_key.len() + self.author.len()
    }

    pub(super) fn bind(&self, origin: &Origin, params: &mut Vec<Param>) {
        let entry = &self.entries[self.at];
        params.extend([
            origin.site.as_str().into(),
            origin.epoch.0.into(),
            self.trans_nr.0.into(),
            entry.entry_nr.into(),
            self.tx_id.into(),
            self.schema_version.into(),
            entry.entity.as_ref().into(),
            (&*entry.op).into(),
            entry.row_key.as_str().into(),
            entry.codec.into(),
            entry.payload.as_slice().into(),
            self.author.into(),
            Param::from(self.appended_at),
        ]);
    }

    /// The same cells for the COPY of [`super::text::COPY_ENTRIES`].
    async fn copy(&self, origin: &Origin, copy: &mut CopyIn<'_>) -> Result<(), SqlError> {
        let entry = &self.entries[self.at];
        copy.row(text::JOURNAL_CELLS)
            .await?
            .text(origin.site.as_str())
            .i64(origin.epoch.0)
            .i64(self.trans_nr.0)
            .i64(entry.entry_nr)
            .uuid(self.tx_id)
            .i64(self.schema_version)
            .text(&entry.entity)
            .text(&entry.op)
            .text(&entry.row_key)
            .i64(entry.codec)
            .bytes(&entry.payload)
            .text(self.author)
            .i64(self.appended_at);
        Ok(())
    }
}

/// Writes every entry of each transaction, given by its first row, with one COPY. PostgreSQL only; a key that is there
/// already ends the database transaction.
pub(super) async fn copy_all<'t>(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    firsts: impl Iterator<Item = JournalRow<'t>>,
) -> Result<(), SqlError> {
    let mut copy = conn.copy_in(text::COPY_ENTRIES).await?;
    for row in firsts.flat_map(JournalRow::with_rest) {
        row.copy(origin, &mut copy).await?;
    }
    copy.finish().await?;
    Ok(())
}
