//! The demo's application: writes the history through the client library, many transactions under way at once, each in
//! its order, and measures how long it had to wait.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use journal_core::client::{Journal, Pending, Receipt, Transaction};
use journal_core::model::{Change, Schema, SiteName};

use super::application;

/// Transactions under way at once: what a few busy web servers have.
const UNDER_WAY_MAX: usize = 256;

/// Durable transactions whose effect the application's users do not wait for yet. A person reads the own writes, so a real
/// application never runs far ahead of what is posted.
const AHEAD_MAX: usize = 1000;

/// What the application's users wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pace {
    /// The effect at the site written to.
    Applied,
    /// The effect at another site: the application is about to move there.
    Replicated(SiteName),
}

/// The application's release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// Writes version 1.
    One,
    /// Writes version 2.
    Two,
}

/// What was written so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written {
    /// Durable transactions.
    pub transactions: u64,
    /// Entries in them.
    pub entries: u64,
    /// Writes that failed.
    pub failed: u64,
    /// The longest wait for one write.
    pub longest_stall: Duration,
}

/// The application.
#[derive(Debug)]
pub(super) struct Writer {
    lines: Vec<String>,
    next: usize,
    /// The history is told in version 1.
    told_in: Schema,
    names: HashMap<i64, (String, String)>,
    under_way: VecDeque<(Instant, u64, Pending)>,
    /// Durable, and perhaps not posted yet.
    ahead: VecDeque<Receipt>,
    pace: Pace,
    written: Written,
}

impl Writer {
    /// An application that has not written anything yet.
    pub(super) fn new(lines: Vec<String>, told_in: Schema, names: HashMap<i64, (String, String)>) -> Self {
        Self {
            lines,
            next: 0,
            told_in,
            names,
            under_way: VecDeque::new(),
            ahead: VecDeque::new(),
            pace: Pace::Applied,
            written: Written::default(),
        }
    }

    /// Transactions of the history in all.
    pub(super) fn total(&self) -> usize {
        self.lines.len()
    }

    /// Transactions handed over so far.
    pub(super) fn position(&self) -> usize {
        self.next
    }

    /// What was written so far.
    pub(super) fn written(&self) -> Written {
        self.written
    }

    /// Writes the next transaction of the history. `false` at its end.
    pub(super) async fn write_next(&mut self, journal: &Journal, release: Release) -> anyhow::Result<bool> {
        let Some(line) = self.lines.get(self.next) else { return Ok(false) };
        let changes = match release {
            Release::One => application::release_1(line, &self.told_in),
            Release::Two => application::release_2(line, &self.told_in, &self.names),
        }
        .with_context(|| format!("line {} of the history", self.next + 1))?;
        self.next += 1;
        let entries = changes.len() as u64;
        let start = Instant::now();
        match journal.send(&transaction(changes)).await {
            Ok(pending) => self.under_way.push_back((start, entries, pending)),
            Err(error) => self.fail(&error),
        }
        while self.under_way.len() >= UNDER_WAY_MAX {
            self.take_one().await;
        }
        self.wait_ahead(AHEAD_MAX).await?;
        Ok(true)
    }

    /// Goes at another pace from here on.
    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Waits until everything handed over is durable and has the effect that the pace waits for.
    pub(super) async fn flush(&mut self) -> anyhow::Result<()> {
        self.take_all().await;
        self.wait_ahead(0).await
    }

    async fn take_all(&mut self) {
        while !self.under_way.is_empty() {
            self.take_one().await;
        }
    }

    async fn wait_ahead(&mut self, most: usize) -> anyhow::Result<()> {
        if self.ahead.len() > most {
            // A write is waited for when it is durable, not when its effect is.
            self.take_all().await;
        }
        while self.ahead.len() > most {
            let Some(receipt) = self.ahead.pop_front() else { break };
            match &self.pace {
                Pace::Applied => receipt.applied().await?,
                Pace::Replicated(site) => receipt.replicated(site).await?,
            };
        }
        Ok(())
    }

    /// Counts a wait of the whole application, such as its move to the other site.
    pub(super) fn stalled(&mut self, wait: Duration) {
        self.written.longest_stall = self.written.longest_stall.max(wait);
    }

    async fn take_one(&mut self) {
        let Some((start, entries, pending)) = self.under_way.pop_front() else { return };
        match pending.durable().await {
            Ok(receipt) => {
                self.stalled(start.elapsed());
                self.written.transactions += 1;
                self.written.entries += entries;
                self.ahead.push_back(receipt);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &dyn std::fmt::Display) {
        tracing::error!(%error, "a write failed");
        self.written.failed += 1;
    }
}

fn transaction(changes: Vec<Change>) -> Transaction {
    changes.into_iter().fold(Transaction::new(), Transaction::change)
}
