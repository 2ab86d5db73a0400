//! `daybook upgrade`: a whole group to a new version, one site at a time, with a way back until contract.

mod conduct;
mod contract;
mod drive;
mod hooks;
mod plan;
mod status;
mod steps;

use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn};
use schema_mappers::{Registry, RustMappers, SchemaSet};
use serde::Serialize;

use super::Session;
use super::code;
use super::failure::{Exit, Failure};
use super::group::{Group, who};
use super::output::table;
use super::patience::Timeout;
use crate::ledger::LedgerError;
use crate::upgrade::checksum;
use crate::upgrade::machine::{Direction, Event, Next, Place, Step, next};
use crate::upgrade::record::{self, Options, Upgrade};
use crate::upgrade::reshape::release;
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

#[derive(Debug, clap::Args)]
struct Start {
    /// The version to lead to
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
    /// The site that goes first; the others follow by name
    #[arg(long, value_name = "SITE")]
    first: Option<SiteName>,
    /// Show what `upgrade plan` shows, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Rows moved in one transaction
    #[arg(long, value_name = "ROWS", default_value_t = crate::upgrade::CHUNK_ROWS)]
    chunk_rows: usize,
    /// Most rows moved in a second; by default as fast as it goes
    #[arg(long, value_name = "ROWS")]
    throttle: Option<u32>,
    /// How long one try of the switch may wait for a lock, and readers behind it
    #[arg(long, value_name = "DURATION", default_value = "500ms")]
    lock_timeout: Timeout,
    /// How long the switch tries to get its locks
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    lock_within: Timeout,
    /// How long a site that is about to be paused is given for traffic to leave
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    leave: Timeout,
    /// How long a site may take to post what is queued before it is paused
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    drain: Timeout,
    /// How long it may take to catch up, and to be compared
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    catch_up: Timeout,
    #[command(flatten)]
    conduct: Conduct,
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
        None => start(args.start, &group, session).await,
        Some(What::Plan { to, first }) => show_plan(SchemaVersion(to), first.as_ref(), &group, session).await,
        Some(What::Status) => status::run(&group, session).await,
        Some(What::Contract(args)) => contract::run(args, &group, session).await,
        Some(What::Resume { conduct }) => resume(&conduct, &group, session).await,
        Some(What::Abort { site, conduct }) => abort(site.as_ref(), &conduct, &group, session).await,
    }
}

async fn show_plan(
    to: SchemaVersion,
    first: Option<&SiteName>,
    group: &Group,
    session: &Session,
) -> anyhow::Result<()> {
    let registry = registry(group, to)?;
    let sites = below(group, first, to).await?;
    plan::show(&plan::plan(group, &registry, &sites, to).await?, session)
}

/// The set of the configuration, which must have the version.
fn registry(group: &Group, to: SchemaVersion) -> anyhow::Result<Registry> {
    let registry = Registry::new(SchemaSet::load(&group.config.schema)?, RustMappers::none())?;
    let newest = registry.set().newest().number();
    if registry.set().version(to).is_none() {
        let message = format!("{} has versions 1 to {newest}, and no {to}", group.config.schema.display());
        return Err(Failure::error(Exit::Usage, code::UNKNOWN_VERSION, message));
    }
    Ok(registry)
}

/// The sites below a version, in the order they go, with their versions. None may be above it.
async fn below(
    group: &Group,
    first: Option<&SiteName>,
    to: SchemaVersion,
) -> anyhow::Result<Vec<(SiteName, SchemaVersion)>> {
    let mut sites = Vec::new();
    for site in ordered(group, first)? {
        let have = group.reach(&site).await?.ledger_version;
        if have > to {
            let message = format!("{site} stands at version {have}; back leads `upgrade abort`");
            return Err(Failure::error(Exit::Usage, code::UNKNOWN_VERSION, message));
        }
        if have < to {
            sites.push((site, have));
        }
    }
    Ok(sites)
}

