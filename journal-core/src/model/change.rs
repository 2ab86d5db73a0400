//! A change: the decoded content of an entry, one mutation of one row.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::row::{Name, Row};

/// What an entry does. Stored as text in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// A new row; one of that key must not stand there.
    Insert,
    /// New values for some columns of a row that must stand there. The new values may include key columns.
    Update,
    /// A new row, or new values for the one that stands there.
    Upsert,
    /// The end of a row that must stand there.
    Delete,
    /// Deltas added to what stands in number columns of a row that must stand there. Adds commute.
    Add,
    /// A named business operation, turned into rows by a mapper.
    Call,
}

impl Op {
    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Add => "add",
            Self::Call => "call",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of the operations insert, update, upsert, delete, add, call")]
pub struct UnknownOp(pub String);

impl FromStr for Op {
    type Err = UnknownOp;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Insert, Self::Update, Self::Upsert, Self::Delete, Self::Add, Self::Call]
            .into_iter()
            .find(|op| op.as_str() == text)
            .ok_or_else(|| UnknownOp(text.to_owned()))
    }
}

/// One mutation of one row, in the names of one schema version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The table; for [`Op::Call`] the operation's name.
    pub entity: Name,
    /// What is done.
    pub op: Op,
    /// The key columns of the row meant, for update, delete and add. Empty for insert, upsert and call.
    pub key: Row,
    /// Insert and upsert: the row, key columns included. Update: the columns set. Add: the deltas. Call: the
    /// arguments. Delete: empty.
    pub cells: Row,
    /// Old values this change relies on (update, delete); a mismatch is a rejection.
    pub expect: Row,
}

impl Change {
    /// An insert of a row.
    pub fn insert(entity: impl Into<Name>, row: Row) -> Self {
        Self::new(Op::Insert, entity, Row::new(), row)
    }

    /// An upsert of a row.
    pub fn upsert(entity: impl Into<Name>, row: Row) -> Self {
        Self::new(Op::Upsert, entity, Row::new(), row)
    }

    /// An update of some columns.
    pub fn update(entity: impl Into<Name>, key: Row, set: Row) -> Self {
        Self::new(Op::Update, entity, key, set)
    }

    /// A delete.
    pub fn delete(entity: impl Into<Name>, key: Row) -> Self {
        Self::new(Op::Delete, entity, key, Row::new())
    }

    /// Deltas to add.
    pub fn add(entity: impl Into<Name>, key: Row, delta: Row) -> Self {
        Self::new(Op::Add, entity, key, delta)
    }

    /// A call of a business operation.
    pub fn call(operation: impl Into<Name>, arguments: Row) -> Self {
        Self::new(Op::Call, operation, Row::new(), arguments)
    }

    /// The same change, relying on old values.
    #[must_use]
    pub fn expecting(mut self, expect: Row) -> Self {
        self.expect = expect;
        self
    }

    fn new(op: Op, entity: impl Into<Name>, key: Row, cells: Row) -> Self {
        Self { entity: entity.into(), op, key, cells, expect: Row::new() }
    }
}
