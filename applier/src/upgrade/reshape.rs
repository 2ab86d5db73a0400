//! `schema apply`: a paused site's ledger from one version to another, up or down. New tables are made beside the old
//! ones, every row goes through the mapping with what was kept of it, and then one short transaction changes the tables'
//! places, the views and the version on record. Readers see the old tables until then and the new ones after. A crash at
//! any moment leaves one of the two, and the same call again goes on. Never touches the journal or a checkpoint.
//!
//! What an operator hung on the old tables besides (indexes, triggers) goes with them; a version's own DDL file is the
//! place for such things. Rights are carried over. An object elsewhere that depends on a table makes the reshape fail, with
//! nothing done.

use std::time::Instant;

use journal_core::model::{Name, SchemaVersion};
use journal_core::sql::{Access, Conn, DbUrl, SqlError};
use schema_mappers::{MapError, Registry};

use super::install::{InstallError, release_versions};
use super::moving::Pace;
use super::staging::Leftover;
use super::switch::LockPatience;
use super::tables::SiteTables;
use crate::audit::Watch;
use crate::audit::ask::{self, Waiting};
use crate::control::Desired;
use crate::control::sql::switch_begun;
use crate::control::standing::read_state;
use crate::ledger::LedgerError;
use crate::ledger::sql::SqlLedger;

/// What a reshape is to do.
#[derive(Debug, Clone)]
pub struct ReshapeOrder {
    /// The version to lead to.
    pub to: SchemaVersion,
    /// Whether to do it.
    pub mode: Mode,
    /// Who asks, for the record.
    pub who: String,
    /// Why, for the record.
    pub why: String,
}

/// Whether a reshape is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    CarryOut,
    /// Only tell the statements.
    DryRun,
}

/// Why a ledger was not reshaped. Readers see the ledger as it was, unless [`ReshapeError::Store`] came with an unknown
/// outcome of the last commit: ask again, which is a no-op if it had happened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReshapeError {
    #[error("the site is not paused; pause it, so that nothing is posted meanwhile")]
    NotPaused,
    #[error("the ledger has no tables yet; `init` makes them")]
    NotInstalled,
    #[error("the site was resumed while its rows were moved; what was moved may be stale and is made anew")]
    Resumed,
    #[error(
        "the ledger stands at schema version {have}, not {expected}: somebody else reshaped it meanwhile"
    )]
    Elsewhere { have: SchemaVersion, expected: SchemaVersion },
    #[error("the new tables are not there; they were dropped meanwhile")]
    NotExpanded,
    #[error("another command moves the rows of {table} as well; let one of them end")]
    TwoMovers { table: Name },
    #[error("another command carries this upgrade on; let one of them end")]
    TwoCommands,
    #[error("the database refuses some rows of {table} together and none of them alone")]
    Unsure { table: Name },
    #[error(
        "{object} depends on table {table} and would stay with the old one; drop it and make it again after"
    )]
    InTheWay { object: String, table: Name },
    #[error("the tables are in use and could not be locked in time{}", told(.sessions))]
    Locked { sessions: Vec<String>, source: SqlError },
    #[error(transparent)]
    Version(#[from] MapError),
    #[error("{table} {key} cannot be carried from schema version {from} to {to}: {reason}")]
    Row { table: Name, key: String, from: SchemaVersion, to: SchemaVersion, reason: String },
    #[error("after the mapping a row of {table} would refer to a row of {parent} that is not there")]
    Orphan { table: String, parent: String },
    #[error(transparent)]
    Release(#[from] InstallError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("reshape the ledger")]
    Store(#[from] SqlError),
}

fn told(sessions: &[String]) -> String {
    if sessions.is_empty() { String::new() } else { format!(": {} hold them", sessions.join(", ")) }
}

impl ReshapeError {
    /// Whether the same work may succeed when it is asked for again, from where it stopped.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Resumed
            | Self::Locked { .. }
            | Self::TwoMovers { .. }
            | Self::TwoCommands
            | Self::NotExpanded => true,
            Self::Ledger(LedgerError::Store(error)) | Self::Store(error) => error.is_transient(),
            Self::Release(InstallError::Store(error)) => error.is_transient(),
            Self::NotPaused
            | Self::NotInstalled
            | Self::Elsewhere { .. }
            | Self::Unsure { .. }
            | Self::InTheWay { .. }
            | Self::Version(_)
            | Self::Row { .. }
            | Self::Orphan { .. }
            | Self::Release(_)
            | Self::Ledger(_) => false,
        }
    }
}

/// What a reshape did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ReshapeReport {
    /// The version before.
    pub from: SchemaVersion,
    /// The version now, or the one asked for.
    pub to: SchemaVersion,
    /// Whether the ledger was changed: not by a dry run, and not when it stood at the version already.
    pub changed: bool,
    /// Each old table with the rows it had, parents first.
    pub tables: Vec<Moved>,
    /// Rows moved.
    pub rows: u64,
    /// Rows of the new tables that keep something the new version has no place for.
    pub complements: u64,
    /// Rows that now hold an ask code, by column.
    pub asks: Vec<Waiting>,
    /// The statements run, or that would be.
    pub statements: Vec<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// The rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// The old version's table.
    pub table: Name,
    /// Its rows.
    pub rows: u64,
}

