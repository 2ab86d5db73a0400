//! `daybook pause`: nothing is posted at a site from when this returns until a resume.

use anyhow::Context as _;
use journal_core::model::SiteName;
use serde::Serialize;

use super::Session;
use super::goal::{Goal, Whose};
use super::group::{Group, who};
use super::patience::{Patience, Timeout};
use crate::control::sql::SqlControl;
use crate::control::{Control, ControlStore as _, Desired};

/// Stop posting at a site
///
/// When this returns, nothing is being posted and nothing can be, by any applier and across
/// restarts, until `resume`. Appends go on, and so does receiving from peers. A paused site stays as it is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site
    site: SiteName,
    /// First let everything that is queued at the site now be posted
    #[arg(long)]
    drain: bool,
    /// Why, for the record and for whoever asks `status`
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// How long to wait for the queue; the site is not paused when it does not empty in time
    #[arg(long, value_name = "DURATION", default_value = "30s", requires = "drain")]
    timeout: Timeout,
}

/// What `pause` and `resume` report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    site: SiteName,
    desired: Desired,
    generation: i64,
    who: String,
    reason: String,
    since_us: i64,
}

impl Report {
    pub(super) fn new(site: SiteName, control: Control) -> Self {
        let Control { generation, desired, who, why, since } = control;
        Self { site, desired, generation, who, reason: why, since_us: since }
    }

    pub(super) fn text(&self) -> String {
        let desired = match self.desired {
            Desired::Running => "running",
            Desired::Paused => "paused",
        };
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{} is {desired} (generation {}) by {}{reason}", self.site, self.generation, self.who)
    }
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    group.reach(&args.site).await?;
    // It is paused already, and would run once it is whole.
    group.insist_whole(&args.site).await?;
    if args.drain {
        let goal = Goal::capture(&group, &args.site, Whose::QueuedHere).await?;
        goal.wait(Patience::start(args.timeout)).await.context("the site is not paused")?;
    }
    let mut control = SqlControl::open(group.url(&args.site)?).await?;
    let paused = control.pause(&who(), &args.reason).await.with_context(|| format!("pause {}", args.site))?;
    session.output.report(&Report::new(args.site, paused), Report::text)
}
