//! What the poster keeps in memory, built again from the journal when it opens.

use std::collections::{BTreeSet, HashSet};

use journal_core::journal::JournalStore;
use journal_core::model::{Origin, Seal, SealNr, SealedRun, TransNr, TransactionId};

use super::clock::Clock;
use super::partial::touched;
use super::poster::Poster;
use super::reaction::PostError;
use crate::ledger::{Ledger, Quarantined};

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Reads checkpoints and quarantine, then the keys of every transaction that some peer, or something held here, had
    /// not seen.
    pub(super) async fn rebuild(&mut self) -> Result<(), PostError> {
        self.posted = self.ledger.posted().await?.into_iter().collect();
        self.heads = self.journal.heads().await?;
        let held: Vec<Quarantined> =
            self.ledger.quarantined().await?.into_iter().map(|(entry, _)| entry).collect();
        let origins: Vec<Origin> = self.posted.keys().cloned().collect();
        for origin in &origins {
            self.note_last_seen(origin).await?;
        }
        for head in self.heads.clone() {
            self.note_first_seen(&head.origin).await?;
        }
        let ids: HashSet<TransactionId> = held.iter().map(|entry| entry.id.clone()).collect();
        let seals = self.hold(&held, &ids).await?;
        for origin in &origins {
            let seen_by_held = seals
                .iter()
                .filter(|seal| seal.origin != *origin)
                .map(|seal| seal.seen.get(origin).copied().unwrap_or_default());
            let needed = self.recent.floor(origin);
            let from = seen_by_held.fold(needed, SealNr::min);
            self.index_touches(origin, from, needed, &ids).await?;
        }
        // An acknowledgement may have been due when the last poster ended; one too many does no harm.
        self.unacknowledged =
            self.posted.iter().any(|(origin, posted)| *origin != self.origin && posted.seal_nr.0 > 0)
                && self.last_own_seen_is_behind().await?;
        Ok(())
    }

    /// What a site had seen in its newest seal posted here; and whether something of the next one is posted, too.
    async fn note_last_seen(&mut self, origin: &Origin) -> Result<(), PostError> {
        let run = self.run(origin, self.posted_seal(origin)).await?;
        let whole = run.as_ref().map_or(TransNr(0), |run| run.seal.last_nr);
        if *origin != self.origin && self.posted.get(origin).is_some_and(|posted| posted.trans_nr > whole) {
            self.begun = Some(origin.clone());
        }
        if let Some(run) = run {
            self.recent.note_seen(&origin.site, &run.seal.seen);
        }
        Ok(())
    }

    /// What a site of which nothing is posted here had seen in its first seal, if that is here: whatever comes from it has
    /// seen no less. So a site that was just added makes nobody read the whole journal. One that had another life may have
    /// sealed in that what had seen less, and it may still come.
    async fn note_first_seen(&mut self, origin: &Origin) -> Result<(), PostError> {
        let lives = self.heads.iter().filter(|head| head.origin.site == origin.site).count();
        if lives == 1
            && self.posted_seal(origin) == SealNr(0)
            && let Some(run) = self.run(origin, SealNr(1)).await?
        {
            self.recent.note_seen(&origin.site, &run.seal.seen);
        }
        Ok(())
    }

    /// Notes the keys of what is held. Gives the seals of the runs it came in: a run may have thousands of them, and is read
    /// once.
    async fn hold(
        &mut self,
        held: &[Quarantined],
        ids: &HashSet<TransactionId>,
    ) -> Result<Vec<Seal>, PostError> {
        let (registry, version) = (self.settings.registry.clone(), self.standing.ledger_version);
        let places: BTreeSet<(&Origin, SealNr)> =
            held.iter().map(|entry| (&entry.id.origin, entry.seal_nr)).collect();
        let mut seals = Vec::with_capacity(places.len());
        for (origin, seal_nr) in places {
            let Some(run) = self.run(origin, seal_nr).await? else { continue };
            for transaction in run.transactions.iter().filter(|transaction| ids.contains(&transaction.id)) {
                self.held.insert(&transaction.id, &touched(transaction, &registry, version));
            }
            seals.push(run.seal);
        }
        Ok(seals)
    }

    /// Notes the keys of an origin's transactions that are posted here: behind `needed` all, before it those that something
    /// held touches.
    async fn index_touches(
        &mut self,
        origin: &Origin,
        from: SealNr,
        needed: SealNr,
        held: &HashSet<TransactionId>,
    ) -> Result<(), PostError> {
        let (registry, version) = (self.settings.registry.clone(), self.standing.ledger_version);
        let last = self.posted.get(origin).copied().unwrap_or_default();
        let mut after = from.min(last.seal_nr);
        // The run behind the last whole one may have been begun; what follows is not posted, and may be long.
        while after <= last.seal_nr {
            let runs = self.journal.read_runs(origin, after, self.settings.batch).await?;
            let Some(end) = runs.last() else { break };
            after = end.seal.seal_nr;
            for run in &runs {
                for transaction in
                    run.accepted().filter(|transaction| transaction.id.trans_nr <= last.trans_nr)
                {
                    // One that cannot be prepared now may have been posted at another version.
                    if !held.contains(&transaction.id) {
                        let mut touches = touched(transaction, &registry, version);
                        touches.retain(|touch| run.seal.seal_nr > needed || self.held.has(touch.key));
                        self.recent.insert(origin, run.seal.seal_nr, &touches);
                    }
                }
            }
        }
        Ok(())
    }

    async fn last_own_seen_is_behind(&mut self) -> Result<bool, PostError> {
        let own = self.origin.clone();
        let run = self.run(&own, self.own().seal_nr).await?;
        Ok(run.is_none_or(|run| run.seal.seen != self.seen()))
    }

    async fn run(&mut self, origin: &Origin, seal_nr: SealNr) -> Result<Option<SealedRun>, PostError> {
        let one = journal_core::journal::ReadLimit { transactions: 1, bytes: 1 };
        let runs = self.journal.read_runs(origin, SealNr(seal_nr.0 - 1), one).await?;
        Ok(runs.into_iter().next().filter(|run| run.seal.seal_nr == seal_nr))
    }
}
