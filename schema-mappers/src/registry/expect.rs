//! Old values that a change relies on, where the other version cannot tell them without what is kept of the row.

use std::collections::BTreeSet;

use journal_core::model::{Change, Name, SchemaVersion};

use super::Inner;
use crate::set::Version;
use crate::step::Direction;

impl Inner {
    /// Whether an operation on the way keeps something of a column that the change expects an old value of: then a default
    /// or a code may stand at the other version for what the row holds here, and only the row tells.
    pub(super) fn expects_what_is_kept(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        change: &Change,
    ) -> bool {
        let mut columns: BTreeSet<Name> = change.expect.names().cloned().collect();
        let mut table = change.entity.clone();
        for (newer, direction) in self.way(from, to) {
            if columns.is_empty() {
                return false;
            }
            let step = self.set.version(newer).and_then(Version::step);
            let Some(step) = step.and_then(|step| step.leaving(direction, &table)) else { return false };
            let mut lineages: Vec<_> = step.operations.iter().map(|operation| operation.lineage()).collect();
            if direction == Direction::Down {
                lineages.reverse();
            }
            for lineage in lineages {
                let (here, there) = match direction {
                    Direction::Up => (lineage.older, lineage.newer),
                    Direction::Down => (lineage.newer, lineage.older),
                };
                if here.iter().any(|column| columns.contains(column)) {
                    if !lineage.kept_up.is_empty() || !lineage.kept_down.is_empty() {
                        return true;
                    }
                    columns.retain(|column| !here.contains(column));
                    columns.extend(there);
                }
            }
            table = step.arriving(direction).clone();
        }
        false
    }
}
