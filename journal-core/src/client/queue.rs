//! What waits for a commit, and how much of it the next one takes. Decides only; [`super::writer`] does.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::group_commit::{GroupCommit, Waiting};

/// Fewest transactions that are worth a commit beside another one; fewer share the next.
const BESIDE_MIN: usize = 8;

/// First come, first taken.
#[derive(Debug)]
pub(super) struct Queue {
    limits: GroupCommit,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// When the first of them may go without more company.
    until: Option<Instant>,
}

/// The commits under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Vec<Begun>);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    size: usize,
    /// Whether it has a transaction that later ones must not overtake: nothing begins beside it.
    in_order: bool,
}

/// What shares one commit.
pub(super) type Batch = Vec<Waiting>;

impl Queue {
    pub(super) fn new(limits: GroupCommit) -> Self {
        Self { limits, waiting: VecDeque::new(), bytes: 0, until: None }
    }

    pub(super) fn push(&mut self, waiting: Waiting, now: Instant) {
        self.until.get_or_insert(now + self.limits.window);
        self.bytes += waiting.weight();
        self.waiting.push_back(waiting);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether more may be taken in: no more than one commit holds waits here, the rest in the channel and with its callers.
    pub(super) fn has_room(&self) -> bool {
        let holds_more =
            self.waiting.len() < self.limits.transactions_max && self.bytes < self.limits.bytes_max;
        self.waiting.is_empty() || holds_more
    }

    /// When something that waits for company is to go without more, if anything does.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.filter(|_| !self.limits.window.is_zero() && self.has_room())
    }

    /// How many the next commit takes now; none while it is better to wait. `shared`: another may begin beside it. `last`:
    /// nothing more comes.
    pub(super) fn ready(
        &self,
        under_way: &UnderWay,
        shared: bool,
        now: Instant,
        last: bool,
    ) -> Option<usize> {
        let full = last || !self.has_room();
        if self.waiting.is_empty()
            || under_way.is_in_order()
            || !(full || self.until.is_some_and(|at| at <= now))
        {
            return None;
        }
        let fits = self.fits();
        match under_way.0.iter().map(|begun| begun.size).max() {
            // Those that were let go by one commit are about to come back: as many as that go beside the other.
            Some(largest) => (full || fits >= BESIDE_MIN.max(largest / 2)).then_some(fits),
            None if full || fits < 2 * BESIDE_MIN || !shared => Some(fits),
            None if self.waiting.iter().any(|waiting| waiting.in_order) => Some(fits),
            None => Some(fits.div_ceil(2)),
        }
    }

    /// How many fit one commit; a transaction that is too large for any has one to itself.
    fn fits(&self) -> usize {
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            bytes += waiting.weight();
            bytes <= self.limits.bytes_max
        };
        self.waiting.iter().take(self.limits.transactions_max).take_while(fits).count().max(1)
    }

    /// Puts back what was taken and could not be tried, before all others.
    pub(super) fn put_back(&mut self, batch: Batch, now: Instant) {
        self.until = Some(now);
        for waiting in batch.into_iter().rev() {
            self.bytes += waiting.weight();
            self.waiting.push_front(waiting);
        }
    }

    /// Takes the first ones out.
    pub(super) fn take(&mut self, count: usize) -> Batch {
        let batch: Batch = self.waiting.drain(..count).collect();
        self.bytes -= batch.iter().map(Waiting::weight).sum::<usize>();
        if self.waiting.is_empty() {
            self.until = None;
        }
        batch
    }
}

impl UnderWay {
    pub(super) fn begins(&mut self, batch: &Batch) -> Begun {
        let begun = Begun { size: batch.len(), in_order: batch.iter().any(|waiting| waiting.in_order) };
        self.0.push(begun);
        begun
    }

    pub(super) fn ends(&mut self, begun: Begun) {
        if let Some(at) = self.0.iter().position(|other| *other == begun) {
            self.0.swap_remove(at);
        }
    }

