//! References between the new site's tables while rows come: off, since a table that refers to itself comes in the order of
//! its keys, and rows of an earlier snapshot may have to go before those that refer to them. What comes is one snapshot of a
//! ledger in which they hold. SQLite and MariaDB turn them off for the connection; in PostgreSQL they go and come back, kept
//! on record meanwhile, and are checked when they do.

use journal_core::sql::{Conn, Dialect, SqlClass, SqlError, quote};
use schema_mappers::ddl::tables_in_order;

use journal_core::model::Schema;

const FOUND: &str = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE contype = 'f' AND conrelid = to_regclass($1) ORDER BY conname";
const KEEP: &str = "INSERT INTO {d}staging_reference (table_name, name, definition) VALUES ($1, $2, $3)";
const KEPT: &str = "SELECT table_name, name, definition FROM {d}staging_reference ORDER BY table_name, name";
const PUT_BACK: &str = "DELETE FROM {d}staging_reference WHERE table_name = $1 AND name = $2";

/// Turns them off.
pub(super) async fn take_off(conn: &mut Conn, schema: &Schema) -> Result<(), SqlError> {
    match conn.dialect() {
        Dialect::Sqlite => return conn.lend().script("PRAGMA foreign_keys = OFF").await,
        Dialect::MariaDb => return conn.lend().script("SET foreign_key_checks = 0").await,
        Dialect::Postgres => {}
    }
    conn.begin().await?;
    for table in tables_in_order(schema) {
        let name = quote(&table.name);
        for record in conn.lend().fetch(FOUND, vec![name.as_str().into()]).await? {
            let reference = record.text(0)?;
            let params = vec![table.name.as_ref().into(), reference.as_str().into(), record.text(1)?.into()];
            conn.lend().execute(KEEP, params).await?;
            conn.lend().ddl(&format!("ALTER TABLE {name} DROP CONSTRAINT {}", quote(&reference))).await?;
        }
    }
    conn.commit().await
}

/// Puts them back. An error of the data would say that the source's ledger is not what its schema says.
pub(super) async fn put_back(conn: &mut Conn) -> Result<(), SqlError> {
    match conn.dialect() {
        Dialect::Sqlite => return conn.lend().script("PRAGMA foreign_keys = ON").await,
        Dialect::MariaDb => return conn.lend().script("SET foreign_key_checks = 1").await,
        Dialect::Postgres => {}
    }
    for record in conn.lend().fetch(KEPT, Vec::new()).await? {
        let (table, name, definition) = (record.text(0)?, record.text(1)?, record.text(2)?);
        conn.begin().await?;
        let add = format!("ALTER TABLE {} ADD CONSTRAINT {} {definition}", quote(&table), quote(&name));
        conn.lend().ddl(&add).await.map_err(|error| broken(&table, error))?;
        conn.lend().execute(PUT_BACK, vec![table.into(), name.into()]).await?;
        conn.commit().await?;
    }
    Ok(())
}

fn broken(table: &str, error: SqlError) -> SqlError {
    match error.class {
        SqlClass::Constraint(_) => {
            let message =
                format!("rows of {table} refer to rows that the source's ledger does not have: {error}");
            SqlError { message, ..error }
        }
        _ => error,
    }
}
