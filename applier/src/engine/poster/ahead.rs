//! The poster's next batch, read and prepared while the database takes the one before.

use journal_core::journal::{Head, JournalStore};
use journal_core::model::{Origin, SealedRun, TransNr};
use tokio::task::JoinHandle;

use super::Poster;
use crate::engine::clock::Clock;
use crate::engine::judge::{Judged, Terms};
use crate::engine::reaction::PostError;
use crate::ledger::{Ledger, Posted};

/// Where a poster prepares what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookAhead {
    /// In its own turn.
    Here,
    /// On another thread, which needs a tokio runtime.
    Beside,
}

/// Runs that follow what is being posted, and what becomes of them.
#[derive(Debug)]
pub(super) struct Ahead {
    lane: Origin,
    /// Where the lane's checkpoint must stand for them to be next.
    after: Posted,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Done(Vec<SealedRun>, Judged),
    Beside(JoinHandle<(Vec<SealedRun>, Judged)>),
}

impl<J: JournalStore, L: Ledger, C: Clock> Poster<J, L, C> {
    /// Reads and prepares what follows these runs, if it is here already. Says whether it is.
    pub(in crate::engine) async fn look_ahead(&mut self, runs: &[SealedRun]) -> Result<bool, PostError> {
        self.ahead = None;
        let Some(last) = runs.last().map(|run| &run.seal) else { return Ok(false) };
        let more = |head: &Head| head.origin == last.origin && head.seal_nr > last.seal_nr;
        if !self.heads.iter().any(more) {
            return Ok(false);
        }
        let next = self.journal.read_runs(&last.origin, last.seal_nr, self.pace.limit()).await?;
        if next.is_empty() {
            return Ok(false);
        }
        let planner = self.ledger.planner();
        let terms = Terms { planner, ..self.terms(self.keys_of(&next)) };
        // None of them is begun.
        let judge = move || {
            let judged = terms.judge(&next, TransNr(i64::MIN));
            (next, judged)
        };
        let work = match self.settings.look_ahead {
            LookAhead::Here => {
                let (runs, judged) = judge();
                Work::Done(runs, judged)
            }
            LookAhead::Beside => Work::Beside(tokio::task::spawn_blocking(judge)),
        };
        let after = Posted { seal_nr: last.seal_nr, trans_nr: last.last_nr };
        self.ahead = Some(Ahead { lane: last.origin.clone(), after, work });
        Ok(true)
    }

    /// What was prepared of a lane, if it is what comes next.
    pub(super) async fn take_ahead(&mut self, lane: &Origin) -> Option<(Vec<SealedRun>, Judged)> {
        let ahead = self.ahead.take_if(|ahead| ahead.lane == *lane)?;
        if self.posted.get(lane) != Some(&ahead.after) {
            return None;
        }
        match ahead.work {
            Work::Done(runs, judged) => Some((runs, judged)),
            // One that panicked is tried again in its turn, where a panic is seen.
            Work::Beside(work) => work.await.ok(),
        }
    }
}
