//! The lanes of peers: which have something to post, and how much of it may go next. What its origin had seen must be posted
//! here first, and its site be one that this poster was told of.

use journal_core::journal::{Head, JournalStore};
use journal_core::model::{Origin, SealedRun};

use super::Poster;
use crate::control::spent::Work;
use crate::engine::clock::Clock;
use crate::engine::judge::Judged;
use crate::engine::order;
use crate::engine::reaction::PostError;
use crate::ledger::Ledger;

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Peer origins with seals that are here and not posted.
    pub(super) fn lanes(&self) -> Vec<Origin> {
        let open = |head: &&Head| head.origin != self.origin && self.posted_seal(&head.origin) < head.seal_nr;
        self.heads.iter().filter(open).map(|head| head.origin.clone()).collect()
    }

    /// What may be posted of a lane now, from its first run that is not posted; judged, where that was done in advance.
    /// Says what it waits for.
    pub(super) async fn ready_runs(
        &mut self,
        lane: &Origin,
    ) -> Result<(Vec<SealedRun>, Option<Judged>), PostError> {
        let (mut runs, mut judged) = match self.take_ahead(lane).await {
            Some((runs, judged)) => {
                self.lap(Work::Preparing);
                (runs, Some(judged))
            }
            None => {
                let after = self.posted_seal(lane);
                (self.journal.read_runs(lane, after, self.pace.limit()).await?, None)
            }
        };
        self.lap(Work::Reading);
        let ready = order::ready(&runs, &self.origin, |origin| self.posted_seal(origin));
        if ready == 0
            && let Some(origin) = runs
                .first()
                .and_then(|run| order::waits_for(run, &self.origin, |origin| self.posted_seal(origin)))
        {
            let reason = format!("{lane} waits for transactions of {origin} that it had seen");
            self.wait(reason);
        }
        let ready = ready.min(self.known(&runs));
        if ready < runs.len() {
            runs.truncate(ready);
            judged = None;
        }
        Ok((runs, judged))
    }

    /// How many of the runs, from the first, this poster can judge. Of a site that it was not told of it keeps no keys to find
    /// what is concurrent by; a run without transactions needs none.
    fn known(&mut self, runs: &[SealedRun]) -> usize {
        let Some(site) = runs.first().map(|run| &run.seal.origin.site) else { return 0 };
        if self.settings.sites.contains(site) {
            return runs.len();
        }
        let known = runs.iter().position(|run| run.seal.tx_count > 0).unwrap_or(runs.len());
        if known < runs.len() {
            self.wait(format!(
                "{site} wrote transactions and is not in the configuration of this service; start it again with one that has it"
            ));
        }
        known
    }
}
