//! Brings a site that an earlier release made to the form in which SQL can read what its rows keep: complements written as
//! bytes become JSON, and views that look into complements take the place of those that could not. Finds by itself what
//! is left to do, so that an earlier try may have ended anywhere.

use journal_core::model::SchemaVersion;
use journal_core::sql::{ConnRef, Dialect, SqlError};
use schema_mappers::SchemaSet;
use schema_mappers::ddl::{self, Sources};

use super::layout::views;
use super::staging::ground;
use crate::ledger::LedgerError;
use crate::ledger::sql::complement::rewrite_old;

/// Views that read complements, by what their text names.
const SQLITE_READING: &str =
    "SELECT count(*) FROM sqlite_master WHERE type = 'view' AND sql LIKE '%daybook_kept%'";
const POSTGRES_READING: &str =
    "SELECT count(*) FROM pg_views WHERE schemaname ~ '^v[0-9]+$' AND definition LIKE '%daybook_kept%'";

/// Brings a ledger that stands at `version` to that form, in the caller's transaction.
pub(super) async fn refresh(
    mut conn: ConnRef<'_>,
    set: &SchemaSet,
    version: SchemaVersion,
) -> Result<(), LedgerError> {
    if conn.dialect() == Dialect::MariaDb {
        return Ok(()); // No earlier release was there.
    }
    rewrite_old(conn.lend()).await?;
    // Versions that were contracted have none.
    let ground = ground(conn.lend()).await?;
    let views = views(set, version, &ground, &Sources::default());
    let wanted = views.iter().filter(|view| view.contains("daybook_kept")).count();
    if wanted == reading(conn.lend()).await? {
        return Ok(());
    }
    let old = ddl::drop_views(set, version, &ground.place).unwrap_or_default();
    for statement in old.iter().chain(&views) {
        conn.ddl(statement).await?;
    }
    Ok(())
}

async fn reading(mut conn: ConnRef<'_>) -> Result<usize, SqlError> {
    let query = match conn.dialect() {
        Dialect::Sqlite => SQLITE_READING,
        _ => POSTGRES_READING,
    };
    let count = conn.fetch_one(query, Vec::new()).await?.i64(0)?;
    Ok(usize::try_from(count).unwrap_or(0))
}
