//! The service: for each site a poster with its lease and what listens for it, for each pair of sites a puller and what
//! listens for that, and the readiness route if asked for. Every task has an owner and an end; trouble of one site or of
//! the network stays where it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journal_core::model::SiteName;
use journal_core::store::sql::Notice;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::notices::Waker;
use crate::config::Config;
use crate::engine::poster::{BATCH_BYTES, BATCH_GROWTH};
use crate::ship::hand_over::HandOver;

mod http;
mod lane;
mod lease;
mod notices;
mod site;

/// After a failure; doubles with each in a row.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest pause after a failure, so that a database that is back is used again well within 35 s.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// What is shorter is no rest: a poster that is woken sooner is busy.
const BREATH: Duration = Duration::from_millis(1);

/// Wakes the poster of each site when its puller brought something.
type Wakers = BTreeMap<SiteName, Arc<Waker>>;

/// The service of some or all sites of a group.
#[derive(Debug)]
pub struct Service {
    config: Arc<Config>,
    sites: Vec<SiteName>,
    instance: String,
    http: Option<TcpListener>,
}

impl Service {
    /// A service for `sites`, all of which are in the configuration. `instance` names this applier in leases.
    pub fn new(config: Arc<Config>, sites: Vec<SiteName>, instance: String) -> Self {
        Self { config, sites, instance, http: None }
    }

    /// Answers readiness checks there, for every site of the configuration, whichever of them this service runs.
    #[must_use]
    pub fn answering_at(mut self, listener: TcpListener) -> Self {
        self.http = Some(listener);
        self
    }

    /// Runs until `shutdown`; then takes no new batch, ends the current ones, gives the leases back and returns. A lane
    /// that needs a person stops alone and says so in `status`; the rest goes on.
    pub async fn run(self, shutdown: CancellationToken) {
        let wakers: Arc<Wakers> =
            Arc::new(self.sites.iter().map(|site| (site.clone(), Arc::default())).collect());
        let mut tasks = JoinSet::new();
        for site in &self.sites {
            let context = Context {
                config: self.config.clone(),
                site: site.clone(),
                instance: self.instance.clone(),
                wakers: wakers.clone(),
                hand_over: HandOver::new(BATCH_BYTES * BATCH_GROWTH),
                shutdown: shutdown.clone(),
            };
            tasks.spawn(site::run(context.clone()));
            if let Some(waker) = wakers.get(site).cloned() {
                tasks.spawn(notices::run(context.clone(), site.clone(), Notice::Appended, waker));
            }
            for peer in self.config.sites.keys().filter(|peer| *peer != site) {
                let waker = Arc::<Waker>::default();
                tasks.spawn(notices::run(context.clone(), peer.clone(), Notice::Sealed, waker.clone()));
                tasks.spawn(lane::run(context.clone(), peer.clone(), waker));
            }
        }
        if let Some(listener) = self.http {
            tasks.spawn(http::run(listener, self.config.clone(), shutdown.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                // A panic is a bug: all stop, so that nobody takes half a service for a whole one.
                tracing::error!(%error, "a task of the service failed");
                shutdown.cancel();
            }
        }
    }
}

/// What every task of a site works with.
#[derive(Debug, Clone)]
struct Context {
    config: Arc<Config>,
    site: SiteName,
    instance: String,
    wakers: Arc<Wakers>,
    hand_over: HandOver,
    shutdown: CancellationToken,
}

impl Context {
    /// Waits before an idle poster's next look.
    async fn rest_idle(&self) {
        self.rest(self.config.look_every).await;
    }

    /// Waits before the next look: until woken, at most `wait`, and not at all once shutdown has begun.
    async fn rest(&self, wait: Duration) {
        if let Some(waker) = self.wakers.get(&self.site) {
            self.rest_unless(waker, wait).await;
        }
    }

    /// As [`Self::rest_idle`], where word comes of what to look for, and else not at all. Says whether it was a rest worth the
    /// name.
    async fn rest_told(&self) -> bool {
        let Some(waker) = self.wakers.get(&self.site).filter(|waker| waker.is_told()) else { return false };
        let began = Instant::now();
        self.rest_unless(waker, self.config.look_every).await;
        began.elapsed() >= BREATH
    }

    /// Waits at most `wait`, until `waker` wakes it or shutdown begins. Says whether it was woken.
    async fn rest_unless(&self, waker: &Waker, wait: Duration) -> bool {
        // No database call is raced here: this only sleeps.
        tokio::select! {
            () = tokio::time::sleep(wait) => false,
            () = self.shutdown.cancelled() => false,
            () = waker.woken() => true,
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.wakers.get(&self.site) {
            waker.wake();
        }
    }
}

/// A pause that grows with each failure in a row.
#[derive(Debug)]
struct Backoff(Duration);

impl Backoff {
    fn new() -> Self {
        Self(BACKOFF_FIRST)
    }

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(BACKOFF_MAX);
        wait
    }

    fn reset(&mut self) {
        self.0 = BACKOFF_FIRST;
    }
}
