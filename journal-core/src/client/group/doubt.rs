//! Where this client has sent its transactions: those without a definite answer, so that none of them goes to another site
//! before it is certain that it does not stand at the first, and the last ones that were acknowledged, so that a caller
//! who repeats one finds it after a move. Survives a caller that goes away, and takes note of an answer that comes later.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::super::group_commit::AppendFailure;
use crate::model::Origin;

/// Transactions that may be without an answer at once; more, and new ones are refused until some are settled.
const IN_DOUBT_MAX: usize = 65_536;
/// Acknowledged transactions whose site is remembered. Whoever repeats an older one asks all sites.
pub(super) const ACKNOWLEDGED_MAX: usize = 16_384;
/// The same of those whose caller had gone before the answer came, and may well append them again.
const UNTOLD_MAX: usize = 65_536;

/// Where a transaction was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// The site, by its place in the group.
    pub(super) at: usize,
    /// The site in the life it was in.
    pub(super) origin: Origin,
}

#[derive(Debug, Default)]
struct Open {
    sent: Option<Sent>,
    /// Which send the last one was.
    send: u64,
    /// Whether it may stand at sites that it was not sent to from here.
    anywhere: bool,
    /// The sites that will never take it, by their places in the group.
    void: Vec<usize>,
    claimed: bool,
    acknowledged: bool,
    /// Whether some caller was given the receipt.
    told: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    book: Mutex<Book>,
    sends: AtomicU64,
}

#[derive(Debug, Default)]
struct Book {
    open: HashMap<Uuid, Open>,
    /// Those that are acknowledged and whose caller knows, the oldest first.
    acknowledged: VecDeque<Uuid>,
    /// Those that are acknowledged to nobody yet.
    untold: VecDeque<Uuid>,
}

impl Book {
    /// How many are without a definite answer, or worked on now.
    fn in_doubt(&self) -> usize {
        self.open.len() - self.acknowledged.len() - self.untold.len()
    }

    /// Drops what nothing is to be remembered of.
    fn tidy(&mut self, tx_id: Uuid) {
        if self.open.get(&tx_id).is_some_and(|open| !open.claimed && open.sent.is_none() && !open.anywhere) {
            self.open.remove(&tx_id);
        }
        evict(&mut self.acknowledged, &mut self.open, ACKNOWLEDGED_MAX);
        evict(&mut self.untold, &mut self.open, UNTOLD_MAX);
    }

    /// Puts an entry into the queue it belongs to.
    fn enqueue(&mut self, tx_id: Uuid, before: (bool, bool), now: (bool, bool)) {
        if before == now {
            return;
        }
        if before.0 {
            let queue = if before.1 { &mut self.acknowledged } else { &mut self.untold };
            // Of those that nobody knows of yet, nearly all are of a moment ago.
            if let Some(at) = queue.iter().rposition(|queued| *queued == tx_id) {
                queue.remove(at);
            }
        }
        if now.0 {
            let queue = if now.1 { &mut self.acknowledged } else { &mut self.untold };
            queue.push_back(tx_id);
        }
    }
}

/// Forgets the oldest of too many; not one that somebody works on.
fn evict(queue: &mut VecDeque<Uuid>, open: &mut HashMap<Uuid, Open>, max: usize) {
    if queue.len() <= max {
        return;
    }
    if let Some(oldest) = queue.pop_front() {
        if open.get(&oldest).is_some_and(|open| open.claimed) {
            queue.push_back(oldest);
        } else {
            open.remove(&oldest);
        }
    }
}

/// Why a transaction cannot be worked on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotClaimed {
    /// Another caller appends the same one.
    Busy,
    /// Too many are in doubt.
    Full,
}

impl Doubts {
    /// Takes a transaction, for one caller at a time.
    pub(super) fn claim(self: &Arc<Self>, tx_id: Uuid) -> Result<Claim, NotClaimed> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.in_doubt() >= IN_DOUBT_MAX && !book.open.contains_key(&tx_id) {
            return Err(NotClaimed::Full);
        }
        let entry = book.open.entry(tx_id).or_default();
        if entry.claimed {
            return Err(NotClaimed::Busy);
        }
        entry.claimed = true;
        Ok(Claim { doubts: self.clone(), tx_id })
    }

    /// Where a transaction was sent that somebody may work on.
    pub(super) fn sent(&self, tx_id: Uuid) -> Option<Sent> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.open.get(&tx_id).and_then(|open| open.sent.clone())
    }

    /// Whether it may stand somewhere, as far as is known here.
    pub(super) fn may_stand(&self, tx_id: Uuid) -> bool {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.open.get(&tx_id).is_some_and(|open| open.sent.is_some() || open.anywhere)
    }

    #[cfg(test)]
    pub(super) fn in_doubt(&self) -> usize {
        self.book.lock().unwrap().in_doubt()
    }

    fn with<T>(&self, tx_id: Uuid, work: impl FnOnce(&mut Open) -> T) -> T {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = book.open.entry(tx_id).or_default();
        let before = (entry.acknowledged, entry.told);
        let done = work(entry);
        let now = (entry.acknowledged, entry.told);
        book.enqueue(tx_id, before, now);
        book.tidy(tx_id);
        done
    }
}

