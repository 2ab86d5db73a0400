//! The end of a history: faults stop, and everything must come to rest, all of it explained. Then all sites move to the
//! newest version, quarantines are resolved, and the law must hold.

use applier::control::Desired;
use applier::ledger::memory::faults::{Call, Trouble};
use applier::ledger::{Asked, Fault};
use journal_core::model::TransactionId;
use rand::RngExt as _;

use crate::catalogue::NEWEST;
use crate::checks::ensure;
use crate::marks::{Mark, mark};
use crate::oracle::{Books, Claim, Rules, Use, clash};
use crate::tasks::Task;
use crate::world::{Broken, Verdict, World};

/// Rounds in which a group without faults must come to rest.
const ROUNDS_MAX: usize = 200;

impl World {
    /// Heals everything, and sees the history to its end.
    pub(crate) fn conclude(&mut self) -> Result<(), Broken> {
        self.heal()?;
        self.settle()?;
        self.check_step(true)?;
        self.all_arrived()?;
        self.conflicts_are_on_record()?;
        for at in 0..self.sites.len() {
            self.one(|world| world.desire(at, Desired::Paused))?;
            self.reshape_to(at, NEWEST)?;
            self.one(|world| world.desire(at, Desired::Running))?;
        }
        self.resolve()?;
        self.check_step(true)?;
        if self.plan.exclusive { self.the_law() } else { self.differences_are_explained() }
    }

    fn one(&mut self, task: impl FnOnce(&mut Self) -> Task) -> Result<(), Broken> {
        let task = task(self);
        self.run(vec![task], None)
    }

    fn heal(&mut self) -> Result<(), Broken> {
        for at in 0..self.sites.len() {
            let faults = self.sites[at].door.memory.faults();
            faults.disarm();
            for fired in faults.fired() {
                match fired {
                    (_, Trouble::Refused) => mark(Mark::Refused),
                    (Call::Commit, Trouble::DoneReplyLost) => mark(Mark::LostYes),
                    (Call::Commit, Trouble::UndoneReplyLost) => mark(Mark::LostNo),
                    (_, Trouble::DoneReplyLost | Trouble::UndoneReplyLost) => {}
                    (_, Trouble::Crash) => mark(Mark::Crash),
                    (_, Trouble::DoneCrash) => mark(Mark::DoneCrash),
                }
            }
            {
                let hooks = self.sites[at].door.hooks.clone();
                let mut journal = hooks.journal();
                journal.troubles.clear();
                journal.transit = None;
                journal.unborn.clear();
            }
            self.sites[at].others.clear();
            self.deploy(at);
            self.one(|world| world.desire(at, Desired::Running))?;
            let pending = self.sites[at].pending.clone();
            if !pending.is_empty() {
                self.one(|world| world.append(at, pending))?;
            }
        }
        Ok(())
    }

    /// L1: turns and pulls until nothing moves.
    pub(crate) fn settle(&mut self) -> Result<(), Broken> {
        for _ in 0..ROUNDS_MAX {
            self.tick(100_000);
            let before = self.trace_of_stores();
            for at in 0..self.sites.len() {
                for from in (0..self.sites.len()).filter(|from| *from != at) {
                    self.one(|world| world.pull_from(at, from, false))?;
                }
                for _ in 0..3 {
                    self.one(|world| world.turn(at))?;
                }
            }
            if before == self.trace_of_stores() && self.sites.iter().all(|site| site.poster.is_some()) {
                return Ok(());
            }
        }
        Err("L1: the group does not come to rest".to_owned())
    }

    fn trace_of_stores(&self) -> Vec<impl PartialEq + use<>> {
        let heads = |at: usize| {
            let journal = self.sites[at].door.memory.journal();
            self.sites.iter().map(|site| journal.head(&site.origin)).collect::<Vec<_>>()
        };
        (0..self.sites.len())
            .map(|at| (heads(at), self.sites[at].checkpoints.clone(), self.sites[at].aside.clone()))
            .collect()
    }

    /// S1, S3, L1: every append is acknowledged and sealed; every site has passed every seal.
    fn all_arrived(&self) -> Result<(), Broken> {
        for (nr, tx) in self.transactions.iter().enumerate() {
            let verdict = tx.verdict.as_ref().map(|verdict| verdict.trans_nr);
            ensure!(
                verdict.is_some() && verdict == tx.acked,
                "S1: transaction {nr}: acknowledged {:?}, sealed {verdict:?}",
                tx.acked
            );
        }
        for site in &self.sites {
            let (journal, origin) = (site.door.memory.journal(), &site.origin);
            for peer in &self.sites {
                let head = peer.door.memory.journal().head(&peer.origin).seal_nr;
                let posted = site.checkpoints.get(&peer.origin).copied().unwrap_or_default();
                ensure!(
                    posted.seal_nr == head,
                    "L1: {origin} stays at seal {} of {}, of {head}",
                    posted.seal_nr,
                    peer.origin
                );
                let sent =
                    self.transactions.iter().filter(|tx| self.sites[tx.site].origin == peer.origin).count();
                ensure!(
                    journal.len(&peer.origin) == sent,
                    "S8: {origin} has {} of {sent} of {}",
                    journal.len(&peer.origin),
                    peer.origin
                );
            }
        }
        Ok(())
    }

