//! Received runs handed to the poster in memory, so that it need not read back what was written a moment before. The
//! journal stays the truth: only what a committed transaction wrote is handed over, what is not taken in time is left,
//! and the poster reads it from the journal.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use journal_core::journal::{
    AppendError, Appended, Head, JournalStore, ReadError, ReadLimit, ReceiveError, Tail,
};
use journal_core::model::{NewTransaction, Origin, SealNr, SealedRun, StoredTransaction, TransNr};
use tokio::sync::Notify;

/// How long a puller holds back for a poster that keeps up. A batch is posted well within it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between the pullers of a site and its poster. Clones are the same one.
#[derive(Debug, Clone)]
pub struct HandOver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lanes: Mutex<Lanes>,
    taken: Notify,
    /// Bytes that may lie here before a puller holds back.
    room: usize,
}

#[derive(Debug)]
struct Lanes {
    lanes: BTreeMap<Origin, Lane>,
    bytes: usize,
    /// Whether the poster takes what comes. While it does not (paused, far behind, another process posts), nothing is
    /// kept here and no puller waits.
    keeps_up: bool,
}

#[derive(Debug, Default)]
struct Lane {
    /// In the order of their seals, without a gap; each with what it weighs.
    runs: VecDeque<(SealedRun, usize)>,
    /// The last seal that was offered.
    last: SealNr,
}

impl HandOver {
    /// One that holds so many bytes, and the runs that came last.
    pub fn new(room: usize) -> Self {
        let lanes = Mutex::new(Lanes { lanes: BTreeMap::new(), bytes: 0, keeps_up: true });
        Self { shared: Arc::new(Shared { lanes, taken: Notify::new(), room }) }
    }

    /// Leaves runs of one origin that stand in the journal for the poster. Waits while there is no room and the poster
    /// is at work, so that it need not read them back later; but not long, since what was received is safe and what was
    /// not is not.
    pub async fn offer(&self, runs: Vec<SealedRun>) {
        loop {
            let taken = self.shared.taken.notified();
            {
                let mut lanes = self.lanes();
                if !lanes.keeps_up || lanes.bytes < self.shared.room {
                    lanes.put(runs);
                    return;
                }
            }
            if tokio::time::timeout(PATIENCE, taken).await.is_err() {
                self.lanes().let_go();
            }
        }
    }