/// A transaction that one caller works on. What it was sent to outlives the claim.
#[derive(Debug)]
pub(super) struct Claim {
    doubts: Arc<Doubts>,
    tx_id: Uuid,
}

/// One send of a transaction, for whoever waits for its answer: that may be there when its caller has gone and another one
/// works on the transaction.
#[derive(Debug)]
pub(super) struct Sending {
    doubts: Arc<Doubts>,
    tx_id: Uuid,
    sent: Sent,
    send: u64,
    /// Whether an earlier send is without a definite answer.
    doubted: bool,
}

impl Claim {
    /// Where it was sent, without a definite answer or with a receipt.
    pub(super) fn sent(&self) -> Option<Sent> {
        self.doubts.with(self.tx_id, |open| open.sent.clone())
    }

    /// It is about to be sent there.
    pub(super) fn sending(&self, at: usize, origin: Origin) -> Sending {
        let sent = Sent { at, origin };
        let send = self.doubts.sends.fetch_add(1, Ordering::Relaxed);
        let earlier = self.doubts.with(self.tx_id, |open| {
            open.send = send;
            open.sent.replace(sent.clone())
        });
        let doubts = self.doubts.clone();
        Sending { doubts, tx_id: self.tx_id, sent, send, doubted: earlier.is_some() }
    }

    /// The caller has its receipt.
    pub(super) fn told(&self) {
        self.doubts.with(self.tx_id, |open| open.told = true);
    }

    /// It is certain that it does not stand at a place, which need not be where it was sent, and never will.
    pub(super) fn is_void(&self, place: &Sent) {
        self.doubts.with(self.tx_id, |open| {
            if !open.void.contains(&place.at) {
                open.void.push(place.at);
            }
            if open.sent.as_ref() == Some(place) {
                (open.sent, open.acknowledged, open.told) = (None, false, false);
            }
        });
    }

    /// Which of that many sites will never take it. Made void at the last one, too, it would stand nowhere for ever.
    pub(super) fn void(&self, sites: usize) -> Vec<bool> {
        self.doubts.with(self.tx_id, |open| (0..sites).map(|at| open.void.contains(&at)).collect())
    }

    /// Whether it may stand at sites that it was not sent to from here.
    pub(super) fn may_be_anywhere(&self) -> bool {
        self.doubts.with(self.tx_id, |open| open.anywhere)
    }

    /// Notes whether it may. One that was acknowledged stands where it was sent.
    pub(super) fn note_anywhere(&self, anywhere: bool) {
        self.doubts.with(self.tx_id, |open| open.anywhere = anywhere && !open.acknowledged);
    }
}

impl Sending {
    /// Takes note of the answer, as far as nothing newer is known.
    pub(super) fn settle(&self, answer: Result<(), &AppendFailure>) {
        match answer {
            Ok(()) => self.stands(),
            Err(AppendFailure::Refused(error)) if error.is_of_content() => self.absent(),
            // This time it was not taken, which says nothing of an earlier time.
            Err(
                AppendFailure::Invalid(_)
                | AppendFailure::OtherContent { .. }
                | AppendFailure::Refused(_)
                | AppendFailure::Closed,
            ) => {
                if !self.doubted {
                    self.absent();
                }
            }
            Err(AppendFailure::InDoubt(_)) => {}
        }
    }

    /// It stands there, whatever was sent there after it.
    fn stands(&self) {
        self.doubts.with(self.tx_id, |open| {
            if open.sent.as_ref() == Some(&self.sent) {
                (open.acknowledged, open.anywhere) = (true, false);
            }
        });
    }

    /// It does not stand there; what was sent after it may.
    fn absent(&self) {
        self.doubts.with(self.tx_id, |open| {
            if open.send == self.send && !open.acknowledged {
                open.sent = None;
            }
        });
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.doubts.with(self.tx_id, |open| open.claimed = false);
    }
}
