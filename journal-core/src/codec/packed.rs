//! Transactions packed into few values, as a peer's journal keeps what it received: the heads of many entries as one JSON
//! text, which every supported database can take apart in SQL, and their payloads behind one another. A row for each entry
//! costs the database several times as much. The layout is in `docs/format.md`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::names::Names;
use crate::model::{Origin, Pack, SchemaVersion, StoredEntry, StoredTransaction, TransNr, TransactionId};

/// Weight at which a pack is closed: far below what a value may have, and little to read for one transaction of it.
const PACK_BYTES: usize = 1024 * 1024;
/// Characters of heads at which a pack is closed.
const HEADS_BYTES: usize = 512 * 1024;

/// A transaction's head: number, tx_id in 32 hex digits, schema version, author, time of the append, the number of the
/// first entry here, entries.
#[derive(Serialize, Deserialize)]
struct Head<'a>(
    i64,
    #[serde(borrow)] Cow<'a, str>,
    i64,
    #[serde(borrow)] Cow<'a, str>,
    i64,
    i64,
    #[serde(borrow)] Vec<EntryHead<'a>>,
);

/// An entry's head: table, operation, key, codec, and where its payload begins and how long it is, in bytes.
#[derive(Serialize, Deserialize)]
struct EntryHead<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    i64,
    usize,
    usize,
);

/// Packs transactions of one run, in order. A transaction larger than a pack has packs of its own.
pub fn pack(transactions: &[StoredTransaction]) -> Vec<Pack> {
    let mut packs = Vec::new();
    let mut open = Packing::default();
    for transaction in transactions {
        let large = weight(&transaction.entries) > PACK_BYTES;
        if large || open.is_full() {
            packs.extend(open.close(1));
        }
        if large {
            packs.extend(pieces(transaction));
        } else {
            open.add(transaction, &transaction.entries);
        }
    }
    packs.extend(open.close(1));
    packs
}

fn pieces(transaction: &StoredTransaction) -> Vec<Pack> {
    let mut packs = Vec::new();
    let mut open = Packing::default();
    let mut rest = transaction.entries.as_slice();
    for piece in 1.. {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|entry| {
            bytes += entry_weight(entry);
            bytes <= PACK_BYTES
        });
        let (here, behind) = rest.split_at(fits.count().max(1).min(rest.len()));
        open.add(transaction, here);
        packs.extend(open.close(piece));
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    packs
}

fn weight(entries: &[StoredEntry]) -> usize {
    entries.iter().map(entry_weight).sum()
}

/// Bytes of an entry here, roughly: what is beside payload, key and names is short.
fn entry_weight(entry: &StoredEntry) -> usize {
    entry.payload.len() + 2 * (entry.row_key.len() + entry.entity.len() + entry.op.len()) + 32
}

/// A pack while it grows.
#[derive(Default)]
struct Packing {
    first_nr: Option<TransNr>,
    last_nr: TransNr,
    heads: String,
    payloads: Vec<u8>,
}

impl Packing {
    fn is_full(&self) -> bool {
        self.heads.len() >= HEADS_BYTES || self.payloads.len() >= PACK_BYTES
    }

    fn add(&mut self, transaction: &StoredTransaction, entries: &[StoredEntry]) {
        let mut hex = Uuid::encode_buffer();
        let heads = entries.iter().map(|entry| {
            let start = self.payloads.len();
            self.payloads.extend_from_slice(&entry.payload);
            let text = |text| Cow::Borrowed(text);
            let (entity, op, key) = (text(&*entry.entity), text(&entry.op), text(&entry.row_key));
            EntryHead(entity, op, key, entry.codec, start, entry.payload.len())
        });
        let head = Head(
            transaction.id.trans_nr.0,
            Cow::Borrowed(transaction.tx_id.simple().encode_lower(&mut hex)),
            transaction.schema_version.0,
            Cow::Borrowed(&transaction.author),
            transaction.appended_at,
            entries.first().map_or(1, |entry| entry.entry_nr),
            heads.collect(),
        );
        self.heads.push(if self.first_nr.is_none() { '[' } else { ',' });
        self.heads.push_str(&json(&head));
        self.first_nr.get_or_insert(transaction.id.trans_nr);
        self.last_nr = transaction.id.trans_nr;
    }

    /// What has gathered, if anything; begins anew.
    fn close(&mut self, piece: i64) -> Option<Pack> {
        let Self { first_nr, last_nr, mut heads, payloads } = std::mem::take(self);
        heads.push(']');
        Some(Pack { first_nr: first_nr?, last_nr, piece, heads, payloads })
    }
}

