//! The sealed runs of all origins of a journal as one stream in canonical order: a merge of lanes, each of which is in
//! order by itself. Holds a few runs of each origin, however long the journal is.

use std::collections::VecDeque;

use journal_core::codec::chain;
use journal_core::journal::{JournalStore, ReadLimit};
use journal_core::model::seal::{GENESIS, Hash};
use journal_core::model::{Hlc, Origin, SealNr, SealedRun};

use super::{ReplayError, Until};

/// What is read ahead of one origin.
const AHEAD: ReadLimit = ReadLimit { transactions: 1000, bytes: 4 * 1024 * 1024 };

/// Says of the next run whether it is to come.
pub(crate) type Takes<'t> = dyn FnMut(&SealedRun) -> bool + Send + 't;

/// One origin's seals.
#[derive(Debug)]
struct Lane {
    origin: Origin,
    /// The last seal taken into account.
    last: SealNr,
    /// The last one read.
    read: SealNr,
    hash: Hash,
    waiting: VecDeque<SealedRun>,
}

/// The merge.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// The last place in canonical order that counts.
    bound: Option<Bound>,
    total: u64,
    newest: Hlc,
}

/// A place in canonical order, or an instant.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Place(Hlc, Origin),
    Time(Hlc),
}

impl Bound {
    /// The end that an operator named.
    pub(crate) async fn at<J: JournalStore>(journal: &mut J, until: &Until) -> Result<Self, ReplayError> {
        let (origin, seal_nr) = match until {
            Until::Time(micros) => return Ok(Self::Time(Hlc(*micros))),
            Until::Seal(origin, seal_nr) => (origin, seal_nr),
        };
        let one = ReadLimit { transactions: 1, bytes: 1 };
        let unknown = || ReplayError::UnknownSeal { origin: origin.clone(), seal_nr: *seal_nr };
        if seal_nr.0 < 1 {
            return Err(unknown());
        }
        let runs = journal.read_runs(origin, SealNr(seal_nr.0 - 1), one).await?;
        let seal = &runs.first().ok_or_else(unknown)?.seal;
        Ok(Self::Place(seal.hlc, seal.origin.clone()))
    }

    /// Its clock reading.
    pub(super) fn hlc(&self) -> Hlc {
        match self {
            Self::Place(hlc, _) | Self::Time(hlc) => *hlc,
        }
    }

    /// Whether a run stands at or before it.
    pub(crate) fn covers(&self, run: &SealedRun) -> bool {
        match self {
            Self::Place(hlc, origin) => (run.seal.hlc, &run.seal.origin) <= (*hlc, origin),
            Self::Time(hlc) => run.seal.hlc <= *hlc,
        }
    }
}

impl Lanes {
    /// Takes into account what is sealed now.
    pub(super) async fn open<J: JournalStore>(
        journal: &mut J,
        until: Option<&Until>,
    ) -> Result<Self, ReplayError> {
        let bound = match until {
            None => None,
            Some(until) => Some(Bound::at(journal, until).await?),
        };
        let heads = journal.heads().await?;
        let newest = heads.iter().map(|head| head.hlc).max().unwrap_or_default();
        let newest = bound.as_ref().map_or(newest, |bound| bound.hlc().min(newest));
        let total = heads.iter().map(|head| u64::try_from(head.last_nr.0).unwrap_or(0)).sum();
        let lanes = heads.into_iter().map(|head| Lane {
            origin: head.origin,
            last: head.seal_nr,
            read: SealNr(0),
            hash: GENESIS,
            waiting: VecDeque::new(),
        });
        Ok(Self { lanes: lanes.collect(), bound, total, newest })
    }

    /// At most so many transactions come.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The clock reading of the last one.
    pub(super) fn newest(&self) -> Hlc {
        self.newest
    }

    /// The next run in canonical order, checked against its seal and the one before. `None` at the end, and where
    /// `takes` says no: that run is then the next one still.
    pub(super) async fn next<J: JournalStore>(
        &mut self,
        journal: &mut J,
        takes: &mut Takes<'_>,
    ) -> Result<Option<SealedRun>, ReplayError> {
        for lane in &mut self.lanes {
            lane.fill(journal).await?;
        }
        let place = |lane: &&mut Lane| lane.waiting.front().map(|run| (run.seal.hlc, lane.origin.clone()));
        let first = self.lanes.iter_mut().filter(|lane| !lane.waiting.is_empty()).min_by_key(place);
        let bound = &self.bound;
        // Canonical order: behind the bound there is nothing that counts.
        let mut counts = |run: &SealedRun| bound.as_ref().is_none_or(|bound| bound.covers(run)) && takes(run);
        Ok(first.and_then(|lane| lane.waiting.pop_front_if(|run| counts(run))))
    }
}

impl Lane {
    async fn fill<J: JournalStore>(&mut self, journal: &mut J) -> Result<(), ReplayError> {
        if !self.waiting.is_empty() || self.read >= self.last {
            return Ok(());
        }
        let runs = journal.read_runs(&self.origin, self.read, AHEAD).await?;
        if runs.is_empty() {
            return Err(ReplayError::UnknownSeal { origin: self.origin.clone(), seal_nr: self.read.next() });
        }
        for run in runs.into_iter().filter(|run| run.seal.seal_nr <= self.last) {
            let (origin, seal_nr) = (self.origin.clone(), run.seal.seal_nr);
            chain::verify(&run, &self.hash).map_err(|fault| ReplayError::Chain { origin, seal_nr, fault })?;
            (self.read, self.hash) = (seal_nr, run.seal.hash);
            self.waiting.push_back(run);
        }
        Ok(())
    }
}