    /// The runs of an origin after a seal and up to another, as many as the limit allows, if they lie here.
    fn take(&self, origin: &Origin, after: SealNr, until: SealNr, limit: ReadLimit) -> Vec<SealedRun> {
        let runs = self.lanes().take(origin, after, until, limit);
        if !runs.is_empty() {
            self.shared.taken.notify_waiters();
        }
        runs
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // Nothing in here panics half-way; and what lies here can always be left.
        self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn put(&mut self, runs: Vec<SealedRun>) {
        let Some(last) = runs.last().map(|run| &run.seal) else { return };
        let lane = self.lanes.entry(last.origin.clone()).or_default();
        lane.last = lane.last.max(last.seal_nr);
        if !self.keeps_up {
            return;
        }
        for run in runs {
            match lane.runs.back() {
                // Another puller brought it.
                Some((back, _)) if run.seal.seal_nr <= back.seal.seal_nr => continue,
                Some((back, _)) if run.seal.seal_nr != back.seal.seal_nr.next() => {
                    self.bytes -= lane.runs.drain(..).map(|(_, weight)| weight).sum::<usize>();
                }
                _ => {}
            }
            let weight = run.transactions.iter().map(StoredTransaction::weight).sum();
            self.bytes += weight;
            lane.runs.push_back((run, weight));
        }
    }

    fn take(&mut self, origin: &Origin, after: SealNr, until: SealNr, limit: ReadLimit) -> Vec<SealedRun> {
        let Some(lane) = self.lanes.get_mut(origin) else { return Vec::new() };
        while let Some((_, weight)) = lane.runs.pop_front_if(|(run, _)| run.seal.seal_nr <= after) {
            self.bytes -= weight;
        }
        let mut taken: Vec<SealedRun> = Vec::new();
        let (mut transactions, mut bytes) = (0, 0);
        let mut expected = after.next();
        while let Some((run, weight)) =
            lane.runs.front().filter(|(run, _)| expected <= until && run.seal.seal_nr == expected)
        {
            transactions += run.transactions.len();
            bytes += *weight;
            if !taken.is_empty() && (transactions > limit.transactions || bytes > limit.bytes) {
                break;
            }
            self.bytes -= *weight;
            taken.extend(lane.runs.pop_front().map(|(run, _)| run));
            expected = expected.next();
        }
        self.keeps_up |= !taken.is_empty();
        taken
    }

    /// The poster read so far from the journal.
    fn read(&mut self, origin: &Origin, last: SealNr) {
        self.keeps_up |= self.lanes.get(origin).is_none_or(|lane| lane.last <= last);
    }

    fn let_go(&mut self) {
        self.keeps_up = false;
        self.bytes = 0;
        self.lanes.values_mut().for_each(|lane| lane.runs.clear());
    }
}

/// A poster's journal that takes runs from a [`HandOver`] where they lie there and the journal says that it has them: a
/// database that was restored, or a standby in its place, may have lost what was committed before.
#[derive(Debug)]
pub struct Relay<J> {
    journal: J,
    handed: HandOver,
    /// As they were read last.
    heads: Vec<Head>,
}

impl<J> Relay<J> {
    /// Over the journal that the runs were written to.
    pub fn new(journal: J, handed: HandOver) -> Self {
        Self { journal, handed, heads: Vec::new() }
    }
}

impl<J: JournalStore> JournalStore for Relay<J> {
    fn origin(&self) -> &Origin {
        self.journal.origin()
    }

    fn append(
        &mut self,
        batch: &[NewTransaction],
    ) -> impl Future<Output = Result<Vec<Appended>, AppendError>> + Send {
        self.journal.append(batch)
    }

    fn read_tail(
        &mut self,
        after: TransNr,
        limit: ReadLimit,
    ) -> impl Future<Output = Result<Tail, ReadError>> + Send {
        self.journal.read_tail(after, limit)
    }

    async fn heads(&mut self) -> Result<Vec<Head>, ReadError> {
        self.heads = self.journal.heads().await?;
        Ok(self.heads.clone())
    }

    async fn look(&mut self, after: TransNr, limit: ReadLimit) -> Result<(Vec<Head>, Tail), ReadError> {
        let (heads, tail) = self.journal.look(after, limit).await?;
        self.heads = heads.clone();
        Ok((heads, tail))
    }

    async fn read_runs(
        &mut self,
        origin: &Origin,
        after: SealNr,
        limit: ReadLimit,
    ) -> Result<Vec<SealedRun>, ReadError> {
        let head = self.heads.iter().find(|head| head.origin == *origin);
        let handed = self.handed.take(origin, after, head.map_or(SealNr(0), |head| head.seal_nr), limit);
        if !handed.is_empty() {
            return Ok(handed);
        }
        let runs = self.journal.read_runs(origin, after, limit).await?;
        self.handed.lanes().read(origin, runs.last().map_or(after, |run| run.seal.seal_nr));
        Ok(runs)
    }

    fn receive(&mut self, runs: &[SealedRun]) -> impl Future<Output = Result<Head, ReceiveError>> + Send {
        self.journal.receive(runs)
    }
}

#[cfg(test)]
mod tests {
    use journal_core::conformance::{UNLIMITED, origin};
    use journal_core::store::memory::MemoryJournal;
    use tokio::time::Instant;

    use super::super::material::{ONE, peer_with};
    use super::*;

    async fn runs(seals: u64) -> Vec<SealedRun> {
        peer_with(seals).await.read_runs(&origin("b"), SealNr(0), UNLIMITED).await.unwrap()
    }

