//! From lines to durable transactions, many on their way at once. Keeps the order of the lines, stops at the first that
//! is not right, and then still learns what became of those before.

use std::collections::VecDeque;

use anyhow::Context as _;
use indicatif::ProgressBar;
use journal_core::client::{AppendFailure, Decision, Journal, Pending, Receipt, Transaction};
use journal_core::codec::json::{JsonError, read_line};
use journal_core::model::TransactionId;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::lines::Source;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::patience::Timeout;

/// Transactions sent whose commit is not known yet: about what the journal's queue takes.
const ON_THEIR_WAY_MAX: usize = 1024;
/// Durable transactions whose decision is not known yet.
const UNDECIDED_MAX: usize = 4096;
/// Rejections told in full; all are counted.
const REJECTIONS_TOLD_MAX: usize = 10;

/// What `append` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Until {
    /// Every transaction is durable in the journal
    Durable,
    /// The site has decided on every transaction: applied, or rejected
    Applied,
}

/// What became of the lines.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) lines: u64,
    pub(super) appended: u64,
    pub(super) repeated: u64,
    pub(super) last: Option<TransactionId>,
    pub(super) applied: u64,
    pub(super) rejected: u64,
    pub(super) rejections: Vec<Rejected>,
}

/// A rejected transaction.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Rejected {
    pub(super) line: u64,
    pub(super) transaction: String,
    pub(super) code: String,
    pub(super) detail: String,
}

/// The way of the lines.
pub(super) struct Feed<'j> {
    journal: &'j Journal,
    until: Until,
    timeout: Timeout,
    bar: ProgressBar,
    sent: VecDeque<(u64, Pending)>,
    undecided: VecDeque<(u64, Receipt)>,
    pub(super) counts: Counts,
}

impl<'j> Feed<'j> {
    pub(super) fn new(journal: &'j Journal, until: Until, timeout: Timeout, bar: ProgressBar) -> Self {
        let (sent, undecided) = (VecDeque::new(), VecDeque::new());
        Self { journal, until, timeout, bar, sent, undecided, counts: Counts::default() }
    }

    /// Appends all lines. After an error, `counts` tells of everything that was done before it.
    pub(super) async fn run(&mut self, source: Source) -> anyhow::Result<()> {
        let (name, run_id) = (source.name.clone(), source.run_id.clone());
        let mut lines = source.lines();
        let mut fed = Ok(());
        while let (Ok(()), Some((number, line))) = (&fed, lines.recv().await) {
            fed = match line {
                Ok(line) => self.line(&name, &run_id, number, &line).await,
                Err(error) => Err(BadLine { name: name.clone(), number, what: error.to_string() }.into()),
            };
        }
        // What is on its way is learnt in any case; the first fault, by line, is the one told.
        self.settle(0, 0).await?;
        fed.map_err(|error| match error.downcast::<BadLine>() {
            Ok(bad) => {
                let message = format!("{bad}; {}", told(self.counts.lines, &run_id));
                Failure::error(Exit::Failure, code::BAD_LINE, message)
            }
            Err(error) => error,
        })
    }

    async fn line(&mut self, name: &str, run_id: &str, number: u64, text: &str) -> anyhow::Result<()> {
        let bad = |what: String| BadLine { name: name.to_owned(), number, what };
        // The reader counts lines within the text, and here that is always the first.
        let place = |error: JsonError| bad(error.to_string().replace(" at line 1 column ", " at column "));
        let line = read_line(text.trim_end(), self.journal.schema()).map_err(place)?;
        let mut transaction = Transaction::with_id(line.tx_id.unwrap_or_else(|| key(run_id, number)));
        if let Some(author) = line.author {
            transaction = transaction.author(author);
        }
        for change in line.changes {
            transaction = transaction.change(change);
        }
        match self.journal.send(&transaction).await {
            Ok(pending) => self.sent.push_back((number, pending)),
            Err(AppendFailure::Invalid(error)) => return Err(bad(error.to_string()).into()),
            Err(error) => return Err(error).with_context(|| format!("{name}:{number}")),
        }
        self.settle(ON_THEIR_WAY_MAX, UNDECIDED_MAX).await
    }