#[expect(clippy::expect_used, reason = "numbers and texts always have a JSON form")]
fn json(head: &Head<'_>) -> String {
    serde_json::to_string(head).expect("a head has only numbers and texts")
}

/// How many transactions begin in a pack, and its entries; `None` when it cannot be read.
pub fn count(heads: &str) -> Option<(u64, u64)> {
    let heads: Vec<Head<'_>> = serde_json::from_str(heads).ok()?;
    let begun = heads.iter().filter(|head| head.5 == 1).count();
    Some((begun as u64, heads.iter().map(|head| head.6.len() as u64).sum()))
}

/// Takes packs apart again, in their order.
#[derive(Debug)]
pub struct Unpacking {
    origin: Origin,
    /// Of tables, operations and authors.
    names: Names,
    transactions: Vec<StoredTransaction>,
}

impl Unpacking {
    /// Packs of this origin's.
    pub fn new(origin: &Origin) -> Self {
        Self { origin: origin.clone(), names: Names::default(), transactions: Vec::new() }
    }

    /// Takes in the next pack. The error says in words what is wrong with it: it was altered, for nothing writes such.
    pub fn add(&mut self, first_nr: i64, last_nr: i64, heads: &str, payloads: &[u8]) -> Result<(), String> {
        let what = || format!("the packed transactions {first_nr} to {last_nr}");
        let heads: Vec<Head<'_>> =
            serde_json::from_str(heads).map_err(|error| format!("{} cannot be read: {error}", what()))?;
        if heads.first().map(|head| head.0) != Some(first_nr)
            || heads.last().map(|head| head.0) != Some(last_nr)
        {
            return Err(format!("{} are others than it says", what()));
        }
        let mut rest = Payloads { bytes: payloads, at: 0 };
        for head in heads {
            self.transaction(head, &mut rest)?;
        }
        // Bytes that nobody names would be bytes that no hash covers.
        if rest.at == payloads.len() { Ok(()) } else { Err(format!("{} have payloads of no entry", what())) }
    }

    /// All that were packed.
    pub fn finish(self) -> Vec<StoredTransaction> {
        self.transactions
    }

    fn transaction(&mut self, head: Head<'_>, payloads: &mut Payloads<'_>) -> Result<(), String> {
        let Head(trans_nr, tx_id, schema_version, author, appended_at, first_entry, entries) = head;
        let tx_id = Uuid::try_parse(&tx_id).map_err(|_| format!("transaction {trans_nr} has no tx_id"))?;
        let mut read = Vec::with_capacity(entries.len());
        for (entry, entry_nr) in entries.into_iter().zip(first_entry..) {
            let EntryHead(entity, op, row_key, codec, start, length) = entry;
            let payload = payloads
                .take(start, length)
                .ok_or_else(|| format!("entry {entry_nr} of transaction {trans_nr} has no payload here"))?;
            let entity = self.names.of(&entity);
            let (op, row_key) = (self.names.of(&op), row_key.into_owned());
            read.push(StoredEntry { entry_nr, entity, op, row_key, codec, payload });
        }
        let stored = StoredTransaction {
            id: TransactionId { origin: self.origin.clone(), trans_nr: TransNr(trans_nr) },
            tx_id,
            schema_version: SchemaVersion(schema_version),
            author: self.names.of(&author),
            appended_at,
            entries: read,
        };
        self.take_in(stored)
    }

    /// Another piece of the transaction before, or a new one. What every piece repeats must agree: only the first one's
    /// head is hashed.
    fn take_in(&mut self, stored: StoredTransaction) -> Result<(), String> {
        match self.transactions.last_mut() {
            Some(before) if before.id == stored.id => {
                let same = before.tx_id == stored.tx_id
                    && before.schema_version == stored.schema_version
                    && before.author == stored.author
                    && before.appended_at == stored.appended_at;
                if !same {
                    return Err(format!("a piece of transaction {} has another head", stored.id));
                }
                before.entries.extend(stored.entries);
            }
            _ => self.transactions.push(stored),
        }
        Ok(())
    }
}

