//! Why a book, a row or a change does not go on: what is the data's affair, and what is always a fault of the mapping.

use std::fmt;

use journal_core::model::{Name, Row};

use crate::error::MapError;

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The mapping says that it cannot carry this. Legal: nothing is lost.
    Cannot(MapError),
    /// The rows that a change meets refuse it, as a ledger at its own version would.
    Met(String),
    /// A row of that key stands there.
    Duplicate { table: Name },
    /// No row of that key stands there.
    Missing { table: Name },
    /// The row holds other values than the change relies on.
    Unexpected { table: Name },
    /// A sum that the column does not hold, or one with NULL.
    Range { table: Name },
    /// The mapping gave a row that is none of the table's. A fault of the mapping.
    Misfit { table: Name, row: Row },
    /// The mapping named a table that is not there. A fault of the mapping.
    NoTable { table: Name },
    /// The mapping panicked. A fault of the mapping.
    Panicked(String),
}

impl Refusal {
    /// Whether the rows that stand are the reason: a key that is there or is not, or other values than expected.
    pub(super) fn is_of_rows(&self) -> bool {
        matches!(self, Self::Met(_) | Self::Duplicate { .. } | Self::Missing { .. } | Self::Unexpected { .. })
    }

    /// Whether no data whatever can be the reason.
    pub(super) fn is_fault(&self) -> bool {
        matches!(self, Self::Misfit { .. } | Self::NoTable { .. } | Self::Panicked(_))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cannot(reason) => reason.fmt(f),
            Self::Met(detail) => f.write_str(detail),
            Self::Duplicate { table } => write!(f, "a second row of one key in {table}"),
            Self::Missing { table } => write!(f, "no row of that key in {table}"),
            Self::Unexpected { table } => write!(f, "the row in {table} holds other values than expected"),
            Self::Range { table } => write!(f, "a sum that {table} does not hold"),
            Self::Misfit { table, row } => write!(f, "a row that does not fit {table}: {row:?}"),
            Self::NoTable { table } => write!(f, "a table {table} that does not exist there"),
            Self::Panicked(message) => write!(f, "a panic: {message}"),
        }
    }
}
