//! `daybook resume`: posting goes on at a site, in the next generation.

use anyhow::Context as _;
use journal_core::model::SiteName;

use super::Session;
use super::group::{Group, who};
use super::pause::Report;
use crate::control::ControlStore as _;
use crate::control::sql::SqlControl;

/// Let posting go on at a paused site
///
/// It goes on in the next generation. A running site stays as it is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site
    site: SiteName,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    group.reach(&args.site).await?;
    group.insist_whole(&args.site).await?;
    let mut control = SqlControl::open(group.url(&args.site)?).await?;
    let running =
        control.resume(&who(), &args.reason).await.with_context(|| format!("resume {}", args.site))?;
    session.output.report(&Report::new(args.site, running), Report::text)
}
