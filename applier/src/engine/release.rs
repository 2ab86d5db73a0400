//! The poster and quarantine: carries out what operators asked for, and lets go what no longer waits for anything.

use std::collections::HashMap;

use journal_core::journal::{JournalStore, ReadLimit};
use journal_core::model::{SealNr, SealedRun, TransactionId};

use super::attempt::{Begun, Verdict};
use super::clock::Clock;
use super::held::Held;
use super::narrow::Way;
use super::poster::{Poster, Turn};
use super::prepare::{Judge, Keys, NotReady, Ready, prepare, shorten};
use super::reaction::PostError;
use crate::ledger::{Asked, Fault, Ledger, LedgerError, Quarantined, Release};

/// A run is read whole, whatever its size.
const ONE_RUN: ReadLimit = ReadLimit { transactions: 1, bytes: 1 };

/// Longest time that one reading of the quarantine is worked with, in microseconds: then what was asked meanwhile is seen.
const ROUND_MICROS: i64 = 1_000_000;

/// What lies in quarantine, gone through once in the order of arrival: nothing waits for what came after it.
#[derive(Debug)]
pub(super) struct Round {
    entries: Vec<(Quarantined, Asked)>,
    /// The place of each.
    arrival: HashMap<TransactionId, usize>,
    next: usize,
    begun_at: i64,
    /// The run that was read last: it may have brought many of them.
    run: Option<SealedRun>,
}

impl Round {
    fn new(entries: Vec<(Quarantined, Asked)>, begun_at: i64) -> Self {
        let arrival = entries.iter().enumerate().map(|(at, (entry, _))| (entry.id.clone(), at)).collect();
        Self { entries, arrival, next: 0, begun_at, run: None }
    }

