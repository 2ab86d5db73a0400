//! What the poster keeps in memory, built again from the journal when it opens.

use journal_core::journal::JournalStore;
use journal_core::model::{Origin, SealNr, SealedRun, TransNr};

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
        let mut floor_of_held: Vec<SealedRun> = Vec::new();
        for entry in &held {
            if let Some(run) = self.run(&entry.id.origin, entry.seal_nr).await? {
                floor_of_held.push(run);
            }
        }
        for origin in &origins {
            let seen_by_held = floor_of_held
                .iter()
                .filter(|run| run.seal.origin != *origin)
                .map(|run| run.seal.seen.get(origin).copied().unwrap_or_default());
            let floor = self.recent.floor(origin);
            let floor = seen_by_held.fold(floor, SealNr::min);
            self.index_touches(origin, floor, &held, &floor_of_held).await?;
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

    async fn index_touches(
        &mut self,
        origin: &Origin,
        floor: SealNr,
        held: &[Quarantined],
        held_runs: &[SealedRun],
    ) -> Result<(), PostError> {
        let (registry, version) = (self.settings.registry.clone(), self.standing.ledger_version);
        let last = self.posted.get(origin).copied().unwrap_or_default();
        let mut after = floor.min(last.seal_nr);
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
                    if !held.iter().any(|entry| entry.id == transaction.id) {
                        let touches = touched(transaction, &registry, version);
                        self.recent.insert(origin, run.seal.seal_nr, &touches);
                    }
                }
            }
        }
        for run in held_runs.iter().filter(|run| run.seal.origin == *origin) {
            for entry in
                held.iter().filter(|entry| entry.id.origin == *origin && entry.seal_nr == run.seal.seal_nr)
            {
                let transaction = run.transactions.iter().find(|transaction| transaction.id == entry.id);
                let touches = transaction.map(|transaction| touched(transaction, &registry, version));
                self.held.insert(&entry.id, &touches.unwrap_or_default());
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
