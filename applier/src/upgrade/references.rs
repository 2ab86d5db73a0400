//! References between tables while rows move: off during the move, checked once at its end, before readers see a row. In
//! SQLite they are off for the connection; in PostgreSQL they are constraints that go and come back, kept on record
//! meanwhile so that another process finds them. In MariaDB, where they are off for the connection as well, a query looks
//! for rows without their parents.

use journal_core::sql::{ConnRef, Constraint, Dialect, SqlClass, SqlError, quote};

use super::layout::{Layout, NEW_SCHEMA, staged_name};
use super::reshape::ReshapeError;

const FOUND: &str = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE contype = 'f' AND conrelid = to_regclass($1) ORDER BY conname";
const KEEP: &str = "INSERT INTO {d}staging_reference (table_name, name, definition) VALUES ($1, $2, $3)";
const KEPT: &str = "SELECT table_name, name, definition FROM {d}staging_reference ORDER BY table_name, name";
const PUT_BACK: &str = "DELETE FROM {d}staging_reference WHERE table_name = $1 AND name = $2";

/// MariaDB: each reference of a table: whom it is to, which rows have it, and when it holds.
const REFERENCES_MARIADB: &str = "SELECT max(referenced_table_name), \
     group_concat('c.\"', column_name, '\" IS NOT NULL' ORDER BY ordinal_position SEPARATOR ' AND '), \
     group_concat('p.\"', referenced_column_name, '\" = c.\"', column_name, '\"' ORDER BY ordinal_position SEPARATOR ' AND ') \
     FROM information_schema.key_column_usage WHERE table_schema = database() AND table_name = $1 \
     AND referenced_table_name IS NOT NULL GROUP BY constraint_name ORDER BY constraint_name";

/// Takes every reference of the new tables off: rows come in the order of keys, which for a table that refers to itself
/// is not that of parents, and one check of all is quicker than one a row.
pub(super) async fn take_off(mut conn: ConnRef<'_>, layout: &Layout) -> Result<(), SqlError> {
    if conn.dialect() != Dialect::Postgres {
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
    match conn.dialect() {
        Dialect::Sqlite => return check(conn, layout).await,
        Dialect::MariaDb => return look(conn, layout).await,
        Dialect::Postgres => {}
    }
    for record in conn.fetch(KEPT, Vec::new()).await? {
        let (table, name, definition) = (record.text(0)?, record.text(1)?, record.text(2)?);
        let add = format!(
            "ALTER TABLE {NEW_SCHEMA}.{} ADD CONSTRAINT {} {definition}",
            quote(&table),
            quote(&name)
        );
        conn.ddl(&add).await.map_err(|error| match error.class {
            SqlClass::Constraint(Constraint::ForeignKey) => {
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

async fn look(mut conn: ConnRef<'_>, layout: &Layout) -> Result<(), ReshapeError> {
    for table in &layout.new {
        let staged = staged_name(&table.name);
        for record in conn.fetch(REFERENCES_MARIADB, vec![staged.as_ref().into()]).await? {
            let (parent, named, equal) = (record.text(0)?, record.text(1)?, record.text(2)?);
            let lost = format!(
                "SELECT 1 FROM {} c WHERE {named} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {equal}) LIMIT 1",
                quote(&staged),
                quote(&parent)
            );
            if conn.fetch_optional(&lost, Vec::new()).await?.is_some() {
                return Err(orphan(&staged, &parent));
            }
        }
    }
    Ok(())
}

/// In the words of the new version.
fn orphan(table: &str, parent: &str) -> ReshapeError {
    let plain = |name: &str| name.replace(super::layout::NEW, "");
    ReshapeError::Orphan { table: plain(table), parent: plain(parent) }
}
