//! The invariants, checked after every commit and every step. Names as S1 to S13 in the reliability page.

use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use applier::control::{Desired, Standing};
use applier::ledger::memory::PutAside;
use applier::ledger::{Asked, Fault, Posted, Quarantined, Release};
use journal_core::codec::chain;
use journal_core::journal::{JournalStore as _, ReadLimit};
use journal_core::model::{Origin, SealNr, SealedRun, StoredTransaction, TransactionId};
use journal_core::store::memory::MemoryJournal;

use crate::marks::{Mark, mark};
use crate::oracle::Table;
use crate::tasks::now;
use crate::world::{Broken, Verdict, World};

const ALL: ReadLimit = ReadLimit { transactions: usize::MAX, bytes: usize::MAX };

/// The sealed runs of an origin, after a seal.
pub(crate) fn runs(journal: &mut MemoryJournal, origin: &Origin, after: SealNr) -> Vec<SealedRun> {
    now(journal.read_runs(origin, after, ALL)).expect("reads in memory do not fail")
}

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

impl World {
    /// Looks at what a commit at a site did, and has the reference do the same. `actor` is whoever was at work.
    pub(crate) fn observe(&mut self, at: usize, actor: Option<&Standing>) -> Result<(), Broken> {
        let site = &self.sites[at];
        let (checkpoints, aside) = (site.door.memory.posted(), site.door.memory.put_aside());
        if checkpoints == site.checkpoints && aside == site.aside {
            return Ok(());
        }
        let before = site.checkpoints.clone();
        let (own, known) = (site.origin.clone(), site.aside.len());
        let moved = checkpoints != before || ends(&aside) != ends(&site.aside) || aside.len() != known;
        if moved {
            self.allowed(at, actor)?;
            self.sites[at].changed = true;
        }
        for (origin, to) in checkpoints.iter() {
            let from = before.get(origin).copied().unwrap_or_default();
            ensure!(
                from.seal_nr <= to.seal_nr && from.trans_nr <= to.trans_nr,
                "S6: {own} stepped back on {origin}"
            );
            ensure!(origin.epoch.0 == 1, "S8: {own} posts an origin {origin} that nobody has");
            if *origin == own {
                self.decided(at, from, *to)?;
            } else if *to != from {
                self.posted(at, origin, from, *to, &aside[known..])?;
            }
        }
        self.left_quarantine(at, &aside[..known])?;
        self.note(&(at, &checkpoints, ends(&aside)));
        let site = &mut self.sites[at];
        (site.checkpoints, site.aside) = (checkpoints, aside);
        Ok(())
    }

    /// S9, S12: only the holder of the lease commits, and nobody while the site is paused.
    fn allowed(&self, at: usize, actor: Option<&Standing>) -> Result<(), Broken> {
        let standing = self.sites[at].door.memory.standing();
        let origin = &self.sites[at].origin;
        let actor = actor.ok_or_else(|| format!("S4: {origin} changed and no poster was at work"))?;
        ensure!(
            standing.control.desired == Desired::Running,
            "S12: something was posted at {origin} while it is paused"
        );
        ensure!(actor.fence == standing.fence, "S9: a poster without the lease posted at {origin}");
        ensure!(*actor == standing, "S13: a poster of an older generation or version posted at {origin}");
        Ok(())
    }

    /// S3: own seals are dense and cover everything once; the verdicts are the reference's.
    fn decided(&mut self, at: usize, from: Posted, to: Posted) -> Result<(), Broken> {
        let origin = self.sites[at].origin.clone();
        let mut journal = self.sites[at].door.memory.journal();
        ensure!(
            journal.head(&origin).seal_nr == to.seal_nr,
            "S5: {origin}'s seals and checkpoint came apart"
        );
        let (mut last, mut hash) = (from, self.sites[at].sealed_hash);
        for run in runs(&mut journal, &origin, from.seal_nr) {
            let seal = &run.seal;
            let follows = seal.seal_nr == last.seal_nr.next() && seal.first_nr == last.trans_nr.next();
            ensure!(
                follows && seal.last_nr.0 >= seal.first_nr.0 - 1,
                "S3: seal {} of {origin} does not follow",
                seal.seal_nr
            );
            chain::verify(&run, &hash)
                .map_err(|fault| format!("S3: seal {} of {origin}: {fault}", seal.seal_nr))?;
            if usize::try_from(seal.last_nr.0 - seal.first_nr.0 + 1) != Ok(run.transactions.len()) {
                mark(Mark::DeadHole);
            }
            self.note(&seal.hash);
            for transaction in &run.transactions {
                self.judged(at, &run, transaction)?;
            }
            (last, hash) = (Posted { seal_nr: seal.seal_nr, trans_nr: seal.last_nr }, seal.hash);
        }
        ensure!(last == to, "S5: {origin} says it sealed {to:?} and sealed {last:?}");
        self.sites[at].sealed_hash = hash;
        Ok(())
    }

