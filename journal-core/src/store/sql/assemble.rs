//! Journal rows put together into transactions again.

use crate::journal::ReadError;
use crate::model::names::Names;
use crate::model::{Origin, SchemaVersion, SealNr, StoredEntry, StoredTransaction, TransNr, TransactionId};
use crate::sql::{Record, SqlError};

/// Puts rows together into transactions. What every row of a transaction repeats must agree: only the first row's
/// header is hashed, so a difference would otherwise be an alteration that nobody sees.
pub(super) fn group(origin: &Origin, records: &[Record]) -> Result<Vec<StoredTransaction>, ReadError> {
    let mut transactions: Vec<StoredTransaction> = Vec::new();
    let mut names = Names::default();
    for record in records {
        let trans_nr = TransNr(record.i64(0)?);
        let entry = read_entry(record, &mut names)?;
        match transactions.last_mut() {
            Some(open) if open.id.trans_nr == trans_nr => {
                if !has_header_of(record, open)? {
                    return Err(torn(&open.id, entry.entry_nr));
                }
                open.entries.push(entry);
            }
            _ => {
                let header = read_header(origin, trans_nr, record, &mut names)?;
                transactions.push(StoredTransaction { entries: vec![entry], ..header });
            }
        }
    }
    Ok(transactions)
}

fn read_entry(record: &Record, names: &mut Names) -> Result<StoredEntry, SqlError> {
    Ok(StoredEntry {
        entry_nr: record.i64(1)?,
        entity: names.of(record.text_ref(4)?),
        op: names.of(record.text_ref(5)?),
        row_key: record.text(6)?,
        codec: record.i64(7)?,
        payload: record.bytes(8)?,
    })
}

fn read_header(
    origin: &Origin,
    trans_nr: TransNr,
    record: &Record,
    names: &mut Names,
) -> Result<StoredTransaction, SqlError> {
    Ok(StoredTransaction {
        id: TransactionId { origin: origin.clone(), trans_nr },
        tx_id: record.uuid(2)?,
        schema_version: SchemaVersion(record.i64(3)?),
        author: names.of(record.text_ref(9)?),
        appended_at: record.i64(10)?,
        entries: Vec::new(),
    })
}

fn has_header_of(record: &Record, open: &StoredTransaction) -> Result<bool, SqlError> {
    Ok(record.uuid(2)? == open.tx_id
        && record.i64(3)? == open.schema_version.0
        && record.text_ref(9)? == &*open.author
        && record.i64(10)? == open.appended_at)
}

/// Seal 0 stands for "not looked for"; who knows the seal puts it in.
fn torn(id: &TransactionId, entry_nr: i64) -> ReadError {
    ReadError::Corrupt {
        origin: id.origin.clone(),
        seal_nr: SealNr(0),
        detail: format!("entry {entry_nr} of transaction {id} has another header than the entries before it"),
    }
}
