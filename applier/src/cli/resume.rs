//! `daybook resume`: posting goes on at a site, in the next generation.

use anyhow::Context as _;
use journal_core::model::SiteName;
use journal_core::sql::{Access, Conn};

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use super::pause::Report;
use crate::control::sql::SqlControl;
use crate::control::{ControlStore as _, adding};

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
    refuse_unfinished(&group, &args.site).await?;
    let mut control = SqlControl::open(group.url(&args.site)?).await?;
    let running =
        control.resume(&who(), &args.reason).await.with_context(|| format!("resume {}", args.site))?;
    session.output.report(&Report::new(args.site, running), Report::text)
}

/// A site that is being added is paused until it is whole, and nobody but the command that adds it ends that.
async fn refuse_unfinished(group: &Group, site: &SiteName) -> anyhow::Result<()> {
    let mut conn = Conn::open(group.url(site)?, Access::Read, "look").await?;
    let from = adding::source(conn.lend()).await?;
    conn.close().await;
    match from {
        None => Ok(()),
        Some(from) => {
            let message =
                format!("{site} is being added from {from}; `daybook site add {site} --from {from}` goes on");
            Err(Failure::error(Exit::Failure, code::BEING_ADDED, message))
        }
    }
}
