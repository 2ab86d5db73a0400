//! What is kept of a row and no longer true once it is written, of steps that the write does not pass: known from what the
//! operations declare, or seen with the rows at hand only.

use std::collections::BTreeSet;

use journal_core::model::{Change, Name, Op, SchemaVersion};

use super::Inner;

impl Inner {
    /// The complement cells at `to` that a change of `from` makes stale though it never passes the operation that kept
    /// them: those of the steps that are not between the two.
    pub(super) fn stale(&self, from: SchemaVersion, to: SchemaVersion, change: &Change) -> Vec<Name> {
        if !matches!(change.op, Op::Update | Op::Upsert | Op::Add) {
            return Vec::new();
        }
        let at = usize::try_from(from.0 - 1).unwrap_or(usize::MAX);
        let Some(found) = self.stale.get(at).and_then(|tables| tables.get(&change.entity)) else {
            return Vec::new();
        };
        let written = change.cells.names().filter_map(|column| found.stale.get(column)).flatten();
        written.filter(|(step, _)| is_beside(from, to, *step)).map(|(_, cell)| cell.clone()).collect()
    }

    /// Whether what steps beside the way keep depends on the change in a way that is seen with the rows at hand only.
    pub(super) fn unsettles(&self, from: SchemaVersion, to: SchemaVersion, change: &Change) -> bool {
        let at = usize::try_from(from.0 - 1).unwrap_or(usize::MAX);
        let Some(found) = self.stale.get(at).and_then(|tables| tables.get(&change.entity)) else {
            return false;
        };
        let matters = |steps: &BTreeSet<SchemaVersion>| steps.iter().any(|step| is_beside(from, to, *step));
        match change.op {
            Op::Update | Op::Add => {
                change.cells.names().filter_map(|column| found.unsettled.get(column)).any(matters)
            }
            // A row that begins or ends changes all its columns; at the head of its family it takes all kept cells along.
            Op::Insert | Op::Delete if self.heads(from, &change.entity) => false,
            Op::Insert | Op::Upsert | Op::Delete => found.unsettled.values().any(matters),
            Op::Call => false,
        }
    }

    /// Whether a table is at the head of those it is tied to.
    fn heads(&self, version: SchemaVersion, table: &Name) -> bool {
        let version = self.set.version(version);
        let household = version.and_then(|version| {
            self.families.household(crate::family::place(version.number()), version, table)
        });
        household.is_none_or(|household| household.root.name == *table)
    }
}

/// Whether a step is not between two versions.
fn is_beside(from: SchemaVersion, to: SchemaVersion, step: SchemaVersion) -> bool {
    step > from.max(to) || step <= from.min(to)
}
