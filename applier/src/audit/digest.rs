//! One number for a ledger's content: equal ledgers, and only they, have equal digests, whatever store holds them.
//!
//! A table's digest is SHA-256 over its name, its column names in order, and its rows in the order of their keys, each
//! row as the canonical bytes of its columns in the order of their names. The ledger's digest is SHA-256 over those of
//! its tables in the order of their names; tables that are kept for other versions count once they hold a row.
//! Complements are no part of it: they say how a row came here, not what it is.

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
        let kept = rows.is_kept(name)?;
        let mut hasher = TableHasher::new(table);
        let mut cursor = Cursor::new(name);
        while let Some((_, row)) = rows.next(&mut cursor).await? {
            hasher.row(&row);
            if hasher.rows.is_multiple_of(NOTE_EVERY) {
                watch(Progress { done: digester.rows + hasher.rows, total: None });
            }
        }
        digester.table(hasher, kept);
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

    /// Takes a table in. One that is only kept, and empty, is as good as none.
    pub(super) fn table(&mut self, table: TableHasher, kept: bool) {
        if kept && table.rows == 0 {
            return;
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use journal_core::model::{Change, Epoch, Origin, SiteName, Type};
    use journal_core::store::memory::MemoryJournal;
    use journal_core::store::sql::Site;
    use schema_mappers::{Image, RustMappers, SchemaSet, VersionSource};

    use super::*;
    use crate::audit::unwatched;
    use crate::ledger::Ledger;
    use crate::ledger::memory::MemorySite;
    use crate::ledger::sql::SqlLedger;
    use crate::upgrade::install::install;

    const SCHEMA: &str = r#"
[table.zoo]
key = ["id"]
[table.zoo.columns]
id = "int"
truth = "bool"
money = { type = "decimal(12,3)", null = true }
ratio = "float"
words = "text"
raw = "bytes"
day = "date"
moment = "time"
instant = "timestamp"
name = "uuid"
document = "json"

[table.empty]
key = ["id"]
[table.empty.columns]
id = "text"
"#;

    fn registry() -> Registry {
        let source = VersionSource::new(SchemaVersion(1), [("schema.toml", SCHEMA)]);
        Registry::new(SchemaSet::from_sources(vec![source]).unwrap(), RustMappers::none()).unwrap()
    }

    fn animal(id: i64, money: Value, words: &str) -> Image {
        let row = Row::new()
            .with("id", id)
            .with("truth", id % 2 == 0)
            .with("money", money)
            .with("ratio", 0.5)
            .with("words", words)
            .with("raw", vec![0, 255, 10])
            .with("day", Type::Date.read_json(&"2005-05-24".into()).unwrap())
            .with("moment", Type::Time.read_json(&"22:53:30.5".into()).unwrap())
            .with("instant", Type::Timestamp.read_json(&"2005-05-24T22:53:30Z".into()).unwrap())
            .with("name", uuid::Uuid::from_u128(7))
            .with("document", Value::Json(r#"{"b": 1,  "a": 2}"#.to_owned()));
        Image::new(Change::insert("zoo", row))
    }

    fn money(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    async fn put<L: Ledger>(ledger: &mut L, images: &[Image]) {
        ledger.begin().await.unwrap();
        ledger.apply(images).await.unwrap();
        ledger.commit().await.unwrap();
    }

    fn memory() -> MemorySite {
        let origin = Origin { site: SiteName::new("m").unwrap(), epoch: Epoch(1) };
        let schema = registry().schema(SchemaVersion(1)).unwrap().clone();
        MemorySite::new(MemoryJournal::new(origin), Arc::new(schema))
    }

    async fn digest_in_memory(images: &[Image]) -> LedgerDigest {
        let mut ledger = memory().ledger();
        put(&mut ledger, images).await;
        digest(&mut ledger, &registry(), &mut unwatched).await.unwrap()
    }

    #[tokio::test]
    async fn equal_ledgers_have_equal_digests_whatever_holds_them_and_however_they_came() {
        let images = [
            animal(10, money("1.50"), "it's"),
            animal(9, Value::Null, ""),
            animal(-1, money("-0.001"), "ä "),
        ];
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("s.db").display()).parse().unwrap();
        let site = Site {
            origin: Origin { site: SiteName::new("s").unwrap(), epoch: Epoch(1) },
            group: "test".to_owned(),
            stripe: 0,
            ledger_version: SchemaVersion(1),
        };
        install(&url, &site, registry().set(), "test").await.unwrap();
        let mut sqlite = SqlLedger::open(&url, "test").await.unwrap();
        put(&mut sqlite, &images).await;
        let on_disk = digest(&mut sqlite, &registry(), &mut unwatched).await.unwrap();
        let mut backwards = images.to_vec();
        backwards.reverse();
        assert_eq!(on_disk, digest_in_memory(&images).await);
        assert_eq!(on_disk, digest_in_memory(&backwards).await);
        assert_eq!(on_disk.rows, 3);
        assert_eq!(on_disk.tables.iter().map(|table| table.rows).collect::<Vec<_>>(), [0, 3]);
    }

    #[tokio::test]
    async fn every_difference_is_another_digest() {
        let ledgers = [
            vec![],
            vec![animal(1, Value::Null, "")],
            vec![animal(1, money("0"), "")],
            vec![animal(1, Value::Null, " ")],
            vec![animal(2, Value::Null, "")],
            vec![animal(1, Value::Null, ""), animal(2, Value::Null, "")],
        ];
        let mut digests = Vec::new();
        for images in &ledgers {
            digests.push(digest_in_memory(images).await.digest.to_string());
        }
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), ledgers.len());
        assert!(digests.iter().all(|digest| digest.len() == 64));
    }

    #[tokio::test]
    async fn a_digest_at_an_unknown_version_is_refused_and_the_snapshot_ended() {
        let mut ledger = memory().ledger();
        let error = digest_as(&mut ledger, &registry(), SchemaVersion(2), &mut unwatched).await.unwrap_err();
        assert!(matches!(error, RowsError::Unknown(_)), "{error}");
        digest(&mut ledger, &registry(), &mut unwatched).await.unwrap();
    }

    #[tokio::test]
    async fn a_digest_tells_how_far_it_is() {
        let images: Vec<Image> = (0..2500).map(|id| animal(id, Value::Null, "")).collect();
        let mut ledger = memory().ledger();
        put(&mut ledger, &images).await;
        let mut heard = Vec::new();
        digest(&mut ledger, &registry(), &mut |progress: Progress| heard.push(progress.done)).await.unwrap();
        assert_eq!(heard, [1000, 2000, 2500]);
    }
}
