//! One commit of the client's, and taking ids: tried until the outcome is known, or patience ends.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::group_commit::{AppendFailure, Errand, Reply, Waiting};
use super::queue::Batch;
use crate::journal::{AppendError, Appended, JournalStore as _};
use crate::model::NewTransaction;
use crate::sql::{SqlClass, SqlError};
use crate::store::sql::{SqlJournal, skip_id_blocks, take_id_block};

/// First wait before a failed commit is tried again; each further one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// Longest wait between tries.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Appends what shares a commit, and answers every caller.
pub(super) async fn commit(journal: &mut SqlJournal, batch: Batch, patience: Duration) {
    let (transactions, replies) = apart(batch);
    let appended = append(journal, &transactions, Tries::new(patience)).await;
    tell(journal, transactions, replies, appended, patience).await;
}

/// The same on a connection beside others: if that turns out to be lost before anything was sent, gives the batch back.
pub(super) async fn try_to_commit(journal: &mut SqlJournal, batch: Batch, patience: Duration) -> Batch {
    let in_order = batch.iter().any(|waiting| waiting.in_order);
    let (transactions, replies) = apart(batch);
    let appended = match append(journal, &transactions, Tries::new(Duration::ZERO)).await {
        Err(failure @ AppendFailure::Refused(_)) if !journal.is_connected() && !is_of_one(&failure) => {
            let together = transactions.into_iter().zip(replies);
            return together.map(|(transaction, reply)| Waiting { transaction, reply, in_order }).collect();
        }
        Err(AppendFailure::InDoubt(_)) => {
            append(journal, &transactions, Tries { in_doubt: true, ..Tries::new(patience) }).await
        }
        // What was refused for a moment is tried on.
        Err(AppendFailure::Refused(error)) if error.class == SqlClass::Transient => {
            append(journal, &transactions, Tries::new(patience)).await
        }
        appended => appended,
    };
    tell(journal, transactions, replies, appended, patience).await;
    Batch::new()
}

fn apart(batch: Batch) -> (Vec<NewTransaction>, Vec<Reply>) {
    batch.into_iter().map(|waiting| (waiting.transaction, waiting.reply)).unzip()
}

/// Answers every caller.
async fn tell(
    journal: &mut SqlJournal,
    transactions: Vec<NewTransaction>,
    replies: Vec<Reply>,
    appended: Result<Vec<Appended>, AppendFailure>,
    patience: Duration,
) {
    match appended {
        Ok(appended) => {
            for (reply, appended) in replies.into_iter().zip(appended) {
                answer(reply, Ok(appended));
            }
        }
        // One of them is at fault and nothing of them was written: each for itself, in their order.
        Err(failure) if transactions.len() > 1 && is_of_one(&failure) => {
            for (reply, transaction) in replies.into_iter().zip(transactions) {
                let alone = append(journal, std::slice::from_ref(&transaction), Tries::new(patience)).await;
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

/// Appends until the outcome is known, or patience ends. The journal opens a new connection after each doubt, and the keys
/// make the same batch again harmless.
async fn append(
    journal: &mut SqlJournal,
    batch: &[NewTransaction],
    mut tries: Tries,
) -> Result<Vec<Appended>, AppendFailure> {
    loop {
        let error = match journal.append(batch).await {
            Ok(appended) => return Ok(appended),
            Err(AppendError::OtherContent { tx_id, trans_nr }) => {
                return Err(AppendFailure::OtherContent { tx_id, trans_nr });
            }
            Err(AppendError::Store(error)) => error,
        };
        // Before its COMMIT was sent, the server rolls back whatever it had of it.
        tries.in_doubt |= journal.is_in_doubt();
        if !tries.again(&error).await {
            return Err(if tries.in_doubt {
                AppendFailure::InDoubt(error)
            } else {
                AppendFailure::Refused(error)
            });
        }
    }
}

/// Does an errand. Whoever asked may have gone; a block taken for nobody is a hole in the ids and no harm.
pub(super) async fn run_errand(journal: &mut SqlJournal, errand: Errand, patience: Duration) {
    match errand {
        Errand::TakeIds { sequence, reply } => drop(reply.send(take_ids(journal, &sequence, patience).await)),
        Errand::SkipIds { sequence, floor, reply } => {
            drop(reply.send(skip_ids(journal, &sequence, floor, patience).await));
        }
    }
}

async fn take_ids(
    journal: &mut SqlJournal,
    sequence: &str,
    patience: Duration,
) -> Result<(i64, i64), SqlError> {
    let mut tries = Tries::new(patience);
    loop {
        match try_take_ids(journal, sequence).await {
            Err(error) if tries.again(&error).await => {}
            taken => return taken,
        }
    }
}

async fn try_take_ids(journal: &mut SqlJournal, sequence: &str) -> Result<(i64, i64), SqlError> {
    let stripe = journal.site().stripe;
    let mut conn = journal.connection().await?;
    conn.begin().await?;
    let taken = take_id_block(conn.lend(), stripe, sequence).await?;
    conn.commit().await?;
    journal.give_back(conn);
    Ok(taken)
}

async fn skip_ids(
    journal: &mut SqlJournal,
    sequence: &str,
    floor: i64,
    patience: Duration,
) -> Result<(), SqlError> {
    let mut tries = Tries::new(patience);
    loop {
        match try_skip_ids(journal, sequence, floor).await {
            Err(error) if tries.again(&error).await => {}
            skipped => return skipped,
        }
    }
}

async fn try_skip_ids(journal: &mut SqlJournal, sequence: &str, floor: i64) -> Result<(), SqlError> {
    let stripe = journal.site().stripe;
    let mut conn = journal.connection().await?;
    conn.begin().await?;
    skip_id_blocks(conn.lend(), stripe, sequence, floor).await?;
    conn.commit().await?;
    journal.give_back(conn);
    Ok(())
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
        if error.is_of_content() {
            // It cannot be taken, so an earlier try that was lost did not take it either.
            self.in_doubt = false;
            return false;
        }
        match error.class {
            SqlClass::Lost | SqlClass::Transient => {}
            // No way to the server at all, and there was one when the journal was opened: it is being restarted.
            SqlClass::Refused if error.code.is_empty() => {}
            SqlClass::Data
            | SqlClass::Refused
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

/// The caller may have gone; the transaction is durable all the same, under its key.
fn answer(reply: Reply, result: Result<Appended, AppendFailure>) {
    drop(reply.send(result));
}