    /// Waits until no more than so many are on their way, and no more than so many undecided.
    async fn settle(&mut self, on_their_way: usize, undecided: usize) -> anyhow::Result<()> {
        let mut settled = Ok(());
        while self.sent.len() > on_their_way {
            let Some((line, pending)) = self.sent.pop_front() else { break };
            match pending.durable().await {
                Ok(receipt) => self.durable(line, receipt),
                Err(error) if settled.is_ok() => {
                    settled = Err(error).with_context(|| format!("append line {line}"));
                }
                Err(_) => {}
            }
        }
        while settled.is_ok() && self.undecided.len() > undecided {
            let Some((line, receipt)) = self.undecided.pop_front() else { break };
            settled = self.decided(line, &receipt).await;
        }
        settled
    }

    fn durable(&mut self, line: u64, receipt: Receipt) {
        self.counts.lines += 1;
        match receipt.repeated() {
            true => self.counts.repeated += 1,
            false => self.counts.appended += 1,
        }
        self.counts.last = Some(receipt.id().clone());
        self.bar.inc(1);
        if self.until == Until::Applied {
            self.undecided.push_back((line, receipt));
        }
    }

    async fn decided(&mut self, line: u64, receipt: &Receipt) -> anyhow::Result<()> {
        // Looking for a decision may be given up at any time: it changes nothing.
        let decision = match tokio::time::timeout(self.timeout.0, receipt.applied()).await {
            Ok(decision) => decision.context("look for the decision")?,
            Err(_) => return Err(self.late(line, receipt).await),
        };
        match decision {
            Decision::Applied { .. } => self.counts.applied += 1,
            Decision::Rejected { code, detail } => {
                self.counts.rejected += 1;
                if self.counts.rejections.len() < REJECTIONS_TOLD_MAX {
                    let transaction = receipt.id().to_string();
                    self.counts.rejections.push(Rejected { line, transaction, code, detail });
                }
            }
        }
        Ok(())
    }

    async fn late(&self, line: u64, receipt: &Receipt) -> anyhow::Error {
        let (id, site) = (receipt.id(), &receipt.id().origin.site);
        let why = match receipt.state().await {
            Ok(state) => match state.paused {
                Some(pause) => format!("{site} is paused by {}: {}", pause.who, pause.why),
                None => "is the service running?".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        let message = format!("line {line} ({id}) is not decided after {}; {why}", self.timeout);
        Failure::error(Exit::Timeout, code::WAIT_TIMED_OUT, message)
    }
}

/// A line that is no transaction. Nothing of it was appended, nor of the lines after it.
#[derive(Debug, thiserror::Error)]
#[error("{name}:{number}: {what}")]
struct BadLine {
    name: String,
    number: u64,
    what: String,
}

/// What is there already. A corrected file has another hash, so without the run id its first lines would be new ones.
fn told(lines: u64, run_id: &str) -> String {
    let done = match lines {
        0 => return "nothing was appended".to_owned(),
        1 => "the line before it is appended".to_owned(),
        lines => format!("the {lines} lines before it are appended"),
    };
    format!("{done}; once it is corrected, append the whole again with --run-id {run_id}")
}

/// The idempotency key of a line without one: the same for the same line of the same run, and for no other.
fn key(run_id: &str, line: u64) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(run_id.as_bytes());
    hash.update([0]);
    hash.update(line.to_le_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_lines_and_its_runs_alone() {
        assert_eq!(key("run", 7), key("run", 7));
        assert_ne!(key("run", 7), key("run", 8));
        assert_ne!(key("run", 7), key("run2", 7));
        assert_eq!(key("run", 7).get_version_num(), 8);
    }
}
