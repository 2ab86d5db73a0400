//! What each step of a site's upgrade does. Every step can be carried out again: it finds out what had happened.

use std::time::Duration;

use anyhow::Context as _;
use journal_core::model::SiteName;
use journal_core::sql::{Access, Conn};
use schema_mappers::{Registry, RustMappers, ddl};

use super::drive::Drive;
use crate::audit::Progress;
use crate::audit::cut;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::cli::goal::{Goal, Whose};
use crate::cli::group::who;
use crate::cli::patience::{Patience, Timeout};
use crate::cli::verify;
use crate::control::sql::SqlControl;
use crate::control::standing::read_state;
use crate::control::traffic::{self, Wanted};
use crate::control::{ControlStore as _, Desired};
use crate::upgrade::install::read_registry;
use crate::upgrade::machine::{Place, Step};
use crate::upgrade::record::{self, StepNote, Upgrade};
use crate::upgrade::{Leftover, LockPatience, Pace, SiteTables, drop_leftovers};

/// Most differing rows that an error names; all are counted.
const DIFFERENCES_TOLD: usize = 5;

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What was found, for people.
    detail: String,
    statements: Vec<String>,
    rows: u64,
    /// Whether the place was changed with the work itself.
    pub(super) recorded: bool,
}

impl Done {
    fn found(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::default() }
    }

    /// As it is written down.
    pub(super) fn note(&self, started_at: i64) -> StepNote {
        let Self { detail, statements, rows, .. } = self;
        StepNote {
            outcome: "done",
            detail: detail.clone(),
            statements: statements.clone(),
            rows: *rows,
            started_at,
        }
    }
}

/// One step at one site, with what all steps need.
struct At<'a> {
    drive: &'a Drive<'a>,
    site: &'a SiteName,
    upgrade: &'a Upgrade,
}

/// Carries out the step that the site has before it.
pub(super) async fn carry_out(
    drive: &Drive<'_>,
    site: &SiteName,
    upgrade: &Upgrade,
    after: Place,
    started_at: i64,
) -> anyhow::Result<Done> {
    let at = At { drive, site, upgrade };
    match upgrade.place.step {
        Step::Waiting | Step::Done | Step::Contracted | Step::Returned => Ok(Done::default()),
        Step::Preflight => at.preflight().await,
        Step::Leave => {
            let (url, why) = (drive.group.url(site)?, at.pause_reason());
            traffic::direct(url, Wanted::Away, &who(), &why).await?;
            tokio::time::sleep(Duration::from_millis(upgrade.options.leave_ms)).await;
            Ok(Done::found(format!("applications had {} ms to leave", upgrade.options.leave_ms)))
        }
        Step::Drain => at.drain().await,
        Step::Pause => at.pause().await,
        Step::Expand => at.expand().await,
        Step::Move => at.move_rows().await,
        Step::Switch => at.switch(after, started_at).await,
        Step::Views => at.views().await,
        Step::Discard => {
            drop_leftovers(drive.group.url(site)?, Leftover::New).await?;
            Ok(Done::default())
        }
        Step::Resume => at.resume().await,
        Step::CatchUp => at.catch_up().await,
        Step::Verify => at.verify().await,
    }
}

