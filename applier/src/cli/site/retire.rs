//! `daybook site retire`: everything that a site ever took is at all others, so that nobody misses it once it is gone.

use anyhow::Context as _;
use journal_core::model::{SiteName, TransNr};
use serde::Serialize;

use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::goal::Goal;
use crate::cli::group::{Group, who};
use crate::cli::patience::{Patience, Timeout};
use crate::control::traffic::{Wanted, direct};
use crate::join::ids;

/// Let a site go
///
/// Sends applications away from it, then waits until everything that was appended there is posted at every other site.
/// The others hand out ids above its own from then on, and it may be taken out of the configuration. What somebody appends
/// there later is lost to the group.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The site
    site: SiteName,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// For how long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: Timeout,
}

#[derive(Debug, Serialize)]
struct Report {
    site: SiteName,
    last: Option<String>,
    posted_at: Vec<SiteName>,
    waited_ms: u64,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let origin = group.reach(&args.site).await?.origin;
    let others: Vec<SiteName> =
        group.config.sites.keys().filter(|name| **name != args.site).cloned().collect();
    if others.is_empty() {
        let message = format!("{} is the group's only site", args.site);
        return Err(Failure::error(Exit::Usage, code::USAGE, message));
    }
    let patience = Patience::start(args.timeout);
    direct(group.url(&args.site)?, Wanted::Away, &who(), &args.reason)
        .await
        .with_context(|| format!("send applications away from {}", args.site))?;
    let last = loop {
        let last = Goal::last_appended(&group, &args.site, &origin).await?;
        for other in &others {
            group.reach(other).await?;
            Goal::transaction(&group, other, origin.clone(), last)?.wait(patience).await?;
        }
        // What came in meanwhile is waited for, too.
        if Goal::last_appended(&group, &args.site, &origin).await? == last {
            break last;
        }
    };
    let urls = others.iter().map(|other| group.url(other).cloned()).collect::<Result<Vec<_>, _>>()?;
    ids::hand_on(group.url(&args.site)?, &urls).await.context("tell the others how far its ids go")?;
    let report = Report {
        site: args.site,
        last: (last > TransNr(0)).then(|| format!("{origin}/{last}")),
        posted_at: others,
        waited_ms: patience.waited_ms(),
    };
    session.output.report(&report, Report::text)
}

impl Report {
    fn text(&self) -> String {
        let names: Vec<&str> = self.posted_at.iter().map(SiteName::as_str).collect();
        let what = match &self.last {
            Some(last) => format!("everything that {} took, up to {last},", self.site),
            None => format!("{} never took anything; all", self.site),
        };
        format!(
            "{what} is posted at {}; {} may be taken out of the configuration",
            names.join(", "),
            self.site
        )
    }
}
