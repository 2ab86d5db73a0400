//! Keys touched lately: those of transactions that some peer had not yet seen when it last spoke. A transaction that
//! arrives from a peer is concurrent with exactly these.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use journal_core::model::{Origin, SealNr, SiteName, Vector};
use smallvec::SmallVec;

use super::held::Held;
use super::keys::{KeyHash, Kind, Touch};

/// Sweep when the index has doubled since the last sweep, but not for less than this many keys.
const SWEEP_KEYS_MIN: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    origin: usize,
    seal_nr: SealNr,
    kind: Kind,
}

/// The index. Rebuilt from the journal whenever the poster opens.
#[derive(Debug)]
pub struct Recent {
    /// The other sites: what arrives here comes from them.
    peers: Vec<SiteName>,
    origins: Vec<Origin>,
    /// There may be millions, each with one stamp as a rule: no room is made elsewhere for that one.
    keys: HashMap<KeyHash, SmallVec<[Stamp; 1]>, RandomState>,
    /// What each site had seen in the newest of its seals posted here.
    seen_by: BTreeMap<SiteName, Vector>,
    sweep_at: usize,
}

impl Recent {
    /// An empty index of a site whose group has these other sites.
    pub fn new(peers: Vec<SiteName>) -> Self {
        Self { peers, origins: Vec::new(), keys: HashMap::default(), seen_by: BTreeMap::new(), sweep_at: 0 }
    }

    /// Notes keys that a transaction posted here touched, if a third site may yet bring something concurrent with it: of
    /// a pair, neither keeps what the other wrote.
    pub fn insert(&mut self, origin: &Origin, seal_nr: SealNr, touches: &[Touch]) {
        if !self.keeps(origin) {
            return;
        }
        let origin = self.origin_index(origin);
        for touch in touches {
            let stamps = self.keys.entry(touch.key).or_default();
            match stamps.iter_mut().find(|stamp| stamp.origin == origin && stamp.kind == touch.kind) {
                Some(stamp) => stamp.seal_nr = stamp.seal_nr.max(seal_nr),
                None => stamps.push(Stamp { origin, seal_nr, kind: touch.kind }),
            }
        }
    }

    /// Notes what a site had seen when it sealed; its later seals have seen no less.
    pub fn note_seen(&mut self, site: &SiteName, seen: &Vector) {
        self.seen_by.insert(site.clone(), seen.clone());
    }

    /// The first transaction here that wrote one of these keys while neither it nor the arriving one, sealed by
    /// `origin` with `seen`, knew of the other.
    pub fn concurrent(&self, origin: &Origin, seen: &Vector, touches: &[Touch]) -> Option<(Origin, SealNr)> {
        touches.iter().find_map(|touch| {
            let stamps = self.keys.get(&touch.key)?;
            stamps.iter().find_map(|stamp| {
                let other = &self.origins[stamp.origin];
                let known = seen.get(other).copied().unwrap_or_default();
                let meets = other != origin && stamp.seal_nr > known && !touch.kind.commutes(stamp.kind);
                meets.then(|| (other.clone(), stamp.seal_nr))
            })
        })
    }

    /// Forgets what every peer has seen, but for the keys of what is held: that had seen less, and may go later. Only sweeps
    /// when the index has grown enough to pay for it.
    pub fn sweep(&mut self, held: &Held) {
        if self.keys.len() < self.sweep_at.max(SWEEP_KEYS_MIN) {
            return;
        }
        let floors: Vec<SealNr> = self.origins.iter().map(|origin| self.floor(origin)).collect();
        self.keys.retain(|key, stamps| {
            let kept = held.has(*key);
            stamps.retain(|stamp| kept || stamp.seal_nr > floors[stamp.origin]);
            !stamps.is_empty()
        });
        self.sweep_at = self.keys.len() * 2;
    }

    /// The last seal of `origin` that every other peer is known to have seen.
    pub fn floor(&self, origin: &Origin) -> SealNr {
        let seen =
            |site| self.seen_by.get(site).and_then(|seen| seen.get(origin)).copied().unwrap_or_default();
        self.others(origin).map(seen).min().unwrap_or(SealNr(i64::MAX))
    }

    /// Whether it keeps what `origin` touched.
    pub fn keeps(&self, origin: &Origin) -> bool {
        self.others(origin).next().is_some()
    }

    /// Whether nothing here can be concurrent with anything.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The peers that may bring something concurrent with what `origin` wrote.
    fn others(&self, origin: &Origin) -> impl Iterator<Item = &SiteName> {
        self.peers.iter().filter(|site| **site != origin.site)
    }

