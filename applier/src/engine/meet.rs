//! Carries out a prepared transaction in the open database transaction: changes that map alone as they are, a change that
//! meets rows with the rows that stand there by then. Never reads a row before everything ahead of it has been applied.

use std::collections::HashSet;

use journal_core::model::SchemaVersion;
use schema_mappers::{MappedRow, MeetError, Meeting, Refusal, Registry};

use super::prepare::{Part, Ready, at_entry};
use crate::ledger::{Fault, Ledger, LedgerChange, LedgerError};

/// Applies a prepared transaction to a ledger whose transaction is open. [`LedgerError::Fault`] is this transaction's
/// fault; the database transaction can then only be rolled back.
pub(crate) async fn carry_out<L: Ledger>(
    ledger: &mut L,
    registry: &Registry,
    ready: &Ready,
) -> Result<(), LedgerError> {
    for part in &ready.parts {
        match part {
            Part::Changes(changes) => ledger.apply(changes).await?,
            Part::Meets { entry_nr, meeting } => {
                meet(ledger, registry, ready.version, *entry_nr, meeting).await?;
            }
        }
    }
    Ok(())
}

/// The same for a batch, put together as far as that goes: a change that meets rows needs all before it done. A fault need
/// not be of any one of them.
pub(crate) async fn carry_out_together<L: Ledger>(
    ledger: &mut L,
    registry: &Registry,
    batch: &[(usize, &Ready)],
) -> Result<(), LedgerError> {
    let mut waiting: Vec<&LedgerChange> = Vec::new();
    for (_, ready) in batch {
        for part in &ready.parts {
            match part {
                Part::Changes(changes) => waiting.extend(changes),
                Part::Meets { entry_nr, meeting } => {
                    ledger.apply_together(&std::mem::take(&mut waiting)).await?;
                    meet(ledger, registry, ready.version, *entry_nr, meeting).await?;
                }
            }
        }
    }
    ledger.apply_together(&waiting).await
}

async fn meet<L: Ledger>(
    ledger: &mut L,
    registry: &Registry,
    from: SchemaVersion,
    entry_nr: i64,
    meeting: &Meeting,
) -> Result<(), LedgerError> {
    let found = found(ledger, meeting).await?;
    let to = ledger.schema().version;
    let images = registry.map_with(from, to, &meeting.change, &found);
    ledger.apply(&images.map_err(|error| fault(entry_nr, &error))?).await
}

/// The rows that a change meets, each once.
async fn found<L: Ledger>(ledger: &mut L, meeting: &Meeting) -> Result<Vec<MappedRow>, LedgerError> {
    let mut found = Vec::new();
    for selector in &meeting.selectors {
        found.extend(ledger.fetch(&selector.table, &selector.columns).await?);
    }
    if meeting.selectors.len() > 1 {
        let schema = ledger.schema();
        let mut known = HashSet::new();
        found.retain(|row| {
            let key = schema.tables.get(&row.table).and_then(|table| table.key_values(&row.row));
            known.insert((row.table.clone(), key))
        });
    }
    Ok(found)
}

fn fault(entry_nr: i64, error: &MeetError) -> LedgerError {
    let fault = match error {
        MeetError::Map(_) => Fault::Unmappable,
        MeetError::Refused { refusal, .. } => match refusal {
            Refusal::DuplicateKey => Fault::DuplicateKey,
            Refusal::MissingParent => Fault::MissingParent,
            Refusal::StillReferenced => Fault::StillReferenced,
            Refusal::MissingRow => Fault::MissingRow,
            Refusal::UnexpectedRow => Fault::UnexpectedRow,
            Refusal::OutOfRange => Fault::OutOfRange,
        },
    };
    LedgerError::Fault { fault, detail: at_entry(entry_nr, error) }
}
