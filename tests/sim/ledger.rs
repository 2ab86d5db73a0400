//! The simulator's ledger: the one in memory, with a constraint that is checked at commit, and the places where the zoo
//! plants its bugs.

use std::sync::Arc;

use applier::control::Standing;
use applier::ledger::memory::{MemoryLedger, MemorySite};
use applier::ledger::{Asked, Fault, Ledger, LedgerChange, LedgerError, Posted, Quarantined, Release};
use journal_core::model::{Name, Origin, Row, Schema, SealedRun, TransactionId, Value};
use schema_mappers::MappedRow;

use crate::hooks::{Committing, Hooks};
use crate::marks::{Mark, mark};
use crate::oracle::FORBIDDEN;
use crate::zoo::{self, Bug, LedgerBug};

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

fn is_forbidden(change: &LedgerChange) -> bool {
    let mut cells = change.change.cells.iter();
    cells.any(|(_, value)| matches!(value, Value::Text(text) if text == FORBIDDEN))
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

    async fn fetch(&mut self, table: &Name, columns: &Row) -> Result<Vec<MappedRow>, LedgerError> {
        mark(Mark::Met);
        if self.bug.looks_beforehand() {
            // As if it had looked before anything of this transaction was done.
            return Ok(zoo::committed(&self.site, table, columns));
        }
        self.inner.fetch(table, columns).await
    }

    async fn apply(&mut self, changes: &[LedgerChange]) -> Result<(), LedgerError> {
        self.refuses |= self.checks && changes.iter().any(is_forbidden);
        if self.bug.is_planted() { zoo::apply(self, changes).await } else { self.inner.apply(changes).await }
    }

    async fn apply_together(&mut self, changes: &[&LedgerChange]) -> Result<(), LedgerError> {
        if self.bug.is_planted() {
            for change in changes {
                self.apply(std::slice::from_ref(*change)).await?;
            }
            return Ok(());
        }
        self.refuses |= self.checks && changes.iter().any(|change| is_forbidden(change));
        self.inner.apply_together(changes).await
    }

    async fn seal(&mut self, run: &SealedRun) -> Result<(), LedgerError> {
        self.bug.note_seal(run);
        self.inner.seal(run).await
    }

    async fn quarantine(&mut self, transaction: &Quarantined) -> Result<(), LedgerError> {
        if self.bug.drops_quarantine() { Ok(()) } else { self.inner.quarantine(transaction).await }
    }

    async fn hold_again(&mut self, transaction: &Quarantined, asked: Asked) -> Result<bool, LedgerError> {
        self.inner.hold_again(transaction, asked).await
    }

    async fn release(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        outcome: Release,
    ) -> Result<bool, LedgerError> {
        let aside = self.site.put_aside();
        let stands = aside.iter().find(|each| each.transaction.id == *id).map_or(asked, |each| each.asked);
        let asked = if self.bug.ignores_the_last_word() { stands } else { asked };
        self.inner.release(id, asked, outcome).await
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
        self.inner.posted().await
    }

    async fn asked(&mut self) -> Result<bool, LedgerError> {
        self.inner.asked().await
    }

    async fn quarantined(&mut self) -> Result<Vec<(Quarantined, Asked)>, LedgerError> {
        let quarantined = self.inner.quarantined().await?;
        Ok(if self.bug.forgets_held_keys() { Vec::new() } else { quarantined })
    }
}
