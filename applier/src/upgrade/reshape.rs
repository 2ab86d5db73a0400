//! `schema apply`: a paused site's ledger from one version to another, up or down, in ONE database transaction: old tables
//! aside, new tables in their place, every row through the mapping with what was kept of it, views, the version on
//! record. A crash at any moment leaves the ledger as it was. Never touches the journal or a checkpoint.
//!
//! What an operator hung on the old tables besides (indexes, triggers, grants) goes with them; a version's own DDL file
//! is the place for such things. An object elsewhere that depends on a table makes the reshape fail, with nothing done.

use std::time::Instant;

use journal_core::codec::payload::key_text;
use journal_core::model::{Change, Name, SchemaVersion, Value};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, SqlError, quote};
use journal_core::store::sql::set_ledger_version;
use schema_mappers::{ComplementChange, Image, MapError, Registry};

use super::install::{InstallError, release_versions};
use super::plan::{Plan, plan};
use super::references;
use crate::asks;
use crate::audit::ask::{Counter, Waiting};
use crate::audit::{Progress, Watch};
use crate::control::Desired;
use crate::control::sql::record_action;
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerError, LedgerReader as _};

/// Rows moved at once.
const PAGE_ROWS: usize = 1000;

const LOCK_CONTROL: &str = "SELECT desired FROM {d}control{for_update}";
/// SQLite's indexes share one space of names, so the old ones make room; reading in key order needs none of them.
const SQLITE_INDEXES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = $1 ORDER BY name";

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

