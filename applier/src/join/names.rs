//! The names of the source's tables while its snapshot is read. A database looks up a name when it is first used, whatever
//! the snapshot's moment: a reshape that changes places in between would have rows of another version read beside the
//! snapshot's checkpoints. So all names are held first. SQLite's snapshot holds them by itself.

use journal_core::sql::{Access, Conn, ConnRef, Dialect, SqlError, quote};
use schema_mappers::ddl::tables_in_order;

use super::{JoinError, Place};
use crate::control::sql::switch_begun;
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerError};

const COMPLEMENT: &str = "{d}complement";
/// A switch puts itself on record there, with the version.
const LAST_ACTION: &str = "SELECT coalesce(max(action_nr), 0) FROM {d}action";

/// Holds them until the snapshot ends, which has just begun: on PostgreSQL it sees what stands at its first read, and
/// nothing was read in it.
pub(super) async fn hold(ledger: &mut SqlLedger, source: &Place) -> Result<(), JoinError> {
    let schema = ledger.schema().clone();
    let names: Vec<String> = tables_in_order(&schema).into_iter().map(|table| quote(&table.name)).collect();
    let mut conn = ledger.conn();
    match conn.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => {
            let lock = |names: &str| format!("LOCK TABLE {names} IN ACCESS SHARE MODE");
            conn.ddl(&lock(&names.join(", "))).await?;
            Ok(conn.script(&lock(COMPLEMENT)).await?)
        }
        // It sees what stood when it began, and a name is held from its first use on: nothing may have changed between.
        Dialect::MariaDb => {
            let before = last_action(conn.lend()).await?;
            for name in names.iter().map(String::as_str).chain([COMPLEMENT]) {
                conn.fetch(&format!("SELECT 1 FROM {name} LIMIT 1"), Vec::new()).await?;
            }
            insist_on_rest(source, before).await
        }
    }
}

/// Looks at what stands now, beside the snapshot.
async fn insist_on_rest(source: &Place, before: i64) -> Result<(), JoinError> {
    let mut conn = Conn::open(&source.url, Access::Read, "add a site").await?;
    if switch_begun(conn.lend()).await? {
        return Err(LedgerError::SwitchBegun.into());
    }
    let now = last_action(conn.lend()).await?;
    conn.close().await;
    if now == before { Ok(()) } else { Err(JoinError::Unsettled { site: source.site.clone() }) }
}

async fn last_action(mut conn: ConnRef<'_>) -> Result<i64, SqlError> {
    conn.fetch_one(LAST_ACTION, Vec::new()).await?.i64(0)
}