    /// S11: of each concurrent pair that clashes there is a record wherever one met the other.
    fn conflicts_are_on_record(&self) -> Result<(), Broken> {
        let accepted = |site: usize| {
            let all = self.sites[site].sealed.values();
            all.filter_map(|tx| Some((*tx, self.transactions[*tx].verdict.as_ref()?)))
                .filter(|(_, verdict)| verdict.accepted)
        };
        for (a, b) in (0..self.sites.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
            for (t, left) in accepted(a) {
                for (u, right) in accepted(b) {
                    let unseen = |verdict: &Verdict, by: &Verdict, site: usize| {
                        verdict.seal_nr > by.seen.get(&self.sites[site].origin).copied().unwrap_or_default()
                    };
                    if unseen(left, right, a)
                        && unseen(right, left, b)
                        && clash(&self.transactions[t].claims, &self.transactions[u].claims)
                    {
                        self.pair_on_record(t, u)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn pair_on_record(&self, t: usize, u: usize) -> Result<(), Broken> {
        for (at, site) in self.sites.iter().enumerate() {
            let recorded = |tx: usize| site.aside.iter().any(|each| each.transaction.id == self.id(tx));
            let met = match at {
                at if at == self.transactions[t].site => recorded(u),
                at if at == self.transactions[u].site => recorded(t),
                _ => recorded(t) || recorded(u),
            };
            if !met {
                return Err(self.pair("S11: no record of a clash", at, t, u));
            }
        }
        Ok(())
    }

    fn id(&self, tx: usize) -> TransactionId {
        let trans_nr =
            self.transactions[tx].verdict.as_ref().map(|verdict| verdict.trans_nr).unwrap_or_default();
        TransactionId { origin: self.sites[self.transactions[tx].site].origin.clone(), trans_nr }
    }

    /// Operators retry what is held; what will not go in the end is discarded, where keys were written by many.
    fn resolve(&mut self) -> Result<(), Broken> {
        for round in 0..ROUNDS_MAX {
            let mut asked = false;
            for at in 0..self.sites.len() {
                for id in self.held(at) {
                    asked = true;
                    let discard = !self.plan.exclusive && (round > 3 || self.rng.random_bool(0.5));
                    let wish = if discard { Asked::Discard } else { Asked::Retry };
                    self.one(|world| world.ask(at, id, vec![wish]))?;
                }
            }
            if !asked {
                return Ok(());
            }
            self.settle()?;
        }
        let held = self.sites.iter().flat_map(|site| site.aside.iter().filter(|each| each.ended.is_none()));
        Err(format!(
            "S10: what stays in quarantine: {:?}",
            held.map(|each| &each.transaction).collect::<Vec<_>>()
        ))
    }

    /// S10: every ledger is the fold of all accepted transactions in canonical order.
    fn the_law(&mut self) -> Result<(), Broken> {
        let mut accepted: Vec<_> = self
            .transactions
            .iter()
            .filter(|tx| tx.verdict.as_ref().is_some_and(|verdict| verdict.accepted))
            .collect();
        accepted.sort_by_key(|tx| {
            tx.verdict.as_ref().map(|verdict| (verdict.hlc, &self.sites[tx.site].origin, verdict.trans_nr))
        });
        let rules = Rules { evolution: self.plan.evolution, version: NEWEST, checks: false, origin: false };
        let mut books = Books::default();
        for tx in accepted {
            books
                .post(&tx.drawn.writes, rules)
                .map_err(|why| format!("S10: canonical order breaks: {why}: {tx:?}"))?;
        }
        for at in 0..self.sites.len() {
            ensure!(
                self.sites[at].books == books,
                "S10: {} is not the fold in canonical order",
                self.sites[at].origin
            );
            self.compare(at)?;
        }
        Ok(())
    }

    /// Where two ledgers differ, one of them once put a write of that row aside, or somebody wrote into it by hand.
    fn differences_are_explained(&self) -> Result<(), Broken> {
        let mut explained: Vec<(Claim, Use)> = self.tainted.clone();
        for each in self.sites.iter().flat_map(|site| site.aside.iter()) {
            ensure!(
                each.transaction.fault != Fault::Unreadable,
                "S14: {} was accepted unread",
                each.transaction.id
            );
            let tx = self.transaction(&each.transaction.id).ok_or("S4: a quarantine of nothing")?;
            explained.extend(self.transactions[tx].claims.iter().cloned());
        }
        let first = &self.sites[0].books;
        for site in &self.sites[1..] {
            let keys = first.rows().chain(site.books.rows()).map(|(key, _)| *key);
            for key in keys.filter(|key| first.row(*key) != site.books.row(*key)) {
                let known = explained.iter().any(|(claim, _)| *claim == Claim::Row(key));
                ensure!(known, "S10: {key:?} differs at {} and nothing explains it", site.origin);
            }
        }
        Ok(())
    }
}