/// Payloads as they are taken: without a gap, so that every byte belongs to an entry.
struct Payloads<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Payloads<'_> {
    fn take(&mut self, start: usize, length: usize) -> Option<Vec<u8>> {
        let end = start.checked_add(length)?;
        let payload = self.bytes.get(start..end).filter(|_| start == self.at)?;
        self.at = end;
        Some(payload.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Epoch, SiteName};

    fn origin() -> Origin {
        Origin { site: SiteName::new("a").unwrap(), epoch: Epoch(1) }
    }

    fn transaction(nr: i64, payloads: &[&[u8]]) -> StoredTransaction {
        let entry = |(payload, entry_nr): (&&[u8], i64)| StoredEntry {
            entry_nr,
            entity: "film".into(),
            op: "insert".into(),
            row_key: "[\"a\\\"\u{0}\u{1F600}\"]".to_owned(),
            codec: 1,
            payload: payload.to_vec(),
        };
        StoredTransaction {
            id: TransactionId { origin: origin(), trans_nr: TransNr(nr) },
            tx_id: Uuid::from_u128(nr.unsigned_abs().into()),
            schema_version: SchemaVersion(2),
            author: "desk \"1\"\n".into(),
            appended_at: -5,
            entries: payloads.iter().zip(1..).map(entry).collect(),
        }
    }

    fn unpacked(packs: &[Pack]) -> Result<Vec<StoredTransaction>, String> {
        let mut unpacking = Unpacking::new(&origin());
        for pack in packs {
            unpacking.add(pack.first_nr.0, pack.last_nr.0, &pack.heads, &pack.payloads)?;
        }
        Ok(unpacking.finish())
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let all =
            [transaction(3, &[b"one", b"", b"\0\xff"]), transaction(7, &[b""]), transaction(8, &[b"x"])];
        let packs = pack(&all);
        assert_eq!(packs.len(), 1);
        assert_eq!((packs[0].first_nr, packs[0].last_nr, packs[0].piece), (TransNr(3), TransNr(8), 1));
        assert_eq!(unpacked(&packs).unwrap(), all);
        assert_eq!((count(&packs[0].heads), count("[[")), (Some((3, 5)), None));
        assert!(pack(&[]).is_empty());
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let mut one = transaction(3, &[b"one", b"two"]);
        one.entries.iter_mut().for_each(|entry| entry.row_key = "[1]".to_owned());
        one.author = "desk".into();
        let packs = pack(&[one]);
        let heads = r#"[[3,"00000000000000000000000000000003",2,"desk",-5,1,[["film","insert","[1]",1,0,3],["film","insert","[1]",1,3,3]]]]"#;
        assert_eq!((packs[0].heads.as_str(), packs[0].payloads.as_slice()), (heads, &b"onetwo"[..]));
    }

    #[test]
    fn a_large_transaction_comes_in_pieces_of_its_own() {
        let half = vec![7; PACK_BYTES / 2];
        let huge = vec![8; 3 * PACK_BYTES];
        let all = [
            transaction(1, &[b"small"]),
            transaction(2, &[&half, &half, &huge, &half, b"end"]),
            transaction(3, &[b"small"]),
            transaction(4, &[&half]),
            transaction(5, &[&half]),
            transaction(6, &[&half]),
        ];
        let packs = pack(&all);
        let places: Vec<_> = packs.iter().map(|pack| (pack.first_nr.0, pack.last_nr.0, pack.piece)).collect();
        assert_eq!(places, [(1, 1, 1), (2, 2, 1), (2, 2, 2), (2, 2, 3), (2, 2, 4), (3, 5, 1), (6, 6, 1)]);
        assert_eq!(unpacked(&packs).unwrap(), all);
    }

    #[test]
    fn altered_packs_are_refused_or_read_as_something_else() {
        let all = [transaction(1, &[b"one", b"two"]), transaction(2, &[b"three"])];
        let whole = pack(&all).remove(0);
        for at in 0..whole.heads.len() {
            let mut bytes = whole.heads.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(heads) = String::from_utf8(bytes) else { continue };
            let altered = Pack { heads, ..whole.clone() };
            assert!(unpacked(&[altered]) != Ok(all.to_vec()), "byte {at}");
        }
        for at in 0..whole.payloads.len() {
            let mut altered = whole.clone();
            altered.payloads[at] ^= 1;
            assert!(unpacked(&[altered]) != Ok(all.to_vec()), "payload byte {at}");
        }
        let longer = Pack { payloads: [whole.payloads.as_slice(), b"!"].concat(), ..whole.clone() };
        assert_eq!(
            unpacked(&[longer]).unwrap_err(),
            "the packed transactions 1 to 2 have payloads of no entry"
        );
        let shifted = Pack { last_nr: TransNr(3), ..whole };
        assert_eq!(
            unpacked(&[shifted]).unwrap_err(),
            "the packed transactions 1 to 3 are others than it says"
        );
    }
}