    /// A poster's journal that cannot give the runs that it says it has, so that what is read was handed over.
    async fn relay(handed: &HandOver) -> Relay<MemoryJournal> {
        let heads = peer_with(4).await.heads().await.unwrap();
        Relay { journal: MemoryJournal::new(origin("a")), handed: handed.clone(), heads }
    }

    async fn seals(relay: &mut Relay<MemoryJournal>, after: i64, limit: ReadLimit) -> Vec<i64> {
        let runs = relay.read_runs(&origin("b"), SealNr(after), limit).await.unwrap();
        runs.iter().map(|run| run.seal.seal_nr.0).collect()
    }

    #[tokio::test]
    async fn what_is_handed_over_comes_in_order_within_the_limit() {
        let handed = HandOver::new(usize::MAX);
        handed.offer(runs(4).await).await;
        let mut relay = relay(&handed).await;
        assert_eq!(seals(&mut relay, 0, ONE).await, [1]);
        assert_eq!(seals(&mut relay, 2, UNLIMITED).await, [3, 4], "2 was posted another way");
        assert_eq!(seals(&mut relay, 4, UNLIMITED).await, [0; 0]);
        assert_eq!(handed.lanes().bytes, 0);
    }

    #[tokio::test]
    async fn nothing_is_taken_over_a_gap_and_the_journal_is_asked() {
        let handed = HandOver::new(usize::MAX);
        let mut all = runs(5).await;
        let late = all.split_off(3);
        handed.offer(late.clone()).await;
        let heads = peer_with(5).await.heads().await.unwrap();
        let mut relay = Relay { journal: peer_with(3).await, handed: handed.clone(), heads };
        assert_eq!(seals(&mut relay, 0, UNLIMITED).await, [1, 2, 3]);
        assert_eq!(seals(&mut relay, 3, UNLIMITED).await, [4, 5]);
        // With a gap between them the later ones count: the earlier ones are in the journal.
        handed.offer(all).await;
        handed.offer(late[1..].to_vec()).await;
        assert_eq!(handed.lanes().take(&origin("b"), SealNr(4), SealNr(9), UNLIMITED).len(), 1);
    }

    #[tokio::test]
    async fn what_the_journal_has_lost_is_not_taken_from_memory() {
        let handed = HandOver::new(usize::MAX);
        handed.offer(runs(4).await).await;
        let mut relay = Relay::new(peer_with(2).await, handed.clone());
        relay.heads().await.unwrap();
        assert_eq!(seals(&mut relay, 0, UNLIMITED).await, [1, 2]);
        assert_eq!(seals(&mut relay, 2, UNLIMITED).await, [0; 0]);
    }

    #[tokio::test]
    async fn runs_that_two_pullers_brought_come_once() {
        let handed = HandOver::new(usize::MAX);
        handed.offer(runs(2).await).await;
        handed.offer(runs(3).await).await;
        assert_eq!(seals(&mut relay(&handed).await, 0, UNLIMITED).await, [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_puller_waits_for_a_poster_that_takes_and_not_for_one_that_does_not() {
        let handed = HandOver::new(1);
        let all = runs(4).await;
        let one = |at: usize| all[at..=at].to_vec();
        handed.offer(one(0)).await;
        let mut relay = relay(&handed).await;
        let began = Instant::now();
        let ((), taken) = tokio::join!(handed.offer(one(1)), seals(&mut relay, 0, ONE));
        assert_eq!((taken, began.elapsed()), (vec![1], Duration::ZERO));
        handed.offer(one(2)).await;
        assert_eq!((handed.lanes().bytes, began.elapsed()), (0, PATIENCE), "nobody took the second");
        handed.offer(one(3)).await;
        assert_eq!((handed.lanes().bytes, began.elapsed()), (0, PATIENCE), "and nobody is waited for again");
        handed.lanes().read(&origin("b"), SealNr(3));
        assert!(!handed.lanes().keeps_up);
        handed.lanes().read(&origin("b"), SealNr(4));
        assert!(handed.lanes().keeps_up, "the poster has read all that there is");
    }
}
