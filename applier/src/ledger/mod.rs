//! The contract of a ledger: the normalized tables, the checkpoint beside them and the seal that goes with a decision,
//! all in one database transaction. One conformance suite (`conformance`, feature `test-util`) holds every ledger to
//! it. Only the poster, the reshape and the auditor's replay write through this.

#[cfg(feature = "test-util")]
pub mod conformance;
pub(crate) mod fit;
pub(crate) mod groups;
pub mod memory;
pub(crate) mod sets;
pub mod sql;

use std::future::Future;
use std::sync::Arc;

use journal_core::journal::ReadError;
use journal_core::model::{
    ILL_FORMED, Name, Origin, Row, Schema, SchemaVersion, SealNr, SealedRun, TransNr, TransactionId, Value,
};
use journal_core::sql::SqlError;
use schema_mappers::MappedRow;

use crate::control::{Desired, Standing};

pub use sql::planned::{Planned, Planner};

/// How far an origin's accepted transactions are posted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Posted {
    /// The last seal posted whole.
    pub seal_nr: SealNr,
    /// The last transaction passed, in that seal or within the next one.
    pub trans_nr: TransNr,
}

/// A change in the names and types of the ledger's version, with what it does to its row's complement. An update
/// without cells asks only that the row stands there. An upsert with `if_new` inserts that row (and complement) where
/// none of its key stands, and updates with `change.cells` where one does.
pub use schema_mappers::Image as LedgerChange;

/// Why a change cannot be posted: the data's fault, the same at every try. The origin rejects, a peer quarantines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A row of that primary or unique key stands there already.
    DuplicateKey,
    /// A row refers to a parent that is not there.
    MissingParent,
    /// A row to delete, or whose key changes, is still referred to.
    StillReferenced,
    /// The row to change is not there.
    MissingRow,
    /// The row does not hold the old values the change relies on.
    UnexpectedRow,
    /// NULL where none may stand.
    NotNull,
    /// A CHECK of the ledger says no.
    Check,
    /// The result has no exact place in the column (overflow, or a delta on NULL).
    OutOfRange,
    /// The entry's content cannot be read.
    Unreadable,
    /// The change does not fit its schema version: unknown table or column, wrong type, part of a key missing.
    Unfit,
    /// No mapping leads from the entry's version to the ledger's for this change.
    Unmappable,
    /// A peer wrote the same key at the same time.
    Concurrent,
    /// It touches keys of a transaction that is in quarantine.
    Dependent,
    /// Its rows in the journal are none of one transaction: their numbers have gaps, or their headers differ.
    IllFormed,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 14] = [
        Self::DuplicateKey,
        Self::MissingParent,
        Self::StillReferenced,
        Self::MissingRow,
        Self::UnexpectedRow,
        Self::NotNull,
        Self::Check,
        Self::OutOfRange,
        Self::Unreadable,
        Self::Unfit,
        Self::Unmappable,
        Self::Concurrent,
        Self::Dependent,
        Self::IllFormed,
    ];

    /// The stable code, with a page in `docs/errors`.
    pub fn code(self) -> &'static str {
        match self {
            Self::DuplicateKey => "D0201",
            Self::MissingParent => "D0202",
            Self::StillReferenced => "D0203",
            Self::MissingRow => "D0204",
            Self::UnexpectedRow => "D0205",
            Self::NotNull => "D0206",
            Self::Check => "D0207",
            Self::OutOfRange => "D0208",
            Self::Unreadable => "D0209",
            Self::Unfit => "D0210",
            Self::Unmappable => "D0211",
            Self::Concurrent => "D0212",
            Self::Dependent => "D0213",
            Self::IllFormed => ILL_FORMED,
        }
    }

    /// The fault of a stored code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.code() == code)
    }
}

