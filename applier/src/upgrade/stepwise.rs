//! Making tables where each statement commits by itself, on MariaDB: what a crash left half made is known again and made
//! anew. The others roll it back, and nothing here does anything there.

use journal_core::model::Name;
use journal_core::sql::{ConnRef, Dialect, SqlClass, SqlError, quote};
use schema_mappers::Version;
use schema_mappers::ddl::tables_in_order;

use crate::control::sql::record_action;

const STANDS: &str =
    "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = $1";
/// Of at most 64 characters.
const ALONE: &str = "SELECT coalesce(get_lock(sha2(concat('daybook tables ', database()), 224), 5), 0)";
const BEGUN: &str = "SELECT 1 FROM {d}action WHERE what = $1 LIMIT 1";

/// Makes sure that no other session changes tables for Daybook here: another command, or what a killed one has sent and the
/// server is still at. Held until the connection ends.
pub(super) async fn alone(mut conn: ConnRef<'_>) -> Result<(), SqlError> {
    match conn.dialect() {
        Dialect::Sqlite | Dialect::Postgres => Ok(()),
        Dialect::MariaDb => match conn.fetch_one(ALONE, Vec::new()).await?.i64(0)? {
            1 => Ok(()),
            _ => {
                let message = "another command changes tables here; let it end";
                Err(SqlError::new(SqlClass::Transient, message.to_owned()))
            }
        },
    }
}

/// Begins to make the tables of a version, in a database whose ledger has none: on record before the first of them, so that
/// tables which stand under their names later are known to be these. They hold no row, and go. Whether an earlier try began.
pub(super) async fn begin(mut conn: ConnRef<'_>, version: &Version, who: &str) -> Result<bool, SqlError> {
    let what = format!("begin to install version {}", version.number());
    let begun = conn.fetch_optional(BEGUN, vec![what.as_str().into()]).await?.is_some();
    for table in tables_in_order(version.ledger()).into_iter().rev() {
        let stands = conn.fetch_optional(STANDS, vec![table.name.as_ref().into()]).await?.is_some();
        match (stands, begun) {
            (true, true) => conn.ddl(&format!("DROP TABLE {}", quote(&table.name))).await?,
            (true, false) => {
                let message = format!("a table {} is there already; the ledger's has no place", table.name);
                return Err(SqlError::new(SqlClass::Schema, message));
            }
            (false, _) => {}
        }
    }
    if !begun {
        record_action(conn.lend(), who, &what, "").await?;
    }
    conn.script("COMMIT").await?;
    Ok(begun)
}

/// Opens the transaction again that a statement which makes or drops something has committed.
pub(super) async fn go_on(mut conn: ConnRef<'_>) -> Result<(), SqlError> {
    match conn.dialect() {
        Dialect::Sqlite | Dialect::Postgres => Ok(()),
        // What was open until now is committed by this, as it was by those statements.
        Dialect::MariaDb => conn.script("START TRANSACTION").await,
    }
}

/// Whether an earlier try made a table, before a crash that came ahead of its record.
pub(super) async fn is_made(mut conn: ConnRef<'_>, table: &Name) -> Result<bool, SqlError> {
    match conn.dialect() {
        Dialect::Sqlite | Dialect::Postgres => Ok(false),
        Dialect::MariaDb => Ok(conn.fetch_optional(STANDS, vec![table.as_ref().into()]).await?.is_some()),
    }
}
