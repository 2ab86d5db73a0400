//! The simulator's journal: the one in memory over a connection that can be lost, with numbers that become visible late
//! and damage on the way to a peer, and the places where the zoo plants its bugs.

use std::ops::Bound::{Excluded, Included};

use journal_core::journal::{
    AppendError, Appended, Head, Hole, JournalStore, ReadError, ReadLimit, ReceiveError, Tail,
};
use journal_core::model::{NewTransaction, Origin, SealNr, SealedRun, TransNr};
use journal_core::sql::{SqlClass, SqlError};
use journal_core::store::memory::MemoryJournal;

use crate::hooks::{Hooks, JournalTrouble, Transit};
use crate::zoo::{self, Bug};

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
