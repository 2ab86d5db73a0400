//! One site's tables on their way from one version to another, step by step: expand, move, switch, drop. Each step can be
//! asked for again after a crash and finds out what had happened. Who may ask when is decided elsewhere.

use std::time::Instant;

use journal_core::model::{Name, SchemaVersion};
use journal_core::sql::{Access, Conn, DbUrl, Dialect, SqlClass, SqlError, quote};
use schema_mappers::{Feed, Registry, SchemaSet};
use sha2::{Digest as _, Sha256};

use super::chunk::Walk;
use super::dependents;
use super::layout::Layout;
use super::moving::{self, MoveReport, Pace};
use super::reshape::ReshapeError;
use super::staging::{self, Leftover, Staging};
use super::switch::{self, Asker, Companions, LockPatience};
use crate::audit::Watch;
use crate::control::sql::switch_begun;
use crate::control::standing::read_state;
use crate::ledger::LedgerError;
use crate::ledger::sql::SqlLedger;

/// How often a drop that meets somebody's lock is tried.
const DROP_TRIES: u32 = 20;

const TABLE_POSTGRES: &str = "SELECT 1 WHERE to_regclass($1) IS NOT NULL";
const TABLE_SQLITE: &str = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1";
const TABLE_MARIADB: &str =
    "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = $1";
/// Rows that a guess of the move's speed reads.
const SAMPLE_ROWS: usize = 1000;
/// Reading, mapping and writing a row takes about so many times as long as reading and mapping it.
const WRITING_COSTS: u64 = 3;

/// The rows of one old table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct TableRows {
    /// The table.
    pub(crate) table: Name,
    /// The new version's tables they go to.
    pub(crate) targets: Vec<Name>,
    /// How many.
    pub(crate) rows: u64,
}

/// The way of one site's tables.
#[derive(Debug)]
pub(crate) struct SiteTables<'s> {
    url: &'s DbUrl,
    registry: &'s Registry,
    from: SchemaVersion,
    to: SchemaVersion,
    layout: Layout,
}

impl<'s> SiteTables<'s> {
    /// Plans the way. Reads what the statements depend on; changes nothing.
    pub(crate) async fn plan(
        url: &'s DbUrl,
        registry: &'s Registry,
        from: SchemaVersion,
        to: SchemaVersion,
    ) -> Result<Self, ReshapeError> {
        let mut conn = Conn::open(url, Access::Read, "plan").await?;
        let ground = staging::ground(conn.lend()).await?;
        conn.close().await;
        let layout = Layout::new(registry, from, to, ground)?;
        Ok(Self { url, registry, from, to, layout })
    }

    /// The statements of the way.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many tables are made.
    pub(crate) fn count(&self) -> usize {
        self.layout.new.len()
    }

    /// The oldest version that has views at this site.
    pub(crate) fn views_from(&self) -> SchemaVersion {
        self.layout.views_from()
    }

    /// Insists that no object of somebody else's depends on a table that is to step aside.
    pub(crate) async fn insist_free(&self) -> Result<(), ReshapeError> {
        let mut conn = Conn::open(self.url, Access::Read, "look").await?;
        dependents::insist_on_none(conn.lend(), &self.layout).await?;
        conn.close().await;
        Ok(())
    }

    /// The statements that make the new tables.
    pub(crate) fn expand_sql(&self) -> Vec<String> {
        self.layout.rendered(self.layout.expand())
    }

    /// The statements of the switch.
    pub(crate) fn switch_sql(&self) -> Vec<String> {
        self.layout.rendered(self.layout.switch())
    }

    /// The statements that drop the old tables.
    pub(crate) fn drop_sql(&self) -> Vec<String> {
        self.layout.rendered(self.layout.drop_old())
    }

    /// What becomes of the rows, as remarks.
    pub(crate) fn move_remarks(&self, from: SchemaVersion) -> Vec<String> {
        self.layout.moves(from)
    }

    /// How many rows each table has that goes, and where they go.
    pub(crate) async fn rows(&self) -> Result<Vec<TableRows>, ReshapeError> {
        let mut conn = Conn::open(self.url, Access::Read, "count rows").await?;
        let mut tables = Vec::new();
        for feed in self.registry.feeds(self.from, self.to)? {
            for source in std::iter::once(&feed.root).chain(&feed.members) {
                // Tables kept for a version that is not released here yet come with its release.
                if self.layout.stays.contains(&source.table) || !stands(&mut conn, &source.table).await? {
                    continue;
                }
                let count = format!("SELECT count(*) FROM {}", quote(&source.table));
                let rows = conn.lend().fetch_one(&count, Vec::new()).await?.i64(0)?;
                let rows = u64::try_from(rows).unwrap_or(0);
                tables.push(TableRows { table: source.table.clone(), targets: feed.targets.clone(), rows });
            }
        }
        conn.close().await;
        Ok(tables)
    }

