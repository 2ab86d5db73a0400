//! Keys of transactions in quarantine: whatever touches them waits too, so that nothing is posted out of its order.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use journal_core::model::TransactionId;

use super::keys::{KeyHash, Kind, Touch};

/// The index of held keys.
#[derive(Debug, Clone, Default)]
pub struct Held {
    keys: HashMap<KeyHash, Vec<(TransactionId, Kind)>, RandomState>,
    touches: HashMap<TransactionId, Vec<Touch>, RandomState>,
}

impl Held {
    /// Notes a quarantined transaction's keys. One that touches no readable key holds nothing else up.
    pub fn insert(&mut self, id: &TransactionId, touches: &[Touch]) {
        for touch in touches {
            self.keys.entry(touch.key).or_default().push((id.clone(), touch.kind));
        }
        self.touches.insert(id.clone(), touches.to_vec());
    }

    /// Forgets a transaction that left quarantine.
    pub fn remove(&mut self, id: &TransactionId) {
        for touch in self.touches.remove(id).unwrap_or_default() {
            if let Some(holders) = self.keys.get_mut(&touch.key) {
                holders.retain(|(holder, _)| holder != id);
            }
        }
        self.keys.retain(|_, holders| !holders.is_empty());
    }

    /// A held transaction that these touches cannot pass.
    pub fn blocker(&self, touches: &[Touch]) -> Option<&TransactionId> {
        self.find(touches, |_| true)
    }

    /// Whether a held transaction still waits for one of those before it.
    pub fn is_blocked(&self, id: &TransactionId, before: impl Fn(&TransactionId) -> bool) -> bool {
        let touches = self.touches.get(id).map_or(&[][..], Vec::as_slice);
        self.find(touches, |other| other != id && before(other)).is_some()
    }

    fn find(&self, touches: &[Touch], counts: impl Fn(&TransactionId) -> bool) -> Option<&TransactionId> {
        touches.iter().find_map(|touch| {
            let holders = self.keys.get(&touch.key)?;
            holders.iter().find(|(id, kind)| counts(id) && !touch.kind.commutes(*kind)).map(|(id, _)| id)
        })
    }

    /// Whether something held touches this key.
    pub fn has(&self, key: KeyHash) -> bool {
        self.keys.contains_key(&key)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.touches.is_empty()
    }
}
