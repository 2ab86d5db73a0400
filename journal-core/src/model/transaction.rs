//! Transactions and entries as they stand in a journal: stored bytes, untouched.

use uuid::Uuid;

use super::row::Name;
use super::site::{SchemaVersion, TransactionId};

/// Most entries a transaction may have. Larger work is split by its author, who knows where it may be cut.
pub const ENTRIES_MAX: usize = 100_000;
/// Most bytes an entry's payload may have (16 MiB): what one row of any supported store can reasonably hold.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a payload is written. The id is stored beside each payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// 1: bincode 2, standard configuration.
    Bincode,
    /// 2: JSON text, for writers in plain SQL.
    Json,
}

impl Codec {
    /// The stored id.
    pub fn id(self) -> i64 {
        match self {
            Self::Bincode => 1,
            Self::Json => 2,
        }
    }

    /// The codec of a stored id.
    pub fn from_id(id: i64) -> Option<Self> {
        match id {
            1 => Some(Self::Bincode),
            2 => Some(Self::Json),
            _ => None,
        }
    }
}

/// One journal row, less what its transaction says for all of them. `op` and `codec` stay as stored, so that what a
/// later release or a plain-SQL writer put there still hashes, ships and can be held rather than lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Place in the transaction, dense from 1.
    pub entry_nr: i64,
    /// The table, or the operation's name.
    pub entity: Name,
    /// The operation's stored text.
    pub op: Name,
    /// The key's values as a JSON array, for people and indexes; decides nothing.
    pub row_key: String,
    /// The codec's stored id.
    pub codec: i64,
    /// The payload's stored bytes.
    pub payload: Vec<u8>,
}

/// A transaction as it stands in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTransaction {
    /// Its place.
    pub id: TransactionId,
    /// The id its client gave it before the first send.
    pub tx_id: Uuid,
    /// The schema version its entries are written at.
    pub schema_version: SchemaVersion,
    /// Who wrote it, as the client said.
    pub author: Name,
    /// When its origin's store took it, microseconds since 1970 UTC. For people; decides nothing.
    pub appended_at: i64,
    /// 1..n entries, in order.
    pub entries: Vec<StoredEntry>,
}

impl StoredTransaction {
    /// Payload bytes plus a row's fixed cost, for batch limits.
    pub fn weight(&self) -> usize {
        self.entries.iter().map(|entry| entry.payload.len() + entry.row_key.len() + 96).sum()
    }
}

/// A transaction on its way into a journal, encoded and checked, not yet numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTransaction {
    /// The idempotency key, made before the first send.
    pub tx_id: Uuid,
    /// The schema version of its entries.
    pub schema_version: SchemaVersion,
    /// Who writes it.
    pub author: Name,
    /// 1..n entries, numbered from 1.
    pub entries: Vec<StoredEntry>,
}