    fn judged(&mut self, at: usize, run: &SealedRun, transaction: &StoredTransaction) -> Result<(), Broken> {
        let id = &transaction.id;
        let accepted = run.accepts(id.trans_nr);
        let tx =
            self.by_uuid.get(&transaction.tx_id).copied().ok_or_else(|| format!("S8: nobody sent {id}"))?;
        self.same_content(tx, transaction)?;
        ensure!(self.transactions[tx].verdict.is_none(), "S1: {id} is there twice");
        let rules = self.rules(at, true);
        let Self { sites, transactions, .. } = self;
        let (site, tx_nr, tx) = (&mut sites[at], tx, &mut transactions[tx]);
        let posted = if tx.drawn.defect.is_some() {
            Err("it is defective")
        } else {
            site.books.post(&tx.drawn.writes, rules)
        };
        let refused = run.rejections.iter().find(|refused| refused.trans_nr == id.trans_nr);
        ensure!(
            posted.is_ok() == accepted,
            "S4: {id} accepted: {accepted} ({}), but {posted:?}: {:?}",
            refused.map_or("", |refused| &refused.detail),
            tx.drawn
        );
        mark(if accepted { Mark::Accepted } else { Mark::Rejected });
        let seal = &run.seal;
        let (trans_nr, seal_nr) = (id.trans_nr, seal.seal_nr);
        tx.verdict = Some(Verdict { trans_nr, seal_nr, hlc: seal.hlc, seen: seal.seen.clone(), accepted });
        site.sealed.insert(trans_nr, tx_nr);
        if accepted {
            site.done.entry(site.origin.clone()).or_default().push((seal_nr, tx_nr));
        }
        Ok(())
    }

    pub(crate) fn same_content(&self, tx: usize, stored: &StoredTransaction) -> Result<(), Broken> {
        let sent = &self.transactions[tx].sent;
        let same = stored.entries == sent.entries && stored.schema_version == sent.schema_version;
        ensure!(same, "S1: {} is not what its client sent", stored.id);
        Ok(())
    }

    /// S4, S6, S11: what the checkpoint passed was posted, or stands in quarantine for a reason.
    fn posted(
        &mut self,
        at: usize,
        origin: &Origin,
        from: Posted,
        to: Posted,
        new: &[PutAside],
    ) -> Result<(), Broken> {
        let passed = &self.sites[self.site_of(origin)].sealed;
        let passed: Vec<usize> =
            passed.range((Excluded(from.trans_nr), Included(to.trans_nr))).map(|(_, tx)| *tx).collect();
        let mut aside = new.iter().filter(|each| each.transaction.id.origin == *origin);
        for tx in passed {
            let verdict = self.transactions[tx].verdict.as_ref().expect("it is sealed");
            if !verdict.accepted {
                continue;
            }
            let id = TransactionId { origin: origin.clone(), trans_nr: verdict.trans_nr };
            match new.iter().find(|each| each.transaction.id == id) {
                Some(put_aside) => {
                    let _ = aside.next();
                    self.rightly_aside(at, tx, put_aside)?;
                    let entry = put_aside.clone();
                    Arc::make_mut(&mut self.sites[at].aside).push(entry);
                }
                None => {
                    if let Some(other) = self.held_before(at, tx, &id) {
                        return Err(self.pair("S6: overtook a quarantined one", at, tx, other));
                    }
                    if let Some(other) = self.concurrent(at, tx) {
                        return Err(self.pair("S11: passed a concurrent one", at, tx, other));
                    }
                    self.effect(at, tx, &id)?;
                    let seal_nr = self.seal_of(tx);
                    self.sites[at].done.entry(origin.clone()).or_default().push((seal_nr, tx));
                    mark(Mark::Posted);
                }
            }
        }
        ensure!(aside.next().is_none(), "S4: {} quarantined what it has not passed", self.sites[at].origin);
        Ok(())
    }