/// Reshapes the ledger at `url` to a version of the registry's set, and puts the set's versions on record. Refused unless
/// the site is paused. Asked for the version the ledger has already, it succeeds and changes nothing, paused or not.
/// After a crash, or an error that [may pass](ReshapeError::is_passing), the same call goes on from where it stopped.
pub async fn reshape(
    url: &DbUrl,
    registry: &Registry,
    order: &ReshapeOrder,
    watch: &mut Watch<'_>,
) -> Result<ReshapeReport, ReshapeError> {
    let started = Instant::now();
    registry.ledger(order.to)?;
    let (from, desired) = stands(url).await?;
    let mut report = ReshapeReport {
        from,
        to: order.to,
        changed: false,
        tables: Vec::new(),
        rows: 0,
        complements: 0,
        asks: Vec::new(),
        statements: Vec::new(),
        duration_ms: 0,
    };
    if from.0 == 0 {
        return Err(ReshapeError::NotInstalled);
    }
    let tables = SiteTables::plan(url, registry, from, order.to).await?;
    let statements = if from == order.to { Vec::new() } else { tables.layout().statements(from) };
    match (order.mode, from == order.to, desired) {
        (Mode::DryRun, ..) => report.statements = statements,
        (Mode::CarryOut, true, _) => {
            release(url, registry).await?;
            settled(url).await?;
        }
        (Mode::CarryOut, false, Desired::Running) => {
            release(url, registry).await?;
            return Err(ReshapeError::NotPaused);
        }
        (Mode::CarryOut, false, Desired::Paused) => {
            release(url, registry).await?;
            carry_out(&tables, &mut report, order, url, registry, watch).await?;
            report.statements = statements;
        }
    }
    report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

async fn carry_out(
    tables: &SiteTables<'_>,
    report: &mut ReshapeReport,
    order: &ReshapeOrder,
    url: &DbUrl,
    registry: &Registry,
    watch: &mut Watch<'_>,
) -> Result<(), ReshapeError> {
    let what = format!("schema apply {} to {}", report.from, report.to);
    let moved = async {
        tables.expand().await?;
        let moved = tables.move_rows(Pace::default(), watch).await?;
        let asker = (order.who.as_str(), what.as_str(), order.why.as_str());
        tables.switch(LockPatience::default(), asker, &[]).await?;
        Ok(moved)
    };
    let moved = match moved.await {
        Ok(moved) => moved,
        Err(error) => {
            // What may pass is gone on with; what may not leaves nothing behind. Its own fault is told, not the drop's.
            if !ReshapeError::is_passing(&error) {
                drop(tables.drop(Leftover::New).await);
            }
            return Err(error);
        }
    };
    tables.drop(Leftover::Old).await?;
    report.changed = true;
    report.rows = moved.tables.iter().map(|table| table.rows).sum();
    report.tables = moved.tables;
    report.complements = moved.complements;
    report.asks = match moved.asks {
        Some(asks) => asks,
        // A part was moved by a process that is gone: counted anew.
        None => counted(url, registry, watch).await?,
    };
    Ok(())
}

async fn counted(
    url: &DbUrl,
    registry: &Registry,
    watch: &mut Watch<'_>,
) -> Result<Vec<Waiting>, ReshapeError> {
    let mut ledger = SqlLedger::open_reader(url, "count asks").await?;
    ask::count(&mut ledger, registry, watch).await.map_err(|error| match error {
        crate::audit::RowsError::Ledger(error) => error.into(),
        crate::audit::RowsError::Unknown(error) => error.into(),
        other => LedgerError::Damaged(other.to_string()).into(),
    })
}

/// The ledger's version, and whether the site is to post.
async fn stands(url: &DbUrl) -> Result<(SchemaVersion, Desired), ReshapeError> {
    let mut conn = Conn::open(url, Access::Read, "look").await?;
    let (standing, _) = read_state(conn.lend()).await?;
    conn.close().await;
    Ok((standing.ledger_version, standing.control.desired))
}

/// A ledger whose tables change places is at no version.
async fn settled(url: &DbUrl) -> Result<(), ReshapeError> {
    let mut conn = Conn::open(url, Access::Read, "look").await?;
    let begun = switch_begun(conn.lend()).await?;
    conn.close().await;
    if begun { Err(LedgerError::SwitchBegun.into()) } else { Ok(()) }
}

/// Puts every version of the set on record at a site.
pub(crate) async fn release(url: &DbUrl, registry: &Registry) -> Result<(), ReshapeError> {
    let mut conn = Conn::open(url, Access::Write, "release").await?;
    conn.begin().await?;
    match release_versions(conn.lend(), registry.set()).await {
        Ok(()) => conn.commit().await?,
        Err(error) => {
            // A failed rollback changes nothing: the connection ends here.
            drop(conn.rollback().await);
            return Err(error.into());
        }
    }
    conn.close().await;
    Ok(())
}
