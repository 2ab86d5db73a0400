//! Runs tasks side by side: which one goes on is drawn at every await, and a task may be dropped at any of them.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use applier::control::Standing;
use applier::engine::poster::Turn;
use applier::engine::reaction::{PostError, Reaction};
use applier::ledger::LedgerError;
use applier::ship::pull::PullError;
use journal_core::journal::{Appended, ReceiveError};
use journal_core::model::TransactionId;
use rand::RngExt as _;

use crate::checks::ensure;
use crate::marks::{Mark, mark};
use crate::world::{Broken, Done, Seat, World};

/// More polls than any step needs; beyond it something waits for ever.
const POLLS_MAX: usize = 20_000;
/// Posters that should be dead, kept at a site.
const OTHERS_MAX: usize = 2;

/// Work at a site.
pub(crate) struct Task {
    pub(crate) site: usize,
    /// What the poster at work was opened for; nobody else may change a ledger.
    pub(crate) standing: Option<Standing>,
    pub(crate) future: Pin<Box<dyn Future<Output = Done>>>,
}

impl Task {
    pub(crate) fn new(site: usize, future: impl Future<Output = Done> + 'static) -> Self {
        Self { site, standing: None, future: Box::pin(future) }
    }

    pub(crate) fn turn(site: usize, mut seat: Seat, other: bool) -> Self {
        let standing = Some(seat.standing.clone());
        let future = async move {
            let turned = seat.poster.turn().await;
            Done::Turned(seat, turned, other)
        };
        Self { site, standing, future: Box::pin(future) }
    }
}

/// Runs a future that nothing else holds up.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

impl World {
    /// Runs tasks to their ends, but for one that is dropped after so many polls.
    pub(crate) fn run(&mut self, mut tasks: Vec<Task>, cut_after: Option<usize>) -> Result<(), Broken> {
        let mut context = Context::from_waker(Waker::noop());
        for polls in 0..POLLS_MAX {
            if tasks.is_empty() {
                return Ok(());
            }
            let at = if tasks.len() > 1 { self.rng.random_range(0..tasks.len()) } else { 0 };
            if cut_after == Some(polls) {
                mark(Mark::Cut);
                drop(tasks.swap_remove(at));
                continue;
            }
            let site = tasks[at].site;
            let committing = self.sites[site].door.hooks.committing();
            let polled = tasks[at].future.as_mut().poll(&mut context);
            if committing || self.sites[site].door.hooks.committing() {
                self.observe(site, tasks[at].standing.as_ref())?;
            }
            if let Poll::Ready(done) = polled {
                tasks.swap_remove(at);
                self.finish(site, done)?;
            }
        }
        Err("L1: a step does not end".to_owned())
    }

    fn finish(&mut self, at: usize, done: Done) -> Result<(), Broken> {
        match done {
            Done::Opened(Ok(seat), twin) => {
                let site = &mut self.sites[at];
                let other = if twin { Some(seat) } else { site.poster.replace(seat) };
                site.others.extend(other);
                if !twin && site.others.len() > OTHERS_MAX {
                    site.others.remove(0);
                }
                Ok(())
            }
            Done::Opened(Err(error), _) => self.failed(at, &error),
            Done::Turned(seat, turned, other) => self.turned(at, seat, turned, other),
            Done::Appended(sent, Ok(appended)) => self.acknowledged(&sent, &appended),
            Done::Appended(_, Err(error)) => {
                mark(Mark::AppendLost);
                self.note(&error.to_string());
                Ok(())
            }
            Done::Pulled(puller, from, Ok(pulled)) => {
                self.note(&(at, pulled.runs));
                self.sites[at].pullers.insert(from, puller);
                Ok(())
            }
            Done::Pulled(_, _, Err(error)) => self.not_pulled(at, &error),
            Done::Controlled(done) => {
                self.note(&done.is_ok());
                Ok(())
            }
        }
    }

    fn turned(
        &mut self,
        at: usize,
        seat: Seat,
        turned: Result<Turn, PostError>,
        other: bool,
    ) -> Result<(), Broken> {
        match turned {
            Ok(turn) => {
                match &turn {
                    Turn::Paused => mark(Mark::Paused),
                    Turn::Waiting(reason) if reason.contains("schema version") => mark(Mark::UnknownVersion),
                    Turn::Waiting(reason) if reason.contains("slow writer") => mark(Mark::Hole),
                    Turn::Waiting(_) => mark(Mark::Causal),
                    Turn::Progress | Turn::Idle => {}
                }
                self.note(&(at, turn));
                let site = &mut self.sites[at];
                if other || site.poster.is_some() {
                    site.others.push(seat)
                } else {
                    site.poster = Some(seat)
                }
                Ok(())
            }
            // Whatever it holds goes with it; another one is opened later.
            Err(error) => self.failed(at, &error),
        }
    }

    fn failed(&mut self, at: usize, error: &PostError) -> Result<(), Broken> {
        match error {
            PostError::Fenced => mark(Mark::Fenced),
            PostError::Stale => mark(Mark::Stale),
            PostError::Ledger(LedgerError::Moved { .. }) => mark(Mark::Moved),
            PostError::Ledger(_) | PostError::Read(_) => {}
        }
        self.note(&(at, error.to_string()));
        ensure!(error.reaction() != Reaction::Stop, "a lane stopped at {}: {error}", self.sites[at].origin);
        Ok(())
    }

    /// S1: what is acknowledged is there, once.
    fn acknowledged(&mut self, sent: &[usize], appended: &[Appended]) -> Result<(), Broken> {
        for (tx, appended) in sent.iter().zip(appended) {
            if appended.repeated {
                mark(Mark::Repeated);
            }
            let (trans_nr, site) = (appended.trans_nr, self.transactions[*tx].site);
            let origin = self.sites[site].origin.clone();
            let id = TransactionId { origin, trans_nr };
            let stored = self.sites[site].door.memory.journal().transaction(&id);
            let stored = stored.ok_or_else(|| format!("S1: {id} was acknowledged and is not there"))?;
            self.same_content(*tx, &stored)?;
            let first = self.transactions[*tx].acked.replace(trans_nr);
            ensure!(
                first.is_none_or(|first| first == trans_nr),
                "S1: {id} was acknowledged as another one before"
            );
            self.sites[site].pending.retain(|pending| pending != tx);
            self.note(&(tx, trans_nr));
        }
        Ok(())
    }

    /// Damage on the way is refused whole; nothing else is.
    fn not_pulled(&mut self, at: usize, error: &PullError) -> Result<(), Broken> {
        self.note(&error.to_string());
        if let PullError::Receive(
            error @ (ReceiveError::Chain { .. }
            | ReceiveError::Gap { .. }
            | ReceiveError::Fork { .. }
            | ReceiveError::Own { .. }),
        ) = error
        {
            let damaged: usize = self.sites.iter().map(|site| site.door.hooks.journal().damaged).sum();
            let excused: usize = self.sites.iter().map(|site| site.excused).sum();
            ensure!(damaged > excused, "S2: {} refuses what was not damaged: {error}", self.sites[at].origin);
            self.sites[at].excused += 1;
            mark(Mark::Damaged);
        }
        Ok(())
    }
}
