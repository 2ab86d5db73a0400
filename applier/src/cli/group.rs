//! The group a command works on: its configuration, its sites by name, and who is asking.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use journal_core::model::SiteName;
use journal_core::sql::{Conn, DbUrl, Readers};
use journal_core::store::sql::{OpenError, Site, initialised};

use super::code;
use super::failure::{Exit, Failure};
use crate::config::{Config, SiteConfig};
use crate::control::adding;

/// A configuration that was read and checked.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) config: Config,
    file: PathBuf,
    readers: Readers,
}

impl Group {
    pub(crate) fn load(file: &Path) -> anyhow::Result<Self> {
        Ok(Self { config: Config::load(file)?, file: file.to_owned(), readers: Readers::default() })
    }

    /// A site's settings. A name the configuration does not have is a fault of the command line.
    pub(crate) fn site(&self, name: &SiteName) -> anyhow::Result<&SiteConfig> {
        self.config.site(name).ok_or_else(|| {
            let known: Vec<&str> = self.config.sites.keys().map(SiteName::as_str).collect();
            let message = format!("no site {name} in {}; it has {}", self.file.display(), known.join(", "));
            Failure::error(Exit::Usage, code::UNKNOWN_SITE, message)
        })
    }

    pub(crate) fn url(&self, name: &SiteName) -> anyhow::Result<&DbUrl> {
        self.site(name).map(|site| &site.url)
    }

    /// A connection to a site that only reads; [`Self::keep`] takes it back when all went well.
    pub(crate) async fn reader(&self, name: &SiteName) -> anyhow::Result<Conn> {
        Ok(self.readers.take(name.as_str(), self.url(name)?).await?)
    }

    /// Keeps a connection for the next look at the site.
    pub(crate) fn keep(&self, name: &SiteName, conn: Conn) {
        self.readers.keep(name.as_str(), conn);
    }

    /// The sites named, or all of them where none is.
    pub(crate) fn chosen(&self, named: &[SiteName]) -> anyhow::Result<Vec<SiteName>> {
        if named.is_empty() {
            return Ok(self.config.sites.keys().cloned().collect());
        }
        named.iter().try_for_each(|name| self.site(name).map(|_| ()))?;
        let mut chosen = named.to_vec();
        chosen.sort();
        chosen.dedup();
        Ok(chosen)
    }

    /// Looks whether a site's database is there, initialised, and the site the configuration says.
    pub(crate) async fn reach(&self, name: &SiteName) -> anyhow::Result<Site> {
        let url = self.url(name)?;
        let site = self.look_up(name, url).await.with_context(|| format!("reach site {name}"))?;
        anyhow::ensure!(
            site.origin.site == *name && site.group == self.config.group,
            "D0304: {url} is the database of site {} of group {:?}, and {} gives it to {name} of group {:?}",
            site.origin.site,
            site.group,
            self.file.display(),
            self.config.group
        );
        Ok(site)
    }

    async fn look_up(&self, name: &SiteName, url: &DbUrl) -> Result<Site, OpenError> {
        let taken = self.readers.take(name.as_str(), url).await;
        let mut conn = taken.map_err(|source| OpenError::Store { url: url.to_string(), source })?;
        let site = initialised(conn.lend(), url).await?;
        self.keep(name, conn);
        Ok(site)
    }

    /// Refuses a site that is being added: it is paused until it is whole, its tables are filled meanwhile, and nobody but the
    /// command that adds it ends that.
    pub(crate) async fn insist_whole(&self, name: &SiteName) -> anyhow::Result<()> {
        let mut conn = self.reader(name).await?;
        let from = adding::source(conn.lend()).await?;
        self.keep(name, conn);
        let Some(from) = from else { return Ok(()) };
        let message =
            format!("{name} is being added from {from}; `daybook site add {name} --from {from}` goes on");
        Err(Failure::error(Exit::Failure, code::BEING_ADDED, message))
    }
}

/// Who is asking, for the record of actions: the account at this machine. For people; decides nothing.
pub(crate) fn who() -> String {
    let account = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let account = account.filter(|name| !name.is_empty()).unwrap_or_else(|| "operator".to_owned());
    match machine() {
        Some(machine) => format!("{account}@{machine}"),
        None => account,
    }
}

/// This machine's name, where it tells.
pub(crate) fn machine() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
