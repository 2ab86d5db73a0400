//! What can go wrong: reading a set, building a registry, mapping a change. Each its own type, since each has its own
//! reaction.

use std::fmt;

use journal_core::model::{Name, SchemaVersion};

/// A fault of a schema set, at the place where it stands. The message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetError {
    /// The file, as `2/schema.toml`, or a path for what is no version's file.
    pub file: String,
    /// The line, from 1; 0 when the fault is the file as a whole.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for SetError {}

/// Why a mapping cannot carry a change. It tells of the change, never of the state of a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CannotMap {
    /// The table, by its name where the mapping stopped.
    pub table: Name,
    /// The column at fault, if it is one.
    pub column: Option<Name>,
    /// Why, and what would do.
    pub reason: String,
    /// Whether the change could be carried with the row it meets at hand.
    pub(crate) needs_row: bool,
}

impl CannotMap {
    /// A reason that concerns one column.
    pub fn column(table: &Name, column: &Name, reason: impl Into<String>) -> Self {
        Self { table: table.clone(), column: Some(column.clone()), reason: reason.into(), needs_row: false }
    }

    /// A reason that goes away once the row is at hand: the registry then asks for it instead.
    pub(crate) fn needs_row(table: &Name, column: &Name, reason: impl Into<String>) -> Self {
        Self { needs_row: true, ..Self::column(table, column, reason) }
    }

    /// A reason that concerns the whole change.
    pub fn change(table: &Name, reason: impl Into<String>) -> Self {
        Self { table: table.clone(), column: None, reason: reason.into(), needs_row: false }
    }
}

impl fmt::Display for CannotMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "{}.{column}: {}", self.table, self.reason),
            None => write!(f, "{}: {}", self.table, self.reason),
        }
    }
}

/// Why a change has no image at another version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The set at hand does not know the version (yet): hold the lane until a set that does is loaded.
    #[error("schema version {version} is not in the schema set, which ends at version {newest}")]
    UnknownVersion {
        /// The version asked for.
        version: SchemaVersion,
        /// The last one known.
        newest: SchemaVersion,
    },
    /// The version has no such table: the change is faulty.
    #[error("schema version {version} has no table {table:?}")]
    UnknownTable {
        /// The version of the change.
        version: SchemaVersion,
        /// The table it names.
        table: Name,
    },
    /// The version has no such operation, or no mapper expands it.
    #[error("schema version {version} has no operation {operation:?} with a mapper")]
    UnknownOperation {
        /// The version of the call.
        version: SchemaVersion,
        /// The operation it names.
        operation: Name,
    },
    /// The change cannot be carried without loss: reject it at its origin, quarantine it at a peer.
    #[error("cannot map from schema version {from} to {to}: {reason}")]
    CannotMap {
        /// The version of the change.
        from: SchemaVersion,
        /// The version asked for.
        to: SchemaVersion,
        /// Where and why it stopped.
        reason: CannotMap,
    },
}

/// Why a registry cannot be built: something reachable would have no mapper, or a mapper no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A mapper is registered for a step the set does not have.
    #[error(
        "a mapper is registered for the step to version {version}, but the set's steps lead to versions 2 to {newest}"
    )]
    UnknownStep {
        /// The newer version of the step.
        version: SchemaVersion,
        /// The last version of the set.
        newest: SchemaVersion,
    },
    /// A mapper is registered for a table its version does not have.
    #[error("a mapper is registered for table {table:?}, which schema version {version} does not have")]
    UnknownTable {
        /// The newer version of the step.
        version: SchemaVersion,
        /// The table.
        table: Name,
    },
    /// A mapper is registered for a table that the step ties to others, whose rows go together.
    #[error(
        "a mapper is registered for table {table:?} of schema version {version}, which an operation ties to other tables"
    )]
    Tied {
        /// The newer version of the step.
        version: SchemaVersion,
        /// The table.
        table: Name,
    },
    /// An operation of the set has no call mapper, or a call mapper no operation.
    #[error(
        "operation {operation:?} of schema version {version} has no call mapper; register one or take the operation out"
    )]
    UncoveredOperation {
        /// The version that declares it.
        version: SchemaVersion,
        /// The operation.
        operation: Name,
    },
    /// A call mapper is registered for an operation that the version does not declare.
    #[error(
        "a call mapper is registered for operation {operation:?}, which schema version {version} does not declare"
    )]
    UnknownOperation {
        /// The version.
        version: SchemaVersion,
        /// The operation.
        operation: Name,
    },
}
