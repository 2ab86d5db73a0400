//! `daybook upgrade`: a whole group to a new version, one site at a time, with a way back until contract.

mod begin;
mod conduct;
mod contract;
mod drive;
mod hooks;
mod plan;
mod status;
mod steps;
mod turn;

use journal_core::model::{SchemaVersion, SiteName};
use serde::Serialize;

use super::Session;
use super::group::Group;
use super::output::table;
use crate::upgrade::machine::{Direction, Place, Step};
use begin::Start;
use conduct::Conduct;
use drive::{Drive, Ended};

/// Bring all sites to a new version, one after the other
///
/// While one site is paused and reshaped, the others serve. Killed at any moment, `upgrade resume` goes on; until
/// `upgrade contract`, `upgrade abort` leads back to the version before.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    start: Start,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show every step with its SQL, its lock and its cost, and do nothing
    Plan {
        /// The version to lead to
        #[arg(long, value_name = "VERSION")]
        to: i64,
        /// The site that goes first; the others follow by name
        #[arg(long, value_name = "SITE")]
        first: Option<SiteName>,
    },
    /// Show where each site stands, and what was done
    Status,
    Contract(contract::Args),
    /// Go on with an upgrade that stopped
    Resume {
        #[command(flatten)]
        conduct: Conduct,
    },
    /// Go back to the version before
    Abort {
        /// Only this site; by default all, the last one first
        #[arg(long, value_name = "SITE")]
        site: Option<SiteName>,
        #[command(flatten)]
        conduct: Conduct,
    },
}

#[derive(Debug, Serialize)]
struct Report {
    operation: String,
    to: SchemaVersion,
    finished: bool,
    stopped_at: Option<SiteName>,
    stopped_before: Option<Step>,
    sites: Vec<SiteReport>,
}

#[derive(Debug, Serialize)]
struct SiteReport {
    site: SiteName,
    direction: Direction,
    step: Step,
    ledger_version: SchemaVersion,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    match args.what {
        None => begin::run(args.start, &group, session).await,
        Some(What::Plan { to, first }) => {
            begin::show_plan(SchemaVersion(to), first.as_ref(), &group, session).await
        }
        Some(What::Status) => status::run(&group, session).await,
        Some(What::Contract(args)) => contract::run(args, &group, session).await,
        Some(What::Resume { conduct }) => turn::resume(&conduct, &group, session).await,
        Some(What::Abort { site, conduct }) => turn::abort(site.as_ref(), &conduct, &group, session).await,
    }
}

/// Drives the sites in their order to where nothing is left to do, and reports.
async fn go(
    drive: &Drive<'_>,
    sites: &[SiteName],
    operation: String,
    to: SchemaVersion,
) -> anyhow::Result<()> {
    let mut stopped = None;
    for site in sites {
        if let Ended::StoppedBefore(step) = drive.site(site).await? {
            stopped = Some((site.clone(), step));
            break;
        }
    }
    let mut reports = Vec::new();
    for site in sites {
        let Some(upgrade) = drive::read(drive.group, site).await? else { continue };
        let Place { direction, step } = upgrade.place;
        let ledger_version = drive.group.reach(site).await?.ledger_version;
        reports.push(SiteReport { site: site.clone(), direction, step, ledger_version });
    }
    let (stopped_at, stopped_before) = stopped.unzip();
    let report =
        Report { operation, to, finished: stopped_at.is_none(), stopped_at, stopped_before, sites: reports };
    drive.session.output.report(&report, Report::text)
}

impl Report {
    fn text(&self) -> String {
        let rows = self
            .sites
            .iter()
            .map(|site| vec![site.site.to_string(), site.step.to_string(), site.ledger_version.to_string()]);
        let mut text = table(&["site", "step", "ver"], rows);
        match (&self.stopped_at, &self.stopped_before) {
            (Some(site), Some(step)) => {
                text.push_str(&format!(
                    "stopped before {step} at {site}; `daybook upgrade resume` goes on\n"
                ));
            }
            _ => text.push_str(&format!("all sites are at version {}\n", self.to)),
        }
        text
    }
}
