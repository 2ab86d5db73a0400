//! Looks at every site's database again and again while the service answers readiness checks. One task and one connection
//! a site, so that one that hangs keeps no other waiting.

use std::collections::BTreeMap;
use std::time::Duration;

use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn, DbUrl, SqlError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::ready::{Look, Readiness, Reason, judge, look};

/// Between two looks: below the interval of most balancers' checks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longest time between two looks at a database that does not answer.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);
/// An older look says nothing of a site any more.
const AGE_MAX: Duration = Duration::from_secs(2);
/// How long a check that comes before the first look waits for it.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How long a pause that nobody announced is passed over: a comparison of ledgers pauses a site for a moment, and readers
/// lose nothing by it.
const PAUSE_GRACE: Duration = Duration::from_secs(5);

type Seen = Option<(Instant, Result<Look, String>)>;

/// What was last seen of each site.
#[derive(Debug)]
pub(super) struct Lookouts {
    sites: BTreeMap<SiteName, watch::Receiver<Seen>>,
}

impl Lookouts {
    /// Starts a task for every site of the configuration.
    pub(super) fn start(config: &Config, shutdown: &CancellationToken, tasks: &mut JoinSet<()>) -> Self {
        let mut sites = BTreeMap::new();
        for (name, site) in &config.sites {
            let (sender, receiver) = watch::channel(None);
            tasks.spawn(watch_site(name.clone(), site.url.clone(), sender, shutdown.clone()));
            sites.insert(name.clone(), receiver);
        }
        Self { sites }
    }

    /// Judges the last look at a site.
    pub(super) async fn readiness(&self, site: &str, version: SchemaVersion, behind_max: i64) -> Readiness {
        let own = self.sites.iter().find(|(name, _)| name.as_str() == site);
        let Some((own, seen)) = own else {
            let detail = "no such site in the configuration";
            return Readiness::unknown(site, version, Reason::UnknownSite, detail);
        };
        // Only a channel is waited for. A service that has just started knows nothing yet, which is no answer.
        drop(timeout(FIRST_LOOK, seen.clone().wait_for(Option::is_some)).await);
        let peers = self.sites.iter().filter(|(name, _)| *name != own);
        let peers: Vec<Look> = peers.filter_map(|(_, seen)| fresh(&seen.borrow()).ok()).collect();
        match fresh(&seen.borrow()) {
            Ok(look) => judge(&look, &peers, version, behind_max),
            Err(detail) => Readiness::unknown(site, version, Reason::Unreachable, detail),
        }
    }
}

fn fresh(seen: &Seen) -> Result<Look, String> {
    match seen {
        None => Err("its database has not answered yet".to_owned()),
        Some((_, Err(error))) => Err(error.clone()),
        Some((at, _)) if at.elapsed() > AGE_MAX => {
            Err(format!("its database has not answered for {} s", at.elapsed().as_secs()))
        }
        Some((_, Ok(look))) => Ok(look.clone()),
    }
}

async fn watch_site(site: SiteName, url: DbUrl, seen: watch::Sender<Seen>, shutdown: CancellationToken) {
    let mut conn = None;
    let mut pause = LOOK_EVERY;
    let mut paused_since = None;
    while !shutdown.is_cancelled() {
        let mut found = match look_once(&url, &mut conn).await {
            Ok(look) if look.origin.site != site => {
                Err(format!("it is the database of site {}", look.origin.site))
            }
            found => found.map_err(|error| error.to_string()),
        };
        if let Ok(look) = &mut found {
            let paused = look.serving.paused.is_some() && look.serving.away.is_none();
            paused_since = paused.then(|| paused_since.unwrap_or_else(Instant::now));
            if paused_since.is_some_and(|since: Instant| since.elapsed() < PAUSE_GRACE) {
                look.serving.paused = None;
            }
        }
        pause = if found.is_ok() { LOOK_EVERY } else { (pause * 2).min(LOOK_EVERY_MAX) };
        seen.send_replace(Some((Instant::now(), found)));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// A connection in doubt is dropped.
async fn look_once(url: &DbUrl, conn: &mut Option<Conn>) -> Result<Look, SqlError> {
    let mut taken = match conn.take() {
        Some(conn) => conn,
        None => Conn::open(url, Access::Read, "ready").await?,
    };
    let found = look(&mut taken).await?;
    *conn = Some(taken);
    Ok(found)
}
