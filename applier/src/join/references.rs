//! References between the new site's tables while rows come: off, since a table that refers to itself comes in the order of
//! its keys, and rows of an earlier snapshot may have to go before those that refer to them. What comes is one snapshot of a
//! ledger in which they hold. SQLite and MariaDB turn them off for the connection; in PostgreSQL they go and come back, kept
//! on record meanwhile, and are checked when they do. Another command may have made the site whole in between, so each of
//! the two asks first whose it is.

use journal_core::model::Schema;
use journal_core::sql::{Constraint, Dialect, SqlClass, SqlError, quote};
use schema_mappers::ddl::tables_in_order;

use super::JoinError;
use super::hold::Hold;
use crate::ledger::Ledger as _;
use crate::ledger::sql::SqlLedger;

const FOUND: &str = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE contype = 'f' AND conrelid = to_regclass($1) ORDER BY conname";
const KEEP: &str = "INSERT INTO {d}staging_reference (table_name, name, definition) VALUES ($1, $2, $3)";
const KEPT: &str = "SELECT table_name, name, definition FROM {d}staging_reference ORDER BY table_name, name";
const PUT_BACK: &str = "DELETE FROM {d}staging_reference WHERE table_name = $1 AND name = $2";

/// Turns them off. An error drops the connection, which rolls back.
pub(super) async fn take_off(into: &mut SqlLedger, schema: &Schema, hold: &Hold) -> Result<(), JoinError> {
    match into.conn().dialect() {
        Dialect::Sqlite => return Ok(into.conn().script("PRAGMA foreign_keys = OFF").await?),
        Dialect::MariaDb => return Ok(into.conn().script("SET foreign_key_checks = 0").await?),
        Dialect::Postgres => {}
    }
    hold.begin(into).await?;
    let mut conn = into.conn();
    for table in tables_in_order(schema) {
        let name = quote(&table.name);
        for record in conn.fetch(FOUND, vec![name.as_str().into()]).await? {
            let reference = record.text(0)?;
            let params = vec![table.name.as_ref().into(), reference.as_str().into(), record.text(1)?.into()];
            conn.execute(KEEP, params).await?;
            conn.ddl(&format!("ALTER TABLE {name} DROP CONSTRAINT {}", quote(&reference))).await?;
        }
    }
    Ok(into.commit().await?)
}

/// Puts them back, each in a transaction of its own, since checking one may take long. An error of the data would say that
/// the source's ledger is not what its schema says.
pub(super) async fn put_back(into: &mut SqlLedger, hold: &Hold) -> Result<(), JoinError> {
    match into.conn().dialect() {
        Dialect::Sqlite => return Ok(into.conn().script("PRAGMA foreign_keys = ON").await?),
        Dialect::MariaDb => return Ok(into.conn().script("SET foreign_key_checks = 1").await?),
        Dialect::Postgres => {}
    }
    loop {
        hold.begin(into).await?;
        let mut conn = into.conn();
        let Some(record) = conn.fetch_optional(KEPT, Vec::new()).await? else {
            return Ok(into.rollback().await?);
        };
        let (table, name, definition) = (record.text(0)?, record.text(1)?, record.text(2)?);
        let add = format!("ALTER TABLE {} ADD CONSTRAINT {} {definition}", quote(&table), quote(&name));
        conn.ddl(&add).await.map_err(|error| broken(&table, error))?;
        conn.execute(PUT_BACK, vec![table.into(), name.into()]).await?;
        into.commit().await?;
    }
}

fn broken(table: &str, error: SqlError) -> SqlError {
    match error.class {
        SqlClass::Constraint(Constraint::ForeignKey) => {
            let message =
                format!("rows of {table} refer to rows that the source's ledger does not have: {error}");
            SqlError { message, ..error }
        }
        _ => error,
    }
}
