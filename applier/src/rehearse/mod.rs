//! A rehearsal: what an upgrade of a site would meet, found out on a copy. The site's journal is replayed into a scratch
//! database at the version the site has, up to a moment; that copy is looked through, moved to the new version by the
//! upgrade's own move, and the rest of the journal is posted into it through the mappers, as it would be after the
//! switch. Never writes to the site.

mod arrivals;
mod look;
mod report;
mod room;

use std::time::Instant;

use journal_core::model::{Epoch, Origin, SchemaVersion, SealedRun, SiteName};
use journal_core::sql::{DbUrl, SqlClass, SqlError};
use journal_core::store::sql::Site;
use schema_mappers::{MapError, Registry};

use crate::audit::replay::legs::Legs;
use crate::audit::replay::{ReplayError, Until};
use crate::audit::{Progress, RowsError};
use crate::control::ControlStore as _;
use crate::control::sql::SqlControl;
use crate::laws::lost;
use crate::ledger::LedgerError;
use crate::ledger::sql::SqlLedger;
use crate::scratch::Scratch;
use crate::upgrade::install::{InstallError, install};
use crate::upgrade::reshape::{Mode, ReshapeError, ReshapeOrder, reshape};
use arrivals::Arrivals;

pub use look::Stuck;
pub use report::{Arriving, CatchUp, Moved, Report, Tail};

/// What the scratch database calls itself: no site of a group.
const REHEARSAL: &str = "rehearsal";
/// How much of the journal's end is posted at the new version unless told otherwise, microseconds: a day shows the busy
/// hours and the quiet ones.
const TAIL_US: i64 = 24 * 3600 * 1_000_000;

/// What a rehearsal is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The version to lead to.
    pub to: SchemaVersion,
    /// Where the copy is moved; a day before the end, or at the half of a younger journal, when `None`.
    pub since: Option<Until>,
    /// Where the journal ends; with what is sealed now when `None`.
    pub until: Option<Until>,
    /// Who asks, for the scratch database's record.
    pub who: String,
}

/// A part of the work, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The journal up to the moment of the move, at the version the site has.
    Copy,
    /// Every row of the copy is mapped and forgotten.
    Look,
    /// The upgrade's own move.
    Move,
    /// The rest of the journal, through the mappers.
    Tail,
}

/// Hears of progress now and then. Must return at once: the work waits for it.
pub type PhaseWatch<'w> = dyn FnMut(Phase, Progress) + Send + 'w;

