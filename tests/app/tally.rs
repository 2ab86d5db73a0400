//! What the process counts, and how it tells it: a line a number, then a line a durable transaction.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    durable: Vec<(Uuid, i64)>,
    failed_writes: u64,
    rejected: u64,
    reads: u64,
    failed_reads: u64,
    longest_write: Duration,
    longest_decision: Duration,
    longest_read: Duration,
}

impl Tally {
    /// A write that was acknowledged.
    pub(crate) fn durable(&self, tx_id: Uuid, customer: i64, took: Duration) {
        self.with(|counts| {
            counts.durable.push((tx_id, customer));
            counts.longest_write = counts.longest_write.max(took);
        });
    }

    /// A write that was not.
    pub(crate) fn failed_write(&self, why: &dyn std::fmt::Display) {
        eprintln!("write: {why}");
        self.with(|counts| counts.failed_writes += 1);
    }

    /// The decision on a write came.
    pub(crate) fn decided(&self, took: Duration) {
        self.with(|counts| counts.longest_decision = counts.longest_decision.max(took));
    }

    /// It was a no, or it cannot be learnt.
    pub(crate) fn rejected(&self, why: &dyn std::fmt::Debug) {
        eprintln!("decision: {why:?}");
        self.with(|counts| counts.rejected += 1);
    }

    /// A read came to its end.
    pub(crate) fn read(&self, took: Duration) {
        self.with(|counts| {
            counts.reads += 1;
            counts.longest_read = counts.longest_read.max(took);
        });
    }

    /// A read failed, or told something that was never written.
    pub(crate) fn failed_read(&self, why: &dyn std::fmt::Display) {
        eprintln!("read: {why}");
        self.with(|counts| counts.failed_reads += 1);
    }

    /// A customer that was written, for a reader to look for.
    pub(crate) fn some_customer(&self, at: usize) -> Option<i64> {
        self.with(|counts| {
            let len = counts.durable.len();
            (len > 0).then(|| counts.durable[at % len].1)
        })
    }

    /// All of it.
    pub(crate) fn report(&self) -> String {
        self.with(|counts| {
            let mut text = String::new();
            let numbers = [
                ("writes", u128::try_from(counts.durable.len()).unwrap()),
                ("failed_writes", counts.failed_writes.into()),
                ("rejected", counts.rejected.into()),
                ("reads", counts.reads.into()),
                ("failed_reads", counts.failed_reads.into()),
                ("longest_write_ms", counts.longest_write.as_millis()),
                ("longest_decision_ms", counts.longest_decision.as_millis()),
                ("longest_read_ms", counts.longest_read.as_millis()),
            ];
            for (name, number) in numbers {
                writeln!(text, "{name} {number}").unwrap();
            }
            for (tx_id, customer) in &counts.durable {
                writeln!(text, "durable {tx_id} {customer}").unwrap();
            }
            text
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        work(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
