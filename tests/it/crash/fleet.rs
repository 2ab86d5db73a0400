//! The services of a group, killed and started again.

use journal_tests::process::Running;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::shop::{SITES, Shop};

/// Services and the sites each of them serves.
#[derive(Debug)]
pub(super) struct Fleet {
    services: Vec<(Vec<&'static str>, Running)>,
    /// How often one was killed.
    pub(super) kills: usize,
}

impl Fleet {
    /// One process for both sites, or one each.
    pub(super) fn start(shop: &Shop, together: bool) -> Self {
        let shares = match together {
            true => vec![SITES.to_vec()],
            false => SITES.map(|site| vec![site]).to_vec(),
        };
        let services = shares.into_iter().map(|sites| (sites.clone(), shop.serve(&sites))).collect();
        Self { services, kills: 0 }
    }

    /// Kills a service and starts it again; sometimes the next one is there before, waiting for the lease, and
    /// sometimes the one that is killed comes back only after `between`.
    pub(super) fn replace(&mut self, shop: &Shop, rng: &mut ChaCha8Rng, between: impl FnOnce()) {
        let at = rng.random_range(0..self.services.len());
        let (sites, old) = self.services.swap_remove(at);
        self.kills += 1;
        let new = if rng.random_bool(0.25) {
            let new = shop.serve(&sites);
            old.kill();
            between();
            new
        } else {
            old.kill();
            between();
            shop.serve(&sites)
        };
        self.services.push((sites, new));
    }

    /// Kills all of them and starts anew.
    pub(super) fn regroup(&mut self, shop: &Shop, together: bool) {
        let kills = self.kills + self.services.len();
        self.services.drain(..).for_each(|(_, running)| drop(running.kill()));
        *self = Self { kills, ..Self::start(shop, together) };
    }

    /// Asks all to end, and insists that they do so in good order.
    pub(super) fn end(self) {
        for (sites, running) in self.services {
            running.terminate();
            let ended = running.wait(crate::shop::BOUND);
            assert_eq!(ended.code, Some(0), "the service of {sites:?}: {ended:?}");
        }
    }
}
