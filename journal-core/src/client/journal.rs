//! The application's door to its site's journal.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::group::{GroupBuilder, GroupJournal};
use super::group_commit::{AppendFailure, Command, GroupCommit, Pending, Room};
use super::id_block::IdBlocks;
use super::receipt::Receipt;
use super::transaction::Transaction;
use super::watcher::Watcher;
use super::writer::Writer;
use crate::journal::AppendError;
use crate::model::{NewTransaction, Schema, SchemaVersion, SiteName, TransactionId};
use crate::sql::{Access, ConnRef, DbUrl, SqlError};
use crate::store::sql::{self as store, Site, SqlJournal, append_in, list_schema_versions};

/// Who writes when nobody says so.
const DEFAULT_AUTHOR: &str = "application";

/// The journal of the application's site. Cheap to clone; all clones share the connections that write
/// ([`GroupCommit::commits_max`]) and their commits.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    site: Site,
    schema: Schema,
    author: String,
    writer: mpsc::Sender<Command>,
    watcher: Watcher,
    ids: IdBlocks,
    /// The task that writes, until it was seen to end.
    writing: Mutex<Option<JoinHandle<()>>>,
}

/// Why a journal could not be opened for writing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] store::OpenError),
    #[error("{url} is the journal of site {found}, not of {wanted}")]
    OtherSite { url: String, found: SiteName, wanted: SiteName },
    #[error("schema version {version} is not released at site {site}; released are {released}")]
    UnknownVersion { version: SchemaVersion, site: SiteName, released: String },
    #[error("no site of the group answers: {why}")]
    NoSite { why: String },
}

impl Journal {
    /// Opens the journal of `site` at `url`, writing the schema version that its ledger has now. The database must have
    /// been initialised (`daybook init`). Call it inside a tokio runtime: its tasks live there.
    pub async fn open(url: &DbUrl, site: &SiteName) -> Result<Self, OpenError> {
        Self::builder(url, site).open().await
    }

    /// The same, with choices.
    pub fn builder(url: &DbUrl, site: &SiteName) -> JournalBuilder {
        JournalBuilder {
            url: url.clone(),
            site: site.clone(),
            version: None,
            author: DEFAULT_AUTHOR.to_owned(),
            group_commit: GroupCommit::default(),
        }
    }

    /// Opens the journals of a group's sites, the one to write at first: the client writes at the first that is in
    /// service, and moves by itself when that is to be left for an upgrade, or is lost. See [`GroupJournal`].
    pub async fn open_group(sites: &[(SiteName, DbUrl)]) -> Result<GroupJournal, OpenError> {
        Self::group_builder(sites).open().await
    }

    /// The same, with choices.
    pub fn group_builder(sites: &[(SiteName, DbUrl)]) -> GroupBuilder {
        GroupJournal::builder(sites)
    }

    /// The site as it was when the journal was opened.
    pub fn site(&self) -> &Site {
        &self.shared.site
    }

    /// The schema version that transactions are written in.
    pub fn schema(&self) -> &Schema {
        &self.shared.schema
    }

    /// Appends a transaction and returns once it is durable. Appended again, with the same key and content, it gives
    /// the first receipt. Dropping the future does not stop an append that has begun. Its number is higher than that of
    /// every transaction that was durable before, or sent before through this journal; two that are appended at the
    /// same time are numbered in either order.
    pub async fn append(&self, transaction: &Transaction) -> Result<Receipt, AppendFailure> {
        let transaction = self.encode(transaction)?;
        self.room().await?.put(transaction, false).durable().await
    }

    /// Puts a transaction in the queue and returns at once, or when the queue has room: transactions are numbered in
    /// the order of their sends. For pipelines that wait for durability later.
    pub async fn send(&self, transaction: &Transaction) -> Result<Pending, AppendFailure> {
        let transaction = self.encode(transaction)?;
        Ok(self.room().await?.put(transaction, true))
    }

    pub(super) fn encode(&self, transaction: &Transaction) -> Result<NewTransaction, AppendFailure> {
        transaction.encode(&self.shared.schema, &self.shared.author).map_err(AppendFailure::Invalid)
    }

