//! The stores of the simulator: the ones in memory, with troubles, clocks and constraints that those do not have, and
//! the places where the zoo plants its bugs.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use applier::control::Standing;
use applier::engine::clock::Clock;
use applier::ledger::memory::{MemoryLedger, MemorySite};
use applier::ledger::{Asked, Fault, Ledger, LedgerChange, LedgerError, Posted, Quarantined, Release};
use journal_core::journal::{
    AppendError, Appended, Head, Hole, JournalStore, ReadError, ReadLimit, ReceiveError, Tail,
};
use journal_core::model::{NewTransaction, Origin, Schema, SealNr, SealedRun, TransNr, TransactionId, Value};
use journal_core::sql::{SqlClass, SqlError};
use journal_core::store::memory::MemoryJournal;

use crate::marks::{Mark, mark};
use crate::oracle::FORBIDDEN;
use crate::zoo::{self, Bug, LedgerBug};

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

    fn trouble(&self) -> Option<JournalTrouble> {
        self.journal().troubles.pop()
    }
}

/// A journal over one connection, which troubles may cut.
#[derive(Debug)]
pub(crate) struct SimJournal {
    inner: MemoryJournal,
    hooks: Hooks,
    bug: Option<Bug>,
    lost: bool,
    /// Whether this handle reads for another site.
    shipping: bool,
}

impl SimJournal {
    pub(crate) fn new(inner: MemoryJournal, hooks: Hooks, bug: Option<Bug>) -> Self {
        Self { inner, hooks, bug, lost: false, shipping: false }
    }

    /// A handle through which another site reads.
    pub(crate) fn shipping(self) -> Self {
        Self { shipping: true, ..self }
    }

    /// What is to happen to this call: fail before, or after.
    fn before(&mut self) -> Result<bool, SqlError> {
        if self.lost {
            return Err(SqlError::new(SqlClass::Lost, "the connection to the journal is lost"));
        }
        match self.hooks.trouble() {
            None => Ok(false),
            Some(JournalTrouble::Refused) => {
                Err(SqlError::new(SqlClass::Transient, "the journal was told to refuse"))
            }
            Some(JournalTrouble::Undone) => {
                self.lost = true;
                Err(SqlError::new(SqlClass::Lost, "the connection to the journal was lost before the work"))
            }
            Some(JournalTrouble::ReplyLost) => Ok(true),
        }
    }

    fn after(&mut self, lose: bool) -> Result<(), SqlError> {
        self.lost |= lose;
        if lose { Err(SqlError::new(SqlClass::Lost, "the reply of the journal was lost")) } else { Ok(()) }
    }
}

impl JournalStore for SimJournal {
    fn origin(&self) -> &Origin {
        self.inner.origin()
    }

    async fn append(&mut self, batch: &[NewTransaction]) -> Result<Vec<Appended>, AppendError> {
        let lose = match self.before() {
            Err(_) if self.bug == Some(Bug::AckBeforeKept) => return Ok(zoo::made_up(batch)),
            before => before?,
        };
        let appended = self.inner.append(batch).await?;
        self.after(lose)?;
        Ok(appended)
    }

    async fn read_tail(&mut self, after: TransNr, limit: ReadLimit) -> Result<Tail, ReadError> {
        let lose = self.before()?;
        let mut tail = self.inner.read_tail(after, limit).await?;
        self.after(lose)?;
        let unborn = self.hooks.journal().unborn.clone();
        if self.bug == Some(Bug::PassesHoles) {
            tail.transactions.retain(|transaction| !unborn.contains(&transaction.id.trans_nr));
            return Ok(tail);
        }
        if let Some(first) = unborn.range((Excluded(after), Included(tail.up_to))).next() {
            tail.transactions.retain(|transaction| transaction.id.trans_nr < *first);
            tail.up_to = TransNr(first.0 - 1);
            tail.hole = Some(Hole { first: *first, last: *first, writers: vec!["a slow writer".to_owned()] });
        }
        Ok(tail)
    }

    async fn heads(&mut self) -> Result<Vec<Head>, ReadError> {
        let lose = self.before()?;
        let mut heads = self.inner.heads().await?;
        self.after(lose)?;
        if self.bug == Some(Bug::OwnRowsAgain) && !self.shipping {
            zoo::show_own_as_foreign(self.inner.origin(), &mut heads);
        }
        Ok(heads)
    }

    async fn read_runs(
        &mut self,
        origin: &Origin,
        after: SealNr,
        limit: ReadLimit,
    ) -> Result<Vec<SealedRun>, ReadError> {
        let lose = self.before()?;
        let real = zoo::real_origin(origin);
        let mut runs = self.inner.read_runs(&real, after, limit).await?;
        self.after(lose)?;
        if self.shipping {
            let mut hooks = self.hooks.journal();
            if let Some(transit) = hooks.transit.take() {
                hooks.damaged += 1;
                damage(&mut runs, transit);
            }
        } else if self.bug == Some(Bug::SeenIsWrong) && origin != self.inner.origin() {
            runs.iter_mut().for_each(|run| zoo::know_everything(&mut run.seal, self.inner.origin()));
        }
        runs.iter_mut().for_each(|run| run.seal.origin = origin.clone());
        Ok(runs)
    }