    fn origin_index(&mut self, origin: &Origin) -> usize {
        self.origins.iter().position(|known| known == origin).unwrap_or_else(|| {
            self.origins.push(origin.clone());
            self.origins.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Epoch, TransNr, TransactionId};

    use super::*;

    fn origin(site: &str) -> Origin {
        Origin { site: SiteName::new(site).unwrap(), epoch: Epoch(1) }
    }

    fn recent(peers: [&str; 2]) -> Recent {
        Recent::new(peers.map(|peer| SiteName::new(peer).unwrap()).to_vec())
    }

    fn touch(key: u128, kind: Kind) -> Vec<Touch> {
        vec![Touch { key, kind }]
    }

    #[test]
    fn writes_that_knew_of_each_other_are_not_concurrent() {
        let mut recent = recent(["b", "c"]);
        recent.insert(&origin("a"), SealNr(5), &touch(1, Kind::Update));
        let knows = Vector::from([(origin("a"), SealNr(5))]);
        let behind = Vector::from([(origin("a"), SealNr(4))]);
        assert_eq!(recent.concurrent(&origin("b"), &knows, &touch(1, Kind::Update)), None);
        assert_eq!(
            recent.concurrent(&origin("b"), &behind, &touch(1, Kind::Update)),
            Some((origin("a"), SealNr(5)))
        );
        assert_eq!(
            recent.concurrent(&origin("a"), &behind, &touch(1, Kind::Update)),
            None,
            "its own earlier write"
        );
        assert_eq!(recent.concurrent(&origin("b"), &behind, &touch(2, Kind::Update)), None, "another key");
    }

    #[test]
    fn adds_and_references_commute_and_the_end_of_a_row_does_not() {
        let mut recent = recent(["b", "c"]);
        recent.insert(&origin("a"), SealNr(1), &touch(1, Kind::Add));
        recent.insert(&origin("a"), SealNr(1), &touch(2, Kind::Reference));
        let none = Vector::new();
        assert_eq!(recent.concurrent(&origin("b"), &none, &touch(1, Kind::Add)), None);
        assert!(recent.concurrent(&origin("b"), &none, &touch(1, Kind::Update)).is_some());
        assert_eq!(recent.concurrent(&origin("b"), &none, &touch(2, Kind::Update)), None);
        assert!(recent.concurrent(&origin("b"), &none, &touch(2, Kind::Existence)).is_some());
    }

    #[test]
    fn only_what_every_peer_has_seen_is_forgotten() {
        let mut recent = recent(["b", "c"]);
        for key in 0..(SWEEP_KEYS_MIN as u128 + 1) {
            recent.insert(&origin("a"), SealNr(if key == 0 { 9 } else { 1 }), &touch(key, Kind::Update));
        }
        let peers = recent.peers.clone();
        recent.note_seen(&peers[0], &Vector::from([(origin("a"), SealNr(4))]));
        recent.sweep(&Held::default());
        assert!(recent.keys.len() > SWEEP_KEYS_MIN, "c has not spoken yet");
        recent.sweep_at = 0; // As if as many keys again had come since.
        recent.note_seen(&peers[1], &Vector::from([(origin("a"), SealNr(3))]));
        recent.sweep(&Held::default());
        assert_eq!(recent.keys.len(), 1);
    }

    /// One held transaction once kept the keys of all that came after it.
    #[test]
    fn what_is_held_keeps_the_keys_it_touches_and_no_others() {
        let mut recent = recent(["b", "c"]);
        let keys = 0..(SWEEP_KEYS_MIN as u128 + 1);
        keys.for_each(|key| recent.insert(&origin("a"), SealNr(1), &touch(key, Kind::Update)));
        for peer in recent.peers.clone() {
            recent.note_seen(&peer, &Vector::from([(origin("a"), SealNr(1))]));
        }
        let mut held = Held::default();
        let id = TransactionId { origin: origin("b"), trans_nr: TransNr(1) };
        held.insert(&id, &touch(7, Kind::Update));
        recent.sweep(&held);
        assert_eq!(recent.keys.len(), 1);
        assert!(recent.concurrent(&origin("b"), &Vector::new(), &touch(7, Kind::Update)).is_some());
    }

    /// It once kept them for ever: nothing arrives from the site itself, so nobody else had to say that they were seen.
    #[test]
    fn a_pair_keeps_no_keys_of_what_the_other_wrote() {
        let mut recent = Recent::new(vec![SiteName::new("a").unwrap()]);
        recent.insert(&origin("a"), SealNr(1), &touch(1, Kind::Update));
        assert!(recent.keys.is_empty());
        assert_eq!(recent.floor(&origin("a")), SealNr(i64::MAX));
        recent.insert(&origin("b"), SealNr(1), &touch(1, Kind::Update));
        assert_eq!(recent.keys.len(), 1, "the own ones wait for the other to see them");
    }

    #[test]
    fn of_three_only_the_third_is_waited_for() {
        let mut recent = recent(["a", "c"]); // At site b.
        recent.insert(&origin("a"), SealNr(1), &touch(1, Kind::Update));
        let third = SiteName::new("c").unwrap();
        recent.note_seen(&third, &Vector::from([(origin("a"), SealNr(1))]));
        assert_eq!(recent.floor(&origin("a")), SealNr(1));
    }
}
