//! One posting transaction of the ledger's: begun unless the site is paused or the poster out of date, applied, committed.

use journal_core::journal::JournalStore;
use journal_core::model::Origin;

use super::clock::Clock;
use super::meet::{carry_out, carry_out_together};
use super::narrow::Way;
use super::poster::Poster;
use super::prepare::Ready;
use super::reaction::PostError;
use crate::control::spent::Work;
use crate::control::{Desired, Standing};
use crate::ledger::{Fault, Ledger, LedgerError, Planned, Posted};

/// What speaks against a transaction.
pub(super) type Verdict = (Fault, String);

/// How one try at a part of a batch went.
#[derive(Debug)]
pub(super) enum Attempt {
    Committed,
    /// Rolled back; the member at fault where the database told.
    Refused {
        at: Option<usize>,
        verdict: Verdict,
    },
    Paused,
}

/// Whether a posting transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    Open,
    Paused,
}

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Begins a posting transaction, unless the site is paused or this poster is out of date.
    pub(super) async fn begin(&mut self) -> Result<Begun, PostError> {
        let standing = self.ledger.begin().await?;
        self.insist(standing).await
    }

    /// The same, with an origin's checkpoint moved to where this transaction leads; it has to stand where this poster left it.
    pub(super) async fn begin_to(&mut self, origin: &Origin, to: Posted) -> Result<Begun, PostError> {
        let (standing, moved) = self.ledger.begin_from(origin, self.passed(origin), to).await?;
        match self.insist(standing).await? {
            Begun::Open if !moved => Err(LedgerError::Moved { origin: origin.clone() }.into()),
            begun => Ok(begun),
        }
    }

    /// Rolls back unless this poster may post.
    async fn insist(&mut self, standing: Standing) -> Result<Begun, PostError> {
        if standing == self.standing && standing.control.desired == Desired::Running {
            return Ok(Begun::Open);
        }
        self.ledger.rollback().await?;
        if standing.fence != self.standing.fence {
            Err(PostError::Fenced)
        } else if standing.control.desired == Desired::Paused {
            Ok(Begun::Paused)
        } else {
            Err(PostError::Stale)
        }
    }

    /// Applies the members of a part of a batch. A fault rolls the database transaction back and is the verdict; `None`
    /// beside it says that the members were put together, so that it is nobody's yet.
    pub(super) async fn apply(
        &mut self,
        members: &[(usize, &Ready)],
        way: Way,
        planned: Option<Planned>,
    ) -> Result<Option<(Option<usize>, Verdict)>, PostError> {
        if way == Way::Together {
            let applied = self.apply_together(members, planned).await;
            return Ok(self.verdict(applied).await?.map(|verdict| (None, verdict)));
        }
        for (at, ready) in members {
            let applied = carry_out(&mut self.ledger, &self.settings.registry, ready).await;
            if let Some(verdict) = self.verdict(applied).await? {
                return Ok(Some((Some(*at), verdict)));
            }
        }
        Ok(None)
    }

    async fn apply_together(
        &mut self,
        members: &[(usize, &Ready)],
        planned: Option<Planned>,
    ) -> Result<(), LedgerError> {
        if let Some(planned) = planned
            && self.ledger.apply_planned(planned).await?
        {
            return Ok(());
        }
        carry_out_together(&mut self.ledger, &self.settings.registry, members).await
    }

    /// Commits. A fault here is a deferred constraint's: the database does not say whose.
    pub(super) async fn commit(&mut self) -> Result<Option<Verdict>, PostError> {
        self.lap(Work::Applying);
        let committed = self.ledger.commit().await;
        self.lap(Work::Committing);
        self.verdict(committed).await
    }

    async fn verdict(&mut self, result: Result<(), LedgerError>) -> Result<Option<Verdict>, PostError> {
        match result {
            Ok(()) => Ok(None),
            Err(LedgerError::Fault { fault, detail }) => {
                self.ledger.rollback().await?;
                Ok(Some((fault, detail)))
            }
            Err(other) => Err(other.into()),
        }
    }
}
