//! The journal in a SQL database, SQLite, PostgreSQL or MariaDB: one store over the seam [`crate::sql`].
//!
//! The free functions work inside a database transaction of their caller's, which is how a seal comes to share its
//! commit with the ledger. [`SqlJournal`] is the store for everything that has a transaction of its own.

mod append;
mod assemble;
mod at_once;
mod chunks;
mod holes;
mod id_block;
mod migrate;
mod notice;
mod packs;
mod read;
pub(crate) mod receive;
mod row;
mod runs;
mod schema_version;
mod seal;
mod serving;
mod site;
mod text;
mod verdict;

pub use append::append_in;
pub use assemble::TailRows;
pub use id_block::{ID_BLOCK, skip_id_blocks, take_id_block};
pub use migrate::install;
pub use notice::{Notice, listen_to_appends};
use packs::Keep;
pub use packs::{Packed, count_packed};
pub use read::{load_head, load_heads, lock_head, read_tail_rows, read_transaction};
pub use runs::{read_rows, read_runs};
pub use schema_version::{ReleasedSchema, insert_schema_version, list_schema_versions, load_schema_version};
pub use seal::write_seal;
pub use serving::{Away, LEAVING_STEPS, Serving, read_away, read_posted, read_serving};
pub use site::{STRIPES, Site, create_site, read_site, set_ledger_version};
pub use verdict::{Pause, Verdicts, newest_seen, read_pause, read_verdicts};

use std::time::{Duration, Instant};

use crate::journal::{AppendError, Appended, Head, JournalStore, ReadError, ReadLimit, ReceiveError, Tail};
use crate::model::{NewTransaction, Origin, SealNr, SealedRun, TransNr};
use crate::sql::{Access, Conn, ConnRef, DbUrl, Dialect, SqlClass, SqlError};
use crate::store::check_batch;

/// A connection that was silent for longer is asked whether it is still there before appends are sent, and before one alone
/// in any case. Where many callers append, some are under way, and in doubt, whenever a server is lost.
const ASK_AFTER: Duration = Duration::from_millis(1);

/// Why a journal could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("{url} holds no journal yet; `daybook init` makes one")]
    NotInitialised { url: String },
    #[error("open the journal in {url}")]
    Store { url: String, source: SqlError },
}

/// The site that a database is, over a connection to it.
pub async fn initialised(conn: ConnRef<'_>, url: &DbUrl) -> Result<Site, OpenError> {
    let site = match read_site(conn).await {
        Ok(site) => site,
        // No table to read the site from.
        Err(error) if error.class == SqlClass::Schema => None,
        Err(source) => return Err(OpenError::Store { url: url.to_string(), source }),
    };
    site.ok_or_else(|| OpenError::NotInitialised { url: url.to_string() })
}

/// One site's journal in its database, over one connection of its own.
///
/// A connection in doubt (an error, a future dropped half-way) is dropped, which rolls back what it had begun; the next
/// call opens another.
#[derive(Debug)]
pub struct SqlJournal {
    url: DbUrl,
    access: Access,
    purpose: String,
    site: Site,
    /// Taken out while a call works on it, so that a call that does not come to its end leaves none behind.
    conn: Option<Conn>,
    tailing: holes::Tailing,
    in_doubt: bool,
    /// When the connection last answered an append.
    answered: Option<Instant>,
    runs: Runs,
}

/// What runs are read from and come with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// The quickest form.
    AsTheyStand,
    /// Rows, where they stand.
    ByRow,
    /// The quickest form, and with it if it is packs.
    WithPacks,
}