    /// Whether both are clones of one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until the queue has room for one more.
    pub(super) async fn room(&self) -> Result<Room<'_>, AppendFailure> {
        let place = self.shared.writer.reserve().await.map_err(|_| AppendFailure::Closed)?;
        Ok(Room { place, watcher: self.shared.watcher.clone() })
    }

    /// Appends within the application's own database transaction, open on `conn` of this site's database: the
    /// transaction exists if, and only if, that one commits. Until it ends, readers of the journal wait for it
    /// (PostgreSQL), other appends do (MariaDB) or other writers do (SQLite, where it must have begun with `BEGIN
    /// IMMEDIATE`): keep it short. After an error roll it back.
    pub async fn append_in<'c>(
        &self,
        conn: impl Into<ConnRef<'c>>,
        transaction: &Transaction,
    ) -> Result<Receipt, AppendFailure> {
        let encoded =
            transaction.encode(&self.shared.schema, &self.shared.author).map_err(AppendFailure::Invalid)?;
        let origin = &self.shared.site.origin;
        let appended = append_in(conn.into(), origin, &[encoded]).await.map_err(|error| match error {
            AppendError::OtherContent { tx_id, trans_nr } => AppendFailure::OtherContent { tx_id, trans_nr },
            AppendError::Store(error) => AppendFailure::Refused(error),
        })?;
        let id = TransactionId { origin: origin.clone(), trans_nr: appended[0].trans_nr };
        Ok(Receipt::new(id, appended[0].repeated, self.shared.watcher.clone()))
    }

    /// The next id of a sequence: rising within this site for one process, and never one that another site or another
    /// process gives out. Ids skip numbers.
    pub async fn next_id(&self, sequence: &str) -> Result<i64, SqlError> {
        self.shared.ids.next(&self.shared.writer, sequence).await
    }

    /// Makes every later id of a sequence larger than `floor`, at this site: for tables that have rows from elsewhere.
    /// Another process keeps the rest of the block it has.
    pub async fn reserve_ids_above(&self, sequence: &str, floor: i64) -> Result<(), SqlError> {
        self.shared.ids.reserve_above(&self.shared.writer, sequence, floor).await
    }

    /// Takes no more appends, waits until those in the queue are durable or refused, and ends. For all clones. May be
    /// called again, also after one that was cut off: each waits as long. Without it the queue is still worked off as long
    /// as the runtime lives.
    pub async fn close(&self) {
        // An error means that it is closing already.
        drop(self.shared.writer.send(Command::Close).await);
        // The handle stays where it is until the task has ended: whoever waits for that may go away.
        let mut writing = self.shared.writing.lock().await;
        if let Some(task) = writing.as_mut() {
            // A panic of the task shows as closed to every caller; there is nothing left to join then.
            drop(task.await);
            *writing = None;
        }
    }
}

/// Choices for opening a [`Journal`].
#[derive(Debug, Clone)]
pub struct JournalBuilder {
    url: DbUrl,
    site: SiteName,
    version: Option<SchemaVersion>,
    author: String,
    group_commit: GroupCommit,
}

impl JournalBuilder {
    /// Writes this schema version, which must be released at the site; without it, the one its ledger has now.
    #[must_use]
    pub fn schema_version(mut self, version: SchemaVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// Who writes transactions that do not say so themselves.
    #[must_use]
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = author.into();
        self
    }

    /// How appends share commits.
    #[must_use]
    pub fn group_commit(mut self, group_commit: GroupCommit) -> Self {
        self.group_commit = group_commit;
        self
    }

    /// Opens it.
    pub async fn open(self) -> Result<Journal, OpenError> {
        let mut journal = SqlJournal::open(&self.url, Access::Write, "client").await?;
        let site = journal.site().clone();
        if site.origin.site != self.site {
            let (url, found) = (self.url.to_string(), site.origin.site);
            return Err(OpenError::OtherSite { url, found, wanted: self.site });
        }
        let schema = self.load_schema(&mut journal).await?;
        let (writer, commands) = mpsc::channel(self.group_commit.queue_max.max(1));
        let writing = tokio::spawn(Writer::new(journal, self.group_commit, commands).run());
        let (watcher, watching) = Watcher::new(self.url, site.origin.clone());
        // Ends by itself with the last receipt and the last clone of the journal.
        drop(tokio::spawn(watching));
        let shared = Shared {
            site,
            schema,
            author: self.author,
            writer,
            watcher,
            ids: IdBlocks::default(),
            writing: Mutex::new(Some(writing)),
        };
        Ok(Journal { shared: Arc::new(shared) })
    }

    async fn load_schema(&self, journal: &mut SqlJournal) -> Result<Schema, OpenError> {
        let failed = |source| store::OpenError::Store { url: self.url.to_string(), source };
        let version = self.version.unwrap_or(journal.site().ledger_version);
        let mut conn = journal.connection().await.map_err(failed)?;
        let released = list_schema_versions(conn.lend()).await.map_err(failed)?;
        journal.give_back(conn);
        let numbers: Vec<String> =
            released.iter().map(|released| released.schema.version.to_string()).collect();
        let found =
            released.into_iter().map(|released| released.schema).find(|schema| schema.version == version);
        found.ok_or_else(|| OpenError::UnknownVersion {
            version,
            site: self.site.clone(),
            released: if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") },
        })
    }
}
