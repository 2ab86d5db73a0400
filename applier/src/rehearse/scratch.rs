//! The scratch database: how large it is, and its end. Only what stands in a database that was empty is ever removed.

use std::path::{Path, PathBuf};

use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, SqlError, quote};
use schema_mappers::Registry;

use crate::audit::replay::{ReplayError, refuse_unless_empty};

const SQLITE_BYTES: &str = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
const POSTGRES_BYTES: &str = "SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0)";
/// What a rehearsal made: schemas of its own, and tables and views in the search path's first schema.
const POSTGRES_SCHEMAS: &str = "SELECT nspname::text FROM pg_namespace WHERE nspname = 'daybook' \
     OR nspname LIKE 'daybook\\_%' OR nspname ~ '^v[0-9]+$' ORDER BY 1";
const POSTGRES_RELATIONS: &str = "SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relname::text \
     FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v') ORDER BY 2";

/// How much room a ledger takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// The SQLite file, which never shrinks by itself: during the move it holds both versions' tables.
    File(u64),
    /// The new version's tables in PostgreSQL, with their indexes.
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
        Dialect::Postgres => {
            let tables = registry.ledger(at).map(|schema| schema.tables.keys()).into_iter().flatten();
            let mut bytes = 0;
            for table in tables {
                bytes += number(conn.lend(), POSTGRES_BYTES, Some(quote(table))).await?;
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

/// A database that was found empty, so that a rehearsal may fill it and may take away what stands there.
#[derive(Debug)]
pub struct Scratch {
    url: DbUrl,
}

impl Scratch {
    /// Takes a database for a rehearsal; one that is not empty is refused. A SQLite file that is not there is created.
    pub async fn claim(url: &DbUrl) -> Result<Self, ReplayError> {
        refuse_unless_empty(url).await?;
        Ok(Self { url: url.clone() })
    }

    /// Which one.
    pub fn url(&self) -> &DbUrl {
        &self.url
    }

    /// Takes away everything that the rehearsal made: the SQLite file, or in PostgreSQL the tables, views and schemas.
    pub async fn remove(self) -> Result<(), SqlError> {
        remove(&self.url).await
    }
}

async fn remove(url: &DbUrl) -> Result<(), SqlError> {
    if let Some(path) = url.sqlite_path() {
        for file in sqlite_files(path) {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let message = format!("{}: {error}", file.display());
                    return Err(SqlError::new(journal_core::sql::SqlClass::Refused, message));
                }
                _ => {}
            }
        }
        return Ok(());
    }
    let mut conn = Conn::open(url, Access::Write, "rehearse").await?;
    for record in conn.lend().fetch(POSTGRES_SCHEMAS, Vec::new()).await? {
        let drop = format!("DROP SCHEMA {} CASCADE", quote(&record.text(0)?));
        conn.lend().ddl(&drop).await?;
    }
    for record in conn.lend().fetch(POSTGRES_RELATIONS, Vec::new()).await? {
        let (kind, name) = (record.text(0)?, record.text(1)?);
        conn.lend().ddl(&format!("DROP {kind} IF EXISTS {} CASCADE", quote(&name))).await?;
    }
    conn.close().await;
    Ok(())
}

/// A SQLite database's files.
fn sqlite_files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm", "-journal"].into_iter().map(move |ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}