impl At<'_> {
    /// What a pause of this upgrade says of itself.
    fn pause_reason(&self) -> String {
        format!("upgrade {} to version {}", self.upgrade.operation, self.upgrade.to)
    }

    /// Whether the site is paused by this upgrade.
    async fn is_paused(&self) -> anyhow::Result<bool> {
        let mut conn = self.drive.group.reader(self.site).await?;
        let (standing, _) = read_state(conn.lend()).await?;
        self.drive.group.keep(self.site, conn);
        let control = standing.control;
        // By its own step, or by a comparison of its that was killed.
        let ours = |text: &str| text.contains(&self.upgrade.operation);
        Ok(control.desired == Desired::Paused && (ours(&control.why) || ours(&control.who)))
    }

    fn not_ready(&self, why: &str) -> anyhow::Error {
        Failure::error(Exit::Failure, code::SITE_NOT_READY, format!("{}: {why}", self.site))
    }

    async fn registry(&self) -> anyhow::Result<Registry> {
        let mut conn = self.drive.group.reader(self.site).await?;
        let url = self.drive.group.url(self.site)?;
        let registry = read_registry(conn.lend(), url, RustMappers::none()).await?;
        self.drive.group.keep(self.site, conn);
        Ok(registry)
    }

    async fn tables<'r>(&'r self, registry: &'r Registry) -> anyhow::Result<SiteTables<'r>> {
        let url = self.drive.group.url(self.site)?;
        Ok(SiteTables::plan(url, registry, self.upgrade.from, self.upgrade.to).await?)
    }

    async fn preflight(&self) -> anyhow::Result<Done> {
        let group = self.drive.group;
        for peer in group.config.sites.keys() {
            group.reach(peer).await?;
        }
        let site = group.reach(self.site).await?;
        if site.ledger_version != self.upgrade.from {
            let why = format!("the ledger stands at version {}", site.ledger_version);
            return Err(self.not_ready(&why));
        }
        let mut control = SqlControl::open(group.url(self.site)?).await?;
        let standing = control.standing().await?.control;
        if standing.desired == Desired::Paused && !self.is_paused().await? {
            let why = format!("it is paused by {}: {}; resume it first", standing.who, standing.why);
            return Err(self.not_ready(&why));
        }
        if control.lease().await?.holder.is_empty() {
            return Err(self.not_ready("no service posts there; start one with `daybook run`"));
        }
        let registry = self.registry().await?;
        let tables = self.tables(&registry).await?;
        tables.insist_free().await?;
        Ok(Done::found(format!("{} tables go to version {}", tables.count(), self.upgrade.to)))
    }

    async fn drain(&self) -> anyhow::Result<Done> {
        if self.is_paused().await? {
            return Ok(Done::found("paused already"));
        }
        let goal = Goal::capture(self.drive.group, self.site, Whose::QueuedHere).await?;
        let timeout = Timeout(Duration::from_millis(self.upgrade.options.drain_ms));
        goal.wait(Patience::start(timeout)).await.context("the site is not paused")?;
        Ok(Done::found(reached(&goal)))
    }

    async fn pause(&self) -> anyhow::Result<Done> {
        let mut control = SqlControl::open(self.drive.group.url(self.site)?).await?;
        let paused = control.pause(&who(), &self.pause_reason()).await?;
        Ok(Done::found(format!("generation {}", paused.generation)))
    }

    async fn expand(&self) -> anyhow::Result<Done> {
        if !self.is_paused().await? {
            return Err(crate::upgrade::reshape::ReshapeError::Resumed.into());
        }
        let registry = self.registry().await?;
        let tables = self.tables(&registry).await?;
        tables.expand().await?;
        Ok(Done { statements: tables.expand_sql(), ..Done::default() })
    }

    async fn move_rows(&self) -> anyhow::Result<Done> {
        let registry = self.registry().await?;
        let tables = self.tables(&registry).await?;
        let options = self.upgrade.options;
        let pace = Pace { chunk_rows: options.chunk_rows, rows_per_second: options.rows_per_second };
        let output = self.drive.session.output;
        let bar = output.bar("rows", Some(0));
        let mut watch = |progress: Progress| output.follow(&bar, progress);
        let moved = tables.move_rows(pace, &mut watch).await;
        bar.finish_and_clear();
        let moved = moved?;
        let rows = moved.tables.iter().map(|table| table.rows).sum();
        let detail = format!("{rows} rows, {} keep something", moved.complements);
        Ok(Done { detail, rows, ..Done::default() })
    }

    async fn switch(&self, after: Place, started_at: i64) -> anyhow::Result<Done> {
        let registry = self.registry().await?;
        let tables = self.tables(&registry).await?;
        let Upgrade { options, from, to, why, .. } = self.upgrade;
        let patience = LockPatience {
            timeout: Duration::from_millis(options.lock_timeout_ms),
            within: Duration::from_millis(options.lock_within_ms),
        };
        let mut done = Done { statements: tables.switch_sql(), recorded: true, ..Done::default() };
        let (dialect, who) = (self.drive.group.url(self.site)?.dialect(), who());
        let companions = [
            record::advance(self.upgrade, after, false, dialect),
            record::step_note(self.upgrade, &who, &done.note(started_at), dialect),
        ];
        let what = format!("upgrade {from} to {to}");
        tables.switch(patience, (&who, &what, why), &companions).await?;
        done.recorded = true;
        Ok(done)
    }

    /// Reads every view once, so that none is found broken by an application.
    async fn views(&self) -> anyhow::Result<Done> {
        let registry = self.registry().await?;
        let tables = self.tables(&registry).await?;
        let url = self.drive.group.url(self.site)?;
        let mut conn = Conn::open(url, Access::Read, "look").await?;
        let mut read = 0;
        for version in registry.set().versions() {
            let number = version.number();
            if number > self.upgrade.to || number < tables.views_from() {
                continue;
            }
            for table in version.schema().tables.keys() {
                let view = ddl::view_name(number, table, &url.place());
                let query = format!("SELECT count(*) FROM (SELECT * FROM {view} LIMIT 1) AS one");
                conn.lend()
                    .fetch_one(&query, Vec::new())
                    .await
                    .with_context(|| format!("read view {view}"))?;
                read += 1;
            }
        }
        conn.close().await;
        Ok(Done::found(format!("{read} views answer")))
    }

    async fn resume(&self) -> anyhow::Result<Done> {
        let mut control = SqlControl::open(self.drive.group.url(self.site)?).await?;
        let standing = control.standing().await?.control;
        if standing.desired == Desired::Paused && !self.is_paused().await? {
            let why = format!("it is paused by {}: {}; it stays so", standing.who, standing.why);
            return Err(self.not_ready(&why));
        }
        let running = control.resume(&who(), &self.pause_reason()).await?;
        Ok(Done::found(format!("generation {}", running.generation)))
    }

    async fn catch_up(&self) -> anyhow::Result<Done> {
        let goal = Goal::capture(self.drive.group, self.site, Whose::Everybodys).await?;
        goal.wait(Patience::start(self.catch_up_time())).await?;
        let url = self.drive.group.url(self.site)?;
        traffic::direct(url, Wanted::Here, &who(), &self.pause_reason()).await?;
        Ok(Done::found(reached(&goal)))
    }

    fn catch_up_time(&self) -> Timeout {
        Timeout(Duration::from_millis(self.upgrade.options.catch_up_ms))
    }

    async fn verify(&self) -> anyhow::Result<Done> {
        let group = self.drive.group;
        // A comparison may pause a site until both stand still at one cut. One that was killed left it so.
        let asker = format!("{} for upgrade {}", who(), self.upgrade.operation);
        for site in group.config.sites.keys() {
            let mut control = SqlControl::open(group.url(site)?).await?;
            let standing = control.standing().await?.control;
            if standing.desired == Desired::Paused && standing.who.contains(&self.upgrade.operation) {
                control.resume(&asker, "the comparison was cut short").await?;
            }
        }
        let patience =
            cut::Patience { within: self.catch_up_time().0, pausing: cut::Pausing::AsNeeded, who: asker };
        let mut found = Vec::new();
        for peer in group.config.sites.keys().filter(|peer| *peer != self.site) {
            let sites = [self.site, peer];
            let compared =
                verify::compare(group, sites, &patience, DIFFERENCES_TOLD, self.drive.session).await?;
            if !compared.equal {
                let message = format!("{} differs from {peer}; see `daybook verify`", self.site);
                return Err(Failure::error(Exit::Divergence, code::DIVERGENCE, message));
            }
            let rows: u64 = compared.tables.iter().map(|table| table.matched).sum();
            found.push(format!("{rows} rows equal to {peer}, digest {}", compared.a.digest.digest));
        }
        Ok(Done::found(found.join("; ")))
    }
}

fn reached(goal: &Goal<'_>) -> String {
    let points = goal.until().iter().map(|(origin, until)| format!("{origin} posted to {until}"));
    points.collect::<Vec<_>>().join(", ")
}
