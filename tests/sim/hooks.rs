//! What the simulator and a site's stores share: the site's clock, the troubles that are to come, and whether somebody is
//! within a commit.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use applier::engine::clock::Clock;
use journal_core::model::TransNr;

/// A clock that the simulator sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimClock(pub(crate) Arc<AtomicI64>);

impl Clock for SimClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How the next call on a journal fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalTrouble {
    /// Nothing is done.
    Refused,
    /// The connection is lost, and with it the answer; nothing was done.
    Undone,
    /// The same, but it was done.
    ReplyLost,
}

/// What happens to runs on the way from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transit {
    /// A byte of a payload is another one.
    Flipped,
    /// A transaction is missing.
    Dropped,
    /// The first run is missing.
    Skipped,
    /// Two runs in the wrong order.
    Swapped,
}

/// What the simulator and a site's stores share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    committing: AtomicI64,
    journal: Mutex<JournalHooks>,
}

#[derive(Debug, Default)]
pub(crate) struct JournalHooks {
    /// The troubles of the next calls that may write; reads only fail.
    pub(crate) troubles: Vec<JournalTrouble>,
    pub(crate) transit: Option<Transit>,
    /// Numbers that are drawn and not visible yet, as a transaction that commits late has on PostgreSQL.
    pub(crate) unborn: BTreeSet<TransNr>,
    /// How often runs were damaged on the way.
    pub(crate) damaged: usize,
}

impl Hooks {
    pub(crate) fn journal(&self) -> MutexGuard<'_, JournalHooks> {
        self.0.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a ledger of this site is within a commit.
    pub(crate) fn committing(&self) -> bool {
        self.0.committing.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn trouble(&self) -> Option<JournalTrouble> {
        self.journal().troubles.pop()
    }
}

/// Marks the time of a commit, also when it is cut short.
#[derive(Debug)]
pub(crate) struct Committing(Hooks);

impl Committing {
    pub(crate) fn new(hooks: &Hooks) -> Self {
        hooks.0.committing.fetch_add(1, Ordering::Relaxed);
        Self(hooks.clone())
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        self.0.0.committing.fetch_sub(1, Ordering::Relaxed);
    }
}
