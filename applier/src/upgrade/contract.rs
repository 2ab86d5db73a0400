//! The end of old versions at one site: their views, the tables that were set aside, the questions that were asked for
//! them. Whether that may be is decided before, from what needs them.

use std::time::Instant;

use journal_core::model::SchemaVersion;
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, Place, SqlClass, SqlError};
use schema_mappers::{SchemaSet, ddl};

use super::machine::{Event, Next, next};
use super::record::{self, Kind, Upgrade};
use super::reshape::ReshapeError;
use super::staging::Leftover;
use super::stepwise;
use super::switch::LockPatience;
use super::tables::drop_leftovers;
use crate::asks;
use crate::control::sql::record_action;

/// Between two tries to get a lock.
const REST: std::time::Duration = std::time::Duration::from_millis(200);

/// What a contract is to do.
#[derive(Debug, Clone)]
pub(crate) struct Contract<'c> {
    /// The oldest version that stays readable.
    pub(crate) keep_from: SchemaVersion,
    /// Waivers that were used, as JSON; empty for none.
    pub(crate) waived: &'c str,
    pub(crate) who: &'c str,
    pub(crate) why: &'c str,
    pub(crate) patience: LockPatience,
}

/// The statements of a contract, for plans.
pub(crate) fn statements(set: &SchemaSet, keep_from: SchemaVersion, place: &Place) -> Vec<String> {
    let below = SchemaVersion(keep_from.0 - 1);
    ddl::drop_views(set, below, place).unwrap_or_default()
}

/// Gives the old versions up at a site whose upgrade is done, then drops the tables that were set aside. Asked for again
/// after a crash, it does what is left.
pub(crate) async fn contract(
    url: &DbUrl,
    set: &SchemaSet,
    upgrade: &Upgrade,
    contract: &Contract<'_>,
) -> Result<(), ReshapeError> {
    if let Next::To(place) = next(upgrade.place, Event::ContractAsked) {
        let started = Instant::now();
        let mut conn = Conn::open(url, Access::Write, "contract").await?;
        loop {
            conn.begin().await?;
            match once(conn.lend(), (set, &url.place()), upgrade, place, contract).await {
                Ok(()) => {
                    conn.commit().await?;
                    break;
                }
                Err(ReshapeError::Store(error))
                    if error.class == SqlClass::Transient && started.elapsed() < contract.patience.within =>
                {
                    conn.rollback().await?;
                    tokio::time::sleep(REST).await;
                }
                Err(error) => {
                    // A failed rollback changes nothing: the connection ends here.
                    drop(conn.rollback().await);
                    return Err(error);
                }
            }
        }
        conn.close().await;
    }
    drop_leftovers(url, Leftover::Old).await
}

async fn once(
    mut conn: ConnRef<'_>,
    (set, where_at): (&SchemaSet, &Place),
    upgrade: &Upgrade,
    place: super::machine::Place,
    contract: &Contract<'_>,
) -> Result<(), ReshapeError> {
    let Contract { keep_from, waived, who, why, patience } = contract;
    if conn.dialect() == Dialect::Postgres {
        let wait = patience.timeout.as_millis().max(1);
        conn.ddl(&format!("SET LOCAL lock_timeout = {wait}")).await?;
    }
    for statement in statements(set, *keep_from, where_at) {
        conn.ddl(&statement).await?;
    }
    stepwise::go_on(conn.lend()).await?;
    if *keep_from == upgrade.to {
        asks::record::close(conn.lend(), *keep_from).await?;
    }
    if !record::go(conn.lend(), upgrade, place, false).await? {
        return Err(ReshapeError::TwoCommands);
    }
    let versions = (*keep_from, upgrade.to);
    record::note_gone(conn.lend(), upgrade, Kind::Contraction, versions, who, waived).await?;
    let what = format!("contract, keep version {keep_from} on");
    record_action(conn, who, &what, why).await.map_err(|error: SqlError| error.into())
}
