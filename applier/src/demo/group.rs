//! The demo's two sites: installed at version 1, served in this process, and asked how far they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use journal_core::model::{Epoch, Origin, SchemaVersion, SiteName, TransNr};
use journal_core::sql::{Access, Conn, DbUrl};
use journal_core::store::sql::Site;
use schema_mappers::SchemaSet;

use crate::config::{Config, LOOK_EVERY_MS_DEFAULT, SiteConfig};
use crate::upgrade::install;

/// Between two looks at how far a site is. The work looked at takes far longer.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longer than the whole history takes on a slow disk.
const PATIENCE: Duration = Duration::from_secs(600);

/// The two sites.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The configuration the service runs by.
    pub config: Arc<Config>,
}

/// How far a site is, in the numbers of one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Standing {
    /// The last transaction in its journal.
    pub journal: TransNr,
    /// The last one decided or posted.
    pub posted: TransNr,
}

impl Group {
    /// Installs both sites at version 1, with both versions on record. The databases must be empty.
    pub(super) async fn install(urls: [DbUrl; 2], directory: &Path, set: &SchemaSet) -> anyhow::Result<Self> {
        let mut sites = BTreeMap::new();
        for ((stripe, name), url) in (0..).zip(["a", "b"]).zip(urls) {
            let site = Site {
                origin: Origin { site: SiteName::new(name)?, epoch: Epoch(1) },
                group: "demo".to_owned(),
                stripe,
                ledger_version: SchemaVersion(1),
            };
            let installed = install::install(&url, &site, set, "demo")
                .await
                .with_context(|| format!("install site {name} in {url}"))?;
            ensure!(installed.created, "D0607: {url} is in use; the demo wants databases without tables");
            sites.insert(site.origin.site, SiteConfig { url, stripe });
        }
        let config = Config {
            group: "demo".to_owned(),
            schema: directory.join("schema"),
            sites,
            lease_ttl: Duration::from_secs(2),
            look_every: Duration::from_millis(LOOK_EVERY_MS_DEFAULT),
            http: None,
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// A site's database.
    pub(super) fn url(&self, site: &SiteName) -> anyhow::Result<DbUrl> {
        let site = self.config.site(site).with_context(|| format!("site {site} is not of the group"))?;
        Ok(site.url.clone())
    }

    /// A connection to look at a site.
    pub(super) async fn look(&self, site: &SiteName) -> anyhow::Result<Conn> {
        Ok(Conn::open(&self.url(site)?, Access::Read, "demo").await?)
    }

    /// Waits until a site has posted an origin's transactions up to a number.
    pub(super) async fn wait_posted(
        &self,
        site: &SiteName,
        origin: &SiteName,
        number: TransNr,
    ) -> anyhow::Result<()> {
        let mut conn = self.look(site).await?;
        let start = Instant::now();
        while standing(&mut conn, origin).await?.posted < number {
            ensure!(
                start.elapsed() < PATIENCE,
                "D0602: {site} has not posted {origin}'s {number} in {PATIENCE:?}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until every site has posted everything that every journal holds.
    pub(super) async fn wait_all(&self) -> anyhow::Result<()> {
        for origin in self.config.sites.keys() {
            let last = standing(&mut self.look(origin).await?, origin).await?.journal;
            for site in self.config.sites.keys() {
                self.wait_posted(site, origin, last).await?;
            }
        }
        Ok(())
    }
}

/// How far the site behind a connection is with an origin.
pub(super) async fn standing(conn: &mut Conn, origin: &SiteName) -> anyhow::Result<Standing> {
    let row = conn
        .lend()
        .fetch_one(
            "SELECT (SELECT max(trans_nr) FROM {d}journal WHERE origin = $1), \
             (SELECT max(trans_nr) FROM {d}posted WHERE origin = $1)",
            vec![origin.as_str().into()],
        )
        .await?;
    let number = |at| Ok::<_, anyhow::Error>(TransNr(row.opt_i64(at)?.unwrap_or(0)));
    Ok(Standing { journal: number(0)?, posted: number(1)? })
}
