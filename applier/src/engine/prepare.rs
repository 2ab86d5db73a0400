//! From stored bytes to changes in the ledger's names: decode, check, map. Pure: a change that depends on rows of the ledger
//! is left as it is, with the rows it needs.

use journal_core::codec::payload;
use journal_core::model::{Row, Schema, SchemaVersion, StoredTransaction};
use schema_mappers::{MapError, Meeting, Plan, Registry};

use super::keys::{Touch, told, touch_keys};
use super::partial::touch_met;
use super::roots::touch_roots;
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
    /// The version it was written at.
    pub version: SchemaVersion,
    /// What to do, in order.
    pub parts: Vec<Part>,
    /// The keys it touches: in the ledger's names, and those of roots in names that all sites share.
    pub touches: Vec<Touch>,
}

/// A part of a prepared transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Changes that map alone.
    Changes(Vec<LedgerChange>),
    /// A change that depends on rows of the ledger. Its images are made inside the database transaction, after
    /// everything before it has been applied.
    Meets {
        /// Its place in the transaction, for the words of a fault.
        entry_nr: i64,
        /// The change with the rows to read.
        meeting: Meeting,
    },
}

impl Ready {
    /// How many changes it is, at least: a change that meets rows counts as one.
    pub fn len(&self) -> usize {
        let one = |part: &Part| match part {
            Part::Changes(changes) => changes.len(),
            Part::Meets { .. } => 1,
        };
        self.parts.iter().map(one).sum()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Why a transaction is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// This release or its schema set does not know the version yet: hold the lane, it is nobody's fault.
    UnknownVersion(SchemaVersion),
    /// The data's fault.
    Fault(Fault, String),
}

/// Whether to find the keys that a transaction touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They may meet others, or be met later.
    Told,
    /// Nobody will ask: [`Ready::touches`] stays empty.
    Left,
}

/// Prepares one transaction for a ledger at version `to`.
pub fn prepare(
    transaction: &StoredTransaction,
    registry: &Registry,
    to: SchemaVersion,
    judge: Judge,
    keys: Keys,
) -> Result<Ready, NotReady> {
    let from = transaction.schema_version;
    let schema = registry.schema(from).map_err(|_| NotReady::UnknownVersion(from))?;
    let target = registry.ledger(to).map_err(|_| NotReady::UnknownVersion(to))?;
    let mut parts =
        Parts { done: Vec::with_capacity(1), left: transaction.entries.len(), touches: Vec::new() };
    for entry in &transaction.entries {
        let place = |detail: &dyn std::fmt::Display| at_entry(entry.entry_nr, detail);
        let mut change = payload::decode(entry, schema)
            .map_err(|error| NotReady::Fault(Fault::Unreadable, place(&error)))?;
        if judge == Judge::Origin {
            schema.check(&change).map_err(|error| NotReady::Fault(Fault::Unfit, place(&error)))?;
        } else {
            // What the change relied on was there at its origin. No peer judges that again, and one at another version
            // may not even have the column.
            change.expect = Row::new();
        }
        if keys == Keys::Told {
            touch_roots(&change, registry, (schema, from), &mut parts.touches);
        }
        let plan = registry.map(from, to, change).map_err(|error| match error {
            MapError::UnknownVersion { version, .. } => NotReady::UnknownVersion(version),
            error @ (MapError::UnknownTable { .. }
            | MapError::UnknownOperation { .. }
            | MapError::CannotMap { .. }) => NotReady::Fault(Fault::Unmappable, place(&error)),
        })?;
        parts.take(entry.entry_nr, plan);
        parts.left -= 1;
    }
    let Parts { done: parts, touches: mut roots, .. } = parts;
    if keys == Keys::Told {
        touch_parts(&parts, registry, (schema, from), (target, to), &mut roots);
    }
    Ok(Ready { version: from, parts, touches: told(roots) })
}

fn touch_parts(
    parts: &[Part],
    registry: &Registry,
    from: (&Schema, SchemaVersion),
    to: (&Schema, SchemaVersion),
    touches: &mut Vec<Touch>,
) {
    for part in parts {
        match part {
            Part::Changes(changes) => touch_keys(changes, to.0, touches),
            Part::Meets { meeting, .. } => touch_met(meeting, registry, from, to, touches),
        }
    }
}

/// Parts in the making.
struct Parts {
    done: Vec<Part>,
    /// Entries that are still to come, the one at hand included.
    left: usize,
    touches: Vec<Touch>,
}

impl Parts {
    /// Takes in what became of an entry. Changes that map alone stay together as long as nothing is in between.
    fn take(&mut self, entry_nr: i64, plan: Plan) {
        match plan {
            Plan::Images(images) => match self.done.last_mut() {
                Some(Part::Changes(changes)) => changes.extend(images),
                _ => {
                    // Room for all once: a later part begins behind a change that meets rows, and so may each.
                    let room = if self.done.is_empty() { self.left } else { 0 };
                    let mut changes = Vec::with_capacity(room);
                    changes.extend(images);
                    self.done.push(Part::Changes(changes));
                }
            },
            Plan::Meets(meeting) => self.done.push(Part::Meets { entry_nr, meeting }),
            Plan::Several(plans) => plans.into_iter().for_each(|plan| self.take(entry_nr, plan)),
        }
    }
}

/// The detail of a fault of one entry.
pub(super) fn at_entry(entry_nr: i64, detail: &dyn std::fmt::Display) -> String {
    shorten(&format!("entry {entry_nr}: {detail}"))
}

/// A detail cut to what a seal keeps.
pub fn shorten(detail: &str) -> String {
    detail.chars().take(DETAIL_CHARS_MAX).collect()
}