impl SqlJournal {
    /// Opens the journal of an initialised site. `purpose` shows in the database's session list.
    pub async fn open(url: &DbUrl, access: Access, purpose: &str) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Store { url: url.to_string(), source };
        let mut conn = Conn::open(url, access, purpose).await.map_err(failed)?;
        if access != Access::Read {
            conn.check_server().await.map_err(failed)?;
        }
        let site = initialised(conn.lend(), url).await?;
        Ok(Self {
            url: url.clone(),
            access,
            purpose: purpose.to_owned(),
            site,
            conn: Some(conn),
            tailing: holes::Tailing::default(),
            in_doubt: false,
            answered: None,
            runs: Runs::AsTheyStand,
        })
    }

    /// Another one over the same database, whose connection is opened when it is first used.
    pub(crate) fn beside(&self) -> Self {
        let (url, purpose, site) = (self.url.clone(), self.purpose.clone(), self.site.clone());
        Self {
            url,
            purpose,
            site,
            conn: None,
            tailing: holes::Tailing::default(),
            in_doubt: false,
            answered: None,
            ..*self
        }
    }

    /// Whether two connections can append at the same time. SQLite has one writer, and on MariaDB whoever has taken numbers
    /// holds their row until it has committed.
    pub(crate) fn takes_appends_beside_one_another(&self) -> bool {
        self.url.dialect() == Dialect::Postgres
    }

    /// Reads runs from the rows that were appended, where those stand here, and not from the packs made of them: for
    /// auditors.
    #[must_use]
    pub fn by_row(self) -> Self {
        Self { runs: Runs::ByRow, ..self }
    }

    /// Reads runs together with the packs they stand in, so that the journal that takes them need not pack them again:
    /// for who ships them. They weigh twice as much in memory.
    #[must_use]
    pub fn with_packs(self) -> Self {
        Self { runs: Runs::WithPacks, ..self }
    }

    /// The site, as read when the journal was opened.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The database's address.
    pub fn url(&self) -> &DbUrl {
        &self.url
    }

    /// Lends a connection for [the functions of this module](self) and takes it back with [`Self::give_back`] when all
    /// went well. A connection that is not given back is replaced at the next call.
    pub async fn connection(&mut self) -> Result<Conn, SqlError> {
        if let Some(conn) = self.conn.take() {
            return Ok(conn);
        }
        let mut conn = Conn::open(&self.url, self.access, &self.purpose).await?;
        // The database may have been restored or replaced meanwhile: its numbers would be another life's.
        match read_site(conn.lend()).await? {
            Some(site) if site.origin == self.site.origin => Ok(conn),
            found => {
                let found = found.map_or_else(|| "no site".to_owned(), |site| site.origin.to_string());
                let message = format!(
                    "the database was {} and is {found} now: open the journal anew",
                    self.site.origin
                );
                Err(SqlError::new(SqlClass::Schema, message))
            }
        }
    }

    /// Takes back a connection on which nothing is open and nothing failed.
    pub fn give_back(&mut self, conn: Conn) {
        self.conn = Some(conn);
    }

    /// Whether it has a connection at hand, as it has after each call that went well.
    pub(crate) fn is_connected(&self) -> bool {
        self.conn.is_some()
    }

    /// Whether the last append or receive ended between its COMMIT and the answer: only then is its outcome unknown.
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Appends by a statement that commits itself. It takes back itself too what it refuses.
    async fn append_at_once(
        &mut self,
        mut conn: Conn,
        batch: &[NewTransaction],
    ) -> Result<Vec<Appended>, AppendError> {
        // A connection that was lost before this says so here, where nothing was sent yet: the caller may go elsewhere at
        // once, while a statement whose answer is missing may have been carried out.
        if batch.len() == 1 || self.answered.is_none_or(|at| at.elapsed() > ASK_AFTER) {
            conn.lend().script("SELECT 1").await?;
        }
        self.in_doubt = true;
        let appended = at_once::append(conn.lend(), &self.site.origin, batch).await;
        self.in_doubt = matches!(&appended, Err(AppendError::Store(error)) if leaves_doubt(error));
        if appended.is_ok() || appended.as_ref().is_err_and(append::met_a_repetition) {
            self.conn = Some(conn);
            self.answered = Some(Instant::now());
        }
        appended
    }

    /// Commits what went well, rolls back what did not, and keeps the connection only when it is known to be clean.
    async fn finish<T, E: From<SqlError>>(&mut self, mut conn: Conn, work: Result<T, E>) -> Result<T, E> {
        match work {
            Ok(done) => {
                // Set before the first await: a call that is dropped half-way leaves a doubt too.
                self.in_doubt = true;
                if let Err(error) = conn.commit().await {
                    self.in_doubt = leaves_doubt(&error);
                    return Err(error.into());
                }
                self.in_doubt = false;
                self.conn = Some(conn);
                Ok(done)
            }
            Err(error) => {
                if conn.rollback().await.is_ok() {
                    self.conn = Some(conn);
                }
                Err(error)
            }
        }
    }
}