    pub(crate) fn pair(&self, what: &str, at: usize, tx: usize, other: usize) -> Broken {
        let (origin, version) = (&self.sites[at].origin, self.sites[at].version());
        let (tx, other) = (&self.transactions[tx], &self.transactions[other]);
        let (tx, other) = ((&tx.drawn, &tx.verdict), (&other.drawn, &other.verdict));
        let held: Vec<String> = self.sites[at]
            .door
            .memory
            .put_aside()
            .iter()
            .map(|each| {
                let Quarantined { id, seal_nr, fault, .. } = &each.transaction;
                format!("{id} of seal {seal_nr}, {fault:?}, {:?}, {:?}", each.asked, each.ended)
            })
            .collect();
        format!("{what} at {origin}, version {version}:\n  {tx:?}\n  {other:?}\n  {}", held.join("\n  "))
    }

    fn effect(&mut self, at: usize, tx: usize, id: &TransactionId) -> Result<(), Broken> {
        let rules = self.rules(at, false);
        let drawn = &self.transactions[tx].drawn;
        if rules.version < rules.evolution.note && drawn.writes.iter().any(|write| write.key.0 == Table::Note)
        {
            mark(Mark::Kept);
        }
        let site = &mut self.sites[at];
        site.books
            .post(&drawn.writes, rules)
            .map_err(|why| format!("S4: {id} was posted at {}, but {why}", site.origin))
    }

    /// A quarantine has its reason.
    fn rightly_aside(&mut self, at: usize, tx: usize, aside: &PutAside) -> Result<(), Broken> {
        let (id, fault) = (&aside.transaction.id, aside.transaction.fault);
        let right = match fault {
            Fault::Concurrent => self.concurrent(at, tx).is_some() || self.clashes_with_discarded(at, tx),
            Fault::Dependent => self.held_before(at, tx, id).is_some(),
            _ => {
                let rules = self.rules(at, false);
                self.sites[at].books.clone().post(&self.transactions[tx].drawn.writes, rules).is_err()
            }
        };
        if !right {
            let blocker =
                aside.transaction.depends_on.as_ref().and_then(|id| self.transaction(id)).unwrap_or(tx);
            let what = format!("S14: {id} is in quarantine without reason ({})", aside.transaction.detail);
            return Err(self.pair(&what, at, tx, blocker));
        }
        mark(match fault {
            Fault::DuplicateKey => Mark::DuplicateKey,
            Fault::MissingParent => Mark::MissingParent,
            Fault::StillReferenced => Mark::StillReferenced,
            Fault::MissingRow => Mark::MissingRow,
            Fault::Check => Mark::Check,
            Fault::OutOfRange => Mark::OutOfRange,
            Fault::Unmappable => Mark::Unmappable,
            Fault::Concurrent => Mark::Concurrent,
            Fault::Dependent => Mark::Dependent,
            Fault::UnexpectedRow | Fault::NotNull | Fault::Unreadable | Fault::Unfit | Fault::IllFormed => {
                return Err(format!("S14: {id} is in quarantine for {fault:?}, which no peer judges"));
            }
        });
        Ok(())
    }

    /// Who left quarantine since, and how.
    fn left_quarantine(&mut self, at: usize, aside: &[PutAside]) -> Result<(), Broken> {
        for (place, after) in aside.iter().enumerate() {
            let before = &self.sites[at].aside[place];
            if before.ended == after.ended {
                continue;
            }
            let id = after.transaction.id.clone();
            ensure!(before.ended.is_none(), "S4: {id} left quarantine twice");
            let tx = self.transaction(&id).expect("it is sealed");
            match after.ended {
                Some(Release::Discarded) => {
                    ensure!(before.asked == Asked::Discard, "S4: {id} was discarded and nobody asked for it");
                    mark(Mark::Discarded);
                }
                _ => {
                    if let Some(other) = self.held_before(at, tx, &id) {
                        return Err(self.pair("S6: released before what it waits for", at, tx, other));
                    }
                    let waived = before.asked == Asked::Retry;
                    ensure!(
                        waived
                            || (before.asked, before.transaction.fault) == (Asked::Nothing, Fault::Dependent),
                        "S11: {id} was released and {:?} is what was asked for it",
                        before.asked
                    );
                    ensure!(
                        waived || self.concurrent(at, tx).is_none(),
                        "S11: {id} was released past a concurrent one"
                    );
                    self.effect(at, tx, &id)?;
                    let seal_nr = self.seal_of(tx);
                    self.sites[at].late.push((id.origin.clone(), seal_nr, tx));
                    mark(if waived { Mark::Retried } else { Mark::Released });
                }
            }
        }
        Ok(())
    }
}

fn ends(aside: &[PutAside]) -> Vec<(i64, Fault, Option<Release>)> {
    aside.iter().map(|each| (each.transaction.id.trans_nr.0, each.transaction.fault, each.ended)).collect()
}
