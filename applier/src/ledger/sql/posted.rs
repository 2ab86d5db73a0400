//! The checkpoints: how far each origin's journal is posted here.

use journal_core::model::{Epoch, Origin, SealNr, SiteName, TransNr};
use journal_core::sql::{Dialect, Param};

use super::{SqlLedger, text};
use crate::control::Desired;
use crate::control::standing::{Stood, lock_standing, lock_standing_and_update};
use crate::ledger::{LedgerError, Posted};

impl SqlLedger {
    /// Whether the checkpoint moved.
    pub(super) async fn advance_in(
        &mut self,
        origin: &Origin,
        from: Posted,
        to: Posted,
    ) -> Result<bool, LedgerError> {
        let params = advance_params(origin, from, to)?;
        let mut conn = self.conn.lend();
        let moved = if from == Posted::default() {
            match conn.insert_new(text::NEW_POSTED, params.clone()).await? {
                0 => conn.execute(text::POSTED_FROM_ZERO, params).await?,
                written => written,
            }
        } else {
            conn.execute(text::ADVANCE, params).await?
        };
        Ok(moved == 1)
    }

    pub(super) async fn begin_from_in(
        &mut self,
        origin: &Origin,
        from: Posted,
        to: Posted,
    ) -> Result<(Stood, bool), LedgerError> {
        if self.dialect() == Dialect::Postgres && from != Posted::default() {
            let params = advance_params(origin, from, to)?;
            return lock_standing_and_update(self.conn.lend(), text::ADVANCE, params).await;
        }
        let stood = lock_standing(self.conn.lend()).await?;
        let runs = stood.standing.control.desired == Desired::Running;
        let moved = runs && self.advance_in(origin, from, to).await?;
        Ok((stood, moved))
    }

    /// All of them.
    pub(super) async fn posted_in(&mut self) -> Result<Vec<(Origin, Posted)>, LedgerError> {
        let mut all = Vec::new();
        for record in self.conn.lend().fetch(text::POSTED, Vec::new()).await? {
            let posted = Posted { seal_nr: SealNr(record.i64(2)?), trans_nr: TransNr(record.i64(3)?) };
            all.push((read_origin(&record.text(0)?, record.i64(1)?)?, posted));
        }
        Ok(all)
    }
}

pub(super) fn origin_params(origin: &Origin) -> Vec<Param> {
    vec![origin.site.as_str().into(), origin.epoch.0.into()]
}

/// What moves a checkpoint; where it is new, it has no place that it comes from.
fn advance_params(origin: &Origin, from: Posted, to: Posted) -> Result<Vec<Param>, LedgerError> {
    if to.seal_nr < from.seal_nr || to.trans_nr < from.trans_nr {
        let message = format!("the checkpoint of {origin} was to step back from {from:?} to {to:?}");
        return Err(LedgerError::Damaged(message));
    }
    let mut params = origin_params(origin);
    params.extend([to.seal_nr.0.into(), Param::from(to.trans_nr.0)]);
    if from != Posted::default() {
        params.extend([from.seal_nr.0.into(), Param::from(from.trans_nr.0)]);
    }
    Ok(params)
}

pub(super) fn read_origin(site: &str, epoch: i64) -> Result<Origin, LedgerError> {
    let site = SiteName::new(site).map_err(|error| LedgerError::Damaged(error.to_string()))?;
    Ok(Origin { site, epoch: Epoch(epoch) })
}
