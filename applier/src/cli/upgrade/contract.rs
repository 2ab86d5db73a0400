//! `daybook upgrade contract`: the end of the old version, once nothing needs it.

use std::time::Duration;

use journal_core::model::{SchemaVersion, SiteName};
use serde::Serialize;

use super::drive;
use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::group::{Group, who};
use crate::cli::patience::Timeout;
use crate::upgrade::LockPatience;
use crate::upgrade::contract::{Contract, contract};
use crate::upgrade::install::load_registry;
use crate::upgrade::machine::{Direction, Step};
use crate::upgrade::needs::{self, Need, Reason, Waiver, blocking};
use crate::upgrade::record::Upgrade;

/// Drop what only the old version needs
///
/// Its views, the old tables, the questions asked for it. Refused while anything needs it; each reason can be waived, on
/// record.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this site; by default all
    #[arg(long, value_name = "SITE")]
    site: Option<SiteName>,
    /// The oldest version that stays readable; by default the new one
    #[arg(long, value_name = "VERSION")]
    keep_from: Option<i64>,
    /// For how long no application may have written an older version
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    quiet: Timeout,
    /// A reason that does not matter, and why, such as ask="asked by letter"
    #[arg(long, value_name = "WORD=WHY")]
    waive: Vec<Waiver>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

#[derive(Debug, Serialize)]
struct Report {
    keep_from: SchemaVersion,
    sites: Vec<SiteName>,
    waived: Vec<Need>,
}

pub(super) async fn run(args: Args, group: &Group, session: &Session) -> anyhow::Result<()> {
    let named: Vec<SiteName> = args.site.iter().cloned().collect();
    let mut sites = Vec::new();
    for site in group.chosen(&named)? {
        if let Some(upgrade) = drive::read(group, &site).await? {
            sites.push((site, upgrade));
        }
    }
    let done = |upgrade: &Upgrade| matches!(upgrade.place.step, Step::Done | Step::Contracted);
    sites.retain(|(_, upgrade)| upgrade.place.direction == Direction::Forward && done(upgrade));
    let Some(to) = sites.iter().map(|(_, upgrade)| upgrade.to).max() else {
        let message = "no upgrade is done here that could be contracted; see `daybook upgrade status`";
        return Err(Failure::error(Exit::Failure, code::NO_UPGRADE, message));
    };
    let keep_from = args.keep_from.map_or(to, SchemaVersion);
    if keep_from > to || keep_from < SchemaVersion(1) {
        let message = format!("--keep-from takes 1 to {to}: the new version is always kept");
        return Err(Failure::error(Exit::Usage, code::USAGE, message));
    }
    let needs = all_needs(group, to, keep_from, args.quiet.0).await?;
    let blocking = blocking(&needs, &args.waive);
    if !blocking.is_empty() {
        let told = blocking.iter().map(|need| format!("{} at {}: {}", need.reason, need.site, need.detail));
        let told = told.collect::<Vec<_>>().join("; ");
        return Err(Failure::error(
            Exit::Failure,
            code::STILL_NEEDED,
            format!("the old version is still needed: {told}"),
        ));
    }
    let used = needs::used(&needs, &args.waive);
    let waived = if used.is_empty() { String::new() } else { serde_json::to_string(&used)? };
    for (site, upgrade) in &sites {
        let registry = load_registry(group.url(site)?).await?;
        let patience = LockPatience {
            timeout: Duration::from_millis(upgrade.options.lock_timeout_ms),
            within: Duration::from_millis(upgrade.options.lock_within_ms),
        };
        let work = Contract { keep_from, waived: &waived, who: &who(), why: &args.reason, patience };
        contract(group.url(site)?, registry.set(), upgrade, &work).await?;
    }
    let sites = sites.into_iter().map(|(site, _)| site).collect();
    session.output.report(&Report { keep_from, sites, waived: needs }, Report::text)
}

/// What needs older versions, anywhere in the group: entries travel.
async fn all_needs(
    group: &Group,
    to: SchemaVersion,
    keep_from: SchemaVersion,
    quiet: Duration,
) -> anyhow::Result<Vec<Need>> {
    let mut found = Vec::new();
    for site in group.config.sites.keys() {
        let stands = group.reach(site).await?.ledger_version;
        if stands < to {
            let detail = format!("its ledger stands at version {stands}");
            found.push(Need { site: site.clone(), reason: Reason::Peer, detail });
        }
        found.extend(needs::read(group.url(site)?, site, keep_from, quiet).await?);
    }
    Ok(found)
}

impl Report {
    fn text(&self) -> String {
        let sites: Vec<&str> = self.sites.iter().map(SiteName::as_str).collect();
        let mut text = format!("{}: versions below {} are gone\n", sites.join(", "), self.keep_from);
        for Need { site, reason, detail } in &self.waived {
            text.push_str(&format!("waived: {reason} at {site}: {detail}\n"));
        }
        text
    }
}
