//! `daybook site retire`: everything that a site ever took is at all others, and what else only its journal may hold, so
//! that nobody misses it once it is gone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use journal_core::model::{SiteName, TransNr};
use serde::Serialize;

use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::goal::{Goal, Whose};
use crate::cli::group::{Group, who};
use crate::cli::patience::{Patience, Timeout};
use crate::control::traffic::{Wanted, direct};
use crate::join::ids;
use crate::ledger::sql::load_quarantined;

/// Let a site go
///
/// Sends applications away from it, then waits until everything that was appended there is posted at every other site, and
/// all else that its journal holds is received there. The others hand out ids above its own from then on, and it may be taken out of the configuration. What somebody appends
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
    received: Vec<String>,
    posted_at: Vec<SiteName>,
    held: BTreeMap<SiteName, usize>,
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
    let (goal, last) = loop {
        let goal = Goal::capture(&group, &args.site, Whose::QueuedHere).await?;
        let last = goal.until().get(&origin).copied().unwrap_or_default();
        for other in &others {
            group.reach(other).await?;
            goal.kept_at(other, &origin).wait(patience).await?;
        }
        // What came in meanwhile is waited for, too. What others took meanwhile is at one that stays.
        if Goal::last_appended(&group, &args.site, &origin).await? == last {
            break (goal, last);
        }
    };
    let urls = others.iter().map(|other| group.url(other).cloned()).collect::<Result<Vec<_>, _>>()?;
    ids::hand_on(group.url(&args.site)?, &urls).await.context("tell the others how far its ids go")?;
    let of_others = goal.until().iter().filter(|(of, _)| **of != origin);
    let report = Report {
        received: of_others.map(|(of, last)| format!("{of}/{last}")).collect(),
        held: held(&group, &others, &goal).await?,
        site: args.site,
        last: (last > TransNr(0)).then(|| format!("{origin}/{last}")),
        posted_at: others,
        waited_ms: patience.waited_ms(),
    };
    session.output.report(&report, Report::text)
}

/// How many transactions of a goal are in quarantine at each of these sites, where any is.
async fn held(
    group: &Group,
    sites: &[SiteName],
    goal: &Goal<'_>,
) -> anyhow::Result<BTreeMap<SiteName, usize>> {
    let mut all = BTreeMap::new();
    for site in sites {
        let mut conn = group.reader(site).await?;
        let held = load_quarantined(conn.lend()).await?;
        group.keep(site, conn);
        let until = |origin| goal.until().get(origin).copied().unwrap_or_default();
        let held = held.iter().filter(|(held, _)| held.id.trans_nr <= until(&held.id.origin)).count();
        if held > 0 {
            all.insert(site.clone(), held);
        }
    }
    Ok(all)
}

impl Report {
    fn text(&self) -> String {
        let names: Vec<&str> = self.posted_at.iter().map(SiteName::as_str).collect();
        let what = match &self.last {
            Some(last) => format!("everything that {} took, up to {last},", self.site),
            None => format!("{} never took anything; all", self.site),
        };
        let mut text = format!("{what} is posted at {}", names.join(", "));
        if !self.received.is_empty() {
            let _infallible = write!(text, ", and received up to {}", self.received.join(", "));
        }
        for (site, held) in &self.held {
            let _infallible = write!(text, "; {site} holds {held} of them in quarantine");
        }
        text + &format!("; {} may be taken out of the configuration", self.site)
    }
}
