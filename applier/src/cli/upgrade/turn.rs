//! `daybook upgrade resume` and `abort`: an upgrade that was begun goes on, or back.

use journal_core::model::SiteName;

use super::begin::{enter, insist_on_rest};
use super::conduct::Conduct;
use super::drive::{self, Drive};
use super::go;
use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::group::Group;
use crate::ledger::LedgerError;
use crate::upgrade::machine::{Direction, Event, Next, Place, Step, next};
use crate::upgrade::record::Upgrade;

/// The upgrade that is under way in the group, with the sites that have not heard of it.
async fn under_way(group: &Group) -> anyhow::Result<(Upgrade, Vec<SiteName>)> {
    let mut newest: Option<Upgrade> = None;
    let mut known = Vec::new();
    for site in group.config.sites.keys() {
        group.reach(site).await?;
        let Some(upgrade) = drive::read(group, site).await? else { continue };
        // Operations are numbered by time.
        if newest.as_ref().is_none_or(|newest| newest.operation < upgrade.operation) {
            newest = Some(upgrade.clone());
        }
        known.push((site.clone(), upgrade.operation));
    }
    let Some(upgrade) = newest else {
        return Err(Failure::error(Exit::Failure, code::NO_UPGRADE, "no upgrade was begun in this group"));
    };
    let heard = |site: &SiteName| known.iter().any(|(name, op)| name == site && *op == upgrade.operation);
    let unheard = upgrade.sites.iter().filter(|site| !heard(site)).cloned().collect();
    Ok((upgrade, unheard))
}

pub(super) async fn resume(conduct: &Conduct, group: &Group, session: &Session) -> anyhow::Result<()> {
    let (upgrade, unheard) = under_way(group).await?;
    // The command that began was cut short before it had told every site.
    for site in &unheard {
        insist_on_rest(group, site).await?;
        let from = group.reach(site).await?.ledger_version;
        let place = Place { direction: Direction::Forward, step: Step::Waiting };
        let to = if upgrade.place.direction == Direction::Back { upgrade.from } else { upgrade.to };
        enter(group, site, &Upgrade { from, to, place, ..upgrade.clone() }).await?;
    }
    let drive = Drive { group, session, conduct };
    // A group that is on its way back goes on from its end.
    let mut sites = upgrade.sites.clone();
    if upgrade.place.direction == Direction::Back {
        sites.reverse();
    }
    go(&drive, &sites, upgrade.operation, upgrade.to).await
}

pub(super) async fn abort(
    site: Option<&SiteName>,
    conduct: &Conduct,
    group: &Group,
    session: &Session,
) -> anyhow::Result<()> {
    let (upgrade, unheard) = under_way(group).await?;
    let mut sites: Vec<SiteName> = match site {
        Some(site) => {
            group.site(site)?;
            vec![site.clone()]
        }
        None => upgrade.sites.iter().filter(|site| !unheard.contains(site)).cloned().collect(),
    };
    sites.reverse();
    // First no site goes on any more, then one after the other goes back.
    let mut refused = Vec::new();
    for site in &sites {
        refused.extend(turn(group, site).await?.map(|why| format!("{site}: {why}")));
    }
    if refused.len() == sites.len() {
        return Err(Failure::error(Exit::Failure, code::NO_UPGRADE, refused.join("; ")));
    }
    let drive = Drive { group, session, conduct };
    let to = upgrade.from.min(upgrade.to);
    go(&drive, &sites, upgrade.operation, to).await
}

const CHANGING_PLACES: &str =
    "its tables are changing places; `upgrade resume` ends that, and then the site can go back";

/// Puts a site on its way back; why not, where it cannot.
async fn turn(group: &Group, site: &SiteName) -> anyhow::Result<Option<&'static str>> {
    let Some(upgrade) = drive::read(group, site).await? else { return Ok(Some("no upgrade was begun here")) };
    let (place, ends) = match next(upgrade.place, Event::AbortAsked) {
        Next::To(place) => (place, false),
        Next::TurnTo(place) => (place, true),
        Next::Refused(why) => return Ok(Some(why)),
    };
    match drive::go_to(group, site, &upgrade, place, ends).await {
        Err(error) if matches!(error.downcast_ref(), Some(LedgerError::SwitchBegun)) => {
            Ok(Some(CHANGING_PLACES))
        }
        turned => turned.map(|()| None),
    }
}
