//! What a set gives up for good, by its own word. Pure.

use journal_core::model::{Name, SchemaVersion};
use schema_mappers::Registry;
use serde::Serialize;

/// A loss that a set declares with `lossy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The version whose step loses.
    pub version: SchemaVersion,
    /// The table, by its name at that place of the mapping.
    pub table: Name,
    /// The columns at stake.
    pub columns: Vec<Name>,
    /// The operation.
    pub operation: String,
    /// Why that is right, in the words of the set.
    pub reason: String,
    /// Where it is declared, as `2/mapping.toml:7`.
    pub place: String,
}

/// The losses of all steps between two versions, in the order of the versions.
pub fn lost(registry: &Registry, one: SchemaVersion, other: SchemaVersion) -> Vec<Lost> {
    let (oldest, newest) = (one.min(other), one.max(other));
    let steps = (oldest.0 + 1..=newest.0).map(SchemaVersion);
    let losses = steps.flat_map(|version| registry.losses(version));
    losses
        .map(|loss| Lost {
            version: loss.version,
            table: loss.table.clone(),
            columns: loss.columns.clone(),
            operation: loss.operation.clone(),
            reason: loss.reason.clone(),
            place: format!("{}:{}", loss.file, loss.line),
        })
        .collect()
}