/// Why a statement on the ledger failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LedgerError {
    /// The data's fault. The open transaction must be rolled back.
    #[error("{}: {detail}", fault.code())]
    Fault { fault: Fault, detail: String },
    /// The checkpoint is not where the caller believed: another applier moved it, or an earlier commit's lost reply
    /// was a yes. Roll back and start again from what stands there.
    #[error("the checkpoint of {origin} is not where this applier left it")]
    Moved { origin: Origin },
    /// The ledger holds what the schema version does not allow, such as a table that is not there.
    #[error("the ledger is not as its schema version says: {0}")]
    Damaged(String),
    /// Tables change places here, which began and is not over. Nothing may be posted before.
    #[error("the tables of this site are changing places; the command that began it ends it: ask it again")]
    SwitchBegun,
    /// The database.
    #[error(transparent)]
    Store(#[from] SqlError),
}

impl From<ReadError> for LedgerError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => Self::Store(error),
            error @ ReadError::Corrupt { .. } => Self::Damaged(error.to_string()),
        }
    }
}

/// A transaction put aside at a peer, whole; its content stays in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Which one.
    pub id: TransactionId,
    /// The seal it came in.
    pub seal_nr: SealNr,
    /// Why.
    pub fault: Fault,
    /// What exactly, for people.
    pub detail: String,
    /// The quarantined transaction whose keys it touches, where `fault` is [`Fault::Dependent`].
    pub depends_on: Option<TransactionId>,
}

/// Writes one site's ledger. Works in transactions: [`begin`](Self::begin), the work, [`commit`](Self::commit). A
/// dropped future or any error other than [`LedgerError::Fault`] leaves the outcome unknown: drop the whole ledger
/// value, open another, and let the checkpoint tell.
pub trait Ledger: Send {
    /// The schema the ledger stands at, as of opening.
    fn schema(&self) -> &Arc<Schema>;

    /// Begins a transaction and share-locks the site's control row and lease, so that a pause or a takeover waits for
    /// this transaction to end and none can slip in between. Returns what they say; the caller compares and rolls
    /// back when it does not like it.
    fn begin(&mut self) -> impl Future<Output = Result<Standing, LedgerError>> + Send;