async fn start(start: Start, group: &Group, session: &Session) -> anyhow::Result<()> {
    let Some(to) = start.to.map(SchemaVersion) else {
        let message = "upgrade needs --to VERSION, or one of plan, resume, abort, contract, status";
        return Err(Failure::error(Exit::Usage, code::USAGE, message));
    };
    if start.dry_run {
        return show_plan(to, start.first.as_ref(), group, session).await;
    }
    let registry = registry(group, to)?;
    for site in group.config.sites.keys() {
        group.reach(site).await?;
        install(group, site).await?;
        group.insist_whole(site).await?;
        insist_on_rest(group, site).await?;
    }
    let sites = below(group, start.first.as_ref(), to).await?;
    // Every site must know the version before any site writes it: a site at the old version takes such writes too.
    for site in group.config.sites.keys() {
        release(group.url(site)?, &registry).await?;
    }
    let operation = uuid::Uuid::now_v7().to_string();
    let names: Vec<SiteName> = sites.iter().map(|(site, _)| site.clone()).collect();
    let place = Place { direction: Direction::Forward, step: Step::Waiting };
    for (site, from) in sites {
        let upgrade = Upgrade {
            operation: operation.clone(),
            sites: names.clone(),
            from,
            to,
            place,
            options: start.options(),
            checksum: checksum(registry.set()),
            trouble: String::new(),
            who: who(),
            why: start.reason.clone(),
            started_at: 0,
            changed_at: 0,
        };
        enter(group, &site, &upgrade).await?;
    }
    let drive = Drive { group, session, conduct: &start.conduct };
    go(&drive, &names, operation, to).await
}

impl Start {
    fn options(&self) -> Options {
        let ms = |timeout: Timeout| u64::try_from(timeout.0.as_millis()).unwrap_or(u64::MAX);
        Options {
            chunk_rows: self.chunk_rows,
            rows_per_second: self.throttle,
            lock_timeout_ms: ms(self.lock_timeout),
            lock_within_ms: ms(self.lock_within),
            leave_ms: ms(self.leave),
            drain_ms: ms(self.drain),
            catch_up_ms: ms(self.catch_up),
        }
    }
}

/// All sites, the named one first.
fn ordered(group: &Group, first: Option<&SiteName>) -> anyhow::Result<Vec<SiteName>> {
    let mut sites = Vec::new();
    if let Some(first) = first {
        group.site(first)?;
        sites.push(first.clone());
    }
    sites.extend(group.config.sites.keys().filter(|site| Some(*site) != first).cloned());
    Ok(sites)
}

/// The tables of this release, where an earlier one made the site.
async fn install(group: &Group, site: &SiteName) -> anyhow::Result<()> {
    let mut conn = Conn::open(group.url(site)?, Access::Write, "install").await?;
    journal_core::store::sql::install(&mut conn).await?;
    crate::control::install::install(&mut conn).await?;
    conn.close().await;
    Ok(())
}

async fn insist_on_rest(group: &Group, site: &SiteName) -> anyhow::Result<()> {
    let Some(upgrade) = drive::read(group, site).await? else { return Ok(()) };
    let why = match upgrade.place.step {
        Step::Contracted | Step::Returned => return Ok(()),
        Step::Done => {
            "is not contracted; `upgrade contract` ends it, `upgrade abort` takes it back".to_owned()
        }
        step => format!("is under way, at {step}; `upgrade resume` goes on, `upgrade abort` takes it back"),
    };
    let message = format!("at {site} the upgrade to version {} {why}", upgrade.to);
    Err(Failure::error(Exit::Failure, code::UPGRADE_UNDER_WAY, message))
}

async fn enter(group: &Group, site: &SiteName, upgrade: &Upgrade) -> anyhow::Result<()> {
    let mut conn = Conn::open(group.url(site)?, Access::Write, "upgrade").await?;
    conn.begin().await?;
    match record::begin(conn.lend(), upgrade).await {
        Ok(()) => conn.commit().await?,
        Err(error) => {
            // A failed rollback changes nothing: the connection ends here.
            drop(conn.rollback().await);
            return Err(error.into());
        }
    }
    conn.close().await;
    Ok(())
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

async fn resume(conduct: &Conduct, group: &Group, session: &Session) -> anyhow::Result<()> {
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

async fn abort(
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
