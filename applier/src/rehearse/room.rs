//! How much room a ledger takes, for the disk that a move needs.

use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, SqlError, quote};
use schema_mappers::Registry;

const SQLITE_BYTES: &str = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
const MARIADB_BYTES: &str = "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) \
     FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = $1";
const POSTGRES_BYTES: &str = "SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0)";

/// How much room a ledger takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// The SQLite file, which never shrinks by itself: during the move it holds both versions' tables.
    File(u64),
    /// The new version's tables in PostgreSQL or MariaDB, with their indexes.
    Tables(u64),
}

impl Bytes {
    /// What the move needed besides what stood before.
    pub(super) fn needed_beside(self, before: &Self) -> u64 {
        match (self, before) {
            (Self::File(after), Self::File(before)) => after.saturating_sub(*before),
            (Self::File(bytes) | Self::Tables(bytes), _) => bytes,
        }
    }
}

/// Measures the scratch database; its tables are those of version `at`, as far as they are there.
pub(super) async fn bytes(url: &DbUrl, registry: &Registry, at: SchemaVersion) -> Result<Bytes, SqlError> {
    let mut conn = Conn::open(url, Access::Read, "rehearse").await?;
    let bytes = match conn.dialect() {
        Dialect::Sqlite => Bytes::File(number(conn.lend(), SQLITE_BYTES, None).await?),
        Dialect::Postgres | Dialect::MariaDb => {
            let tables = registry.ledger(at).map(|schema| schema.tables.keys()).into_iter().flatten();
            let mut bytes = 0;
            for table in tables {
                bytes += match conn.dialect() {
                    Dialect::MariaDb => number(conn.lend(), MARIADB_BYTES, Some(table.to_string())).await?,
                    _ => number(conn.lend(), POSTGRES_BYTES, Some(quote(table))).await?,
                };
            }
            Bytes::Tables(bytes)
        }
    };
    conn.close().await;
    Ok(bytes)
}

async fn number(mut conn: ConnRef<'_>, query: &str, name: Option<String>) -> Result<u64, SqlError> {
    let params = name.into_iter().map(Into::into).collect();
    let record = conn.fetch_one(query, params).await?;
    Ok(u64::try_from(record.i64(0)?).unwrap_or(0))
}