    /// Moves how far an origin is posted here; for the own origin, which moves with every seal, how far it is decided. It
    /// waits for an older session that may still be committing: a poster moves it before any change, so that none is
    /// judged over what that one left. [`LedgerError::Moved`] unless it stands at `from`; refuses a step back.
    fn advance(
        &mut self,
        origin: &Origin,
        from: Posted,
        to: Posted,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// [`begin`](Self::begin) and [`advance`](Self::advance) in as few calls to the database as may be. Beside what the first
    /// returns, whether the checkpoint moved: `false` where the second says [`LedgerError::Moved`], and where the site is
    /// paused, whose checkpoints nobody waits for. The caller rolls back unless it likes both.
    fn begin_from(
        &mut self,
        origin: &Origin,
        from: Posted,
        to: Posted,
    ) -> impl Future<Output = Result<(Standing, bool), LedgerError>> + Send {
        async move {
            let standing = self.begin().await?;
            if standing.control.desired == Desired::Paused {
                return Ok((standing, false));
            }
            match self.advance(origin, from, to).await {
                Ok(()) => Ok((standing, true)),
                Err(LedgerError::Moved { .. }) => Ok((standing, false)),
                Err(error) => Err(error),
            }
        }
    }

    /// The rows of a table that hold exactly these values in these columns (NULL is a value here), in the order of the
    /// key, with their complements: as the open transaction sees them, and locked against others until it ends. A value
    /// that a column cannot hold stands in no row. All of them are held in memory at once, so the columns begin the
    /// table's key or are one of its unique keys; anything else reads the whole table.
    fn fetch(
        &mut self,
        table: &Name,
        columns: &Row,
    ) -> impl Future<Output = Result<Vec<MappedRow>, LedgerError>> + Send;

    /// Applies changes in order. Each must find exactly the rows it is about. On [`LedgerError::Fault`] nothing after
    /// the change at fault was applied, and the transaction can only be rolled back.
    fn apply(&mut self, changes: &[LedgerChange]) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Applies changes as if one after the other, in the fastest way there is. It comes to the same ledger, or to
    /// [`LedgerError::Fault`] wherever one after the other would; a fault need not name the change at fault, and may
    /// come where there is none: then roll back and [`apply`](Self::apply), which is the definition.
    fn apply_together(
        &mut self,
        changes: &[&LedgerChange],
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// What plans batches for [`apply_planned`](Self::apply_planned) before their turn, on another thread; `None` where there
    /// is nothing to gain.
    fn planner(&self) -> Option<Planner> {
        None
    }

    /// [`apply_together`](Self::apply_together) of the changes that were planned, under the same conditions. `false`, and
    /// nothing was done: it does not hold any more; apply the changes themselves.
    fn apply_planned(&mut self, _planned: Planned) -> impl Future<Output = Result<bool, LedgerError>> + Send {
        async { Ok(false) }
    }

    /// Writes a seal of own transactions with its rejections, and moves the journal's own head. The caller advances the
    /// own origin's checkpoint with it. [`LedgerError::Moved`] unless it follows the head that stands there.
    fn seal(&mut self, run: &SealedRun) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Puts a transaction in quarantine. [`LedgerError::Damaged`] if it was there before.
    fn quarantine(
        &mut self,
        transaction: &Quarantined,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Holds a transaction in quarantine again, for the reason given now, as the answer to what was `asked`. `false`, and
    /// nothing was done: something else is asked for it now, or its quarantine has ended.
    fn hold_again(
        &mut self,
        transaction: &Quarantined,
        asked: Asked,
    ) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Ends a quarantine: `discarded` or posted after all, as was `asked`. Who and why were recorded then. `false`, and
    /// nothing was done: something else is asked for it now, or it has ended before.
    fn release(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        outcome: Release,
    ) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// Commits; durable when it returns, unless the ledger may lose in a crash what is posted again after it. A [`LedgerError::Fault`] here (a deferred constraint) is a definite no.
    fn commit(&mut self) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Rolls back.
    fn rollback(&mut self) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// How far every origin is posted here, the own one included. A plain read, outside transactions.
    fn posted(&mut self) -> impl Future<Output = Result<Vec<(Origin, Posted)>, LedgerError>> + Send;

    /// Whether an operator asked for something that is not carried out yet. A plain read, cheap: asked at every turn.
    fn asked(&mut self) -> impl Future<Output = Result<bool, LedgerError>> + Send;

    /// What is in quarantine here, in the order of arrival, with what an operator asked for.
    fn quarantined(&mut self) -> impl Future<Output = Result<Vec<(Quarantined, Asked)>, LedgerError>> + Send;
}

/// What an operator asked for a quarantined transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing yet: it is held.
    Nothing,
    /// Post it now, whatever was concurrent.
    Retry,
    /// Leave it out here for good.
    Discard,
}

impl Asked {
    const ALL: [Self; 3] = [Self::Nothing, Self::Retry, Self::Discard];

    /// The state of a quarantine for which this is asked, as the table of quarantines has it.
    #[must_use]
    pub fn state(self) -> &'static str {
        match self {
            Self::Nothing => "held",
            Self::Retry => "retry",
            Self::Discard => "discard",
        }
    }

    /// What whoever asks for it does, as the record of actions has it.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Nothing => "hold",
            Self::Retry | Self::Discard => self.state(),
        }
    }

    /// What [`state`](Self::state) stands for.
    #[must_use]
    pub fn from_state(state: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|asked| asked.state() == state)
    }
}

/// How a quarantine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Release {
    /// Its effect was posted in this transaction.
    Posted,
    /// Left out for good.
    Discarded,
}

/// Reads a ledger's rows, for digests, comparisons and reshapes. All reads between
/// [`begin_snapshot`](Self::begin_snapshot) and [`end_snapshot`](Self::end_snapshot) see one state.
pub trait LedgerReader: Send {
    /// Begins a snapshot.
    fn begin_snapshot(&mut self) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Ends it.
    fn end_snapshot(&mut self) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// The version the ledger stands at.
    fn version(&mut self) -> impl Future<Output = Result<SchemaVersion, LedgerError>> + Send;

    /// Whether the ledger has a table, as of opening. Those that are kept for other versions come with their release.
    fn has(&self, table: &Name) -> bool;

    /// Up to `limit` rows of a table in the order of its key (values' own order), after a key, or after all rows whose
    /// key begins so. Each with its complement cells.
    fn scan(
        &mut self,
        schema: &Schema,
        table: &Name,
        after: Option<&[Value]>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Row, Row)>, LedgerError>> + Send;
}
