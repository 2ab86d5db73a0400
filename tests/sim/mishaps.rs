//! What goes wrong in a history: crashes, troubles on order, clocks, people who write into ledgers, slow writers,
//! deliveries that come twice.

use std::sync::atomic::Ordering;

use applier::ledger::memory::faults::{Call, Trouble};
use applier::ledger::{Ledger as _, LedgerChange};
use journal_core::journal::JournalStore as _;
use journal_core::model::SealNr;
use rand::RngExt as _;

use crate::checks::{ensure, runs};
use crate::forms::changes_at;
use crate::hooks::{JournalTrouble, Transit};
use crate::marks::{Mark, mark};
use crate::oracle::{Act, Rules, claims};
use crate::tasks::{Task, now};
use crate::workload::Drawn;
use crate::world::{Broken, World};

impl World {
    /// A second poster under the same lease, which cannot be: it finds that the checkpoint has moved.
    pub(crate) fn twin(&mut self, at: usize) -> Result<(), Broken> {
        let (own, others) = (self.sites[at].origin.clone(), self.sites[at].others.len());
        if !self.held(at).is_empty() || self.sites[at].poster.is_none() {
            return Ok(());
        }
        let open = self.open(at, true);
        self.run(vec![open], None)?;
        if self.sites[at].others.len() == others {
            return Ok(()); // A trouble struck it.
        }
        let (twin, before) = (self.sites[at].others.pop(), self.sites[at].checkpoints.get(&own).copied());
        let turn = self.turn(at);
        self.run(vec![turn], None)?;
        let decided = self.sites[at].checkpoints.get(&own).map(|now| now.trans_nr)
            > before.map(|before| before.trans_nr);
        let turn = twin.filter(|_| decided).map(|twin| Task::turn(at, twin, true));
        self.run(turn.into_iter().collect(), None)?;
        ensure!(
            self.sites[at].others.len() == others,
            "S9: a second poster decided again what was decided at {own}"
        );
        Ok(())
    }

    pub(crate) fn crash(&mut self, at: usize) -> Option<Task> {
        self.sites[at].door.memory.faults().crash();
        self.sites[at].poster = None;
        self.sites[at].pullers.clear();
        None
    }

    /// Somebody changes a row by hand.
    pub(crate) fn bypass(&mut self, at: usize) -> Result<(), Broken> {
        if self.plan.exclusive || self.rng.random_bool(0.5) {
            return Ok(());
        }
        let mut drawn = Drawn::draw(&mut self.rng, &self.plan, at, &self.sites[at].books);
        let rules = Rules { checks: false, ..self.rules(at, true) };
        drawn.writes.truncate(1);
        drawn.writes.retain(|write| write.act != Act::Upsert && drawn.version == rules.version);
        let site = &mut self.sites[at];
        let Some(write) = drawn.writes.first() else { return Ok(()) };
        if site.books.post(&drawn.writes, rules).is_err() {
            return Ok(());
        }
        let changes = changes_at(write, rules.version, rules.evolution).into_iter().map(LedgerChange::new);
        let changes: Vec<LedgerChange> = changes.collect();
        let memory = site.door.memory.clone();
        memory.faults().disarm();
        let done = now(async {
            let mut ledger = memory.ledger();
            ledger.begin().await?;
            ledger.apply(&changes).await?;
            ledger.commit().await
        });
        mark(Mark::Bypass);
        self.tainted.extend(claims(&drawn.writes));
        done.map_err(|error| format!("S4: the ledger refuses {drawn:?}: {error}"))
    }

    /// An append whose commit is slow: its number is drawn, and others overtake it.
    pub(crate) fn slow_append(&mut self, at: usize) -> Result<(), Broken> {
        let tx = self.draw(at);
        let sent = self.transactions[tx].sent.clone();
        let site = &mut self.sites[at];
        site.pending.push(tx);
        let appended = now(site.door.memory.journal().append(&[sent]));
        let appended = appended.map_err(|error| format!("the journal refuses a plain append: {error}"))?;
        site.door.hooks.journal().unborn.insert(appended[0].trans_nr);
        Ok(())
    }

    pub(crate) fn reveal(&mut self, at: usize) -> Option<Task> {
        self.sites[at].door.hooks.journal().unborn.pop_last();
        None
    }

    /// Runs that are here already come once more.
    pub(crate) fn deliver_again(&mut self, at: usize) -> Result<(), Broken> {
        let from = (at + 1) % self.sites.len();
        let origin = self.sites[from].origin.clone();
        let mut journal = self.sites[at].door.memory.journal();
        let head = journal.head(&origin).seal_nr.0;
        let after = SealNr(self.rng.random_range(0..=head));
        let runs = runs(&mut self.sites[from].door.memory.journal(), &origin, after);
        if runs.is_empty() {
            return Ok(());
        }
        for _ in 0..2 {
            now(journal.receive(&runs))
                .map_err(|error| format!("S4: runs of {origin} are refused when they come again: {error}"))?;
        }
        mark(Mark::Duplicate);
        Ok(())
    }

    pub(crate) fn set_clock(&mut self, at: usize) -> Option<Task> {
        let hour = 3_600_000_000;
        let by = [hour, -hour, hour * 24 * 3650, -hour * 24 * 3650][self.rng.random_range(0..4)];
        self.sites[at].door.clock.0.fetch_add(by, Ordering::Relaxed);
        if by < 0 {
            mark(Mark::ClockBack);
        }
        None
    }

    pub(crate) fn arm(&mut self, at: usize) -> Option<Task> {
        if !self.rng.random_bool((self.plan.troubles * 6.0).min(1.0)) {
            return None;
        }
        let hooks = self.sites[at].door.hooks.clone();
        match self.rng.random_range(0..10) {
            0..2 => {
                let transits = [Transit::Flipped, Transit::Dropped, Transit::Skipped, Transit::Swapped];
                hooks.journal().transit = Some(transits[self.rng.random_range(0..4)]);
            }
            2..5 => {
                let troubles = [JournalTrouble::Refused, JournalTrouble::Undone, JournalTrouble::ReplyLost];
                hooks.journal().troubles.push(troubles[self.rng.random_range(0..3)]);
            }
            which => {
                let troubles = [
                    Trouble::Refused,
                    Trouble::DoneReplyLost,
                    Trouble::UndoneReplyLost,
                    Trouble::Crash,
                    Trouble::DoneCrash,
                ];
                let trouble = troubles[self.rng.random_range(0..5)];
                let call = if which < 8 {
                    Call::Commit
                } else {
                    Call::ALL[self.rng.random_range(0..Call::ALL.len())]
                };
                self.sites[at].door.memory.faults().arm(call, self.rng.random_range(1..4), trouble);
            }
        }
        None
    }
}