/// Why there was no rehearsal. The site is as it was; the scratch database is of no use.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RehearseError {
    #[error("the site stands at schema version {version} already")]
    AtVersion { version: SchemaVersion },
    #[error(
        "schema version {version} is on record at the site with other text; a released version never changes"
    )]
    OtherText { version: SchemaVersion },
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Version(#[from] MapError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error("move the copy")]
    Move(#[source] ReshapeError),
    #[error("look through the copy")]
    Look(#[from] RowsError),
    #[error("work on the copy")]
    Ledger(#[from] LedgerError),
    #[error("reach the scratch database")]
    Store(#[from] SqlError),
}

/// Rehearses the upgrade of the site at `from` in a scratch database. `registry` holds the version to lead to;
/// its older versions must be those that are on record at the site. The site may go on meanwhile: what is sealed when
/// this begins is what counts. What cannot be carried is told in the report, not an error.
pub async fn rehearse(
    from: &DbUrl,
    scratch: &Scratch,
    registry: &Registry,
    plan: &Plan,
    watch: &mut PhaseWatch<'_>,
) -> Result<Report, RehearseError> {
    let scratch = scratch.url();
    let started = Instant::now();
    registry.schema(plan.to)?;
    refuse_other_text(from, registry).await?;
    let mut legs = Legs::open(from, registry, plan.until.as_ref()).await?;
    let site = legs.site().clone();
    if site.ledger_version == plan.to {
        return Err(RehearseError::AtVersion { version: plan.to });
    }
    let copy = Site {
        origin: Origin { site: rehearsal_name()?, epoch: Epoch(1) },
        group: format!("rehearsal of {}", site.origin),
        ..site.clone()
    };
    install(scratch, &copy, registry.set(), &plan.who).await?;
    SqlControl::open(scratch).await?.pause(&plan.who, "the copy of a rehearsal").await?;
    let mut arrivals = Arrivals::default();
    let copied = copy_journal(&mut legs, scratch, plan, &mut arrivals, watch).await?;
    let mut report = Report::new(&site.origin, site.ledger_version, plan.to, scratch.dialect(), copied);
    report.losses = lost(registry, site.ledger_version, plan.to);
    report.looked(look::through(scratch, registry, plan.to, watch).await?);
    if report.stuck_rows == 0 {
        let before = room::bytes(scratch, registry, plan.to).await?;
        match move_copy(scratch, registry, plan, before, watch).await? {
            Ok(moved) => {
                report.moved = Some(moved);
                report.tail = Some(post_tail(&mut legs, scratch, plan, &mut arrivals, watch).await?);
            }
            Err(why) => report.move_failed = Some(why),
        }
    }
    report.estimate(&arrivals);
    report.duration_ms = millis(started);
    Ok(report)
}

fn rehearsal_name() -> Result<SiteName, LedgerError> {
    SiteName::new(REHEARSAL).map_err(|error| LedgerError::Damaged(error.to_string()))
}

/// The upgrade would be refused for it, so the rehearsal is.
async fn refuse_other_text(from: &DbUrl, registry: &Registry) -> Result<(), RehearseError> {
    let on_record = crate::upgrade::install::load_registry(from).await?;
    let differs = on_record.set().versions().iter().find(|released| {
        let here = registry.set().version(released.number());
        here.is_some_and(|here| here.hash() != released.hash())
    });
    match differs {
        None => Ok(()),
        Some(released) => Err(RehearseError::OtherText { version: released.number() }),
    }
}

/// The journal up to the moment of the move; how many transactions that are.
async fn copy_journal(
    legs: &mut Legs<'_>,
    scratch: &DbUrl,
    plan: &Plan,
    arrivals: &mut Arrivals,
    watch: &mut PhaseWatch<'_>,
) -> Result<u64, RehearseError> {
    let named = match &plan.since {
        None => None,
        Some(since) => Some(legs.place(since).await?),
    };
    let (newest, half) = (legs.newest().0, legs.total() / 2);
    let mut passed: u64 = 0;
    let mut takes = |run: &SealedRun| {
        let takes = match &named {
            Some(bound) => bound.covers(run),
            None => run.seal.hlc.0 <= newest - TAIL_US || passed < half,
        };
        if takes {
            passed += run.transactions.len() as u64;
            arrivals.count(run);
        }
        takes
    };
    let version = legs.site().ledger_version;
    let mut ledger = SqlLedger::open(scratch, "rehearse").await?;
    let mut heard = |progress| watch(Phase::Copy, progress);
    let leg = legs.leg(&mut ledger, version, &mut takes, &mut heard).await?;
    ledger.into_conn().close().await;
    Ok(leg.posted)
}

/// Moves the copy; or tells why the data stopped that.
async fn move_copy(
    scratch: &DbUrl,
    registry: &Registry,
    plan: &Plan,
    before: room::Bytes,
    watch: &mut PhaseWatch<'_>,
) -> Result<Result<Moved, String>, RehearseError> {
    let order = ReshapeOrder {
        to: plan.to,
        mode: Mode::CarryOut,
        who: plan.who.clone(),
        why: "rehearsal".to_owned(),
    };
    let mut heard = |progress| watch(Phase::Move, progress);
    let done = match reshape(scratch, registry, &order, &mut heard).await {
        Ok(done) => done,
        Err(error) if is_of_data(&error) => return Ok(Err(whole_text(&error))),
        Err(error) => return Err(RehearseError::Move(error)),
    };
    let after = room::bytes(scratch, registry, plan.to).await?;
    Ok(Ok(Moved {
        rows: done.rows,
        complements: done.complements,
        asks: done.asks,
        duration_ms: done.duration_ms,
        rows_per_s: per_second(done.rows, done.duration_ms),
        extra_bytes: after.needed_beside(&before),
    }))
}

/// The rest of the journal, as a site posts it after the switch.
async fn post_tail(
    legs: &mut Legs<'_>,
    scratch: &DbUrl,
    plan: &Plan,
    arrivals: &mut Arrivals,
    watch: &mut PhaseWatch<'_>,
) -> Result<Tail, RehearseError> {
    let mut ledger = SqlLedger::open(scratch, "rehearse").await?;
    let mut takes = |run: &SealedRun| {
        arrivals.count(run);
        true
    };
    let mut heard = |progress| watch(Phase::Tail, progress);
    let started = Instant::now();
    let leg = legs.leg(&mut ledger, plan.to, &mut takes, &mut heard).await?;
    let duration_ms = millis(started);
    ledger.into_conn().close().await;
    Ok(Tail {
        posted: leg.posted,
        per_s: per_second(leg.posted, duration_ms),
        duration_ms,
        left_out: leg.left_out,
        refused: leg.refused,
        refused_by: leg.refused_by.into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
    })
}

/// Whether the rows stopped a move, and not the database or its operator.
fn is_of_data(error: &ReshapeError) -> bool {
    match error {
        ReshapeError::Row { .. }
        | ReshapeError::Orphan { .. }
        | ReshapeError::Unsure { .. }
        | ReshapeError::Ledger(LedgerError::Fault { .. }) => true,
        ReshapeError::Store(error) => matches!(error.class, SqlClass::Constraint(_) | SqlClass::Data),
        ReshapeError::NotPaused
        | ReshapeError::NotInstalled
        | ReshapeError::Resumed
        | ReshapeError::Elsewhere { .. }
        | ReshapeError::NotExpanded
        | ReshapeError::TwoMovers { .. }
        | ReshapeError::TwoCommands
        | ReshapeError::InTheWay { .. }
        | ReshapeError::Locked { .. }
        | ReshapeError::Version(_)
        | ReshapeError::Release(_)
        | ReshapeError::Ledger(_) => false,
    }
}

/// An error with its causes, for a report.
fn whole_text(error: &ReshapeError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How many a second, whole; what took no millisecond counts as one.
fn per_second(count: u64, millis: u64) -> u64 {
    count.saturating_mul(1000) / millis.max(1)
}
