//! Where this client has sent its transactions: those without a definite answer, so that none of them goes to another site
//! before it is certain that it does not stand at the first, and the last ones that were acknowledged, so that a caller
//! who repeats one finds it after a move. Survives a caller that goes away.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::model::Origin;

/// Transactions that may be without an answer at once; more, and new ones are refused until some are settled.
const IN_DOUBT_MAX: usize = 65_536;
/// Acknowledged transactions whose site is remembered. Whoever repeats an older one asks all sites.
pub(super) const ACKNOWLEDGED_MAX: usize = 16_384;

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
    /// Whether it may stand at sites that it was not sent to from here.
    anywhere: bool,
    claimed: bool,
    acknowledged: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    open: HashMap<Uuid, Open>,
    /// Those that are acknowledged, the oldest first.
    acknowledged: VecDeque<Uuid>,
}

impl Book {
    /// Drops what nothing is to be remembered of.
    fn tidy(&mut self, tx_id: Uuid) {
        if self.open.get(&tx_id).is_some_and(|open| !open.claimed && open.sent.is_none() && !open.anywhere) {
            self.open.remove(&tx_id);
        }
        while self.acknowledged.len() > ACKNOWLEDGED_MAX {
            let oldest = self.acknowledged.pop_front();
            oldest.map(|oldest| self.open.remove(&oldest));
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
    pub(super) fn claim(&self, tx_id: Uuid) -> Result<Claim<'_>, NotClaimed> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let in_doubt = book.open.len() - book.acknowledged.len();
        if in_doubt >= IN_DOUBT_MAX && !book.open.contains_key(&tx_id) {
            return Err(NotClaimed::Full);
        }
        let entry = book.open.entry(tx_id).or_default();
        if entry.claimed {
            return Err(NotClaimed::Busy);
        }
        entry.claimed = true;
        Ok(Claim { doubts: self, tx_id })
    }

    fn with<T>(&self, tx_id: Uuid, work: impl FnOnce(&mut Open) -> T) -> T {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = book.open.entry(tx_id).or_default();
        let before = entry.acknowledged;
        let done = work(entry);
        match (before, entry.acknowledged) {
            (false, true) => book.acknowledged.push_back(tx_id),
            (true, false) => book.acknowledged.retain(|acknowledged| *acknowledged != tx_id),
            (true, true) | (false, false) => {}
        }
        book.tidy(tx_id);
        done
    }
}

/// A transaction that one caller works on. What it was sent to outlives the claim.
#[derive(Debug)]
pub(super) struct Claim<'d> {
    doubts: &'d Doubts,
    tx_id: Uuid,
}

impl Claim<'_> {
    /// Where it was sent, without a definite answer or with a receipt.
    pub(super) fn sent(&self) -> Option<Sent> {
        self.doubts.with(self.tx_id, |open| open.sent.clone())
    }

    /// It is about to be sent there.
    pub(super) fn sending(&self, at: usize, origin: Origin) {
        self.doubts.with(self.tx_id, |open| open.sent = Some(Sent { at, origin }));
    }

    /// It stands where it was sent.
    pub(super) fn acknowledged(&self) {
        self.doubts.with(self.tx_id, |open| (open.acknowledged, open.anywhere) = (true, false));
    }

    /// It is certain that it does not stand where it was sent.
    pub(super) fn absent(&self) {
        self.doubts.with(self.tx_id, |open| (open.sent, open.acknowledged) = (None, false));
    }

    /// The same of one place, which need not be where it was sent.
    pub(super) fn absent_at(&self, place: &Sent) {
        if self.sent().as_ref() == Some(place) {
            self.absent();
        }
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

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.doubts.with(self.tx_id, |open| open.claimed = false);
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Epoch;

    use super::*;

    #[test]
    fn what_was_sent_outlives_its_caller_until_it_is_settled() {
        let doubts = Doubts::default();
        let (tx_id, origin) = (Uuid::now_v7(), Origin { site: "a".parse().unwrap(), epoch: Epoch(1) });
        let claim = doubts.claim(tx_id).unwrap();
        assert_eq!(doubts.claim(tx_id).unwrap_err(), NotClaimed::Busy);
        claim.sending(1, origin.clone());
        drop(claim);
        let claim = doubts.claim(tx_id).unwrap();
        assert_eq!(claim.sent(), Some(Sent { at: 1, origin }));
        claim.absent();
        drop(claim);
        assert!(doubts.book.lock().unwrap().open.is_empty());
    }

    #[test]
    fn what_may_stand_anywhere_is_remembered_and_one_place_settles_itself_alone() {
        let doubts = Doubts::default();
        let (tx_id, epoch) = (Uuid::now_v7(), Epoch(1));
        let place = |at: usize| Sent { at, origin: Origin { site: "a".parse().unwrap(), epoch } };
        let claim = doubts.claim(tx_id).unwrap();
        claim.note_anywhere(true);
        drop(claim);
        let claim = doubts.claim(tx_id).unwrap();
        assert!(claim.may_be_anywhere());
        claim.sending(2, place(2).origin);
        claim.absent_at(&place(1));
        assert_eq!(claim.sent(), Some(place(2)));
        claim.absent_at(&place(2));
        assert!(claim.may_be_anywhere());
        claim.sending(1, place(1).origin);
        claim.acknowledged();
        claim.note_anywhere(true);
        assert!(!claim.may_be_anywhere(), "its receipt waits for no other site");
        claim.absent();
        assert_eq!(claim.sent(), None);
        drop(claim);
        assert!(doubts.book.lock().unwrap().open.is_empty());
    }

    #[test]
    fn acknowledged_ones_are_remembered_up_to_a_bound_and_doubts_for_good() {
        let (doubts, origin) = (Doubts::default(), Origin { site: "a".parse().unwrap(), epoch: Epoch(1) });
        let send = |acknowledge: bool| {
            let tx_id = Uuid::now_v7();
            let claim = doubts.claim(tx_id).unwrap();
            claim.sending(0, origin.clone());
            if acknowledge {
                claim.acknowledged();
            }
            tx_id
        };
        let (doubt, first, second) = (send(false), send(true), send(true));
        for _ in 1..ACKNOWLEDGED_MAX {
            send(true);
        }
        let known = |tx_id: Uuid| doubts.claim(tx_id).unwrap().sent().is_some();
        assert_eq!((known(doubt), known(first), known(second)), (true, false, true));
        assert_eq!(doubts.book.lock().unwrap().open.len(), ACKNOWLEDGED_MAX + 1);
    }
}
