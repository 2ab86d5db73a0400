//! Group commit: one task owns the connection that writes, and whatever callers have brought while one commit was under
//! way shares the next. First come, first numbered.
//!
//! The task alone awaits the driver, so a caller that goes away can cut nothing in half.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::receipt::Receipt;
use super::transaction::InvalidTransaction;
use super::watcher::Watcher;
use crate::journal::{AppendError, Appended, JournalStore as _};
use crate::model::{NewTransaction, TransNr, TransactionId};
use crate::sql::{SqlClass, SqlError};
use crate::store::sql::{SqlJournal, skip_id_blocks, take_id_block};

/// First wait before a failed commit is tried again; each further one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// Longest wait between tries.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

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
    /// Transactions that may wait for a commit. When the queue is full, callers wait: that is the back-pressure.
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

pub(super) enum Command {
    Append { transaction: NewTransaction, reply: oneshot::Sender<Result<Appended, AppendFailure>> },
    TakeIds { sequence: String, reply: oneshot::Sender<Result<(i64, i64), SqlError>> },
    SkipIds { sequence: String, floor: i64, reply: oneshot::Sender<Result<(), SqlError>> },
    Close,
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

/// The task. Ends when it is told to close, or when nobody is left who could send.
pub(super) struct Writer {
    journal: SqlJournal,
    limits: GroupCommit,
    commands: mpsc::Receiver<Command>,
    /// A command that did not fit the commit before.
    held: Option<Command>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What shares one commit.
#[derive(Default)]
struct Batch {
    transactions: Vec<NewTransaction>,
    replies: Vec<oneshot::Sender<Result<Appended, AppendFailure>>>,
    bytes: usize,
}

impl Writer {
    pub(super) fn new(journal: SqlJournal, limits: GroupCommit, commands: mpsc::Receiver<Command>) -> Self {
        Self { journal, limits, commands, held: None }
    }

    pub(super) async fn run(mut self) {
        while let Some(command) = self.next().await {
            match command {
                Command::Append { transaction, reply } => {
                    let batch = self.gather(transaction, reply).await;
                    self.commit(batch).await;
                }
                // Whoever asked may have gone; a block taken for nobody is a hole in the ids and no harm.
                Command::TakeIds { sequence, reply } => drop(reply.send(self.take_ids(&sequence).await)),
                Command::SkipIds { sequence, floor, reply } => {
                    drop(reply.send(self.skip_ids(&sequence, floor).await));
                }
                // What is queued is still appended; nothing new gets in.
                Command::Close => self.commands.close(),
            }
        }
    }

    async fn next(&mut self) -> Option<Command> {
        match self.held.take() {
            Some(held) => Some(held),
            None => self.commands.recv().await,
        }
    }

    async fn gather(
        &mut self,
        transaction: NewTransaction,
        reply: oneshot::Sender<Result<Appended, AppendFailure>>,
    ) -> Batch {
        let mut batch = Batch::default();
        batch.push(transaction, reply);
        // Callers that the last commit let go are about to send again. Without this turn for them, the first of them
        // would have a commit to itself, and all others would wait for two.
        tokio::task::yield_now().await;
        let until = Instant::now() + self.limits.window;
        while batch.transactions.len() < self.limits.transactions_max {
            let next = match self.commands.try_recv() {
                Ok(next) => Some(next),
                Err(_) if self.limits.window.is_zero() => None,
                Err(_) => timeout_at(until, self.commands.recv()).await.ok().flatten(),
            };
            match next {
                Some(Command::Append { transaction, reply })
                    if batch.bytes + weight(&transaction) <= self.limits.bytes_max =>
                {
                    batch.push(transaction, reply);
                }
                other => {
                    self.held = other;
                    break;
                }
            }
        }
        batch
    }

    async fn commit(&mut self, batch: Batch) {
        let Batch { transactions, replies, .. } = batch;
        match self.append(&transactions).await {
            Ok(appended) => {
                for (reply, appended) in replies.into_iter().zip(appended) {
                    answer(reply, Ok(appended));
                }
            }
            // One of them is at fault and nothing of them was written: each for itself, in their order.
            Err(failure) if transactions.len() > 1 && is_of_one(&failure) => {
                for (reply, transaction) in replies.into_iter().zip(transactions) {
                    let alone = self.append(std::slice::from_ref(&transaction)).await;
                    answer(reply, alone.map(|appended| appended[0]));
                }
            }
            Err(failure) => {
                for reply in replies {
                    answer(reply, Err(failure.clone()));
                }
            }
        }
    }

