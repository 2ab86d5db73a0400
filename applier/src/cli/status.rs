//! `daybook status`: how the sites stand. A site that cannot be asked is a row too.

use journal_core::model::SiteName;
use serde::Serialize;

use super::Session;
use super::code;
use super::failure::{Exit, Failure, Told};
use super::group::Group;
use super::output::table;
use crate::asks;
use crate::control::Desired;
use crate::control::status::{SiteStatus, SpentStatus};

/// Show how the sites stand
///
/// What is appended, decided, received, posted and in quarantine, who paused what and why, and
/// what stands in the way. Exits with 1 when a site cannot be reached.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these sites; by default all of the configuration
    #[arg(long = "site", value_name = "SITE")]
    sites: Vec<SiteName>,

    /// Tell where the time of each poster goes as well
    #[arg(long)]
    time: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    sites: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    site: SiteName,
    database: String,
    reachable: bool,
    status: Option<SiteStatus>,
    /// Rows that wait for a value only a user knows, less those that were given up.
    asks: Option<u64>,
    error: Option<Trouble>,
}

#[derive(Debug, Serialize)]
struct Trouble {
    code: String,
    message: String,
    causes: Vec<String>,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let mut sites = Vec::new();
    for site in group.chosen(&args.sites)? {
        let database = group.url(&site)?.to_string();
        let (status, asks, error) = match look(&group, &site).await {
            Ok((status, asks)) => (Some(status), asks, None),
            Err(error) => (None, None, Some(Trouble::of(&error))),
        };
        sites.push(Row { site, database, reachable: status.is_some(), status, asks, error });
    }
    let report = Report { sites };
    session.output.report(&report, |report| report.text(args.time))?;
    let away: Vec<&str> =
        report.sites.iter().filter(|row| !row.reachable).map(|row| row.site.as_str()).collect();
    match away.is_empty() {
        true => Ok(()),
        false => {
            let message = format!("no answer from {}", away.join(", "));
            Err(Failure::error(Exit::Failure, code::SITE_UNREACHABLE, message))
        }
    }
}

async fn look(group: &Group, site: &SiteName) -> anyhow::Result<(SiteStatus, Option<u64>)> {
    group.reach(site).await?;
    let url = group.url(site)?;
    let status = SiteStatus::read(url).await?;
    let asks = match status.ledger_version {
        0 => None, // It has no tables yet.
        _ => Some(asks::open(url).await?.iter().filter(|ask| ask.blocks()).map(|ask| ask.rows).sum()),
    };
    Ok((status, asks))
}

impl Trouble {
    fn of(error: &anyhow::Error) -> Self {
        let Told { code, message, causes, .. } = Told::of(error);
        Self { code, message, causes }
    }
}

impl Report {
    fn text(&self, time: bool) -> String {
        let header =
            ["site", "ver", "state", "served", "appended", "undecided", "rejected", "to post", "held"];
        let mut text = table(&header, self.sites.iter().map(Row::cells));
        for row in &self.sites {
            let spent = row.status.as_ref().and_then(|status| status.spent.as_ref()).filter(|_| time);
            let remarks = row.remarks().into_iter().chain(spent.and_then(where_time_goes));
            remarks.for_each(|remark| text.push_str(&format!("{}: {remark}\n", row.site)));
        }
        text
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.site.to_string()];
        let Some(status) = &self.status else {
            cells.extend(["", "unreachable"].map(str::to_owned));
            return cells;
        };
        let to_post: i64 = status.peers.iter().map(|peer| peer.not_posted).sum();
        cells.extend([status.ledger_version.to_string(), state(status).to_owned()]);
        cells.push(if status.lease_holder.is_some() { "yes" } else { "no" }.to_owned());
        let own = &status.own;
        let counts = [own.appended, own.unsealed, own.rejected, to_post, status.quarantined];
        cells.extend(counts.map(|count| count.to_string()));
        cells
    }

    /// What needs more words than a cell has.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(Trouble { code, message, causes }) = &self.error {
            let text = std::iter::once(message).chain(causes).cloned().collect::<Vec<_>>();
            remarks.push(format!("{code}: {}", text.join(": ")));
        }
        let Some(status) = &self.status else { return remarks };
        if status.desired == Desired::Paused {
            let since = status.since.as_deref().unwrap_or("the start");
            let why = if status.why.is_empty() { String::new() } else { format!(": {}", status.why) };
            remarks.push(format!("paused by {} since {since}{why}", status.who));
        }
        if let Some(waiting) = &status.waiting {
            remarks.push(format!("waiting since {}: {}", waiting.since, waiting.reason));
        }
        if let Some(hole) = &status.hole {
            let writers = hole.writers.join("; ");
            remarks
                .push(format!("numbers {} to {} may still be written by {writers}", hole.first, hole.last));
        }
        if let Some(rows @ 1..) = self.asks {
            remarks.push(format!("{rows} rows wait for an answer; `daybook ask list {}`", self.site));
        }
        if status.asked > 0 {
            remarks.push(format!("{} in quarantine are to be retried or discarded", status.asked));
        }
        remarks
    }
}

/// Of what a poster was at, the parts of its time; nothing before it was at work for a moment.
fn where_time_goes(spent: &SpentStatus) -> Option<String> {
    let parts = [
        ("reading", spent.reading_ms),
        ("preparing", spent.preparing_ms),
        ("applying", spent.applying_ms),
        ("committing", spent.committing_ms),
    ];
    let sum: i64 = parts.iter().map(|(_, millis)| millis).sum();
    if sum == 0 {
        return None;
    }
    let parts = parts.map(|(name, millis)| format!("{name} {}%", millis * 100 / sum));
    Some(format!(
        "{} transactions in {:.1} s of work: {}",
        spent.transactions,
        sum as f64 / 1000.0,
        parts.join(", ")
    ))
}

fn state(status: &SiteStatus) -> &'static str {
    match status.desired {
        Desired::Paused => "paused",
        Desired::Running => "running",
    }
}
