//! Troubles on order, for the simulator and for tests: the n-th call of a kind fails in a chosen way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal_core::sql::{SqlClass, SqlError};

use crate::ledger::LedgerError;

/// A kind of call on a ledger or its control state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as the methods are")]
pub enum Call {
    Begin,
    Fetch,
    Apply,
    Seal,
    Quarantine,
    Release,
    Advance,
    Commit,
    Rollback,
    /// Any read outside transactions, and any scan.
    Read,
    /// Any call on the control state.
    Control,
}

impl Call {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Begin,
        Self::Fetch,
        Self::Apply,
        Self::Seal,
        Self::Quarantine,
        Self::Release,
        Self::Advance,
        Self::Commit,
        Self::Rollback,
        Self::Read,
        Self::Control,
    ];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// A definite no for now, such as a deadlock: nothing is done. The handle lives on; its transaction is to be
    /// rolled back.
    Refused,
    /// The work is done, a commit's too, but the reply and the connection are lost.
    DoneReplyLost,
    /// The connection is lost before the work is done. To the caller the same as the one before.
    UndoneReplyLost,
    /// The process dies before the work is done: no handle that was opened until now works again.
    Crash,
    /// The process dies after the work, a commit's too, is done.
    DoneCrash,
}

/// Arms troubles at one site. Clones are handles on the same.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How many troubles wait, so that a call without any pays one load.
    armed: AtomicU64,
    /// Rises with each crash; handles of an earlier life are dead.
    life: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    troubles: BTreeMap<Call, Vec<(u32, Trouble)>>,
    fired: Vec<(Call, Trouble)>,
}

impl Faults {
    /// Arms a trouble for the `nth` call of that kind from now; 1 is the next one.
    pub fn arm(&self, call: Call, nth: u32, trouble: Trouble) {
        let mut waiting = self.lock();
        waiting.troubles.entry(call).or_default().push((nth.max(1), trouble));
        self.0.armed.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes back what has not fired.
    pub fn disarm(&self) {
        let mut waiting = self.lock();
        waiting.troubles.clear();
        self.0.armed.store(0, Ordering::Relaxed);
    }

    /// What has fired so far, in order.
    pub fn fired(&self) -> Vec<(Call, Trouble)> {
        self.lock().fired.clone()
    }

    /// The process dies now: no handle that was opened until now works again.
    pub fn crash(&self) {
        self.0.life.fetch_add(1, Ordering::Relaxed);
    }

    /// Which life of the process it is.
    pub(super) fn life(&self) -> u64 {
        self.0.life.load(Ordering::Relaxed)
    }

    /// Counts a call, and gives the trouble that is due.
    pub(super) fn due(&self, call: Call) -> Option<Trouble> {
        if self.0.armed.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut waiting = self.lock();
        let troubles = waiting.troubles.get_mut(&call)?;
        troubles.iter_mut().for_each(|(left, _)| *left -= 1);
        let at = troubles.iter().position(|(left, _)| *left == 0)?;
        let (_, trouble) = troubles.remove(at);
        // Of two that fall due at once the second waits for the next call.
        troubles.iter_mut().filter(|(left, _)| *left == 0).for_each(|(left, _)| *left = 1);
        waiting.fired.push((call, trouble));
        self.0.armed.fetch_sub(1, Ordering::Relaxed);
        Some(trouble)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a lost connection: what was under way is unknown to the caller.
pub(super) fn lost() -> LedgerError {
    SqlError::new(SqlClass::Lost, "the connection to the ledger in memory is lost").into()
}

/// The error of a definite no for now.
pub(super) fn refused() -> LedgerError {
    SqlError::new(SqlClass::Transient, "the ledger in memory was told to refuse").into()
}
