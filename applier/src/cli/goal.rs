//! A point that a site is to reach: how far each origin's transactions must be posted there. Taken once, then compared
//! with the checkpoints until it is reached. Reads only.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use journal_core::journal::JournalStore as _;
use journal_core::model::{Origin, SiteName, TransNr};
use journal_core::sql::{Access, Conn, DbUrl, SqlError};
use journal_core::store::sql::{SqlJournal, load_heads};
use serde::Serialize;

use super::code;
use super::failure::{Exit, Failure};
use super::group::Group;
use super::patience::Patience;
use crate::control::sql::SqlControl;
use crate::control::{ControlStore as _, Desired};
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerError};

const LAST_APPENDED: &str =
    "SELECT coalesce(max(trans_nr), 0) FROM {d}journal WHERE origin = $1 AND epoch = $2";

/// Whose transactions a goal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// All that are appended at any site of the group by now.
    Everybodys,
    /// All that stand in the site's own journal by now, its own and received ones.
    QueuedHere,
}

/// How far each origin is to be posted at a site.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    site: SiteName,
    url: DbUrl,
    until: BTreeMap<Origin, TransNr>,
    /// The one origin that has to be posted, where it is enough that all others are received.
    posted: Option<Origin>,
}

/// What is missing of one origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Missing {
    pub(crate) origin: String,
    pub(crate) posted: TransNr,
    pub(crate) until: TransNr,
    /// What is counted: posted, or received.
    #[serde(skip)]
    what: &'static str,
}

impl Goal {
    /// The point that everything which is there now makes.
    pub(crate) async fn capture(group: &Group, site: &SiteName, whose: Whose) -> anyhow::Result<Self> {
        let url = group.url(site)?.clone();
        let mut until = BTreeMap::new();
        match whose {
            Whose::Everybodys => {
                for name in group.config.sites.keys() {
                    let origin = group.reach(name).await?.origin;
                    let last = last_appended(group.url(name)?, &origin).await;
                    until.insert(origin, last.with_context(|| format!("look at the journal of {name}"))?);
                }
            }
            Whose::QueuedHere => {
                let mut journal = SqlJournal::open(&url, Access::Read, "look").await?;
                let own = journal.origin().clone();
                until.extend(journal.heads().await?.into_iter().map(|head| (head.origin, head.last_nr)));
                until.insert(own.clone(), last_appended(&url, &own).await?);
            }
        }
        until.retain(|_, last| *last > TransNr(0));
        Ok(Self { site: site.clone(), url, until, posted: None })
    }

    /// One transaction's point.
    pub(crate) fn transaction(
        group: &Group,
        site: &SiteName,
        origin: Origin,
        nr: TransNr,
    ) -> anyhow::Result<Self> {
        let until = BTreeMap::from([(origin, nr)]);
        Ok(Self { site: site.clone(), url: group.url(site)?.clone(), until, posted: None })
    }

    /// The same point for another site, as far as nothing of it is lost: one origin posted, the others received.
    pub(crate) fn kept_at(&self, group: &Group, site: &SiteName, posted: &Origin) -> anyhow::Result<Self> {
        let (url, posted) = (group.url(site)?.clone(), Some(posted.clone()));
        Ok(Self { site: site.clone(), url, until: self.until.clone(), posted })
    }

    /// The last transaction that is appended at a site by now.
    pub(crate) async fn last_appended(
        group: &Group,
        site: &SiteName,
        origin: &Origin,
    ) -> anyhow::Result<TransNr> {
        let last = last_appended(group.url(site)?, origin).await;
        last.with_context(|| format!("look at the journal of {site}"))
    }

    /// The point by origin.
    pub(crate) fn until(&self) -> &BTreeMap<Origin, TransNr> {
        &self.until
    }

