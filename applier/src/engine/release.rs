//! The poster and quarantine: carries out what operators asked for, and lets go what no longer waits for anything.

use std::collections::HashMap;

use journal_core::journal::{JournalStore, ReadLimit};
use journal_core::model::{SealNr, SealedRun, TransactionId};

use super::attempt::{Begun, Verdict};
use super::clock::Clock;
use super::narrow::Way;
use super::poster::{Poster, Turn};
use super::prepare::{Judge, Keys, NotReady, Ready, prepare, shorten};
use super::reaction::PostError;
use crate::ledger::{Asked, Fault, Ledger, LedgerError, Quarantined, Release};

/// A run is read whole, whatever its size.
const ONE_RUN: ReadLimit = ReadLimit { transactions: 1, bytes: 1 };

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Carries out one request for a quarantined transaction, or releases one dependent whose blocker is gone. `None`
    /// when there is nothing of the kind.
    pub(super) async fn serve_asked(&mut self) -> Result<Option<Turn>, PostError> {
        if !self.recheck_held && !self.is_anything_asked().await? {
            return Ok(None);
        }
        let quarantined = self.ledger.quarantined().await?;
        let arrival: HashMap<&TransactionId, usize> =
            quarantined.iter().enumerate().map(|(at, (entry, _))| (&entry.id, at)).collect();
        for (at, (entry, asked)) in quarantined.iter().enumerate() {
            let blocked =
                self.held.is_blocked(&entry.id, |other| arrival.get(other).is_some_and(|place| *place < at));
            match asked {
                Asked::Discard => return self.discard(&entry.id).await.map(Some),
                Asked::Retry if blocked => {
                    self.hold_again(entry, *asked, (entry.fault, entry.detail.clone())).await?;
                }
                Asked::Retry => return self.release(entry, *asked).await.map(Some),
                Asked::Nothing if entry.fault == Fault::Dependent && !blocked => {
                    return self.release(entry, *asked).await.map(Some);
                }
                Asked::Nothing => {}
            }
        }
        self.recheck_held = false;
        Ok(None)
    }

    async fn is_anything_asked(&mut self) -> Result<bool, PostError> {
        if !self.is_due(self.asked_at, self.settings.ask_every_micros) {
            return Ok(false);
        }
        let asked = self.ledger.asked().await?;
        // Not before all of it is carried out.
        if !asked {
            self.asked_at = self.clock.now();
        }
        Ok(asked)
    }

    /// Posts a quarantined transaction, or holds it again for what is found now. Where nobody asked for it, that may be a
    /// concurrent write: an operator who asks has decided.
    async fn release(&mut self, entry: &Quarantined, asked: Asked) -> Result<Turn, PostError> {
        let (run, prepared) = self.read_quarantined(entry).await?;
        let ready = match prepared {
            Ok(ready) => ready,
            Err(verdict) => return self.hold_again(entry, asked, verdict).await,
        };
        if asked == Asked::Nothing
            && let Some((other, seal_nr)) =
                self.recent.concurrent(&run.seal.origin, &run.seal.seen, &ready.touches)
        {
            let detail = format!("{other} wrote the same key in its seal {seal_nr} meanwhile");
            return self.hold_again(entry, asked, (Fault::Concurrent, detail)).await;
        }
        match self.post_released(entry, asked, &ready).await? {
            Released::Done(turn) => Ok(turn),
            Released::Refused(verdict) => self.hold_again(entry, asked, verdict).await,
        }
    }

    async fn read_quarantined(
        &mut self,
        entry: &Quarantined,
    ) -> Result<(SealedRun, Result<Ready, Verdict>), PostError> {
        let after = SealNr(entry.seal_nr.0 - 1);
        let run = self.journal.read_runs(&entry.id.origin, after, ONE_RUN).await?.into_iter().next();
        let lost = || LedgerError::Damaged(format!("{} is in quarantine and not in the journal", entry.id));
        let run = run.ok_or_else(lost)?;
        let transaction =
            run.transactions.iter().find(|transaction| transaction.id == entry.id).ok_or_else(lost)?;
        let registry = self.settings.registry.clone();
        let prepared = prepare(transaction, &registry, self.standing.ledger_version, Judge::Peer, Keys::Told);
        let prepared = prepared.map_err(|reason| match reason {
            NotReady::Fault(fault, detail) => (fault, detail),
            NotReady::UnknownVersion(version) => {
                (Fault::Unmappable, format!("schema version {version} is not known to this service"))
            }
        });
        Ok((run, prepared))
    }

    async fn post_released(
        &mut self,
        entry: &Quarantined,
        asked: Asked,
        ready: &Ready,
    ) -> Result<Released, PostError> {
        if self.begin().await? == Begun::Paused {
            return Ok(Released::Done(Turn::Paused));
        }
        if let Some((_, verdict)) = self.apply(&[(0, ready)], Way::OneByOne, None).await? {
            return Ok(Released::Refused(verdict));
        }
        if !self.ledger.release(&entry.id, asked, Release::Posted).await? {
            return self.look_again().await.map(Released::Done);
        }
        if let Some(verdict) = self.commit().await? {
            return Ok(Released::Refused(verdict));
        }
        self.held.remove(&entry.id);
        self.recheck_held = true;
        self.recent.insert(&entry.id.origin, entry.seal_nr, &ready.touches);
        self.done.posted += 1;
        Ok(Released::Done(Turn::Progress))
    }

    async fn discard(&mut self, id: &TransactionId) -> Result<Turn, PostError> {
        if self.begin().await? == Begun::Paused {
            return Ok(Turn::Paused);
        }
        if !self.ledger.release(id, Asked::Discard, Release::Discarded).await? {
            return self.look_again().await;
        }
        if self.commit().await?.is_none() {
            self.held.remove(id);
            self.recheck_held = true;
        }
        Ok(Turn::Progress)
    }

    /// Holds it again, for the reason found now.
    async fn hold_again(
        &mut self,
        entry: &Quarantined,
        asked: Asked,
        (fault, detail): Verdict,
    ) -> Result<Turn, PostError> {
        if self.begin().await? == Begun::Paused {
            return Ok(Turn::Paused);
        }
        let depends_on = entry.depends_on.clone().filter(|_| fault == Fault::Dependent);
        let again = Quarantined { fault, detail: shorten(&detail), depends_on, ..entry.clone() };
        if !self.ledger.hold_again(&again, asked).await? {
            return self.look_again().await;
        }
        self.commit().await?;
        Ok(Turn::Progress)
    }

    /// Something else was asked for since it was looked at: the last word counts.
    async fn look_again(&mut self) -> Result<Turn, PostError> {
        self.ledger.rollback().await?;
        Ok(Turn::Progress)
    }
}

enum Released {
    Done(Turn),
    Refused(Verdict),
}
