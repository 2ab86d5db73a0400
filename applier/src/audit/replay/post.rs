//! Posting a stream of runs into a ledger that nothing else writes: in batches, and one by one where a batch is refused.

use std::collections::BTreeMap;

use journal_core::journal::JournalStore;
use journal_core::model::{Origin, SchemaVersion, SealedRun, TransactionId};
use schema_mappers::Registry;

use super::lanes::{Lanes, Takes};
use super::{Listed, ReplayError};
use crate::audit::balance::{Aside, Standings};
use crate::audit::progress::{Progress, Watch};
use crate::engine::meet::carry_out;
use crate::engine::prepare::{Judge, Keys, NotReady, Ready, prepare};
use crate::ledger::{Fault, Ledger, LedgerError, Posted};

/// Transactions of one database transaction.
const BATCH_TRANSACTIONS: usize = 1000;
/// Changes of one database transaction, behind which it ends.
const BATCH_CHANGES: usize = 10_000;

/// What posting came to.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) up_to: BTreeMap<Origin, Posted>,
    pub(super) posted: u64,
    pub(super) rejected: u64,
    pub(super) left_out: Listed,
    pub(super) posted_late: Listed,
    pub(super) refused: Listed,
    /// The same, counted by code.
    pub(super) refused_by: BTreeMap<&'static str, u64>,
}

impl Replayed {
    fn refuse(&mut self, id: &TransactionId, fault: Fault, detail: &str) {
        self.refused.add(id, format!("{}: {detail}", fault.code()));
        *self.refused_by.entry(fault.code()).or_default() += 1;
    }
}

/// The work.
#[derive(Debug)]
pub(super) struct Posting<'r> {
    registry: &'r Registry,
    version: SchemaVersion,
    standings: &'r Standings,
    batch: Vec<(TransactionId, Ready)>,
    changes: usize,
    /// What the ledger's checkpoints say.
    checkpoints: BTreeMap<Origin, Posted>,
    done: Replayed,
}

impl<'r> Posting<'r> {
    pub(super) fn new(registry: &'r Registry, version: SchemaVersion, standings: &'r Standings) -> Self {
        let (batch, checkpoints) = (Vec::new(), BTreeMap::new());
        Self { registry, version, standings, batch, changes: 0, checkpoints, done: Replayed::default() }
    }

    /// The same from where an earlier leg came to.
    pub(super) fn after(self, checkpoints: &BTreeMap<Origin, Posted>) -> Self {
        let done = Replayed { up_to: checkpoints.clone(), ..self.done };
        Self { checkpoints: checkpoints.clone(), done, ..self }
    }

    /// Posts everything the lanes bring as long as `takes` says yes.
    pub(super) async fn run<J: JournalStore, L: Ledger>(
        mut self,
        journal: &mut J,
        ledger: &mut L,
        lanes: &mut Lanes,
        takes: &mut Takes<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Replayed, ReplayError> {
        let total = Some(lanes.total());
        let mut passed: u64 = 0;
        while let Some(run) = lanes.next(journal, takes).await? {
            self.take(&run)?;
            passed += run.transactions.len() as u64;
            if self.batch.len() >= BATCH_TRANSACTIONS || self.changes >= BATCH_CHANGES {
                self.flush(ledger).await?;
                watch(Progress { done: passed, total });
            }
        }
        self.flush(ledger).await?;
        watch(Progress { done: passed, total });
        Ok(self.done)
    }

    /// Prepares a run's transactions.
    fn take(&mut self, run: &SealedRun) -> Result<(), ReplayError> {
        let origin = &run.seal.origin;
        self.done.rejected += run.rejections.len() as u64;
        for transaction in run.accepted() {
            let id = &transaction.id;
            match self.standings.aside(origin, id.trans_nr) {
                Some(Aside::Held) => {
                    self.done.left_out.add(id, "in quarantine at the site");
                    continue;
                }
                Some(Aside::Discarded) => {
                    self.done.left_out.add(id, "discarded at the site");
                    continue;
                }
                Some(Aside::Late) => self.done.posted_late.add(id, "was in quarantine at the site"),
                None => {}
            }
            match prepare(transaction, self.registry, self.version, Judge::Peer, Keys::Left) {
                Ok(ready) => {
                    self.changes += ready.len();
                    self.batch.push((id.clone(), ready));
                }
                Err(NotReady::UnknownVersion(version)) => {
                    return Err(ReplayError::UnknownVersion { id: id.clone(), version });
                }
                Err(NotReady::Fault(fault, detail)) => self.done.refuse(id, fault, &detail),
            }
        }
        let up_to = Posted { seal_nr: run.seal.seal_nr, trans_nr: run.seal.last_nr };
        self.done.up_to.insert(origin.clone(), up_to);
        Ok(())
    }

    /// Posts the batch in one database transaction, checkpoints with it.
    async fn flush<L: Ledger>(&mut self, ledger: &mut L) -> Result<(), ReplayError> {
        let batch = std::mem::take(&mut self.batch);
        self.changes = 0;
        ledger.begin().await?;
        if self.apply_all(ledger, &batch).await? {
            self.done.posted += batch.len() as u64;
        } else {
            ledger.rollback().await?;
            self.one_by_one(ledger, &batch).await?;
            ledger.begin().await?;
        }
        for (origin, to) in &self.done.up_to {
            let from = self.checkpoints.get(origin).copied().unwrap_or_default();
            if from != *to {
                ledger.advance(origin, from, *to).await?;
            }
        }
        ledger.commit().await?;
        self.checkpoints.clone_from(&self.done.up_to);
        Ok(())
    }

    /// Whether the ledger took all of it.
    async fn apply_all<L: Ledger>(
        &self,
        ledger: &mut L,
        batch: &[(TransactionId, Ready)],
    ) -> Result<bool, LedgerError> {
        for (_, ready) in batch {
            match carry_out(ledger, self.registry, ready).await {
                Ok(()) => {}
                Err(LedgerError::Fault { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Posts each by itself, so that one refused takes no other along.
    async fn one_by_one<L: Ledger>(
        &mut self,
        ledger: &mut L,
        batch: &[(TransactionId, Ready)],
    ) -> Result<(), ReplayError> {
        for (id, ready) in batch {
            ledger.begin().await?;
            let posted = match carry_out(ledger, self.registry, ready).await {
                Ok(()) => ledger.commit().await,
                Err(error @ LedgerError::Fault { .. }) => {
                    ledger.rollback().await?;
                    Err(error)
                }
                Err(error) => return Err(error.into()),
            };
            match posted {
                Ok(()) => self.done.posted += 1,
                Err(LedgerError::Fault { fault, detail }) => self.done.refuse(id, fault, &detail),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