    /// Appends until the outcome is known, or patience ends. The journal opens a new connection after each doubt, and
    /// the keys make the same batch again harmless.
    async fn append(&mut self, batch: &[NewTransaction]) -> Result<Vec<Appended>, AppendFailure> {
        let mut tries = Tries::new(self.limits.patience);
        loop {
            let error = match self.journal.append(batch).await {
                Ok(appended) => return Ok(appended),
                Err(AppendError::OtherContent { tx_id, trans_nr }) => {
                    return Err(AppendFailure::OtherContent { tx_id, trans_nr });
                }
                Err(AppendError::Store(error)) => error,
            };
            // Before its COMMIT was sent, the server rolls back whatever it had of it.
            tries.in_doubt |= self.journal.is_in_doubt();
            if !tries.again(&error).await {
                return Err(if tries.in_doubt {
                    AppendFailure::InDoubt(error)
                } else {
                    AppendFailure::Refused(error)
                });
            }
        }
    }

    async fn take_ids(&mut self, sequence: &str) -> Result<(i64, i64), SqlError> {
        let mut tries = Tries::new(self.limits.patience);
        loop {
            match self.try_take_ids(sequence).await {
                Err(error) if tries.again(&error).await => {}
                taken => return taken,
            }
        }
    }

    async fn try_take_ids(&mut self, sequence: &str) -> Result<(i64, i64), SqlError> {
        let stripe = self.journal.site().stripe;
        let mut conn = self.journal.connection().await?;
        conn.begin().await?;
        let taken = take_id_block(conn.lend(), stripe, sequence).await?;
        conn.commit().await?;
        self.journal.give_back(conn);
        Ok(taken)
    }

    async fn skip_ids(&mut self, sequence: &str, floor: i64) -> Result<(), SqlError> {
        let mut tries = Tries::new(self.limits.patience);
        loop {
            match self.try_skip_ids(sequence, floor).await {
                Err(error) if tries.again(&error).await => {}
                skipped => return skipped,
            }
        }
    }

    async fn try_skip_ids(&mut self, sequence: &str, floor: i64) -> Result<(), SqlError> {
        let stripe = self.journal.site().stripe;
        let mut conn = self.journal.connection().await?;
        conn.begin().await?;
        skip_id_blocks(conn.lend(), stripe, sequence, floor).await?;
        conn.commit().await?;
        self.journal.give_back(conn);
        Ok(())
    }
}

impl Batch {
    fn push(&mut self, transaction: NewTransaction, reply: oneshot::Sender<Result<Appended, AppendFailure>>) {
        self.bytes += weight(&transaction);
        self.transactions.push(transaction);
        self.replies.push(reply);
    }
}

/// A bounded number of tries, further and further apart.
struct Tries {
    until: Instant,
    wait: Duration,
    in_doubt: bool,
}

impl Tries {
    fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, wait: BACKOFF_MIN, in_doubt: false }
    }

    /// Whether to try again after this error; waits before it says so.
    async fn again(&mut self, error: &SqlError) -> bool {
        match error.class {
            SqlClass::Lost | SqlClass::Transient => {}
            // No way to the server at all, and there was one when the journal was opened: it is being restarted.
            SqlClass::Refused if error.code.is_empty() => {}
            // The content cannot be taken, so an earlier try that was lost did not take it either.
            SqlClass::Data => {
                self.in_doubt = false;
                return false;
            }
            SqlClass::Refused
            | SqlClass::Constraint(_)
            | SqlClass::Full
            | SqlClass::Schema
            | SqlClass::Unsafe
            | SqlClass::Broken => return false,
        }
        let now = Instant::now();
        if now >= self.until {
            return false;
        }
        sleep(self.wait.min(self.until - now)).await;
        self.wait = (self.wait * 2).min(BACKOFF_MAX);
        true
    }
}

/// Whether a batch failed for the content of one of its transactions.
fn is_of_one(failure: &AppendFailure) -> bool {
    match failure {
        AppendFailure::OtherContent { .. } => true,
        AppendFailure::Refused(error) => matches!(error.class, SqlClass::Data | SqlClass::Constraint(_)),
        AppendFailure::Invalid(_) | AppendFailure::InDoubt(_) | AppendFailure::Closed => false,
    }
}

fn weight(transaction: &NewTransaction) -> usize {
    transaction.entries.iter().map(|entry| entry.payload.len()).sum()
}

/// The caller may have gone; the transaction is durable all the same, under its key.
fn answer(reply: oneshot::Sender<Result<Appended, AppendFailure>>, result: Result<Appended, AppendFailure>) {
    drop(reply.send(result));
}
