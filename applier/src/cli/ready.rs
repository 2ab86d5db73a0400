//! `daybook ready`: whether a site can serve applications of a version now.

use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn};

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::Group;
use crate::control::ready::{BEHIND_MAX, Look, Readiness, Reason, judge, look};

/// Tell whether a site can serve applications of a version now
///
/// It can when it is not paused and nobody sends applications away from it, when its ledger has views of the version, and
/// when it has caught up with what its peers have decided, as far as they can be reached. Exits with 1 when it cannot.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site
    site: SiteName,
    /// The schema version of the application
    #[arg(long, value_name = "VERSION")]
    version: i64,
    /// How many transactions it may be behind
    #[arg(long, value_name = "COUNT", default_value_t = BEHIND_MAX)]
    behind_max: i64,
}

pub(super) async fn run(args: Args, session: &Session) -> anyhow::Result<()> {
    let group = Group::load(&session.config)?;
    let version = SchemaVersion(args.version);
    group.site(&args.site)?;
    let readiness = match look_at(&group, &args.site).await {
        Ok(found) => {
            let mut peers = Vec::new();
            for peer in group.config.sites.keys().filter(|peer| **peer != args.site) {
                // One that is away cannot be waited for.
                peers.extend(look_at(&group, peer).await.ok());
            }
            judge(&found, &peers, version, args.behind_max)
        }
        Err(error) => {
            Readiness::unknown(args.site.as_str(), version, Reason::Unreachable, format!("{error:#}"))
        }
    };
    session.output.report(&readiness, text)?;
    match readiness.detail {
        None => Ok(()),
        Some(detail) => {
            let message = format!("{} is not ready for version {version}: {detail}", args.site);
            Err(Failure::error(Exit::Failure, code::NOT_READY, message))
        }
    }
}

async fn look_at(group: &Group, site: &SiteName) -> anyhow::Result<Look> {
    group.reach(site).await?;
    let mut conn = Conn::open(group.url(site)?, Access::Read, "ready").await?;
    Ok(look(&mut conn).await?)
}

fn text(readiness: &Readiness) -> String {
    let Readiness { site, version, behind, .. } = readiness;
    let behind = behind.map_or_else(String::new, |behind| format!(", {behind} transactions behind"));
    match readiness.ready {
        true => format!("{site} is ready for version {version}{behind}"),
        false => format!("{site} is not ready for version {version}{behind}"),
    }
}
