//! Journal rows put together into transactions again.

use std::collections::BTreeMap;

use crate::journal::ReadError;
use crate::model::names::Names;
use crate::model::{
    ILL_FORMED, Origin, Rejection, SchemaVersion, SealNr, StoredEntry, StoredTransaction, TransNr,
    TransactionId,
};
use crate::sql::{Record, SqlError};

/// Place of the idempotency key in a row. SQLite keeps any bytes there; none of 16 bytes is read as zeros.
const TX_ID: usize = 2;
const NO_KEY: &str = "a tx_id that is not 16 bytes";
const ANOTHER: &str = "another header than the entries before it";

/// The rows of one transaction, as they stand: who writes in plain SQL can write what is none.
pub(super) struct Assembled {
    /// With the header of its first row.
    pub(super) transaction: StoredTransaction,
    /// The first entry whose header is none, or another than the first one's; and which of the two.
    torn_at: Option<(i64, &'static str)>,
}

/// The site's own transactions in the form in which they are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TailRows {
    /// In the order of their numbers.
    pub transactions: Vec<StoredTransaction>,
    /// Those whose rows have another form, and what is wrong with it.
    pub ill_formed: BTreeMap<TransNr, String>,
}

/// Puts rows together, without an opinion.
pub(super) fn assemble(origin: &Origin, records: &[Record]) -> Result<Vec<Assembled>, SqlError> {
    let mut assembled: Vec<Assembled> = Vec::new();
    let mut names = Names::default();
    for record in records {
        let trans_nr = TransNr(record.i64(0)?);
        let entry = read_entry(record, &mut names)?;
        match assembled.last_mut() {
            Some(Assembled { transaction: open, torn_at }) if open.id.trans_nr == trans_nr => {
                if torn_at.is_none() && !has_header_of(record, open)? {
                    *torn_at = Some((entry.entry_nr, ANOTHER));
                }
                open.entries.push(entry);
            }
            _ => {
                let header = read_header(origin, trans_nr, record, &mut names)?;
                let torn_at = record.uuid(TX_ID).err().map(|_| (entry.entry_nr, NO_KEY));
                let transaction = StoredTransaction { entries: vec![entry], ..header };
                assembled.push(Assembled { transaction, torn_at });
            }
        }
    }
    Ok(assembled)
}

/// What is sealed. What every row of a transaction repeats must agree: only the first row's header is hashed, so a
/// difference would otherwise be an alteration that nobody sees. But those that were sealed as ill-formed are so still.
pub(super) fn sealed(
    assembled: Vec<Assembled>,
    rejections: &[Rejection],
) -> Result<Vec<StoredTransaction>, ReadError> {
    let of_ill_formed = |trans_nr| {
        let mut of_it = rejections.iter().filter(|rejection| rejection.trans_nr == trans_nr);
        of_it.any(|rejection| rejection.code == ILL_FORMED)
    };
    let as_sealed = |each: Assembled| {
        let trans_nr = each.transaction.id.trans_nr;
        if each.ill_form().is_some() && of_ill_formed(trans_nr) {
            return Ok(each.in_form());
        }
        match each.torn_at {
            Some(at) => Err(torn(&each.transaction.id, at)),
            None => Ok(each.transaction),
        }
    };
    assembled.into_iter().map(as_sealed).collect()
}

impl TailRows {
    pub(super) fn of(assembled: Vec<Assembled>) -> Self {
        let mut rows = Self { transactions: Vec::with_capacity(assembled.len()), ..Self::default() };
        for each in assembled {
            if let Some(why) = each.ill_form() {
                rows.ill_formed.insert(each.transaction.id.trans_nr, why);
                rows.transactions.push(each.in_form());
            } else {
                rows.transactions.push(each.transaction);
            }
        }
        rows
    }
}

impl Assembled {
    /// What makes it none that could be sealed as it stands.
    fn ill_form(&self) -> Option<String> {
        let id = &self.transaction.id;
        let numbered = |(entry, nr): (&StoredEntry, i64)| {
            (entry.entry_nr != nr).then(|| {
                format!(
                    "the entries of transaction {id} are numbered 1, 2, 3...; in place of {nr} stands {}",
                    entry.entry_nr
                )
            })
        };
        let torn = self.torn_at.map(|torn| torn_words(id, torn));
        torn.or_else(|| self.transaction.entries.iter().zip(1..).find_map(numbered))
    }

    /// With its entries numbered by their places.
    fn in_form(mut self) -> StoredTransaction {
        self.transaction.entries.iter_mut().zip(1..).for_each(|(entry, nr)| entry.entry_nr = nr);
        self.transaction
    }
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
        tx_id: record.uuid(TX_ID).unwrap_or_default(),
        schema_version: SchemaVersion(record.i64(3)?),
        author: names.of(record.text_ref(9)?),
        appended_at: record.i64(10)?,
        entries: Vec::new(),
    })
}

fn has_header_of(record: &Record, open: &StoredTransaction) -> Result<bool, SqlError> {
    Ok(record.uuid(TX_ID).unwrap_or_default() == open.tx_id
        && record.i64(3)? == open.schema_version.0
        && record.text_ref(9)? == &*open.author
        && record.i64(10)? == open.appended_at)
}

/// Seal 0 stands for "not looked for"; who knows the seal puts it in.
fn torn(id: &TransactionId, at: (i64, &str)) -> ReadError {
    ReadError::Corrupt { origin: id.origin.clone(), seal_nr: SealNr(0), detail: torn_words(id, at) }
}

fn torn_words(id: &TransactionId, (entry_nr, what): (i64, &str)) -> String {
    format!("entry {entry_nr} of transaction {id} has {what}")
}
