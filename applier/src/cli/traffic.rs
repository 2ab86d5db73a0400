//! `daybook traffic`: sends applications away from a site before it is paused, and asks them back.

use anyhow::Context as _;
use journal_core::model::SiteName;
use serde::Serialize;

use super::Session;
use super::group::{Group, who};
use crate::control::traffic::{Traffic, Wanted, direct};

/// Send applications away from a site, or ask them back
///
/// Readiness checks and clients of the whole group follow. Nothing is stopped by it: what is appended there is taken all
/// the same. `upgrade` does this by itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site
    site: SiteName,
    /// Where its applications are wanted
    #[arg(value_enum)]
    wanted: Direction,
    /// Why, for the record and for whoever asks
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Direction {
    Here,
    Away,
}

#[derive(Debug, Serialize)]
struct Report {
    site: SiteName,
    wanted: Wanted,
    who: String,
    reason: String,
    since_us: i64,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    group.reach(&args.site).await?;
    let wanted = match args.wanted {
        Direction::Here => Wanted::Here,
        Direction::Away => Wanted::Away,
    };
    let directed = direct(group.url(&args.site)?, wanted, &who(), &args.reason).await;
    let Traffic { wanted, who, why, since } =
        directed.with_context(|| format!("direct the traffic of {}", args.site))?;
    let report = Report { site: args.site, wanted, who, reason: why, since_us: since };
    session.output.report(&report, Report::text)
}

impl Report {
    fn text(&self) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        match self.wanted {
            Wanted::Here => format!("applications are wanted at {}", self.site),
            Wanted::Away => format!("applications are sent away from {} by {}{reason}", self.site, self.who),
        }
    }
}
