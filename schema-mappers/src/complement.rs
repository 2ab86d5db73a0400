//! What a mapping drops, kept beside the ledger row, so that the way back gives the row as it was.
//!
//! Cells are named `{version}:{column}`: the newer version of the step that drops, and the column's name on the side
//! that has it. A cell below its version was kept on the way down, at or above it on the way up. Where the cells live
//! is the applier's affair.

use journal_core::model::{Name, Row, SchemaVersion, Value};

/// What a mapped change does to the complement of its row. A delete ends the row's whole complement, and an insert
/// starts from none; neither is said here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComplementChange {
    /// Cells to keep, replacing what stood under their names.
    pub set: Row,
    /// Cells to forget, if they are there. Never one of `set`.
    pub clear: Vec<Name>,
}

impl ComplementChange {
    /// Whether the complement stays as it is.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty()
    }

    /// Applies the change to a row's complement.
    pub fn apply(&self, complement: &mut Row) {
        for name in &self.clear {
            complement.remove(name);
        }
        complement.extend(self.set.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    pub(crate) fn keep(&mut self, cell: &Name, value: Value) {
        self.clear.retain(|name| name != cell);
        self.set.set(cell.clone(), value);
    }

    pub(crate) fn forget(&mut self, cell: &Name) {
        self.set.remove(cell);
        if !self.clear.contains(cell) {
            self.clear.push(cell.clone());
        }
    }
}

/// The name of a kept cell.
pub(crate) fn cell(version: SchemaVersion, column: &str) -> Name {
    format!("{version}:{column}").into()
}
