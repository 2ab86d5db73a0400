//! References between tables while rows move: off during the move, checked once at its end, before readers see a row. In
//! SQLite they are off for the connection; in PostgreSQL they are constraints that go and come back, kept on record
//! meanwhile so that another process finds them.

use journal_core::sql::{ConnRef, Dialect, SqlClass, SqlError, quote};

use super::layout::{Layout, NEW_SCHEMA, staged_name};
use super::reshape::ReshapeError;

const FOUND: &str = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE contype = 'f' AND conrelid = to_regclass($1) ORDER BY conname";
const KEEP: &str = "INSERT INTO {d}staging_reference (table_name, name, definition) VALUES ($1, $2, $3)";
const KEPT: &str = "SELECT table_name, name, definition FROM {d}staging_reference ORDER BY table_name, name";
const PUT_BACK: &str = "DELETE FROM {d}staging_reference WHERE table_name = $1 AND name = $2";

/// Takes every reference of the new tables off: rows come in the order of keys, which for a table that refers to itself
/// is not that of parents, and one check of all is quicker than one a row.
pub(super) async fn take_off(mut conn: ConnRef<'_>, layout: &Layout) -> Result<(), SqlError> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    for table in &layout.new {
        let staged = staged_name(&table.name);
        let qualified = format!("{NEW_SCHEMA}.{}", quote(&staged));
        for record in conn.fetch(FOUND, vec![qualified.as_str().into()]).await? {
            let name = record.text(0)?;
            let params = vec![staged.as_ref().into(), name.as_str().into(), record.text(1)?.into()];
            conn.execute(KEEP, params).await?;
            conn.ddl(&format!("ALTER TABLE {qualified} DROP CONSTRAINT {}", quote(&name))).await?;
        }
    }
    Ok(())
}

/// Puts the references back, which checks all rows at once. Nobody but the move sees these tables yet, so no lock on
/// them is in anybody's way.
pub(super) async fn put_back(mut conn: ConnRef<'_>, layout: &Layout) -> Result<(), ReshapeError> {
    if conn.dialect() == Dialect::Sqlite {
        return check(conn, layout).await;
    }
    for record in conn.fetch(KEPT, Vec::new()).await? {
        let (table, name, definition) = (record.text(0)?, record.text(1)?, record.text(2)?);
        let add = format!(
            "ALTER TABLE {NEW_SCHEMA}.{} ADD CONSTRAINT {} {definition}",
            quote(&table),
            quote(&name)
        );
        conn.ddl(&add).await.map_err(|error| match error.class {
            SqlClass::Constraint(_) => {
                let parent = definition.split("REFERENCES ").nth(1).unwrap_or(&definition);
                orphan(&table, parent)
            }
            _ => error.into(),
        })?;
        conn.execute(PUT_BACK, vec![table.into(), name.into()]).await?;
    }
    Ok(())
}

async fn check(mut conn: ConnRef<'_>, layout: &Layout) -> Result<(), ReshapeError> {
    for table in &layout.new {
        let pragma = format!("PRAGMA foreign_key_check({})", quote(&staged_name(&table.name)));
        if let Some(record) = conn.fetch_optional(&pragma, Vec::new()).await? {
            return Err(orphan(&record.text(0)?, &record.text(2)?));
        }
    }
    Ok(())
}

/// In the words of the new version.
fn orphan(table: &str, parent: &str) -> ReshapeError {
    let plain = |name: &str| name.replace(super::layout::NEW, "");
    ReshapeError::Orphan { table: plain(table), parent: plain(parent) }
}