    /// Rows a second of the move, guessed from reading and mapping some of the largest table; `None` where there are no
    /// rows. Writes nothing.
    pub(crate) async fn sample(&self) -> Result<Option<u64>, ReshapeError> {
        let feeds = self.registry.feeds(self.from, self.to)?;
        let tables = self.rows().await?;
        let rows_of =
            |table: &Name| tables.iter().find(|rows| rows.table == *table).map_or(0, |rows| rows.rows);
        let known = |table: &Name| tables.iter().any(|rows| rows.table == *table);
        let whole = |feed: &&Feed| {
            std::iter::once(&feed.root).chain(&feed.members).all(|source| known(&source.table))
        };
        let largest = feeds.iter().filter(whole).max_by_key(|feed| rows_of(&feed.root.table));
        let Some(feed) = largest else { return Ok(None) };
        let mut ledger = SqlLedger::open_reader(self.url, "sample").await?;
        let started = Instant::now();
        let mut walk = Walk::new(self.registry, (self.from, self.to), feed, None);
        let Some(chunk) = walk.next(&mut ledger, SAMPLE_ROWS).await? else { return Ok(None) };
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        Ok(Some((chunk.rows * 1_000_000 / micros / WRITING_COSTS).max(1)))
    }

    /// Makes the new tables, unless they stand already under the pause that holds now; those of another pause are made
    /// anew.
    pub(crate) async fn expand(&self) -> Result<(), ReshapeError> {
        let mut conn = Conn::open(self.url, Access::Write, "expand").await?;
        let (standing, _) = read_state(conn.lend()).await?;
        let wanted = Staging {
            from: self.from,
            to: self.to,
            generation: standing.control.generation,
            checksum: checksum(self.registry.set()),
        };
        if staging::on_record(conn.lend()).await?.as_ref() == Some(&wanted) {
            conn.close().await;
            return Ok(());
        }
        if switch_begun(conn.lend()).await? {
            return Err(LedgerError::SwitchBegun.into());
        }
        dependents::insist_on_none(conn.lend(), &self.layout).await?;
        conn.close().await;
        self.drop(Leftover::New).await?;
        self.drop(Leftover::Old).await?;
        let feeds = self.registry.feeds(self.from, self.to)?;
        let roots = feeds.into_iter().map(|feed| feed.root.table);
        let roots: Vec<Name> = roots.filter(|root| !self.layout.stays.contains(root)).collect();
        let mut conn = Conn::open(self.url, Access::Write, "expand").await?;
        staging::expand(&mut conn, &self.layout, &roots, &wanted).await?;
        conn.close().await;
        Ok(())
    }

    /// Moves the rows that are not moved yet.
    pub(crate) async fn move_rows(
        &self,
        pace: Pace,
        watch: &mut Watch<'_>,
    ) -> Result<MoveReport, ReshapeError> {
        let staging = self.staging().await?;
        moving::move_rows(self.url, self.registry, &self.layout, &staging, pace, watch).await
    }

    /// Switches to the new tables.
    pub(crate) async fn switch(
        &self,
        patience: LockPatience,
        (who, what, why): (&str, &str, &str),
        companions: Companions<'_>,
    ) -> Result<(), ReshapeError> {
        let asker = Asker { who, what, why };
        let staging = self.staging().await?;
        let what = (self.registry.set(), &self.layout);
        switch::switch(self.url, what, &staging, patience, asker, companions).await
    }

    async fn staging(&self) -> Result<Staging, ReshapeError> {
        let mut conn = Conn::open(self.url, Access::Read, "look").await?;
        let staging = staging::on_record(conn.lend()).await?;
        conn.close().await;
        let ours = |staging: &Staging| {
            (staging.from, staging.to) == (self.from, self.to)
                && staging.checksum == checksum(self.registry.set())
        };
        staging.filter(ours).ok_or(ReshapeError::NotExpanded)
    }

    /// Drops what is left over, if anything. Tries again where somebody's lock is in the way.
    pub(crate) async fn drop(&self, what: Leftover) -> Result<(), ReshapeError> {
        drop_leftovers(self.url, what).await
    }
}

async fn stands(conn: &mut Conn, table: &Name) -> Result<bool, SqlError> {
    let (query, name) = match conn.dialect() {
        Dialect::Postgres => (TABLE_POSTGRES, quote(table)),
        Dialect::Sqlite => (TABLE_SQLITE, table.to_string()),
        Dialect::MariaDb => (TABLE_MARIADB, table.to_string()),
    };
    Ok(conn.lend().fetch_optional(query, vec![name.into()]).await?.is_some())
}

/// Drops new tables that were not switched to, or old ones that were set aside, of whichever versions.
pub(crate) async fn drop_leftovers(url: &DbUrl, what: Leftover) -> Result<(), ReshapeError> {
    let mut tries = 0;
    loop {
        let mut conn = Conn::open(url, Access::Write, "drop").await?;
        let dropped = staging::drop_leftovers(&mut conn, what).await;
        tries += 1;
        match dropped {
            Ok(()) => {
                conn.close().await;
                return Ok(());
            }
            Err(LedgerError::Store(error)) if error.class == SqlClass::Transient && tries < DROP_TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a set is told by: a hash over the hashes of its versions.
pub(crate) fn checksum(set: &SchemaSet) -> String {
    let mut hash = Sha256::new();
    set.versions().iter().for_each(|version| hash.update(version.hash().as_bytes()));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
