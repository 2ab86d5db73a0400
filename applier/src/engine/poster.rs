//! The poster: the one loop that decides, posts and seals at a site. It owns its journal and its ledger, holds no lock
//! between turns, and keeps in memory only what it can rebuild. After any error that is not the data's fault it is
//! dropped and opened afresh: the checkpoint, which moves only from where it was left, tells what had happened.

mod ahead;
#[cfg(test)]
mod asked;
#[cfg(test)]
mod keeps_on;
mod lanes;
#[cfg(test)]
mod level;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod opening;
mod settings;

use std::collections::BTreeMap;

use journal_core::journal::{Head, JournalStore, Tail};
use journal_core::model::{Origin, SealNr, SealedRun, Vector};

pub use self::ahead::LookAhead;
pub use self::settings::{
    ACKNOWLEDGE_EVERY_MICROS, BATCH_BYTES, BATCH_GROWTH, BATCH_GROWTH_BESIDE_APPENDS, BATCH_TRANSACTIONS,
    Settings,
};

use self::ahead::Ahead;
use super::clock::Clock;
use super::held::Held;
use super::pace::Pace;
use super::reaction::PostError;
use super::recent::Recent;
use super::release::Round;
use super::step::{Step, View, next_step};
use crate::control::Standing;
use crate::control::spent::{Spent, Work};
use crate::ledger::{Ledger, Posted};

/// How many times as long as between two looks for what operators asked it may wait while there is work.
const ASKED_WAITS: i64 = 2;

/// How a turn went.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Turn {
    /// Something was committed, or has to be looked at again; there may be more.
    Progress,
    /// Nothing to do.
    Idle,
    /// The site is paused, and there is work.
    Paused,
    /// There is work that cannot be done yet, and why.
    Waiting(String),
}

/// Counts of what a poster did, for progress and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Own transactions accepted.
    pub accepted: u64,
    /// Own transactions rejected.
    pub rejected: u64,
    /// Peer transactions posted.
    pub posted: u64,
    /// Peer transactions quarantined.
    pub quarantined: u64,
}