/// Whether the error of a COMMIT, or of a statement that commits itself, leaves its outcome open.
fn leaves_doubt(error: &SqlError) -> bool {
    matches!(error.class, SqlClass::Lost | SqlClass::Broken)
}

impl JournalStore for SqlJournal {
    fn origin(&self) -> &Origin {
        &self.site.origin
    }

    async fn append(&mut self, batch: &[NewTransaction]) -> Result<Vec<Appended>, AppendError> {
        self.in_doubt = false;
        check_batch(batch)?;
        let mut conn = self.connection().await?;
        if conn.dialect() != Dialect::Sqlite && !batch.is_empty() {
            let appended = match conn.dialect() == Dialect::Postgres && at_once::fits(batch) {
                true => self.append_at_once(conn, batch).await,
                false => {
                    let appended = append::begin_and_append_new(conn.lend(), &self.site.origin, batch).await;
                    self.finish(conn, appended).await
                }
            };
            match appended {
                // Some of it may be there already: nothing was written, and the longer way tells what is what.
                Err(error) if append::met_a_repetition(&error) => conn = self.connection().await?,
                appended => return appended,
            }
        }
        conn.begin().await?;
        let appended = append_in(conn.lend(), &self.site.origin, batch).await;
        self.finish(conn, appended).await
    }

    async fn read_tail(&mut self, after: TransNr, limit: ReadLimit) -> Result<Tail, ReadError> {
        let mut conn = self.connection().await?;
        let tail = holes::read_tail(conn.lend(), &self.site.origin, after, limit, &mut self.tailing).await?;
        self.conn = Some(conn);
        Ok(tail)
    }

    async fn heads(&mut self) -> Result<Vec<Head>, ReadError> {
        let mut conn = self.connection().await?;
        let heads = load_heads(conn.lend()).await?;
        self.conn = Some(conn);
        Ok(heads)
    }

    async fn look(&mut self, after: TransNr, limit: ReadLimit) -> Result<(Vec<Head>, Tail), ReadError> {
        let mut conn = self.connection().await?;
        let looked = holes::look(conn.lend(), &self.site.origin, after, limit, &mut self.tailing).await?;
        self.conn = Some(conn);
        Ok(looked)
    }

    async fn read_runs(
        &mut self,
        origin: &Origin,
        after: SealNr,
        limit: ReadLimit,
    ) -> Result<Vec<SealedRun>, ReadError> {
        let mut conn = self.connection().await?;
        let keep = if self.runs == Runs::WithPacks { Keep::Packs } else { Keep::Transactions };
        let mut runs = runs::read(conn.lend(), origin, after, limit, keep).await?;
        if self.runs == Runs::ByRow {
            let rows = read_rows(conn.lend(), origin, &runs).await?;
            runs = runs.into_iter().zip(rows).map(|(run, rows)| rows.unwrap_or(run)).collect();
        }
        self.conn = Some(conn);
        Ok(runs)
    }

    async fn receive(&mut self, runs: &[SealedRun]) -> Result<Head, ReceiveError> {
        // Hashing is done before any lock is taken.
        crate::store::check_runs(&self.site.origin, runs)?;
        let Some(origin) = runs.first().map(|run| &run.seal.origin) else {
            return Err(SqlError::new(SqlClass::Data, "no runs to receive").into());
        };
        let mut conn = self.connection().await?;
        self.in_doubt = true;
        let small = receive::take_small(conn.lend(), runs).await;
        self.in_doubt = small.as_ref().is_err_and(leaves_doubt);
        if let Some(head) = small? {
            self.conn = Some(conn);
            return Ok(head);
        }
        conn.begin().await?;
        let head = receive::take(conn.lend(), origin, runs).await;
        self.finish(conn, head).await
    }
}
