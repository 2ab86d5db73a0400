//! One cut through two sites: a moment of each at which both have posted the same transactions. Ledgers are compared
//! there and nowhere else; away from it they differ by right.

use std::collections::BTreeMap;
use std::time::Duration;

use journal_core::model::{Origin, SiteName, TransNr};
use tokio::time::Instant;

use crate::control::{Control, ControlStore, Desired};
use crate::ledger::{Ledger, LedgerError, LedgerReader};

/// Between two looks: posting batches take about as long.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a site has posted of each origin. Numbers of transactions, not of seals: a seal without transactions moves no
/// row, and two idle sites may each have one that the other has not taken yet.
pub type Vector = BTreeMap<Origin, TransNr>;

/// Whether a site may be paused to find a cut while an application writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pausing {
    /// Never: wait until the sites are level by themselves.
    Never,
    /// The site that is ahead, until the other has caught up and both snapshots stand; appends go on meanwhile. Each
    /// site is resumed that was paused here, and none that somebody else paused. Two sites that are both written to
    /// all the time may miss each other all the same.
    AsNeeded,
}

/// How a cut is looked for.
#[derive(Debug, Clone)]
pub struct Patience {
    /// How long to try.
    pub within: Duration,
    /// Whether sites may be paused.
    pub pausing: Pausing,
    /// Who asks, for the record of a pause.
    pub who: String,
}

/// A site to compare.
#[derive(Debug)]
pub struct Party<'p, L, C> {
    /// Its name, for reports.
    pub site: SiteName,
    /// Its ledger, on a connection that nothing else uses.
    pub ledger: &'p mut L,
    /// Its control state.
    pub control: &'p mut C,
}

/// How far one site is behind the other in an origin's transactions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Behind {
    /// The site that has less.
    pub site: SiteName,
    /// Whose transactions.
    pub origin: String,
    /// The last one it has posted.
    pub posted: TransNr,
    /// The last one the other has posted.
    pub other: TransNr,
}

/// Why there was no cut.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CutError {
    #[error("the sites were not level in time: {}", told(.behind))]
    Apart { behind: Vec<Behind> },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The work is done or failed as `first` says; a site stays paused.
    #[error("site {site} was paused for the comparison and could not be resumed; resume it")]
    StillPaused { site: SiteName, source: LedgerError },
}

fn told(behind: &[Behind]) -> String {
    let one = |behind: &Behind| {
        format!(
            "{} has {} up to {} and the other site up to {}",
            behind.site, behind.origin, behind.posted, behind.other
        )
    };
    behind.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl<L: Ledger + LedgerReader, C: ControlStore> Party<'_, L, C> {
    async fn look(&mut self) -> Result<Vector, LedgerError> {
        self.ledger.begin_snapshot().await?;
        let posted = self.ledger.posted().await?;
        let posted = posted.into_iter().map(|(origin, posted)| (origin, posted.trans_nr));
        Ok(posted.filter(|(_, trans_nr)| trans_nr.0 > 0).collect())
    }

    /// Pauses the site, unless it is paused already. What comes back is to be resumed.
    async fn hold(&mut self, who: &str) -> Result<Option<Control>, LedgerError> {
        let before = self.control.standing().await?.control;
        if before.desired == Desired::Paused {
            return Ok(None);
        }
        let now = self.control.pause(who, WHY).await?;
        // Somebody else may have paused it between the two calls; then it is theirs to resume.
        let ours = now.generation == before.generation + 1 && now.who == who && now.why == WHY;
        Ok(ours.then_some(now))
    }

    async fn resume(&mut self, held: &Control) -> Result<(), CutError> {
        let resumed = async {
            if self.control.standing().await?.control.generation == held.generation {
                self.control.resume(&held.who, WHY).await?;
            }
            Ok(())
        };
        resumed.await.map_err(|source| CutError::StillPaused { site: self.site.clone(), source })
    }
}

/// The reason on record of a pause for a cut.
const WHY: &str = "compare the sites at one cut";

/// Finds one cut and leaves a snapshot open at each ledger, to be ended by the caller. No site stays paused by this,
/// whatever comes back, unless the error says so or the future is dropped: await it to its end.
pub(super) async fn find<LA, CA, LB, CB>(
    a: &mut Party<'_, LA, CA>,
    b: &mut Party<'_, LB, CB>,
    patience: &Patience,
) -> Result<Vector, CutError>
where
    LA: Ledger + LedgerReader,
    LB: Ledger + LedgerReader,
    CA: ControlStore,
    CB: ControlStore,
{
    let mut held = Held { a: None, b: None };
    let found = search(a, b, patience, &mut held).await;
    let resumed_a = match &held.a {
        Some(held) => a.resume(held).await,
        None => Ok(()),
    };
    let resumed_b = match &held.b {
        Some(held) => b.resume(held).await,
        None => Ok(()),
    };
    let found = found?;
    resumed_a.and(resumed_b)?;
    Ok(found)
}

/// What was paused here.
struct Held {
    a: Option<Control>,
    b: Option<Control>,
}

async fn search<LA, CA, LB, CB>(
    a: &mut Party<'_, LA, CA>,
    b: &mut Party<'_, LB, CB>,
    patience: &Patience,
    held: &mut Held,
) -> Result<Vector, CutError>
where
    LA: Ledger + LedgerReader,
    LB: Ledger + LedgerReader,
    CA: ControlStore,
    CB: ControlStore,
{
    let deadline = Instant::now() + patience.within;
    loop {
        let (at_a, at_b) = (a.look().await?, b.look().await?);
        if at_a == at_b {
            return Ok(at_a);
        }
        a.ledger.end_snapshot().await?;
        b.ledger.end_snapshot().await?;
        if Instant::now() >= deadline {
            let mut behind = lacks(&a.site, &at_a, &at_b);
            behind.extend(lacks(&b.site, &at_b, &at_a));
            return Err(CutError::Apart { behind });
        }
        if patience.pausing == Pausing::AsNeeded {
            step(a, b, (&at_a, &at_b), &patience.who, held).await?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Holds the site that is ahead. Once the other has all of it and went on itself, the roles change.
async fn step<LA, CA, LB, CB>(
    a: &mut Party<'_, LA, CA>,
    b: &mut Party<'_, LB, CB>,
    (at_a, at_b): (&Vector, &Vector),
    who: &str,
    held: &mut Held,
) -> Result<(), CutError>
where
    LA: Ledger + LedgerReader,
    LB: Ledger + LedgerReader,
    CA: ControlStore,
    CB: ControlStore,
{
    let (a_lacks, b_lacks) = (lacks(&a.site, at_a, at_b), lacks(&b.site, at_b, at_a));
    if a_lacks.is_empty() {
        if let Some(ours) = held.b.take() {
            b.resume(&ours).await?;
        }
        if held.a.is_none() {
            held.a = a.hold(who).await?;
        }
    } else if b_lacks.is_empty() || (held.a.is_none() && held.b.is_none()) {
        if let Some(ours) = held.a.take() {
            a.resume(&ours).await?;
        }
        if held.b.is_none() {
            held.b = b.hold(who).await?;
        }
    }
    Ok(())
}

fn lacks(site: &SiteName, have: &Vector, other: &Vector) -> Vec<Behind> {
    let behind = other.iter().filter_map(|(origin, there)| {
        let posted = have.get(origin).copied().unwrap_or_default();
        let site = site.clone();
        (posted < *there).then(|| Behind { site, origin: origin.to_string(), posted, other: *there })
    });
    behind.collect()
}
