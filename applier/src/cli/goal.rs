//! A point that a site is to reach: how far each origin's transactions must be posted there. Taken once, then compared
//! with the checkpoints until it is reached. Reads only.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use journal_core::model::{Origin, SiteName, TransNr};
use journal_core::sql::{Conn, SqlError};
use journal_core::store::sql::{load_head, load_heads, read_posted};
use serde::Serialize;

use super::code;
use super::failure::{Exit, Failure};
use super::group::Group;
use super::patience::Patience;
use crate::control::Desired;
use crate::control::standing::read_state;

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
#[derive(Debug)]
pub(crate) struct Goal<'g> {
    group: &'g Group,
    site: SiteName,
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

impl<'g> Goal<'g> {
    /// The point that everything which is there now makes.
    pub(crate) async fn capture(group: &'g Group, site: &SiteName, whose: Whose) -> anyhow::Result<Self> {
        let mut until = BTreeMap::new();
        match whose {
            Whose::Everybodys => {
                for name in group.config.sites.keys() {
                    let origin = group.reach(name).await?.origin;
                    let last = Self::last_appended(group, name, &origin).await?;
                    until.insert(origin, last);
                }
            }
            Whose::QueuedHere => {
                let own = group.reach(site).await?.origin;
                let mut conn = group.reader(site).await?;
                let heads = load_heads(conn.lend()).await?;
                group.keep(site, conn);
                until.extend(heads.into_iter().map(|head| (head.origin, head.last_nr)));
                let last = Self::last_appended(group, site, &own).await?;
                until.insert(own, last);
            }
        }
        until.retain(|_, last| *last > TransNr(0));
        Ok(Self { group, site: site.clone(), until, posted: None })
    }

    /// One transaction's point.
    pub(crate) fn transaction(group: &'g Group, site: &SiteName, origin: Origin, nr: TransNr) -> Self {
        Self { group, site: site.clone(), until: BTreeMap::from([(origin, nr)]), posted: None }
    }

    /// The same point for another site, as far as nothing of it is lost: one origin posted, the others received.
    pub(crate) fn kept_at(&self, site: &SiteName, posted: &Origin) -> Self {
        let posted = Some(posted.clone());
        Self { group: self.group, site: site.clone(), until: self.until.clone(), posted }
    }

    /// The last transaction that is appended at a site by now.
    pub(crate) async fn last_appended(
        group: &Group,
        site: &SiteName,
        origin: &Origin,
    ) -> anyhow::Result<TransNr> {
        let looked = async {
            let mut conn = group.reader(site).await?;
            let params = vec![origin.site.as_str().into(), origin.epoch.0.into()];
            let last = conn.lend().fetch_one(LAST_APPENDED, params).await?.i64(0)?;
            group.keep(site, conn);
            anyhow::Ok(TransNr(last))
        };
        looked.await.with_context(|| format!("look at the journal of {site}"))
    }

    /// The point by origin.
    pub(crate) fn until(&self) -> &BTreeMap<Origin, TransNr> {
        &self.until
    }

    /// Waits until the point is reached. A connection that is lost meanwhile is opened again. When the time is over, the
    /// error tells what is missing and what stands in its way.
    pub(crate) async fn wait(&self, patience: Patience) -> anyhow::Result<()> {
        let mut conn = None;
        loop {
            let trouble = match self.look(&mut conn).await {
                Ok(missing) if missing.is_empty() => {
                    self.rest(conn);
                    return Ok(());
                }
                Ok(missing) => Ok(missing),
                Err(error) if error.downcast_ref().is_some_and(SqlError::is_transient) => {
                    conn = None;
                    Err(error)
                }
                Err(error) => return Err(error),
            };
            if !patience.again().await {
                return Err(self.late(trouble).await);
            }
        }
    }

    /// How many numbers are missing now, at most: some were never used.
    pub(crate) async fn behind(&self) -> anyhow::Result<i64> {
        let mut conn = None;
        let missing = self.look(&mut conn).await?;
        self.rest(conn);
        Ok(missing.iter().map(|missing| missing.until.0 - missing.posted.0).sum())
    }

    fn rest(&self, conn: Option<Conn>) {
        if let Some(conn) = conn {
            self.group.keep(&self.site, conn);
        }
    }

    async fn look(&self, conn: &mut Option<Conn>) -> anyhow::Result<Vec<Missing>> {
        let conn = match conn {
            Some(conn) => conn,
            None => conn.insert(self.group.reader(&self.site).await?),
        };
        let mut all = Vec::new();
        for (origin, until) in &self.until {
            let received = self.posted.as_ref().is_some_and(|posted| posted != origin);
            let (what, have) = match received {
                true => ("received", load_head(conn.lend(), origin).await?.map(|head| head.last_nr)),
                false => ("posted", read_posted(conn.lend(), origin).await?),
            };
            let have = have.unwrap_or_default();
            if have < *until {
                all.push(Missing { origin: origin.to_string(), posted: have, until: *until, what });
            }
        }
        Ok(all)
    }

    async fn late(&self, last_look: anyhow::Result<Vec<Missing>>) -> anyhow::Error {
        let mut message = format!("{} is not there yet:", self.site);
        match last_look {
            Ok(missing) => {
                for Missing { origin, posted, until, what } in missing {
                    let _infallible = write!(message, " {origin} is {what} to {posted} of {until};");
                }
            }
            Err(error) => {
                let _infallible = write!(message, " {error:#};");
            }
        }
        let why = self.obstacle().await.unwrap_or_else(|error| format!("{error:#}"));
        Failure::error(Exit::Timeout, code::WAIT_TIMED_OUT, format!("{message} {why}"))
    }

    /// What keeps the site from posting, as far as it is known.
    async fn obstacle(&self) -> anyhow::Result<String> {
        let mut conn = self.group.reader(&self.site).await?;
        let (standing, lease) = read_state(conn.lend()).await?;
        let control = standing.control;
        if control.desired == Desired::Paused {
            let why = if control.why.is_empty() { String::new() } else { format!(": {}", control.why) };
            return Ok(format!("{} is paused by {}{why}", self.site, control.who));
        }
        let waiting = conn.lend().fetch_one("SELECT reason FROM {d}waiting", Vec::new()).await?.text(0)?;
        self.group.keep(&self.site, conn);
        if !waiting.is_empty() {
            return Ok(waiting);
        }
        Ok(match lease.holder.is_empty() {
            true => format!("no service posts at {}; start one with `daybook run`", self.site),
            false => "it needs more time".to_owned(),
        })
    }
}