    fn is_in_order(&self) -> bool {
        self.0.iter().any(|begun| begun.in_order)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use uuid::Uuid;

    use crate::model::{NewTransaction, SchemaVersion, StoredEntry};

    use super::*;

    fn waiting(in_order: bool, bytes: usize) -> Waiting {
        let entry = StoredEntry {
            entry_nr: 1,
            entity: "item".into(),
            op: "insert".into(),
            row_key: String::new(),
            codec: 1,
            payload: vec![0; bytes],
        };
        let transaction = NewTransaction {
            tx_id: Uuid::nil(),
            schema_version: SchemaVersion(1),
            author: "test".into(),
            entries: vec![entry],
        };
        Waiting { transaction, reply: oneshot::channel().0, in_order }
    }

    fn queue(limits: GroupCommit, free: usize, in_order: usize) -> Queue {
        let mut queue = Queue::new(limits);
        let all = std::iter::repeat_n(false, free).chain(std::iter::repeat_n(true, in_order));
        all.for_each(|in_order| queue.push(waiting(in_order, 10), Instant::now()));
        queue
    }

    /// What begins, one commit after the other, while none ends.
    fn begun(queue: &mut Queue, under_way: &mut UnderWay) -> Vec<usize> {
        let mut begun = Vec::new();
        while let Some(count) = queue.ready(under_way, true, Instant::now(), false) {
            under_way.begins(&queue.take(count));
            begun.push(count);
        }
        begun
    }

    fn beginning(limits: GroupCommit, free: usize, in_order: usize) -> Vec<usize> {
        begun(&mut queue(limits, free, in_order), &mut UnderWay::default())
    }

    #[test]
    fn many_are_shared_by_two_commits_and_few_have_one() {
        let limits = GroupCommit::default();
        assert_eq!(beginning(limits, 0, 0), [0; 0]);
        assert_eq!(beginning(limits, 1, 0), [1]);
        assert_eq!(beginning(limits, 15, 0), [15]);
        assert_eq!(beginning(limits, 33, 0), [17, 16]);
        let queue = queue(limits, 33, 0);
        assert_eq!(queue.ready(&UnderWay::default(), false, Instant::now(), false), Some(33));
    }

    #[test]
    fn beside_a_commit_as_many_begin_as_are_worth_it() {
        let limits = GroupCommit::default();
        let beside = |first: usize, then: usize| {
            let (mut queue, mut under_way) = (queue(limits, first, 0), UnderWay::default());
            under_way.begins(&queue.take(first));
            (0..then).for_each(|_| queue.push(waiting(false, 10), Instant::now()));
            begun(&mut queue, &mut under_way)
        };
        assert_eq!(beside(1, 7), [0; 0]);
        assert_eq!(beside(1, 8), [8]);
        assert_eq!(beside(32, 15), [0; 0]);
        assert_eq!(beside(32, 16), [16]);
    }

    #[test]
    fn nothing_overtakes_what_was_sent_in_order() {
        let (mut queue, mut under_way) = (queue(GroupCommit::default(), 20, 20), UnderWay::default());
        assert_eq!(begun(&mut queue, &mut under_way), [40]);
        (0..400).for_each(|_| queue.push(waiting(false, 10), Instant::now()));
        assert_eq!(begun(&mut queue, &mut under_way), [0; 0]);
        under_way.ends(Begun { size: 40, in_order: true });
        assert_eq!(begun(&mut queue, &mut under_way), [200, 200]);
    }

    #[test]
    fn what_is_in_order_holds_back_others_only_until_it_has_ended() {
        let (mut queue, mut under_way) = (queue(GroupCommit::default(), 10, 0), UnderWay::default());
        under_way.begins(&queue.take(10));
        (0..10).for_each(|_| queue.push(waiting(true, 10), Instant::now()));
        assert_eq!(begun(&mut queue, &mut under_way), [10]);
        (0..10).for_each(|_| queue.push(waiting(false, 10), Instant::now()));
        assert_eq!(begun(&mut queue, &mut under_way), [0; 0]);
        under_way.ends(Begun { size: 10, in_order: true });
        assert_eq!(begun(&mut queue, &mut under_way), [10]);
    }

    #[test]
    fn limits_of_nothing_let_one_at_a_time_through() {
        let mut queue =
            Queue::new(GroupCommit { transactions_max: 0, bytes_max: 0, ..GroupCommit::default() });
        assert!(queue.has_room());
        queue.push(waiting(false, 10), Instant::now());
        assert_eq!(queue.ready(&UnderWay::default(), true, Instant::now(), false), Some(1));
    }

    #[test]
    fn a_commit_holds_what_its_limits_say() {
        let limits = GroupCommit { transactions_max: 3, bytes_max: 25, ..GroupCommit::default() };
        let mut queue = Queue::new(limits);
        for bytes in [100, 10, 10, 10, 1, 1, 1, 1] {
            queue.push(waiting(true, bytes), Instant::now());
        }
        let mut taken = Vec::new();
        while let Some(count) = queue.ready(&UnderWay::default(), true, Instant::now(), false) {
            taken.push(queue.take(count).len());
        }
        assert_eq!(taken, [1, 2, 3, 2]);
        assert!(queue.has_room());
    }

    #[test]
    fn company_is_waited_for_until_the_window_ends_or_the_commit_is_full() {
        let window = Duration::from_secs(1);
        let mut queue = queue(GroupCommit { window, transactions_max: 3, ..GroupCommit::default() }, 2, 0);
        let (none, now) = (UnderWay::default(), Instant::now());
        assert_eq!(queue.ready(&none, true, now, false), None);
        assert_eq!(queue.ready(&none, true, queue.until().unwrap(), false), Some(2));
        assert_eq!(queue.ready(&none, true, now, true), Some(2));
        queue.push(waiting(false, 10), now);
        assert_eq!((queue.ready(&none, true, now, false), queue.until()), (Some(3), None));
    }
}
