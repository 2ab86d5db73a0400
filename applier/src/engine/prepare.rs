//! From stored bytes to changes in the ledger's names: decode, check, map. Pure.

use journal_core::codec::payload;
use journal_core::model::{Change, Row, SchemaVersion, StoredTransaction};
use schema_mappers::{MapError, Registry};

use super::keys::{Touch, touches};
use crate::ledger::{Fault, LedgerChange};

/// Longest detail kept of a fault; the content itself stays in the journal.
const DETAIL_CHARS_MAX: usize = 500;

/// Who asks: the origin judges, a peer takes the origin's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// Check each change against its schema version.
    Origin,
    /// It was accepted; only its mapping can fail.
    Peer,
}

/// A transaction ready for the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The changes in order.
    pub changes: Vec<LedgerChange>,
    /// The keys they touch, in the ledger's names.
    pub touches: Vec<Touch>,
}

/// Why a transaction is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// This release or its schema set does not know the version yet: hold the lane, it is nobody's fault.
    UnknownVersion(SchemaVersion),
    /// The data's fault.
    Fault(Fault, String),
}

/// Prepares one transaction for a ledger at version `to`.
pub fn prepare(
    transaction: &StoredTransaction,
    registry: &Registry,
    to: SchemaVersion,
    judge: Judge,
) -> Result<Ready, NotReady> {
    let from = transaction.schema_version;
    let schema = registry.schema(from).map_err(|_| NotReady::UnknownVersion(from))?;
    let target = registry.schema(to).map_err(|_| NotReady::UnknownVersion(to))?;
    let mut changes = Vec::with_capacity(transaction.entries.len());
    for entry in &transaction.entries {
        let place = |detail: &dyn std::fmt::Display| shorten(&format!("entry {}: {detail}", entry.entry_nr));
        let mut change = payload::decode(entry, schema)
            .map_err(|error| NotReady::Fault(Fault::Unreadable, place(&error)))?;
        if judge == Judge::Origin {
            schema.check(&change).map_err(|error| NotReady::Fault(Fault::Unfit, place(&error)))?;
        } else {
            // What the change relied on was there at its origin. No peer judges that again, and one at another version
            // may not even have the column.
            change.expect = Row::new();
        }
        map(change, registry, from, to, &mut changes).map_err(|error| match error {
            NotReady::Fault(fault, detail) => NotReady::Fault(fault, place(&detail)),
            unknown @ NotReady::UnknownVersion(_) => unknown,
        })?;
    }
    let touches = touches(&changes, target);
    Ok(Ready { changes, touches })
}

fn map(
    change: Change,
    registry: &Registry,
    from: SchemaVersion,
    to: SchemaVersion,
    out: &mut Vec<LedgerChange>,
) -> Result<(), NotReady> {
    let plan = registry.map(from, to, change).map_err(|error| match error {
        MapError::UnknownVersion { version, .. } => NotReady::UnknownVersion(version),
        error @ (MapError::UnknownTable { .. }
        | MapError::UnknownOperation { .. }
        | MapError::CannotMap { .. }) => NotReady::Fault(Fault::Unmappable, error.to_string()),
    })?;
    let Some(images) = plan.images() else {
        let detail = "its mapping needs the row it meets, which this release does not read".to_owned();
        return Err(NotReady::Fault(Fault::Unmappable, detail));
    };
    out.extend(images);
    Ok(())
}

/// A detail cut to what a seal keeps.
pub fn shorten(detail: &str) -> String {
    detail.chars().take(DETAIL_CHARS_MAX).collect()
}
