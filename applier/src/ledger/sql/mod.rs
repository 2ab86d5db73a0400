//! The ledger in a SQL database (SQLite, PostgreSQL, MariaDB), over the seam [`journal_core::sql`]. Checkpoint, seal and rows
//! share one database transaction on one connection. Never judges a row itself where the database can: constraints and
//! row counts decide.

mod apply;
pub(crate) mod asks;
pub(crate) mod complement;
mod fault;
mod listed;
mod load;
mod own_parent;
pub(super) mod planned;
mod posted;
mod quarantine;
pub(crate) mod released;
mod rows;
mod statement;
mod statement_mariadb;
mod text;
mod together;
mod values;

use std::borrow::Cow;
use std::sync::Arc;

use journal_core::model::{Name, Origin, Row, Schema, SchemaVersion, SealedRun, TransactionId, Value};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, SqlClass, SqlError};
use journal_core::store::sql::{read_site, write_seal};
use schema_mappers::{MappedRow, ddl};

use super::{Asked, Ledger, LedgerChange, LedgerError, LedgerReader, Posted, Quarantined, Release};
use crate::control::Standing;
use crate::control::standing::lock_standing;
use crate::ledger::sets::Rules;
use asks::Asks;
use complement::Seen;
use planned::{Planned, Planner};
pub(crate) use quarantine::load_quarantined;
use text::Texts;
use together::MANY_ROWS;

/// A site's ledger over a connection of its own.
#[derive(Debug)]
pub struct SqlLedger {
    conn: Conn,
    schema: Arc<Schema>,
    /// The same, with its types as narrow as the tables hold them.
    held: Arc<Schema>,
    texts: Texts,
    /// What the order of changes matters for.
    rules: Arc<Rules>,
    /// Whether any row of the ledger has a complement; ledgers without pay nothing for them.
    complemented: bool,
    /// Whether scans look for complements at all.
    complements: bool,
    /// Whether the open transaction met an error. PostgreSQL answers COMMIT of such a one with a silent ROLLBACK.
    failed: bool,
    /// What is asked of the tables' users.
    asks: Asks,
    /// What the open snapshot's scans know of complements.
    seen: Option<Seen>,
    /// New rows of a set from which on they are copied, on PostgreSQL.
    copied_from: usize,
}

impl SqlLedger {
    /// Opens the ledger of an initialised site at the version it stands at. `purpose` shows in the database's session
    /// list. A site whose ledger has no version yet, or one that is not released here, is [`LedgerError::Damaged`].
    pub async fn open(url: &DbUrl, purpose: &str) -> Result<Self, LedgerError> {
        Self::open_with(url, Access::Write, purpose).await
    }

    /// The same for reading only, enforced by the database.
    pub async fn open_reader(url: &DbUrl, purpose: &str) -> Result<Self, LedgerError> {
        Self::open_with(url, Access::Read, purpose).await
    }

    async fn open_with(url: &DbUrl, access: Access, purpose: &str) -> Result<Self, LedgerError> {
        let mut conn = Conn::open(url, access, purpose).await?;
        let schema = released::ledger_schema(conn.lend()).await?;
        let asks = Asks::load(conn.lend(), &schema).await?;
        Ok(Self { asks, ..Self::over(conn, Arc::new(schema)) })
    }

    /// A ledger over an open connection, at a schema of the caller's choice: for a reshape, whose tables change within
    /// its transaction, and for a replay into tables of any version. Nothing is checked, and no note is made
    /// of ask codes.
    pub fn over(conn: Conn, schema: Arc<Schema>) -> Self {
        let texts = Texts::new(conn.dialect());
        // Nothing is known yet, so complements are looked for until `begin` says that there are none.
        let (rules, asks) = (Arc::new(Rules::of(&schema)), Asks::default());
        let held = match ddl::held(&schema, conn.dialect()) {
            Cow::Borrowed(_) => schema.clone(),
            Cow::Owned(held) => Arc::new(held),
        };
        Self {
            conn,
            schema,
            held,
            texts,
            rules,
            complemented: true,
            complements: true,
            failed: false,
            asks,
            seen: None,
            copied_from: MANY_ROWS,
        }
    }

    /// Copies sets of that many new rows and more, for tests.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn copying_from(self, rows: usize) -> Self {
        Self { copied_from: rows, ..self }
    }

    /// Leaves commits without a seal to be flushed a moment later, on PostgreSQL: for a poster. What it posts of its peers
    /// stands in this site's journal, flushed, and the checkpoint goes the way of its effect: after a crash of the
    /// server it is posted again.
    pub async fn without_flush(mut self) -> Result<Self, LedgerError> {
        if self.dialect() == Dialect::Postgres {
            self.conn.lend().script("SET synchronous_commit = off").await?;
        }
        Ok(self)
    }

    /// The same over views, beside whose rows nothing is kept: it stays with the ledger's tables.
    #[must_use]
    pub fn of_views(self) -> Self {
        Self { complements: false, ..self }
    }

    /// MariaDB: the session's database becomes that of a version's views, where nothing is kept of rows, or the ledger's own
    /// again.
    pub(crate) async fn stand_in(&mut self, version: Option<SchemaVersion>) -> Result<(), SqlError> {
        self.complements = version.is_none();
        let place = self.conn.place();
        let views = version.and_then(|version| place.views_of(version));
        let database = views.unwrap_or_else(|| place.database().to_owned());
        self.conn.enter_database(&database).await
    }

    /// Lends the connection, for statements in the open transaction.
    pub fn conn(&mut self) -> ConnRef<'_> {
        self.conn.lend()
    }

    /// Gives the connection up, with whatever is open on it.
    pub fn into_conn(self) -> Conn {
        self.conn
    }

    fn dialect(&self) -> Dialect {
        self.conn.dialect()
    }

    /// Notes whether work in the open transaction failed, so that it cannot be committed in part.
    fn noted<T>(&mut self, done: Result<T, LedgerError>) -> Result<T, LedgerError> {
        self.failed |= done.is_err();
        done
    }

    async fn seal_in(&mut self, run: &SealedRun) -> Result<(), LedgerError> {
        match write_seal(self.conn.lend(), run).await {
            // Errors of the database itself have a code; this one says that the head is elsewhere.
            Err(error) if error.class == SqlClass::Transient && error.code.is_empty() => {
                Err(LedgerError::Moved { origin: run.seal.origin.clone() })
            }
            other => other.map_err(Into::into),
        }
    }
}

