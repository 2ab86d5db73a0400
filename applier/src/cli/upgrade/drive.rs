//! The loop that takes one site through its upgrade: reads where it stands, carries the step out, writes down where it is
//! then. Decides nothing: `upgrade::machine` does. Killed anywhere, the next command finds the place on record.

use journal_core::model::SiteName;
use journal_core::sql::{Access, Conn, SqlError};

use super::conduct::Conduct;
use super::hooks::{self, When};
use super::steps::{self, Done};
use crate::cli::Session;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure, Told};
use crate::cli::goal::{Goal, Whose};
use crate::cli::group::{Group, who};
use crate::cli::patience::{Patience, Timeout};
use crate::control::sql::insist_no_switch;
use crate::ledger::LedgerError;
use crate::upgrade::machine::{Direction, Event, Next, Place, Step, next};
use crate::upgrade::record::{self, Kind, StepNote, Upgrade};
use crate::upgrade::reshape::ReshapeError;

/// How often a site may lose its pause to somebody before the command gives up.
const PAUSES_LOST_MAX: u32 = 3;

/// What drives sites.
#[derive(Debug)]
pub(super) struct Drive<'d> {
    pub(super) group: &'d Group,
    pub(super) session: &'d Session,
    pub(super) conduct: &'d Conduct,
}

/// How a site's part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing is left to do there.
    AtRest,
    /// The operator wanted to hold here.
    StoppedBefore(Step),
}

/// The upgrade on record at a site.
pub(super) async fn read(group: &Group, site: &SiteName) -> anyhow::Result<Option<Upgrade>> {
    let mut conn = group.reader(site).await?;
    let upgrade = record::read(conn.lend()).await?;
    group.keep(site, conn);
    Ok(upgrade)
}

/// Brings a site to another place. An error when another command was faster, or the site's tables are changing places, which
/// only goes forward.
pub(super) async fn go_to(
    group: &Group,
    site: &SiteName,
    upgrade: &Upgrade,
    place: Place,
    turn: bool,
) -> anyhow::Result<()> {
    let mut conn = Conn::open(group.url(site)?, Access::Write, "upgrade").await?;
    conn.begin().await?;
    let gone = async {
        insist_no_switch(conn.lend()).await?;
        Ok(record::go(conn.lend(), upgrade, place, turn).await?)
    };
    let gone = gone.await;
    end(conn, gone, site).await
}

async fn end(mut conn: Conn, gone: Result<bool, LedgerError>, site: &SiteName) -> anyhow::Result<()> {
    match gone {
        Ok(true) => conn.commit().await?,
        other => {
            // A failed rollback changes nothing: the connection ends here.
            drop(conn.rollback().await);
            other?;
            let message = format!("another command carries the upgrade on at {site}");
            return Err(Failure::error(Exit::Failure, code::TWO_COMMANDS, message));
        }
    }
    conn.close().await;
    Ok(())
}

