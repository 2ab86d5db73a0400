//! Opening a group: the choices, and the first look at its sites.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use super::choice::{Fitness, choose};
use super::member::{HANGS, LOOK_MAX, Member};
use super::{GroupJournal, LOOK_AGAIN, Options, Shared};
use crate::client::group_commit::GroupCommit;
use crate::client::journal::{Journal, OpenError};
use crate::model::{SchemaVersion, SiteName};
use crate::sql::{Access, Conn, DbUrl};
use crate::store::sql::read_serving;

/// How long opening waits for a site that does not answer, once another is fit to be written at.
const FIRST_LOOKS: Duration = Duration::from_secs(1);

/// Choices for opening a group.
#[derive(Debug, Clone)]
pub struct GroupBuilder {
    sites: Vec<(SiteName, DbUrl)>,
    version: Option<SchemaVersion>,
    author: Option<String>,
    options: Options,
}

impl GroupBuilder {
    pub(super) fn new(sites: &[(SiteName, DbUrl)]) -> Self {
        Self {
            sites: sites.to_vec(),
            version: None,
            author: None,
            options: Options {
                patience: Duration::from_secs(30),
                switch_after: Duration::from_millis(250),
                look_every: Duration::from_millis(100),
                follow: Duration::from_millis(600),
                pause_grace: Duration::from_secs(5),
            },
        }
    }

    /// Writes this schema version, at every site; it must be released where it is written. Without it, the one that the
    /// ledger of the first site that answers has now.
    #[must_use]
    pub fn schema_version(mut self, version: SchemaVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// Who writes transactions that do not say so themselves.
    #[must_use]
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = Some(author.into());
        self
    }

    /// How long an append goes on trying before its caller is told. 30 s unless said otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.options.patience = patience;
        self
    }

    /// How long a site is tried again before the next one is. 250 ms unless said otherwise.
    #[must_use]
    pub fn switch_after(mut self, switch_after: Duration) -> Self {
        self.options.switch_after = switch_after;
        self
    }

    /// How often each site is looked at. 100 ms unless said otherwise: an announced pause must last longer.
    #[must_use]
    pub fn look_every(mut self, look_every: Duration) -> Self {
        self.options.look_every = look_every;
        self
    }

    /// How long a move waits for the next site to post what was written at the site that is left. 600 ms unless said
    /// otherwise: nobody is to wait for a second.
    #[must_use]
    pub fn follow(mut self, follow: Duration) -> Self {
        self.options.follow = follow;
        self
    }

    /// How long a site may be paused that nobody announced before it is left: appends are durable there and wait. 5 s unless
    /// said otherwise, since a comparison of ledgers pauses a site for a moment.
    #[must_use]
    pub fn pause_grace(mut self, pause_grace: Duration) -> Self {
        self.options.pause_grace = pause_grace;
        self
    }

    /// Opens it: at least one site must answer. Call it inside a tokio runtime: its tasks live there.
    pub async fn open(self) -> Result<GroupJournal, OpenError> {
        let version = match self.version {
            Some(version) => version,
            None => self.ledger_version().await?,
        };
        let group_commit = GroupCommit { patience: self.options.switch_after, ..GroupCommit::default() };
        let end = watch::Sender::new(false);
        let members: Vec<Arc<Member>> = self
            .sites
            .iter()
            .map(|(site, url)| {
                let mut builder =
                    Journal::builder(url, site).schema_version(version).group_commit(group_commit);
                if let Some(author) = &self.author {
                    builder = builder.author(author.clone());
                }
                Arc::new(Member::new(site.clone(), url.clone(), builder, end.subscribe()))
            })
            .collect();
        for member in &members {
            let member = member.clone();
            let Options { look_every, pause_grace, .. } = self.options;
            drop(tokio::spawn(async move { member.watch(look_every, pause_grace).await }));
        }
        let shared = Shared {
            members,
            version,
            options: self.options,
            current: Mutex::new(0),
            doubts: Arc::default(),
            end,
        };
        shared.begin().await?;
        Ok(GroupJournal { shared: Arc::new(shared) })
    }

    async fn ledger_version(&self) -> Result<SchemaVersion, OpenError> {
        let mut why = "it has none".to_owned();
        for (site, url) in &self.sites {
            let looked = async { read_serving(Conn::open(url, Access::Read, "open").await?.lend()).await };
            // It only reads, on a connection that is given up with it.
            match timeout(LOOK_MAX, looked).await {
                Ok(Ok(serving)) => return Ok(serving.ledger_version),
                Ok(Err(error)) => why = format!("{site}: {error}"),
                Err(_) => why = format!("{site}: {HANGS}"),
            }
        }
        Err(OpenError::NoSite { why })
    }
}

impl Shared {
    /// Waits for the first look at every site, a moment longer for one that hangs while another is fit; then opens the
    /// journal to write at, so that what is wrong with it is told now.
    async fn begin(&self) -> Result<(), OpenError> {
        let begun = Instant::now();
        loop {
            let fit = self.members.iter().any(|member| member.fitness() == Fitness::Serving);
            if self.sights().iter().all(Option::is_some) || (fit && begun.elapsed() > FIRST_LOOKS) {
                break;
            }
            sleep(LOOK_AGAIN).await;
        }
        let fitness: Vec<Fitness> = self.members.iter().map(|member| member.fitness()).collect();
        let first = choose(0, &fitness, &[]);
        match first {
            Some(at) if fitness[at] > Fitness::Gone => {
                *self.current.lock().await = at;
                self.members[at].open().await.map(|_| ())
            }
            _ => Err(OpenError::NoSite { why: self.trouble() }),
        }
    }

    fn trouble(&self) -> String {
        let told = self.members.iter().filter_map(|member| {
            let error = member.sight()?.found.err()?;
            Some(format!("{}: {error}", member.site))
        });
        told.collect::<Vec<_>>().join("; ")
    }
}