    /// Waits until the point is reached. A connection that is lost meanwhile is opened again. When the time is over, the
    /// error tells what is missing and what stands in its way.
    pub(crate) async fn wait(&self, patience: Patience) -> anyhow::Result<()> {
        let mut ledger = None;
        loop {
            let trouble = match self.look(&mut ledger).await {
                Ok(missing) if missing.is_empty() => return Ok(()),
                Ok(missing) => Ok(missing),
                Err(LedgerError::Store(error)) if error.is_transient() => {
                    ledger = None;
                    Err(error)
                }
                Err(error) => return Err(error.into()),
            };
            if !patience.again().await {
                return Err(self.late(trouble).await);
            }
        }
    }

    /// How many numbers are missing now, at most: some were never used.
    pub(crate) async fn behind(&self) -> Result<i64, LedgerError> {
        let missing = self.look(&mut None).await?;
        Ok(missing.iter().map(|missing| missing.until.0 - missing.posted.0).sum())
    }

    async fn look(&self, ledger: &mut Option<SqlLedger>) -> Result<Vec<Missing>, LedgerError> {
        let ledger = match ledger {
            Some(ledger) => ledger,
            None => ledger.insert(SqlLedger::open_reader(&self.url, "wait").await?),
        };
        let mut have: BTreeMap<Origin, TransNr> =
            ledger.posted().await?.into_iter().map(|(origin, posted)| (origin, posted.trans_nr)).collect();
        let received = |origin: &Origin| self.posted.as_ref().is_some_and(|posted| posted != origin);
        if self.posted.is_some() {
            let heads = load_heads(ledger.conn()).await?.into_iter().filter(|head| received(&head.origin));
            have.extend(heads.map(|head| (head.origin, head.last_nr)));
        }
        let missing = self.until.iter().filter_map(|(origin, until)| {
            let posted = have.get(origin).copied().unwrap_or_default();
            let what = if received(origin) { "received" } else { "posted" };
            (posted < *until).then(|| Missing { origin: origin.to_string(), posted, until: *until, what })
        });
        Ok(missing.collect())
    }

    async fn late(&self, last_look: Result<Vec<Missing>, SqlError>) -> anyhow::Error {
        let mut message = format!("{} is not there yet:", self.site);
        match last_look {
            Ok(missing) => {
                for Missing { origin, posted, until, what } in missing {
                    let _infallible = write!(message, " {origin} is {what} to {posted} of {until};");
                }
            }
            Err(error) => {
                let _infallible = write!(message, " {error};");
            }
        }
        let why = self.obstacle().await.unwrap_or_else(|error| format!("{error:#}"));
        Failure::error(Exit::Timeout, code::WAIT_TIMED_OUT, format!("{message} {why}"))
    }

    /// What keeps the site from posting, as far as it is known.
    async fn obstacle(&self) -> anyhow::Result<String> {
        let mut control = SqlControl::open(&self.url).await?;
        let standing = control.standing().await?.control;
        if standing.desired == Desired::Paused {
            let why = if standing.why.is_empty() { String::new() } else { format!(": {}", standing.why) };
            return Ok(format!("{} is paused by {}{why}", self.site, standing.who));
        }
        let mut conn = Conn::open(&self.url, Access::Read, "look").await?;
        let waiting = conn.lend().fetch_one("SELECT reason FROM {d}waiting", Vec::new()).await?.text(0)?;
        if !waiting.is_empty() {
            return Ok(waiting);
        }
        Ok(match control.lease().await?.holder.is_empty() {
            true => format!("no service posts at {}; start one with `daybook run`", self.site),
            false => "it needs more time".to_owned(),
        })
    }
}

async fn last_appended(url: &DbUrl, origin: &Origin) -> Result<TransNr, SqlError> {
    let mut conn = Conn::open(url, Access::Read, "look").await?;
    let params = vec![origin.site.as_str().into(), origin.epoch.0.into()];
    Ok(TransNr(conn.lend().fetch_one(LAST_APPENDED, params).await?.i64(0)?))
}
