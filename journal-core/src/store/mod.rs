//! The stores of a journal: one folder or file a back-end, all held to [`crate::journal::JournalStore`] by one
//! conformance suite.

pub mod memory;
pub mod sql;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::chain::{self, ChainFault};
use crate::journal::ReceiveError;
use crate::model::transaction::{ENTRIES_MAX, PAYLOAD_BYTES_MAX};
use crate::model::{NewTransaction, Origin, SealedRun, StoredTransaction};
use crate::sql::{SqlClass, SqlError};

/// The wall clock in microseconds since 1970. For people: it decides nothing.
#[expect(clippy::disallowed_methods, reason = "this is the one place of the journal that reads it")]
pub(crate) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Refuses a batch no journal may hold, whoever made it: what is in a journal is sealed, shipped and audited as it is.
fn check_batch(batch: &[NewTransaction]) -> Result<(), SqlError> {
    for transaction in batch {
        let entries = &transaction.entries;
        let dense = entries.iter().zip(1..).all(|(entry, nr)| entry.entry_nr == nr);
        let fault = if entries.is_empty() {
            "has no entries".to_owned()
        } else if !dense {
            "has entries that are not numbered 1, 2, 3...".to_owned()
        } else if entries.len() > ENTRIES_MAX {
            format!("has {} entries, more than {ENTRIES_MAX}", entries.len())
        } else if let Some(entry) = entries.iter().find(|entry| entry.payload.len() > PAYLOAD_BYTES_MAX) {
            format!(
                "has {} bytes in entry {}, more than {PAYLOAD_BYTES_MAX}",
                entry.payload.len(),
                entry.entry_nr
            )
        } else {
            continue;
        };
        return Err(SqlError::new(SqlClass::Data, format!("transaction {} {fault}", transaction.tx_id)));
    }
    Ok(())
}

/// Whether a stored transaction is what a retry says again. Its place and time are the store's, not the client's.
fn same_content(stored: &StoredTransaction, new: &NewTransaction) -> bool {
    stored.schema_version == new.schema_version
        && stored.author == new.author
        && stored.entries == new.entries
}

/// What can be said of received runs before any lock is taken: one peer's, in one unbroken sequence, each holding what
/// its seal names. Whether they follow what is here is for the transaction that takes them.
fn check_runs(own: &Origin, runs: &[SealedRun]) -> Result<(), ReceiveError> {
    let mut before: Option<&SealedRun> = None;
    for run in runs {
        let seal = &run.seal;
        let fault = |fault| ReceiveError::Chain { origin: seal.origin.clone(), seal_nr: seal.seal_nr, fault };
        if seal.origin.site == own.site {
            return Err(ReceiveError::Own { origin: seal.origin.clone() });
        }
        if let Some(before) = before.map(|run| &run.seal) {
            if before.origin != seal.origin {
                return Err(SqlError::new(SqlClass::Data, "runs of two origins in one receive").into());
            }
            if seal.seal_nr != before.seal_nr.next() {
                let (origin, seal_nr) = (seal.origin.clone(), seal.seal_nr);
                return Err(ReceiveError::Gap { origin, seal_nr, have: before.seal_nr });
            }
            if seal.first_nr != before.last_nr.next() {
                return Err(fault(ChainFault::Unlinked));
            }
        }
        let prev_hash = before.map_or(&seal.prev_hash, |before| &before.seal.hash);
        chain::verify(run, prev_hash).map_err(fault)?;
        check_shape(run).map_err(fault)?;
        before = Some(run);
    }
    Ok(())
}

/// What the hashes cannot tell: a seal may be whole and yet name rows that are not its origin's to write.
fn check_shape(run: &SealedRun) -> Result<(), ChainFault> {
    let seal = &run.seal;
    let mut last = seal.first_nr.0 - 1;
    for transaction in &run.transactions {
        let trans_nr = transaction.id.trans_nr;
        if transaction.id.origin != seal.origin || trans_nr.0 <= last || trans_nr > seal.last_nr {
            return Err(ChainFault::Inserted { trans_nr });
        }
        let dense = transaction.entries.iter().zip(1..).all(|(entry, nr)| entry.entry_nr == nr);
        if transaction.entries.is_empty() || !dense {
            return Err(ChainFault::Altered { trans_nr });
        }
        last = trans_nr.0;
    }
    let sorted = run.rejections.is_sorted_by(|a, b| a.trans_nr < b.trans_nr);
    let known =
        |nr| run.transactions.binary_search_by_key(&nr, |transaction| transaction.id.trans_nr).is_ok();
    if sorted && run.rejections.iter().all(|rejection| known(rejection.trans_nr)) {
        Ok(())
    } else {
        Err(ChainFault::SealAltered)
    }
}
