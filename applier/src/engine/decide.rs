//! The poster at the origin: decide own transactions, post the accepted, seal the run. One database transaction each.

use std::ops::Range;

use journal_core::codec::chain::{self, SealDraft};
use journal_core::journal::{JournalStore, Tail};
use journal_core::model::seal::GENESIS;
use journal_core::model::{Rejection, SealedRun};

use super::attempt::{Attempt, Begun, Verdict};
use super::clock::{Clock, next_hlc};
use super::narrow::Narrow;
use super::poster::{Poster, Turn};
use super::prepare::{Judge, Keys, NotReady, Ready, prepare, shorten};
use super::reaction::PostError;
use crate::control::spent::Work;
use crate::ledger::{Fault, Ledger, Posted};

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Decides a run of own transactions. An empty tail makes an empty seal. [`Turn::Idle`]: the first of them has to wait.
    pub(super) async fn decide(&mut self, mut tail: Tail) -> Result<Turn, PostError> {
        let any = !tail.transactions.is_empty();
        let (ready, verdicts) = self.judge_own(&mut tail);
        self.lap(Work::Preparing);
        if any && ready.is_empty() {
            return Ok(Turn::Idle);
        }
        let mut narrow = Narrow::new(verdicts, self.settings.batch.transactions);
        let mut range = narrow.next().unwrap_or(0..0);
        loop {
            match self.attempt_own(&tail, &ready, &range, &narrow).await? {
                Attempt::Paused => return Ok(Turn::Paused),
                Attempt::Refused { at, verdict } => narrow.failed(at, verdict),
                Attempt::Committed => narrow.posted(),
            }
            match narrow.next() {
                Some(next) => range = next,
                None => return Ok(Turn::Progress),
            }
        }
    }

    /// One database transaction: the accepted of a range posted, the range sealed, the checkpoint moved.
    async fn attempt_own(
        &mut self,
        tail: &Tail,
        ready: &[Option<Ready>],
        range: &Range<usize>,
        narrow: &Narrow<Verdict>,
    ) -> Result<Attempt, PostError> {
        let own = self.origin.clone();
        let to = self.decided_to(tail, range);
        if self.begin_to(&own, to).await? == Begun::Paused {
            return Ok(Attempt::Paused);
        }
        let good = range.clone().filter(|at| narrow.verdict(*at).is_none());
        let good: Vec<_> = good.filter_map(|at| Some((at, ready[at].as_ref()?))).collect();
        if let Some((at, verdict)) = self.apply(&good, narrow.way(), None).await? {
            return Ok(Attempt::Refused { at, verdict });
        }
        let run = self.draw_seal(tail, range, narrow, to);
        self.ledger.seal(&run).await?;
        if let Some(verdict) = self.commit().await? {
            return Ok(Attempt::Refused { at: None, verdict });
        }
        self.posted.insert(own, to);
        self.count_own(&run, ready, range, narrow);
        Ok(Attempt::Committed)
    }

    /// Prepares the tail; cuts it before the first transaction of a version nobody here knows yet.
    fn judge_own(&mut self, tail: &mut Tail) -> (Vec<Option<Ready>>, Vec<Option<Verdict>>) {
        let (mut ready, mut verdicts) = (Vec::new(), Vec::new());
        let registry = self.settings.registry.clone();
        for at in 0..tail.transactions.len() {
            let transaction = &tail.transactions[at];
            if let Some(why) = tail.ill_formed.get(&transaction.id.trans_nr) {
                ready.push(None);
                verdicts.push(Some((Fault::IllFormed, why.clone())));
                continue;
            }
            match prepare(transaction, &registry, self.standing.ledger_version, Judge::Origin, Keys::Told) {
                Ok(prepared) => {
                    ready.push(Some(prepared));
                    verdicts.push(None);
                }
                Err(NotReady::Fault(fault, detail)) => {
                    ready.push(None);
                    verdicts.push(Some((fault, detail)));
                }
                Err(NotReady::UnknownVersion(version)) => {
                    let id = transaction.id.clone();
                    self.wait(format!(
                        "{id} is written at schema version {version}, which this service does not know yet"
                    ));
                    tail.up_to =
                        tail.transactions[..at].last().map_or(self.own().trans_nr, |last| last.id.trans_nr);
                    tail.transactions.truncate(at);
                    break;
                }
            }
        }
        (ready, verdicts)
    }

    /// How far everything is decided once a range is.
    fn decided_to(&self, tail: &Tail, range: &Range<usize>) -> Posted {
        let own = self.own();
        let last_nr = if range.end == tail.transactions.len() {
            tail.up_to
        } else {
            tail.transactions[range.clone()].last().map_or(own.trans_nr, |last| last.id.trans_nr)
        };
        Posted { seal_nr: own.seal_nr.next(), trans_nr: last_nr.max(own.trans_nr) }
    }

    fn draw_seal(
        &self,
        tail: &Tail,
        range: &Range<usize>,
        narrow: &Narrow<Verdict>,
        to: Posted,
    ) -> SealedRun {
        let transactions = tail.transactions[range.clone()].to_vec();
        let rejections = range.clone().filter_map(|at| {
            let (fault, detail) = narrow.verdict(at)?;
            let trans_nr = tail.transactions[at].id.trans_nr;
            Some(Rejection { trans_nr, code: fault.code().to_owned(), detail: shorten(detail) })
        });
        let head = self.heads.iter().find(|head| head.origin == self.origin);
        let now = self.clock.now();
        let draft = SealDraft {
            origin: self.origin.clone(),
            seal_nr: to.seal_nr,
            first_nr: self.own().trans_nr.next(),
            last_nr: to.trans_nr,
            hlc: next_hlc(now, &self.heads),
            seen: self.seen(),
            schema: self.standing.ledger_version.0,
            prev_hash: head.map_or(GENESIS, |head| head.hash),
            sealed_at: now,
        };
        let rejections = rejections.collect();
        chain::seal(draft, transactions, rejections)
    }

    fn count_own(
        &mut self,
        run: &SealedRun,
        ready: &[Option<Ready>],
        range: &Range<usize>,
        narrow: &Narrow<Verdict>,
    ) {
        for at in range.clone() {
            if let (Some(prepared), None) = (&ready[at], narrow.verdict(at)) {
                self.recent.insert(&self.origin, run.seal.seal_nr, &prepared.touches);
                self.done.accepted += 1;
            } else {
                self.done.rejected += 1;
            }
        }
        self.sealed(run);
        self.recent.sweep(&self.held);
    }
}