/// The loop's state.
#[derive(Debug)]
pub struct Poster<J, L, C> {
    pub(super) journal: J,
    pub(super) ledger: L,
    pub(super) clock: C,
    pub(super) settings: Settings,
    pub(super) standing: Standing,
    pub(super) origin: Origin,
    pub(super) posted: BTreeMap<Origin, Posted>,
    pub(super) heads: Vec<Head>,
    pub(super) recent: Recent,
    pub(super) held: Held,
    /// Whether something left quarantine, so that what waited for it may go.
    pub(super) recheck_held: bool,
    /// The going through the quarantine that is under way.
    pub(super) round: Option<Round>,
    pub(super) done: Done,
    pub(super) unacknowledged: bool,
    pub(super) waiting: Option<String>,
    /// The lane whose last run an earlier poster left half-way.
    pub(super) begun: Option<Origin>,
    /// Own transactions read and not decided yet.
    tail: Tail,
    /// What follows the batch that was posted last.
    ahead: Option<Ahead>,
    pub(super) pace: Pace,
    spent: Spent,
    last_lane: Option<usize>,
    decided_last: bool,
    /// Whether the last turn was for what operators asked, or for what leaves quarantine with it.
    served_last: bool,
    /// Whether the last turn's look found all there was, and its work was no request of an operator's.
    saw_all: bool,
    sealed_at: i64,
    /// When it last looked for what operators asked.
    pub(super) asked_at: i64,
}

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Opens over stores that nothing else uses. `standing` is what the control state says now: the poster works for
    /// this generation, fence and ledger version, and ends with [`PostError::Stale`] or [`PostError::Fenced`] once they
    /// change. Rebuilds its indexes from the journal.
    pub async fn open(
        journal: J,
        ledger: L,
        clock: C,
        settings: Settings,
        standing: Standing,
    ) -> Result<Self, PostError> {
        let origin = journal.origin().clone();
        let peers = settings.sites.iter().filter(|site| **site != origin.site).cloned().collect();
        let pace = Pace::new(settings.batch, settings.largest_batch);
        let mut poster = Self {
            journal,
            ledger,
            clock,
            settings,
            standing,
            origin,
            posted: BTreeMap::new(),
            heads: Vec::new(),
            recent: Recent::new(peers),
            held: Held::default(),
            recheck_held: true,
            round: None,
            done: Done::default(),
            unacknowledged: false,
            waiting: None,
            begun: None,
            tail: Tail::default(),
            ahead: None,
            pace,
            spent: Spent::default(),
            last_lane: None,
            decided_last: false,
            served_last: false,
            saw_all: false,
            sealed_at: 0,
            asked_at: 0,
        };
        poster.rebuild().await?;
        Ok(poster)
    }

    /// What it works with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counts since opening.
    pub fn done(&self) -> Done {
        self.done
    }

    /// Where its time went since opening.
    pub fn spent(&self) -> Spent {
        let Done { accepted, rejected, posted, quarantined } = self.done;
        Spent { transactions: accepted + rejected + posted + quarantined, ..self.spent }
    }

    /// Whether its last turn left nothing to do of what it had found. More may have come in since.
    pub fn is_level(&self) -> bool {
        let nothing_open = self.tail.transactions.is_empty() && self.lanes().is_empty();
        let acknowledged = !self.unacknowledged || !self.acknowledge_due();
        let nothing_waits = self.waiting.is_none() && self.begun.is_none() && !self.is_rechecking();
        self.saw_all && nothing_open && acknowledged && nothing_waits
    }

    /// What the last turn found that cannot be done yet, though it did something else.
    pub fn waits_for(&self) -> Option<&str> {
        self.waiting.as_deref()
    }

    /// Does one unit of work. What has to wait is passed over for what need not.
    pub async fn turn(&mut self) -> Result<Turn, PostError> {
        self.waiting = None;
        self.spent.begin(self.clock.now());
        self.saw_all = false;
        if self.tail.transactions.is_empty() {
            (self.heads, self.tail) = self.journal.look(self.own().trans_nr, self.settings.batch).await?;
        } else {
            self.heads = self.journal.heads().await?;
        }
        // What was asked waits for what is to be posted, but not for long.
        let patience = self.settings.ask_every_micros.saturating_mul(ASKED_WAITS);
        let undecided = !self.tail.transactions.is_empty();
        let asked_first = (self.is_rechecking() || self.is_due(self.asked_at, patience))
            // What leaves quarantine may be long; what comes from peers waits for it, for it may depend on it.
            && !(undecided && self.served_last);
        self.served_last = false;
        if asked_first && let Some(turn) = self.serve().await? {
            return Ok(turn);
        }
        self.lap(Work::Reading);
        if let Some(hole) = &self.tail.hole {
            let writers = hole.writers.join(", ");
            self.wait(format!("numbers {} to {} may still be written by {writers}", hole.first, hole.last));
        }
        self.saw_all = self.tail.hole.is_none() && !self.tail.more;
        let lanes = self.lanes();
        let mut view = View {
            undecided,
            lanes: vec![true; lanes.len()],
            last_lane: self.last_lane.filter(|lane| *lane < lanes.len()),
            decided_last: self.decided_last,
            begun: lanes.iter().position(|lane| self.begun.as_ref() == Some(lane)),
            unacknowledged: self.unacknowledged && self.acknowledge_due(),
        };
        loop {
            match next_step(&view) {
                Step::Post(lane) => {
                    let (runs, judged) = self.ready_runs(&lanes[lane]).await?;
                    if runs.is_empty() {
                        view.lanes[lane] = false;
                        continue;
                    }
                    (self.decided_last, self.last_lane) = (false, Some(lane));
                    // One try: should it wait for something, the others shall not wait for it.
                    self.begun.take_if(|begun| *begun == lanes[lane]);
                    match self.post(runs, judged).await? {
                        Turn::Idle => view.lanes[lane] = false,
                        turn => return Ok(turn),
                    }
                }
                Step::Decide => {
                    self.decided_last = true;
                    let tail = std::mem::take(&mut self.tail);
                    match self.decide(tail).await? {
                        Turn::Idle => view.undecided = false,
                        turn => return Ok(turn),
                    }
                }
                Step::Acknowledge => {
                    let nothing = Tail { up_to: self.own().trans_nr, ..Tail::default() };
                    return self.decide(nothing).await;
                }
                Step::Wait => {
                    if !asked_first && let Some(turn) = self.serve().await? {
                        self.saw_all = false;
                        return Ok(turn);
                    }
                    return Ok(self.waiting.take().map_or(Turn::Idle, Turn::Waiting));
                }
            }
        }
    }

    async fn serve(&mut self) -> Result<Option<Turn>, PostError> {
        let turn = self.serve_asked().await?;
        if turn.is_some() {
            (self.served_last, self.decided_last) = (true, false);
        }
        Ok(turn)
    }

    /// Puts the time since the last look at the clock down to some work.
    pub(super) fn lap(&mut self, work: Work) {
        self.spent.lap(self.clock.now(), work);
    }

    fn acknowledge_due(&self) -> bool {
        self.is_due(self.sealed_at, self.settings.acknowledge_every_micros)
    }

    /// Whether so many microseconds have passed. A clock that jumped back must not silence anything.
    pub(super) fn is_due(&self, last: i64, every: i64) -> bool {
        let since = self.clock.now().saturating_sub(last);
        since < 0 || since >= every
    }

    pub(super) fn own(&self) -> Posted {
        self.passed(&self.origin)
    }

    /// How far an origin is posted here.
    pub(super) fn passed(&self, origin: &Origin) -> Posted {
        self.posted.get(origin).copied().unwrap_or_default()
    }

    pub(super) fn posted_seal(&self, origin: &Origin) -> SealNr {
        self.passed(origin).seal_nr
    }

    /// What this site has posted of the others, for its seals.
    pub(super) fn seen(&self) -> Vector {
        let others =
            self.posted.iter().filter(|(origin, posted)| **origin != self.origin && posted.seal_nr.0 > 0);
        others.map(|(origin, posted)| (origin.clone(), posted.seal_nr)).collect()
    }

    /// What it sealed is its head now: nobody else moves it.
    pub(super) fn sealed(&mut self, run: &SealedRun) {
        self.heads.retain(|head| head.origin != self.origin);
        self.heads.push(Head::at(&run.seal));
        self.sealed_at = run.seal.sealed_at;
        self.unacknowledged = false;
    }

    pub(super) fn wait(&mut self, reason: String) {
        self.waiting.get_or_insert(reason);
    }
}
