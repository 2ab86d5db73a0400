//! Group commit as its callers see it: how appends share commits, what they are told, what they wait for.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::receipt::Receipt;
use super::transaction::InvalidTransaction;
use super::watcher::Watcher;
use crate::journal::Appended;
use crate::model::{NewTransaction, TransNr, TransactionId};
use crate::sql::{SqlClass, SqlError};

/// How appends share commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCommit {
    /// How long the first transaction of a commit waits for company. Zero: a commit takes what came while the one
    /// before was under way, which is best unless commits are dearer than waiting.
    pub window: Duration,
    /// Most transactions of one commit.
    pub transactions_max: usize,
    /// Most payload bytes of one commit; a larger transaction has one to itself.
    pub bytes_max: usize,
    /// Commits under way at once on PostgreSQL, each on a connection of its own, which is opened when many callers wait.
    /// The other stores take one after the other.
    pub commits_max: usize,
    /// Transactions that may wait beside those that the next commit holds. When the queue is full, callers wait: that is
    /// the back-pressure.
    pub queue_max: usize,
    /// How long a commit is tried again when the database is away or busy, before its callers are told.
    pub patience: Duration,
}

impl Default for GroupCommit {
    fn default() -> Self {
        Self {
            window: Duration::ZERO,
            transactions_max: 512,
            bytes_max: 8 * 1024 * 1024,
            commits_max: 2,
            queue_max: 1024,
            patience: Duration::from_secs(30),
        }
    }
}

/// Why an append has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum AppendFailure {
    #[error("the transaction is not valid: {0}")]
    Invalid(InvalidTransaction),
    #[error("tx_id {tx_id} stands in the journal as transaction {trans_nr}, with other content")]
    OtherContent { tx_id: Uuid, trans_nr: TransNr },
    #[error("the journal did not take the transaction")]
    Refused(#[source] SqlError),
    #[error(
        "whether the journal took the transaction is not known; append it again and the answer is certain"
    )]
    InDoubt(#[source] SqlError),
    #[error("the journal was closed")]
    Closed,
}

/// Where the answer to an append goes.
pub(super) type Reply = oneshot::Sender<Result<Appended, AppendFailure>>;

/// What the task that writes is asked for.
pub(super) enum Command {
    Append(Waiting),
    Errand(Errand),
    Close,
}

/// What it does beside appending.
pub(super) enum Errand {
    TakeIds { sequence: String, reply: oneshot::Sender<Result<(i64, i64), SqlError>> },
    SkipIds { sequence: String, floor: i64, reply: oneshot::Sender<Result<(), SqlError>> },
}

impl Errand {
    /// Whether somebody still waits for it.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::TakeIds { reply, .. } => !reply.is_closed(),
            Self::SkipIds { reply, .. } => !reply.is_closed(),
        }
    }
}

/// A transaction that is to be appended.
pub(super) struct Waiting {
    pub(super) transaction: NewTransaction,
    pub(super) reply: Reply,
    /// Whether its caller sends others before this one is durable, and relies on their order.
    pub(super) in_order: bool,
}

impl Waiting {
    /// Bytes of its payloads.
    pub(super) fn weight(&self) -> usize {
        self.transaction.entries.iter().map(|entry| entry.payload.len()).sum()
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("tx_id", &self.transaction.tx_id).finish_non_exhaustive()
    }
}

/// A place in the queue that nobody else gets: what is put there is queued without a wait.
#[derive(Debug)]
pub(super) struct Room<'j> {
    pub(super) place: mpsc::Permit<'j, Command>,
    pub(super) watcher: Watcher,
}

impl Room<'_> {
    /// Queues a transaction that is encoded and known to be sound.
    pub(super) fn put(self, transaction: NewTransaction, in_order: bool) -> Pending {
        let (reply, received) = oneshot::channel();
        self.place.send(Command::Append(Waiting { transaction, reply, in_order }));
        Pending { reply: received, watcher: self.watcher }
    }
}

/// An append that has its place in the queue, and so its order, but is not durable yet.
#[derive(Debug)]
pub struct Pending {
    pub(super) reply: oneshot::Receiver<Result<Appended, AppendFailure>>,
    pub(super) watcher: Watcher,
}

impl Pending {
    /// Waits until the transaction is durable. Dropping this instead does not stop the append.
    pub async fn durable(self) -> Result<Receipt, AppendFailure> {
        let ended =
            |_| AppendFailure::InDoubt(SqlError::new(SqlClass::Lost, "the task that appends has ended"));
        let appended = self.reply.await.map_err(ended)??;
        let id = TransactionId { origin: self.watcher.origin().clone(), trans_nr: appended.trans_nr };
        Ok(Receipt::new(id, appended.repeated, self.watcher))
    }
}