impl Drive<'_> {
    /// Takes a site from where it stands to where nothing is left to do, or to where the operator wants to hold.
    pub(super) async fn site(&self, site: &SiteName) -> anyhow::Result<Ended> {
        let mut first = true;
        let mut lost = 0;
        loop {
            let Some(upgrade) = read(self.group, site).await? else { return Ok(Ended::AtRest) };
            let Place { direction, step } = upgrade.place;
            if step.is_rest() {
                return Ok(Ended::AtRest);
            }
            // A command that begins at the step goes on from there.
            if !first && direction == Direction::Forward && self.conduct.pause_before == Some(step) {
                return Ok(Ended::StoppedBefore(step));
            }
            first = false;
            match self.step(site, &upgrade).await {
                Ok(()) => {}
                Err(error) if is_lost_pause(&error) && lost < PAUSES_LOST_MAX => {
                    lost += 1;
                    self.session.output.remark(&format!("{site}: {error:#}; once more from the drain"));
                    if let Next::To(place) = next(upgrade.place, Event::PauseLost) {
                        go_to(self.group, site, &upgrade, place, false).await?;
                    }
                }
                Err(error) => {
                    self.fail(site, &upgrade, &error).await?;
                    return Err(error.context(format!("{step} at {site}")));
                }
            }
        }
    }

    async fn step(&self, site: &SiteName, upgrade: &Upgrade) -> anyhow::Result<()> {
        let step = upgrade.place.step;
        let Next::To(after) = next(upgrade.place, Event::Passed) else { return Ok(()) };
        if step == Step::Switch {
            self.hold(site).await;
        }
        let name = &self.group.config.group;
        hooks::run(self.conduct, When::Before, name, site, upgrade).await?;
        self.line(site, upgrade).await?;
        let mut conn = self.group.reader(site).await?;
        let started_at = record::clock(conn.lend()).await?;
        self.group.keep(site, conn);
        let done = steps::carry_out(self, site, upgrade, after, started_at).await?;
        if !done.recorded {
            self.pass(site, upgrade, after, &done, started_at).await?;
        }
        hooks::run(self.conduct, When::After, name, site, upgrade).await
    }

    /// Writes down that a step was carried out, and where the site is now.
    async fn pass(
        &self,
        site: &SiteName,
        upgrade: &Upgrade,
        after: Place,
        done: &Done,
        started_at: i64,
    ) -> anyhow::Result<()> {
        let mut conn = Conn::open(self.group.url(site)?, Access::Write, "upgrade").await?;
        conn.begin().await?;
        let passed = async {
            record::note_step(conn.lend(), upgrade, &who(), &done.note(started_at)).await?;
            let versions = (upgrade.from, upgrade.to);
            let gone = match after.step {
                Step::Done => Some(Kind::Expansion),
                // A site that had not switched has nothing to return from.
                Step::Returned if upgrade.place.step == Step::Verify && upgrade.from > upgrade.to => {
                    Some(Kind::Return)
                }
                _ => None,
            };
            if let Some(kind) = gone {
                record::note_gone(conn.lend(), upgrade, kind, versions, &who(), "").await?;
            }
            record::go(conn.lend(), upgrade, after, false).await
        };
        let passed = passed.await.map_err(|error: SqlError| error.into());
        end(conn, passed, site).await
    }

    /// Writes down why it stopped, as far as the database can be reached.
    async fn fail(&self, site: &SiteName, upgrade: &Upgrade, error: &anyhow::Error) -> anyhow::Result<()> {
        let told = Told::of(error);
        let detail = format!("{}: {error:#}", told.code);
        let Ok(mut conn) = Conn::open(self.group.url(site)?, Access::Write, "upgrade").await else {
            return Ok(()); // What cannot be reached is told by the error itself.
        };
        conn.begin().await?;
        record::note_trouble(conn.lend(), &upgrade.operation, &detail).await?;
        let note = StepNote { outcome: "failed", detail, ..StepNote::default() };
        record::note_step(conn.lend(), upgrade, &who(), &note).await?;
        conn.commit().await?;
        conn.close().await;
        Ok(())
    }

    /// Waits for as long as the operator's file is there.
    async fn hold(&self, site: &SiteName) {
        let Some(file) = &self.conduct.postpone_flag_file else { return };
        if file.exists() {
            let held = format!("{site}: held before the switch for as long as {} is there", file.display());
            self.session.output.remark(&held);
        }
        while file.exists() {
            Patience::start(Timeout(std::time::Duration::from_secs(1))).again().await;
        }
    }

    /// One line of where the upgrade is, and how far the site is behind what was appended or received there.
    async fn line(&self, site: &SiteName, upgrade: &Upgrade) -> anyhow::Result<()> {
        let behind = Goal::capture(self.group, site, Whose::QueuedHere).await?.behind().await?;
        let Place { direction, step } = upgrade.place;
        let way = match direction {
            Direction::Forward => "",
            Direction::Back => " (back)",
        };
        let steps = Step::ALL.into_iter().filter(|other| *other != Step::Discard);
        let before = |last: Step| steps.clone().filter(|other| *other < last).count();
        let (at, of) = (before(step), before(Step::Verify));
        let Upgrade { from, to, .. } = upgrade;
        let line = format!("{site}: {step}{way}, step {at} of {of}, version {from} to {to}, {behind} behind");
        self.session.output.remark(&line);
        Ok(())
    }
}

/// Whether somebody resumed the site, so that what was moved may be stale.
fn is_lost_pause(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| matches!(cause.downcast_ref(), Some(ReshapeError::Resumed | ReshapeError::NotExpanded)))
}