impl Ledger for SqlLedger {
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    async fn begin(&mut self) -> Result<Standing, LedgerError> {
        self.failed = false;
        self.conn.begin().await?;
        let stood = lock_standing(self.conn.lend()).await;
        let stood = self.noted(stood)?;
        self.complemented = stood.complemented;
        Ok(stood.standing)
    }

    async fn advance(&mut self, origin: &Origin, from: Posted, to: Posted) -> Result<(), LedgerError> {
        let moved = self.advance_in(origin, from, to).await;
        let advanced = match moved {
            Ok(true) => Ok(()),
            Ok(false) => Err(LedgerError::Moved { origin: origin.clone() }),
            Err(error) => Err(error),
        };
        self.noted(advanced)
    }

    async fn begin_from(
        &mut self,
        origin: &Origin,
        from: Posted,
        to: Posted,
    ) -> Result<(Standing, bool), LedgerError> {
        self.failed = false;
        self.conn.begin().await?;
        let begun = self.begin_from_in(origin, from, to).await;
        let (stood, moved) = self.noted(begun)?;
        self.complemented = stood.complemented;
        // Nothing was done, and nothing may be.
        self.failed |= !moved;
        Ok((stood.standing, moved))
    }

    async fn fetch(&mut self, table: &Name, columns: &Row) -> Result<Vec<MappedRow>, LedgerError> {
        let found = self.fetch_equal(table, columns).await;
        self.noted(found)
    }

    async fn apply(&mut self, changes: &[LedgerChange]) -> Result<(), LedgerError> {
        let schema = self.held.clone();
        for change in changes {
            let applied = self.apply_one(&schema, change).await;
            self.noted(applied)?;
        }
        Ok(())
    }

    async fn apply_together(&mut self, changes: &[&LedgerChange]) -> Result<(), LedgerError> {
        let applied = self.carry_out_together(changes).await;
        self.noted(applied)
    }

    fn planner(&self) -> Option<Planner> {
        self.planner_here()
    }

    async fn apply_planned(&mut self, planned: Planned) -> Result<bool, LedgerError> {
        let applied = self.carry_out_planned(planned).await;
        self.noted(applied)
    }

    async fn seal(&mut self, run: &SealedRun) -> Result<(), LedgerError> {
        let sealed = self.seal_in(run).await;
        self.noted(sealed)
    }

    async fn quarantine(&mut self, transaction: &Quarantined) -> Result<(), LedgerError> {
        let kept = self.quarantine_in(transaction).await;
        self.noted(kept)
    }

    async fn hold_again(&mut self, transaction: &Quarantined, asked: Asked) -> Result<bool, LedgerError> {
        let held = self.hold_again_in(transaction, asked).await;
        self.noted(held)
    }

    async fn release(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        outcome: Release,
    ) -> Result<bool, LedgerError> {
        let released = self.release_in(id, asked, outcome).await;
        self.noted(released)
    }

    async fn commit(&mut self) -> Result<(), LedgerError> {
        if self.failed {
            let message = "a transaction in which something failed can only be rolled back";
            return Err(SqlError::new(SqlClass::Data, message).into());
        }
        self.conn.commit().await.map_err(fault::of_commit)
    }

    async fn rollback(&mut self) -> Result<(), LedgerError> {
        self.conn.rollback().await.map_err(Into::into)
    }

    async fn posted(&mut self) -> Result<Vec<(Origin, Posted)>, LedgerError> {
        self.posted_in().await
    }

    async fn asked(&mut self) -> Result<bool, LedgerError> {
        Ok(self.conn.lend().fetch_optional(text::ASKED, Vec::new()).await?.is_some())
    }

    async fn quarantined(&mut self) -> Result<Vec<(Quarantined, Asked)>, LedgerError> {
        load_quarantined(self.conn.lend()).await
    }
}

impl LedgerReader for SqlLedger {
    async fn begin_snapshot(&mut self) -> Result<(), LedgerError> {
        self.seen = Some(Seen::new());
        self.conn.begin_snapshot().await.map_err(Into::into)
    }

    async fn end_snapshot(&mut self) -> Result<(), LedgerError> {
        self.seen = None;
        self.conn.rollback().await.map_err(Into::into)
    }

    async fn version(&mut self) -> Result<SchemaVersion, LedgerError> {
        match read_site(self.conn.lend()).await? {
            Some(site) => Ok(site.ledger_version),
            None => Err(LedgerError::Damaged("the database is not made a site yet".to_owned())),
        }
    }

    fn has(&self, table: &Name) -> bool {
        self.schema.tables.contains_key(table)
    }

    async fn scan(
        &mut self,
        schema: &Schema,
        table: &Name,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<(Row, Row)>, LedgerError> {
        self.scan_page(schema, table, after, limit).await
    }
}
