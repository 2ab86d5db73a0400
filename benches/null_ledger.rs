//! A ledger that takes everything and does nothing, so that what is measured is the way to it.

use std::sync::Arc;

use applier::control::Standing;
use applier::ledger::{Asked, Ledger, LedgerChange, LedgerError, Posted, Quarantined, Release};
use journal_core::model::{Name, Origin, Row, Schema, SealedRun, TransactionId};
use schema_mappers::MappedRow;

/// Remembers nothing but where it stands: every origin's checkpoint is where the caller believes it.
#[derive(Debug)]
pub(crate) struct NullLedger {
    schema: Arc<Schema>,
    standing: Standing,
    posted: Posted,
}

impl NullLedger {
    pub(crate) fn new(schema: Schema, standing: Standing) -> Self {
        Self { schema: Arc::new(schema), standing, posted: Posted::default() }
    }
}

impl Ledger for NullLedger {
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    async fn begin(&mut self) -> Result<Standing, LedgerError> {
        Ok(self.standing.clone())
    }

    async fn fetch(&mut self, _: &Name, _: &Row) -> Result<Vec<MappedRow>, LedgerError> {
        Ok(Vec::new())
    }

    async fn apply(&mut self, _: &[LedgerChange]) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn apply_together(&mut self, _: &[&LedgerChange]) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn seal(&mut self, _: &SealedRun) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn quarantine(&mut self, _: &Quarantined) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn hold_again(&mut self, _: &Quarantined, _: Asked) -> Result<bool, LedgerError> {
        Ok(true)
    }

    async fn release(&mut self, _: &TransactionId, _: Asked, _: Release) -> Result<bool, LedgerError> {
        Ok(true)
    }

    async fn advance(&mut self, _: &Origin, _: Posted, to: Posted) -> Result<(), LedgerError> {
        self.posted = to;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn posted(&mut self) -> Result<Vec<(Origin, Posted)>, LedgerError> {
        Ok(Vec::new())
    }

    async fn asked(&mut self) -> Result<bool, LedgerError> {
        Ok(false)
    }

    async fn quarantined(&mut self) -> Result<Vec<(Quarantined, Asked)>, LedgerError> {
        Ok(Vec::new())
    }
}