    /// The next one that is to be worked on, with whether it still waits for one before it.
    fn next(&mut self, held: &Held) -> Option<(Quarantined, Asked, bool)> {
        while let Some((entry, asked)) = self.entries.get(self.next) {
            let at = self.next;
            self.next += 1;
            if *asked == Asked::Nothing && entry.fault != Fault::Dependent {
                continue;
            }
            let before = |other: &TransactionId| self.arrival.get(other).is_some_and(|place| *place < at);
            let blocked = held.is_blocked(&entry.id, before);
            if *asked != Asked::Nothing || !blocked {
                return Some((entry.clone(), *asked, blocked));
            }
        }
        None
    }
}

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Whether something may leave quarantine because something else did.
    pub(super) fn is_rechecking(&self) -> bool {
        self.recheck_held || self.round.is_some()
    }

    /// Carries out one request for a quarantined transaction, or releases one dependent whose blocker is gone. `None`
    /// when there is nothing of the kind.
    pub(super) async fn serve_asked(&mut self) -> Result<Option<Turn>, PostError> {
        // Kept again below: one that ends in an error, or in another turn than expected, is not to be relied on.
        let mut round = match self.round.take() {
            Some(round) if !self.is_due(round.begun_at, ROUND_MICROS) => round,
            round => {
                if round.is_none() && !self.recheck_held && !self.is_anything_asked().await? {
                    return Ok(None);
                }
                self.recheck_held = false;
                Round::new(self.ledger.quarantined().await?, self.clock.now())
            }
        };
        let Some((entry, asked, blocked)) = round.next(&self.held) else { return Ok(None) };
        let turn = match asked {
            Asked::Discard => self.discard(&entry.id).await?,
            Asked::Retry if blocked => {
                self.hold_again(&entry, asked, (entry.fault, entry.detail.clone())).await?
            }
            Asked::Retry | Asked::Nothing => self.release(&entry, asked, &mut round.run).await?,
        };
        match turn {
            Served::Done => self.round = Some(round),
            Served::Paused | Served::Stale => self.recheck_held = true,
        }
        Ok(Some(if turn == Served::Paused { Turn::Paused } else { Turn::Progress }))
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
    async fn release(
        &mut self,
        entry: &Quarantined,
        asked: Asked,
        last_run: &mut Option<SealedRun>,
    ) -> Result<Served, PostError> {
        let run = self.run_of(entry, last_run.take()).await?;
        let prepared = self.prepare_quarantined(entry, &run);
        let run = last_run.insert(run);
        let ready = match prepared? {
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
            Released::Ended(served) => Ok(served),
            Released::Refused(verdict) => self.hold_again(entry, asked, verdict).await,
        }
    }

    /// The run that brought it, which may be the last one that was read.
    async fn run_of(&mut self, entry: &Quarantined, last: Option<SealedRun>) -> Result<SealedRun, PostError> {
        let is_it = |run: &SealedRun| run.seal.origin == entry.id.origin && run.seal.seal_nr == entry.seal_nr;
        if let Some(run) = last.filter(is_it) {
            return Ok(run);
        }
        let after = SealNr(entry.seal_nr.0 - 1);
        let run = self.journal.read_runs(&entry.id.origin, after, ONE_RUN).await?.into_iter().next();
        Ok(run.ok_or_else(|| lost(&entry.id))?)
    }

    fn prepare_quarantined(
        &self,
        entry: &Quarantined,
        run: &SealedRun,
    ) -> Result<Result<Ready, Verdict>, PostError> {
        let transaction = run.transactions.iter().find(|transaction| transaction.id == entry.id);
        let transaction = transaction.ok_or_else(|| lost(&entry.id))?;
        let (registry, version) = (&self.settings.registry, self.standing.ledger_version);
        let prepared = prepare(transaction, registry, version, Judge::Peer, Keys::Told);
        Ok(prepared.map_err(|reason| match reason {
            NotReady::Fault(fault, detail) => (fault, detail),
            NotReady::UnknownVersion(version) => {
                (Fault::Unmappable, format!("schema version {version} is not known to this service"))
            }
        }))
    }

    async fn post_released(
        &mut self,
        entry: &Quarantined,
        asked: Asked,
        ready: &Ready,
    ) -> Result<Released, PostError> {
        if self.begin().await? == Begun::Paused {
            return Ok(Released::Ended(Served::Paused));
        }
        if let Some((_, verdict)) = self.apply(&[(0, ready)], Way::OneByOne, None).await? {
            return Ok(Released::Refused(verdict));
        }
        if !self.ledger.release(&entry.id, asked, Release::Posted).await? {
            return self.look_again().await.map(Released::Ended);
        }
        if let Some(verdict) = self.commit().await? {
            return Ok(Released::Refused(verdict));
        }
        self.held.remove(&entry.id);
        self.recheck_held = true;
        self.recent.insert(&entry.id.origin, entry.seal_nr, &ready.touches);
        self.done.posted += 1;
        Ok(Released::Ended(Served::Done))
    }

    async fn discard(&mut self, id: &TransactionId) -> Result<Served, PostError> {
        if self.begin().await? == Begun::Paused {
            return Ok(Served::Paused);
        }
        if !self.ledger.release(id, Asked::Discard, Release::Discarded).await? {
            return self.look_again().await;
        }
        if self.commit().await?.is_none() {
            self.held.remove(id);
            self.recheck_held = true;
        }
        Ok(Served::Done)
    }

    /// Holds it again, for the reason found now.
    async fn hold_again(
        &mut self,
        entry: &Quarantined,
        asked: Asked,
        (fault, detail): Verdict,
    ) -> Result<Served, PostError> {
        if self.begin().await? == Begun::Paused {
            return Ok(Served::Paused);
        }
        let depends_on = entry.depends_on.clone().filter(|_| fault == Fault::Dependent);
        let again = Quarantined { fault, detail: shorten(&detail), depends_on, ..entry.clone() };
        if !self.ledger.hold_again(&again, asked).await? {
            return self.look_again().await;
        }
        self.commit().await?;
        Ok(Served::Done)
    }

    /// Something else was asked for since it was looked at: the last word counts.
    async fn look_again(&mut self) -> Result<Served, PostError> {
        self.ledger.rollback().await?;
        Ok(Served::Stale)
    }
}

fn lost(id: &TransactionId) -> LedgerError {
    LedgerError::Damaged(format!("{id} is in quarantine and not in the journal"))
}

/// What became of one that was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    Done,
    Paused,
    /// What was read of it does not hold any more.
    Stale,
}

enum Released {
    Ended(Served),
    Refused(Verdict),
}
