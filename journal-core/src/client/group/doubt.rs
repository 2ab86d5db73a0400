//! Which transactions this client has sent somewhere without a definite answer, and where: so that none of them goes to
//! another site before it is certain that it does not stand at the first. Survives a caller that goes away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::model::Origin;

/// Transactions that may be without an answer at once; more, and new ones are refused until some are settled.
const IN_DOUBT_MAX: usize = 65_536;

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
    claimed: bool,
}

/// All that have no definite answer.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    open: Mutex<HashMap<Uuid, Open>>,
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
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= IN_DOUBT_MAX && !open.contains_key(&tx_id) {
            return Err(NotClaimed::Full);
        }
        let entry = open.entry(tx_id).or_default();
        if entry.claimed {
            return Err(NotClaimed::Busy);
        }
        entry.claimed = true;
        Ok(Claim { doubts: self, tx_id })
    }

    fn with<T>(&self, tx_id: Uuid, work: impl FnOnce(&mut Open) -> T) -> T {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = open.entry(tx_id).or_default();
        let done = work(entry);
        if !entry.claimed && entry.sent.is_none() {
            open.remove(&tx_id);
        }
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
    /// Where it was sent without a definite answer.
    pub(super) fn sent(&self) -> Option<Sent> {
        self.doubts.with(self.tx_id, |open| open.sent.clone())
    }

    /// It is about to be sent there.
    pub(super) fn sending(&self, at: usize, origin: Origin) {
        self.doubts.with(self.tx_id, |open| open.sent = Some(Sent { at, origin }));
    }

    /// It is certain where it stands, or that it stands nowhere.
    pub(super) fn settled(&self) {
        self.doubts.with(self.tx_id, |open| open.sent = None);
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
        claim.settled();
        drop(claim);
        assert!(doubts.open.lock().unwrap().is_empty());
    }
}
