//! The poster at a peer: map and post what other origins accepted, from this site's own journal. Effects and checkpoint
//! are one database transaction. What the ledger cannot take is quarantined, whole, with what depends on it.

use std::ops::Range;

use journal_core::journal::JournalStore;
use journal_core::model::{Origin, SealNr, SealedRun, TransactionId};

use super::attempt::{Attempt, Begun, Verdict};
use super::clock::Clock;
use super::judge::{Cut, Judged, Member, Terms};
use super::keys::Touch;
use super::narrow::Narrow;
use super::partial::touched;
use super::poster::{Poster, Turn};
use super::prepare::{Keys, shorten};
use super::reaction::PostError;
use crate::control::spent::Work;
use crate::ledger::{Fault, Ledger, Posted, Quarantined};

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Posts sealed runs of one peer origin, in order. [`Turn::Idle`]: the first of them has to wait.
    pub(super) async fn post(
        &mut self,
        mut runs: Vec<SealedRun>,
        judged: Option<Judged>,
    ) -> Result<Turn, PostError> {
        let mut judged = self.judge_runs(&mut runs, judged);
        self.lap(Work::Preparing);
        let Some(first) = runs.first() else {
            return Ok(Turn::Idle);
        };
        let origin = first.seal.origin.clone();
        let more = self.look_ahead(&runs).await?;
        self.lap(Work::Reading);
        let began = self.clock.now();
        let mut narrow = Narrow::new(std::mem::take(&mut judged.verdicts), self.settings.batch.transactions);
        let mut range = narrow.next().unwrap_or(0..0);
        loop {
            let dependents = self.judge_keys(&runs, &judged.members, &range, &mut narrow);
            match self.attempt_post(&origin, &runs, &mut judged, &range, &narrow, &dependents).await? {
                Attempt::Paused => return Ok(Turn::Paused),
                Attempt::Refused { at, verdict } => {
                    self.tell_touches(&runs, &mut judged.members);
                    narrow.failed(at, verdict);
                }
                Attempt::Committed => narrow.posted(),
            }
            match narrow.next() {
                Some(next) => range = next,
                None => break,
            }
        }
        self.pace.took(more, self.clock.now().saturating_sub(began));
        Ok(Turn::Progress)
    }

    /// What the runs bring and is not posted yet, prepared; in advance, if it was. Cuts them before the first version
    /// nobody here knows yet.
    fn judge_runs(&mut self, runs: &mut Vec<SealedRun>, judged: Option<Judged>) -> Judged {
        let keys = self.keys_of(runs);
        let mut judged = judged.unwrap_or_else(|| {
            let passed = runs.first().map_or(Posted::default(), |run| self.passed(&run.seal.origin));
            self.terms(keys).judge(runs, passed.trans_nr)
        });
        if let Some(Cut { run, member, reason }) = judged.cut.take() {
            self.wait(reason);
            runs.truncate(run);
            judged.members.truncate(member);
            judged.verdicts.truncate(member);
        }
        if keys == Keys::Told || judged.verdicts.iter().any(Option::is_some) {
            self.tell_touches(runs, &mut judged.members);
        }
        judged
    }

    pub(super) fn terms(&self, keys: Keys) -> Terms {
        let (registry, version) = (self.settings.registry.clone(), self.standing.ledger_version);
        Terms { registry, version, keys, planner: None }
    }

    /// Whether the keys of what the runs bring can meet any, or must be kept for what comes later.
    pub(super) fn keys_of(&self, runs: &[SealedRun]) -> Keys {
        let kept = runs.iter().any(|run| self.recent.keeps(&run.seal.origin));
        if kept || !self.recent.is_empty() || !self.held.is_empty() { Keys::Told } else { Keys::Left }
    }

    /// Finds the keys that are not known yet: one member waits, and others may have to wait for it.
    fn tell_touches(&self, runs: &[SealedRun], members: &mut [Member]) {
        for member in members.iter_mut().filter(|member| !member.told) {
            let transactions = &runs[member.run].transactions;
            let found = transactions.binary_search_by_key(&member.id.trans_nr, |stored| stored.id.trans_nr);
            if let Ok(at) = found {
                let version = self.standing.ledger_version;
                member.ready.touches = touched(&transactions[at], &self.settings.registry, version);
                member.told = true;
            }
        }
    }

    /// Judges a range by its keys: concurrent with what stands here, or behind something held. Returns, for each member
    /// with a verdict, the held transaction it waits for.
    fn judge_keys(
        &self,
        runs: &[SealedRun],
        members: &[Member],
        range: &Range<usize>,
        narrow: &mut Narrow<Verdict>,
    ) -> Vec<Option<TransactionId>> {
        let mut held = self.held.clone();
        let mut depends_on = vec![None; members.len()];
        for at in range.clone() {
            let member = &members[at];
            let touches: &[Touch] = &member.ready.touches;
            let seal = &runs[member.run].seal;
            if narrow.verdict(at).is_none()
                && let Some((other, seal_nr)) = self.recent.concurrent(&seal.origin, &seal.seen, touches)
            {
                let detail = format!(
                    "{other} wrote the same key in its seal {seal_nr}, and neither knew of the other"
                );
                narrow.condemn(at, (Fault::Concurrent, detail));
            }
            if narrow.verdict(at).is_none()
                && let Some(blocker) = held.blocker(touches)
            {
                depends_on[at] = Some(blocker.clone());
                narrow.condemn(
                    at,
                    (Fault::Dependent, format!("it touches keys of {blocker}, which is in quarantine")),
                );
            } else if narrow.verdict(at).is_some_and(|(fault, _)| *fault == Fault::Dependent) {
                depends_on[at] = held.blocker(touches).cloned();
            }
            if narrow.verdict(at).is_some() {
                held.insert(&member.id, touches);
            }
        }
        depends_on
    }

    async fn attempt_post(
        &mut self,
        origin: &Origin,
        runs: &[SealedRun],
        judged: &mut Judged,
        range: &Range<usize>,
        narrow: &Narrow<Verdict>,
        depends_on: &[Option<TransactionId>],
    ) -> Result<Attempt, PostError> {
        let members = &judged.members;
        let to = reached(runs, members, range, self.passed(origin));
        if self.begin_to(origin, to).await? == Begun::Paused {
            return Ok(Attempt::Paused);
        }
        let mut good = Vec::with_capacity(range.len());
        for at in range.clone() {
            let member = &members[at];
            if let Some((fault, detail)) = narrow.verdict(at) {
                let quarantined = Quarantined {
                    id: member.id.clone(),
                    seal_nr: member.seal_nr,
                    fault: *fault,
                    detail: shorten(detail),
                    depends_on: depends_on[at].clone(),
                };
                self.ledger.quarantine(&quarantined).await?;
            } else {
                good.push((at, &member.ready));
            }
        }
        // Once, and only as the whole that it was made of.
        let planned = judged.planned.take().filter(|_| good.len() == members.len());
        if let Some((at, verdict)) = self.apply(&good, narrow.way(), planned).await? {
            return Ok(Attempt::Refused { at, verdict });
        }
        if let Some(verdict) = self.commit().await? {
            return Ok(Attempt::Refused { at: None, verdict });
        }
        self.posted.insert(origin.clone(), to);
        self.count_posted(runs, members, range, narrow, to);
        Ok(Attempt::Committed)
    }

    fn count_posted(
        &mut self,
        runs: &[SealedRun],
        members: &[Member],
        range: &Range<usize>,
        narrow: &Narrow<Verdict>,
        to: Posted,
    ) {
        for at in range.clone() {
            let member = &members[at];
            if narrow.verdict(at).is_some() {
                self.held.insert(&member.id, &member.ready.touches);
                self.done.quarantined += 1;
            } else {
                self.recent.insert(&member.id.origin, member.seal_nr, &member.ready.touches);
                self.done.posted += 1;
            }
        }
        // Only transactions need acknowledging: acknowledging acknowledgements would never end.
        self.unacknowledged |= !range.is_empty();
        for run in runs.iter().filter(|run| run.seal.seal_nr <= to.seal_nr) {
            self.recent.note_seen(&run.seal.origin.site, &run.seal.seen);
        }
        self.recent.sweep(&self.held);
    }
}

/// Where the checkpoint stands after a range: behind the last whole run, or within one.
fn reached(runs: &[SealedRun], members: &[Member], range: &Range<usize>, from: Posted) -> Posted {
    if range.end == members.len() {
        return runs
            .last()
            .map_or(from, |run| Posted { seal_nr: run.seal.seal_nr, trans_nr: run.seal.last_nr });
    }
    let last_nr = members[..range.end].last().map_or(from.trans_nr, |member| member.id.trans_nr);
    // The next member's run is not whole yet; all before it are.
    let seal_nr = SealNr(members[range.end].seal_nr.0 - 1);
    Posted { seal_nr: seal_nr.max(from.seal_nr), trans_nr: last_nr.max(from.trans_nr) }
}
