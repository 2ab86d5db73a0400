//! Beginning an upgrade: its options and its plan, what must hold first, and its record at each site.

use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::{Access, Conn};
use schema_mappers::{Registry, RustMappers, SchemaSet};

use super::conduct::Conduct;
use super::drive::{self, Drive};
use super::{go, plan};
use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::group::{Group, who};
use crate::cli::patience::Timeout;
use crate::upgrade::checksum;
use crate::upgrade::machine::{Direction, Place, Step};
use crate::upgrade::record::{self, Options, Upgrade};
use crate::upgrade::reshape::release;

#[derive(Debug, clap::Args)]
pub(super) struct Start {
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

pub(super) async fn run(start: Start, group: &Group, session: &Session) -> anyhow::Result<()> {
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

pub(super) async fn show_plan(
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

pub(super) async fn insist_on_rest(group: &Group, site: &SiteName) -> anyhow::Result<()> {
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

pub(super) async fn enter(group: &Group, site: &SiteName, upgrade: &Upgrade) -> anyhow::Result<()> {
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
