//! From an error to what the service does about it. No wildcard arm: a new kind does not compile until someone decides
//! its fate.

use journal_core::journal::{ReadError, ReceiveError};
use journal_core::sql::{SqlClass, SqlError};

use crate::ledger::LedgerError;

/// Why a poster's turn ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PostError {
    /// Another applier holds the lease now.
    #[error("another applier took this site over")]
    Fenced,
    /// The site was resumed or reshaped since this poster opened: old connections and plans are void.
    #[error("the site was resumed or reshaped")]
    Stale,
    /// Reading the journal, or reading the ledger's checkpoint.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Open afresh at once and go on.
    Reopen,
    /// Open afresh after a pause that grows with each failure in a row.
    BackOff,
    /// Stop this lane until a person has looked; `status` says why.
    Stop,
}

impl PostError {
    /// What to do about it.
    pub fn reaction(&self) -> Reaction {
        match self {
            Self::Fenced | Self::Stale => Reaction::Reopen,
            Self::Ledger(LedgerError::Moved { .. }) => Reaction::Reopen,
            // A fault that no member of a batch answers for would be tried for ever without a pause.
            Self::Ledger(LedgerError::Fault { .. }) => Reaction::BackOff,
            Self::Ledger(LedgerError::Damaged(_) | LedgerError::SwitchBegun)
            | Self::Read(ReadError::Corrupt { .. }) => Reaction::Stop,
            Self::Ledger(LedgerError::Store(error)) | Self::Read(ReadError::Store(error)) => store(error),
        }
    }
}

/// What to do when taking runs from a peer failed.
pub fn receive_reaction(error: &ReceiveError) -> Reaction {
    match error {
        ReceiveError::Chain { .. }
        | ReceiveError::Gap { .. }
        | ReceiveError::Fork { .. }
        | ReceiveError::Own { .. } => Reaction::Stop,
        ReceiveError::Store(error) => store(error),
    }
}

/// What to do about a database's error.
pub fn store(error: &SqlError) -> Reaction {
    match error.class {
        SqlClass::Transient | SqlClass::Full | SqlClass::Lost | SqlClass::Refused | SqlClass::Unsafe => {
            Reaction::BackOff
        }
        SqlClass::Constraint(_) | SqlClass::Data | SqlClass::Schema => Reaction::BackOff,
        SqlClass::Broken => Reaction::Stop,
    }
}