/// Why a ledger was not reshaped. Nothing was changed, unless [`ReshapeError::Store`] came with an unknown outcome of the
/// commit: ask again, which is a no-op if it had happened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReshapeError {
    #[error("the site is not paused; pause it, so that nothing is posted meanwhile")]
    NotPaused,
    #[error("the ledger has no tables yet; `init` makes them")]
    NotInstalled,
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
/// the site is paused; the pause is locked until the end. Asked for the version the ledger has already, it succeeds and
/// changes nothing, paused or not.
pub async fn reshape(
    url: &DbUrl,
    registry: &Registry,
    order: &ReshapeOrder,
    watch: &mut Watch<'_>,
) -> Result<ReshapeReport, ReshapeError> {
    let started = Instant::now();
    let schema = registry.ledger(order.to)?.clone();
    let mut conn = Conn::open(url, Access::Write, "reshape").await?;
    if conn.dialect() == Dialect::Sqlite {
        // Outside the transaction, where alone they work: references are checked once at the end, and renaming a table
        // leaves what names it elsewhere alone.
        conn.lend().script("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON").await?;
    }
    let mut work =
        Work { ledger: SqlLedger::over(conn, schema.into()), registry, order, done: Done::default() };
    let from = match work.run(watch).await {
        Ok(from) => from,
        Err(error) => {
            // A failed rollback changes nothing: the connection ends here.
            drop(work.ledger.rollback().await);
            return Err(error);
        }
    };
    let Work { ledger, done, .. } = work;
    ledger.into_conn().close().await;
    Ok(ReshapeReport {
        from,
        to: order.to,
        changed: done.changed,
        rows: done.tables.iter().map(|table| table.rows).sum(),
        tables: done.tables,
        complements: done.complements,
        asks: done.asks,
        statements: done.statements,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

#[derive(Debug, Default)]
struct Done {
    changed: bool,
    tables: Vec<Moved>,
    complements: u64,
    asks: Vec<Waiting>,
    statements: Vec<String>,
}

struct Work<'r> {
    ledger: SqlLedger,
    registry: &'r Registry,
    order: &'r ReshapeOrder,
    done: Done,
}

impl Work<'_> {
    /// From begin to commit; returns the version before.
    async fn run(&mut self, watch: &mut Watch<'_>) -> Result<SchemaVersion, ReshapeError> {
        let (from, to) = (self.ledger.begin().await?.ledger_version, self.order.to);
        if from.0 == 0 {
            return Err(ReshapeError::NotInstalled);
        }
        let dialect = self.ledger.conn().dialect();
        let plan = plan(self.registry, from, to, dialect)?;
        if self.order.mode == Mode::DryRun {
            if from != to {
                self.done.statements = plan.statements(dialect, from, to);
            }
            self.ledger.rollback().await?;
            return Ok(from);
        }
        // Exclusive, so that a resume waits for the end and then opens on the new tables.
        let control = self.ledger.conn().fetch_one(LOCK_CONTROL, Vec::new()).await?;
        let paused = control.text(0)? == desired_text(Desired::Paused);
        release_versions(self.ledger.conn(), self.registry.set()).await?;
        if from != to {
            if !paused {
                return Err(ReshapeError::NotPaused);
            }
            self.carry_out(&plan, from, watch).await?;
            self.done.statements = plan.statements(dialect, from, to);
            self.done.changed = true;
        }
        self.ledger.commit().await?;
        Ok(from)
    }

    async fn carry_out(
        &mut self,
        plan: &Plan,
        from: SchemaVersion,
        watch: &mut Watch<'_>,
    ) -> Result<(), ReshapeError> {
        let (to, who, why) = (self.order.to, &self.order.who, &self.order.why);
        self.free_names(plan).await?;
        self.statements(&plan.set_aside).await?;
        self.statements(&plan.create).await?;
        let references = references::take_off(&mut self.ledger).await?;
        self.move_rows(plan, from, watch).await?;
        self.statements(&plan.drop_old).await?;
        references::put_back(&mut self.ledger, &references).await?;
        references::check(&mut self.ledger).await?;
        self.statements(&plan.views).await?;
        set_ledger_version(self.ledger.conn(), to).await?;
        asks::arrive(self.ledger.conn(), self.registry.set(), to).await?;
        let what = format!("schema apply {from} to {to}");
        record_action(self.ledger.conn(), who, &what, why).await?;
        Ok(())
    }

    async fn statements(&mut self, statements: &[String]) -> Result<(), SqlError> {
        for statement in statements {
            self.ledger.conn().ddl(statement).await?;
        }
        Ok(())
    }

    async fn free_names(&mut self, plan: &Plan) -> Result<(), SqlError> {
        if self.ledger.conn().dialect() == Dialect::Postgres {
            return Ok(());
        }
        for (table, _) in &plan.old {
            let indexes = self.ledger.conn().fetch(SQLITE_INDEXES, vec![table.name.as_ref().into()]).await?;
            for index in indexes {
                let drop = format!("DROP INDEX {}", quote(&index.text(0)?));
                self.ledger.conn().ddl(&drop).await?;
            }
        }
        Ok(())
    }

    async fn move_rows(
        &mut self,
        plan: &Plan,
        from: SchemaVersion,
        watch: &mut Watch<'_>,
    ) -> Result<(), ReshapeError> {
        let mut total: u64 = 0;
        for (_, old) in &plan.old {
            total += count(self.ledger.conn(), &old.name).await?;
        }
        let mut progress = Progress { done: 0, total: Some(total) };
        let schema = plan.old_schema(from);
        let mut asks = Counter::new(self.registry, self.order.to);
        for (table, old) in &plan.old {
            let mut moved = Moved { table: table.name.clone(), rows: 0 };
            let mut after: Option<Vec<Value>> = None;
            loop {
                let page = self.ledger.scan(&schema, &old.name, after.as_deref(), PAGE_ROWS).await?;
                let Some((last, _)) = page.last() else { break };
                after = old.key_values(last);
                moved.rows += page.len() as u64;
                progress.done += page.len() as u64;
                let mut images = Vec::with_capacity(page.len());
                for (row, complement) in page {
                    let key = old.key_values(&row).unwrap_or_default();
                    let rows = self.registry.map_row(from, self.order.to, &table.name, row, complement);
                    let rows = rows.map_err(|error| self.no_image(&table.name, &key, from, error))?;
                    for mapped in rows {
                        asks.row(&mapped.table, &mapped.row);
                        self.done.complements += u64::from(!mapped.complement.is_empty());
                        let complement = ComplementChange { set: mapped.complement, clear: Vec::new() };
                        let change = Change::insert(mapped.table, mapped.row);
                        images.push(Image { change, complement, if_new: None });
                    }
                }
                self.ledger.apply(&images).await?;
                watch(progress);
            }
            self.done.tables.push(moved);
        }
        self.done.asks = asks.finish();
        Ok(())
    }

    fn no_image(&self, table: &Name, key: &[Value], from: SchemaVersion, error: MapError) -> ReshapeError {
        match error {
            MapError::CannotMap { reason, to, .. } => {
                let (table, reason) = (table.clone(), reason.to_string());
                ReshapeError::Row { table, key: key_text(key), from, to, reason }
            }
            error => error.into(),
        }
    }
}

fn desired_text(desired: Desired) -> &'static str {
    match desired {
        Desired::Running => "running",
        Desired::Paused => "paused",
    }
}

async fn count(mut conn: ConnRef<'_>, table: &str) -> Result<u64, SqlError> {
    let record = conn.fetch_one(&format!("SELECT count(*) FROM {}", quote(table)), Vec::new()).await?;
    Ok(u64::try_from(record.i64(0)?).unwrap_or(0))
}
