//! A transaction as an application builds it: changes in the names of one schema version, checked as a whole before it
//! is sent.

use uuid::Uuid;

use crate::codec::payload::{self, PayloadError};
use crate::model::schema::ChangeError;
use crate::model::transaction::ENTRIES_MAX;
use crate::model::{Change, Codec, Name, NewTransaction, Row, Schema};

/// What payloads are written in.
const CODEC: Codec = Codec::Bincode;
/// Most bytes of an author's name: it is stored with every entry.
const AUTHOR_BYTES_MAX: usize = 200;

/// One transaction on its way to the journal: 1..n changes that become visible together or not at all.
///
/// It gets its idempotency key when it is made. Appending the same transaction (or a clone) again gives the first
/// receipt, so after an unclear failure append it again; to write the same changes twice, make a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    tx_id: Uuid,
    author: Option<String>,
    changes: Vec<Change>,
}

/// Why a transaction cannot be appended as it is. Names the change, from 1, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum InvalidTransaction {
    #[error("a transaction needs at least one change")]
    Empty,
    #[error(
        "the transaction has {changes} changes, more than {ENTRIES_MAX}; split it where its meaning allows"
    )]
    TooManyChanges { changes: usize },
    #[error("the author's name must have 1 to {AUTHOR_BYTES_MAX} bytes and no NUL")]
    Author,
    #[error("change {at} does not fit the schema: {error}")]
    Change { at: usize, error: ChangeError },
    #[error("change {at} cannot be stored: {error}")]
    Payload { at: usize, error: PayloadError },
}

impl Transaction {
    /// An empty transaction with a new key.
    pub fn new() -> Self {
        Self::with_id(Uuid::now_v7())
    }

    /// An empty transaction under a key of the caller's, who then answers for its uniqueness within the site.
    pub fn with_id(tx_id: Uuid) -> Self {
        Self { tx_id, author: None, changes: Vec::new() }
    }

    /// The idempotency key.
    pub fn tx_id(&self) -> Uuid {
        self.tx_id
    }

    /// The changes so far.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Names who writes it, in place of the journal's default.
    #[must_use]
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = Some(author.into());
        self
    }

    /// A new row; rejected when one of its key stands there.
    #[must_use]
    pub fn insert(self, table: impl Into<Name>, row: Row) -> Self {
        self.change(Change::insert(table, row))
    }

    /// A new row, or new values for the one that stands there.
    #[must_use]
    pub fn upsert(self, table: impl Into<Name>, row: Row) -> Self {
        self.change(Change::upsert(table, row))
    }

    /// New values for some columns; rejected when the row is missing.
    #[must_use]
    pub fn update(self, table: impl Into<Name>, key: Row, set: Row) -> Self {
        self.change(Change::update(table, key, set))
    }

    /// As [`Self::update`], and rejected also when the row no longer has the expected old values.
    #[must_use]
    pub fn update_expecting(self, table: impl Into<Name>, key: Row, set: Row, expect: Row) -> Self {
        self.change(Change::update(table, key, set).expecting(expect))
    }

    /// The end of a row; rejected when it is missing.
    #[must_use]
    pub fn delete(self, table: impl Into<Name>, key: Row) -> Self {
        self.change(Change::delete(table, key))
    }

    /// As [`Self::delete`], and rejected also when the row no longer has the expected old values.
    #[must_use]
    pub fn delete_expecting(self, table: impl Into<Name>, key: Row, expect: Row) -> Self {
        self.change(Change::delete(table, key).expecting(expect))
    }

    /// Deltas for number columns, added to what stands there when it is posted: concurrent ones all count.
    #[must_use]
    pub fn add(self, table: impl Into<Name>, key: Row, delta: Row) -> Self {
        self.change(Change::add(table, key, delta))
    }

    /// A call of a business operation that the schema names; a mapper turns it into rows.
    #[must_use]
    pub fn call(self, operation: impl Into<Name>, arguments: Row) -> Self {
        self.change(Change::call(operation, arguments))
    }

    /// A change that was built elsewhere.
    #[must_use]
    pub fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Checks every name, type and limit against a schema version and writes the payloads.
    pub(super) fn encode(
        &self,
        schema: &Schema,
        default_author: &str,
    ) -> Result<NewTransaction, InvalidTransaction> {
        if self.changes.is_empty() {
            return Err(InvalidTransaction::Empty);
        }
        if self.changes.len() > ENTRIES_MAX {
            return Err(InvalidTransaction::TooManyChanges { changes: self.changes.len() });
        }
        let author = self.author.as_deref().unwrap_or(default_author);
        if author.is_empty() || author.len() > AUTHOR_BYTES_MAX || author.contains('\0') {
            return Err(InvalidTransaction::Author);
        }
        let mut entries = Vec::with_capacity(self.changes.len());
        for (change, at) in self.changes.iter().zip(1..) {
            schema.check(change).map_err(|error| InvalidTransaction::Change { at, error })?;
            let entry_nr = i64::try_from(at).unwrap_or(i64::MAX);
            let entry = payload::encode(change, entry_nr, CODEC, schema)
                .map_err(|error| InvalidTransaction::Payload { at, error })?;
            entries.push(entry);
        }
        Ok(NewTransaction {
            tx_id: self.tx_id,
            schema_version: schema.version,
            author: author.into(),
            entries,
        })
    }
}

impl Default for Transaction {
    fn default() -> Self {
        Self::new()
    }
}
