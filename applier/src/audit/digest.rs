//! One number for a ledger's content: equal ledgers, and only they, have equal digests, whatever store holds them.
//!
//! A table's digest is SHA-256 over its name, its column names in order, and its rows in the order of their keys, each
//! row as the canonical bytes of its columns in the order of their names. The ledger's digest is SHA-256 over those of
//! its tables in the order of their names. Complements are no part of it: they say how a row came here, not what it is.

use std::fmt;

use journal_core::model::{Name, Row, SchemaVersion, Table, Value};
use schema_mappers::Registry;
use sha2::{Digest as _, Sha256};

use super::progress::{Progress, Watch};
use super::rows::{Cursor, Rows, RowsError};
use crate::ledger::LedgerReader;

/// Rows between two notes of progress.
const NOTE_EVERY: u64 = 1000;

/// A SHA-256 digest. Shows as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The digest of a ledger and of each of its tables.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LedgerDigest {
    /// The version whose rows were taken.
    pub version: SchemaVersion,
    /// The whole.
    pub digest: Digest,
    /// Rows of all tables.
    pub rows: u64,
    /// Each table, in the order of names.
    pub tables: Vec<TableDigest>,
}

/// The digest of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TableDigest {
    /// Its name at the version.
    pub table: Name,
    /// Its rows.
    pub rows: u64,
    /// Over them.
    pub digest: Digest,
}

/// The digest of a ledger at the version it stands at, all of it in one snapshot.
pub async fn digest<R: LedgerReader>(
    reader: &mut R,
    registry: &Registry,
    watch: &mut Watch<'_>,
) -> Result<LedgerDigest, RowsError> {
    in_snapshot(reader, registry, None, watch).await
}

/// The digest that a ledger would have at another version: its rows mapped there with what was kept of them. A row that
/// has no image there is an error, which names it.
///
/// Streams, unless the mapping changes the order of keys: see [`SORTED_ROWS_MAX`](super::SORTED_ROWS_MAX).
pub async fn digest_as<R: LedgerReader>(
    reader: &mut R,
    registry: &Registry,
    at: SchemaVersion,
    watch: &mut Watch<'_>,
) -> Result<LedgerDigest, RowsError> {
    in_snapshot(reader, registry, Some(at), watch).await
}

async fn in_snapshot<R: LedgerReader>(
    reader: &mut R,
    registry: &Registry,
    at: Option<SchemaVersion>,
    watch: &mut Watch<'_>,
) -> Result<LedgerDigest, RowsError> {
    reader.begin_snapshot().await?;
    let digest = within(reader, registry, at, watch).await;
    let ended = reader.end_snapshot().await;
    let digest = digest?;
    ended?;
    Ok(digest)
}

/// The same inside a snapshot that the caller began.
async fn within<R: LedgerReader>(
    reader: &mut R,
    registry: &Registry,
    at: Option<SchemaVersion>,
    watch: &mut Watch<'_>,
) -> Result<LedgerDigest, RowsError> {
    let mut rows = Rows::open(reader, registry, at).await?;
    let digest = match pass(&mut rows, watch).await {
        Err(RowsError::Unordered { .. }) => {
            rows.sort().await?;
            pass(&mut rows, watch).await?
        }
        other => other?,
    };
    rows.all_mapped()?;
    Ok(digest)
}

async fn pass<R: LedgerReader>(
    rows: &mut Rows<'_, R>,
    watch: &mut Watch<'_>,
) -> Result<LedgerDigest, RowsError> {
    let schema = rows.schema()?;
    let mut digester = Digester::new(schema.version);
    for (name, table) in &schema.tables {
        let mut hasher = TableHasher::new(table);
        let mut cursor = Cursor::new(name);
        while let Some((_, row)) = rows.next(&mut cursor).await? {
            hasher.row(&row);
            if hasher.rows.is_multiple_of(NOTE_EVERY) {
                watch(Progress { done: digester.rows + hasher.rows, total: None });
            }
        }
        digester.table(hasher);
    }
    watch(Progress { done: digester.rows, total: None });
    Ok(digester.finish())
}

/// A ledger's digest in the making. Tables come in the order of their names.
#[derive(Debug)]
pub(super) struct Digester {
    version: SchemaVersion,
    hasher: Sha256,
    rows: u64,
    tables: Vec<TableDigest>,
}

impl Digester {
    pub(super) fn new(version: SchemaVersion) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"daybook ledger 1\0");
        Self { version, hasher, rows: 0, tables: Vec::new() }
    }

    pub(super) fn table(&mut self, table: TableHasher) {
        let digest = Digest(table.hasher.finalize().into());
        self.hasher.update(digest.0);
        self.rows += table.rows;
        self.tables.push(TableDigest { table: table.name, rows: table.rows, digest });
    }

    pub(super) fn finish(self) -> LedgerDigest {
        let digest = Digest(self.hasher.finalize().into());
        LedgerDigest { version: self.version, digest, rows: self.rows, tables: self.tables }
    }
}

/// A table's digest in the making. Rows come in the order of their keys.
#[derive(Debug)]
pub(super) struct TableHasher {
    name: Name,
    columns: Vec<Name>,
    hasher: Sha256,
    bytes: Vec<u8>,
    rows: u64,
}

impl TableHasher {
    pub(super) fn new(table: &Table) -> Self {
        let mut columns: Vec<Name> = table.columns.iter().map(|column| column.name.clone()).collect();
        columns.sort();
        let mut hasher = Sha256::new();
        hasher.update(b"daybook table 1\0");
        for name in std::iter::once(&table.name).chain(&columns) {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        Self { name: table.name.clone(), columns, hasher, bytes: Vec::new(), rows: 0 }
    }

    pub(super) fn row(&mut self, row: &Row) {
        self.bytes.clear();
        for column in &self.columns {
            row.get(column).unwrap_or(&Value::Null).write_canonical(&mut self.bytes);
        }
        self.hasher.update(&self.bytes);
        self.rows += 1;
    }
}