    async fn receive(&mut self, runs: &[SealedRun]) -> Result<Head, ReceiveError> {
        let lose = self.before()?;
        let head = match self.inner.receive(runs).await {
            Err(ReceiveError::Chain { .. }) if self.bug == Some(Bug::RunNotVerified) => {
                self.inner.receive(&zoo::made_to_fit(runs)).await
            }
            received => received,
        }?;
        self.after(lose)?;
        Ok(head)
    }
}

fn damage(runs: &mut Vec<SealedRun>, transit: Transit) {
    match transit {
        Transit::Flipped => {
            if let Some(transaction) = runs.iter_mut().flat_map(|run| &mut run.transactions).next_back() {
                transaction.entries[0].payload[0] ^= 1;
            }
        }
        Transit::Dropped => {
            if let Some(run) = runs.iter_mut().find(|run| run.transactions.len() > 1) {
                run.transactions.remove(0);
            }
        }
        Transit::Skipped => drop(runs.drain(..runs.len().min(1))),
        Transit::Swapped if runs.len() > 1 => runs.swap(0, 1),
        Transit::Swapped => {}
    }
}

/// A ledger with a constraint that is checked at commit, and room for a planted bug.
#[derive(Debug)]
pub(crate) struct SimLedger {
    pub(crate) inner: MemoryLedger,
    pub(crate) site: MemorySite,
    hooks: Hooks,
    checks: bool,
    refuses: bool,
    pub(crate) bug: LedgerBug,
}

impl SimLedger {
    pub(crate) fn new(
        site: MemorySite,
        hooks: Hooks,
        checks: bool,
        bug: Option<Bug>,
        opened: Standing,
    ) -> Self {
        let bug = LedgerBug::new(bug, opened);
        Self { inner: site.ledger(), site, hooks, checks, refuses: false, bug }
    }
}

/// Marks the time of a commit, also when it is cut short.
struct Committing(Hooks);

impl Committing {
    fn new(hooks: &Hooks) -> Self {
        hooks.0.committing.fetch_add(1, Ordering::Relaxed);
        Self(hooks.clone())
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        self.0.0.committing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ledger for SimLedger {
    fn schema(&self) -> &Arc<Schema> {
        self.inner.schema()
    }

    async fn begin(&mut self) -> Result<Standing, LedgerError> {
        self.refuses = false;
        let standing = self.inner.begin().await?;
        Ok(self.bug.begun(standing))
    }

    async fn lock_posted(&mut self, origin: &Origin) -> Result<Posted, LedgerError> {
        let found = self.inner.lock_posted(origin).await?;
        Ok(self.bug.locked(origin, found))
    }

    async fn apply(&mut self, changes: &[LedgerChange]) -> Result<(), LedgerError> {
        let forbidden = |change: &LedgerChange| {
            change
                .change
                .cells
                .iter()
                .any(|(_, value)| matches!(value, Value::Text(text) if text == FORBIDDEN))
        };
        self.refuses |= self.checks && changes.iter().any(forbidden);
        if self.bug.is_planted() { zoo::apply(self, changes).await } else { self.inner.apply(changes).await }
    }

    async fn seal(&mut self, run: &SealedRun) -> Result<(), LedgerError> {
        self.bug.note_seal(run);
        self.inner.seal(run).await
    }

    async fn quarantine(&mut self, transaction: &Quarantined) -> Result<(), LedgerError> {
        if self.bug.drops_quarantine() { Ok(()) } else { self.inner.quarantine(transaction).await }
    }

    async fn release(&mut self, id: &TransactionId, outcome: Release) -> Result<(), LedgerError> {
        self.inner.release(id, outcome).await
    }

    async fn advance(&mut self, origin: &Origin, from: Posted, to: Posted) -> Result<(), LedgerError> {
        zoo::advance(self, origin, from, to).await
    }

    async fn commit(&mut self) -> Result<(), LedgerError> {
        if std::mem::take(&mut self.refuses) {
            mark(Mark::CommitFault);
            let detail = format!("a label is {FORBIDDEN}");
            return Err(LedgerError::Fault { fault: Fault::Check, detail });
        }
        let _committing = Committing::new(&self.hooks);
        if self.bug.is_planted() { zoo::commit(self).await } else { self.inner.commit().await }
    }

    async fn rollback(&mut self) -> Result<(), LedgerError> {
        self.inner.rollback().await
    }

    async fn posted(&mut self) -> Result<Vec<(Origin, Posted)>, LedgerError> {
        let posted = self.inner.posted().await?;
        self.bug.note_posted(&posted);
        Ok(posted)
    }

    async fn asked(&mut self) -> Result<bool, LedgerError> {
        self.inner.asked().await
    }

    async fn quarantined(&mut self) -> Result<Vec<(Quarantined, Asked)>, LedgerError> {
        let quarantined = self.inner.quarantined().await?;
        Ok(if self.bug.forgets_held_keys() { Vec::new() } else { quarantined })
    }
}
