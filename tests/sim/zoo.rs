//! The zoo: bugs of the kinds that replication engines have had, planted one at a time in the stores. A run that does
//! not find each of them proves nothing.

use std::borrow::Cow;

use applier::control::{Desired, Standing};
use applier::ledger::memory::MemorySite;
use applier::ledger::{Fault, Ledger, LedgerChange, LedgerError, Posted};
use journal_core::codec::chain::{self, SealDraft};
use journal_core::journal::{Appended, Head};
use journal_core::model::{
    Epoch, Name, NewTransaction, Origin, Row, Seal, SealNr, SealedRun, TransNr, Value,
};
use journal_core::sql::SqlClass;
use schema_mappers::MappedRow;

use crate::ledger::SimLedger;

macro_rules! zoo {
    ($($bug:ident = $name:literal),* $(,)?) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Bug { $($bug),* }

        impl Bug {
            /// Every one.
            pub(crate) const ALL: &[Self] = &[$(Self::$bug),*];

            /// What `--bug` takes.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$bug => $name),* }
            }
        }
    };
}
zoo! {
    CheckpointApart = "checkpoint-apart",
    AckBeforeKept = "ack-before-kept",
    BlindCommit = "blind-retry-of-commit",
    BlindAppend = "blind-retry-of-append",
    PassesHoles = "passes-holes",
    NoRowsIsFine = "no-rows-is-fine",
    FaultSwallowed = "fault-swallowed",
    HeldKeysForgotten = "held-keys-forgotten",
    QuarantineDropped = "quarantine-dropped",
    PauseIgnored = "pause-ignored",
    StaleMapper = "stale-mapper",
    RunNotVerified = "run-not-verified",
    BatchSplit = "batch-split",
    SeenIsWrong = "seen-is-wrong",
    NoFence = "no-fence",
    NullIsEmpty = "null-is-empty",
    DecimalIsFloat = "decimal-is-float",
    OwnRowsAgain = "own-rows-again",
    MeetsBeforehand = "meets-beforehand",
    LastWordIgnored = "last-word-ignored",
}

/// A bug in a ledger, with what it needs to remember.
#[derive(Debug)]
pub(crate) struct LedgerBug {
    bug: Option<Bug>,
    opened: Standing,
    /// The open transaction's work, to be done again.
    changes: Vec<LedgerChange>,
    seals: Vec<SealedRun>,
    checkpoints: Vec<(Origin, Posted, Posted)>,
}

impl LedgerBug {
    pub(crate) fn new(bug: Option<Bug>, opened: Standing) -> Self {
        let (changes, seals, checkpoints) = (Vec::new(), Vec::new(), Vec::new());
        Self { bug, opened, changes, seals, checkpoints }
    }

    pub(crate) fn is_planted(&self) -> bool {
        self.bug.is_some()
    }

    fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn begun(&mut self, found: Standing) -> Standing {
        self.changes.clear();
        self.seals.clear();
        self.checkpoints.clear();
        match self.bug {
            Some(Bug::PauseIgnored) => Standing { fence: found.fence, ..self.opened.clone() },
            Some(Bug::StaleMapper) if found.control.desired == Desired::Running => {
                Standing { fence: found.fence, ..self.opened.clone() }
            }
            Some(Bug::NoFence) => Standing { fence: self.opened.fence, ..found },
            _ => found,
        }
    }

    pub(crate) fn note_seal(&mut self, run: &SealedRun) {
        if self.is(Bug::BlindCommit) {
            self.seals.push(run.clone());
        }
    }

    pub(crate) fn drops_quarantine(&self) -> bool {
        self.is(Bug::QuarantineDropped)
    }

    pub(crate) fn forgets_held_keys(&self) -> bool {
        self.is(Bug::HeldKeysForgotten)
    }

    pub(crate) fn ignores_the_last_word(&self) -> bool {
        self.is(Bug::LastWordIgnored)
    }

    pub(crate) fn looks_beforehand(&self) -> bool {
        self.is(Bug::MeetsBeforehand)
    }

    fn swallows(&self, fault: Fault) -> bool {
        self.is(Bug::FaultSwallowed) || (self.is(Bug::NoRowsIsFine) && fault == Fault::MissingRow)
    }

    fn altered<'c>(&self, change: &'c LedgerChange) -> Cow<'c, LedgerChange> {
        let alter: fn(&Value) -> Value = match self.bug {
            Some(Bug::NullIsEmpty) => |value| if value.is_null() { "".into() } else { value.clone() },
            Some(Bug::DecimalIsFloat) => |value| match value {
                Value::Decimal(decimal) => {
                    let float: f64 = decimal.as_str().parse().expect("a decimal is a float, more or less");
                    Value::Decimal(format!("{float:.2}").parse().expect("a decimal"))
                }
                value => value.clone(),
            },
            _ => return Cow::Borrowed(change),
        };
        let mut change = change.clone();
        let texts = |name: &str| name != "owner_id";
        let altered = change
            .change
            .cells
            .iter()
            .map(|(name, value)| (name.clone(), if texts(name) { alter(value) } else { value.clone() }));
        change.change.cells = altered.collect::<Row>();
        Cow::Owned(change)
    }
}

/// Applies changes as the bug has it.
pub(crate) async fn apply(ledger: &mut SimLedger, changes: &[LedgerChange]) -> Result<(), LedgerError> {
    for (at, change) in changes.iter().enumerate() {
        if at > 0 && ledger.bug.is(Bug::BatchSplit) {
            ledger.inner.commit().await?;
            ledger.inner.begin().await?;
        }
        let change = ledger.bug.altered(change).into_owned();
        match ledger.inner.apply(std::slice::from_ref(&change)).await {
            Err(LedgerError::Fault { fault, .. }) if ledger.bug.swallows(fault) => {
                // Whatever went well so far goes on as if nothing had happened.
                ledger.inner.rollback().await?;
                ledger.inner.begin().await?;
                for (origin, from, to) in &ledger.bug.checkpoints {
                    ledger.inner.advance(origin, *from, *to).await?;
                }
                ledger.inner.apply(&ledger.bug.changes).await?;
            }
            applied => {
                applied?;
                ledger.bug.changes.push(change);
            }
        }
    }
    Ok(())
}

/// The rows that a change meets, as they stood before the open transaction.
pub(crate) fn committed(site: &MemorySite, table: &Name, columns: &Row) -> Vec<MappedRow> {
    let rows = site.rows(table).into_iter();
    let equal = rows.filter(|(row, _)| columns.iter().all(|(name, value)| row.get(name) == Some(value)));
    equal.map(|(row, complement)| MappedRow { table: table.clone(), row, complement }).collect()
}

/// Moves a checkpoint as the bug has it.
pub(crate) async fn advance(
    ledger: &mut SimLedger,
    origin: &Origin,
    from: Posted,
    to: Posted,
) -> Result<(), LedgerError> {
    match ledger.bug.bug {
        Some(Bug::CheckpointApart) => {
            ledger.bug.checkpoints.push((origin.clone(), from, to));
            Ok(())
        }
        Some(Bug::NoFence) => {
            let found = stands(ledger, origin);
            ledger.inner.advance(origin, found, found.max(to)).await
        }
        Some(Bug::BlindCommit | Bug::FaultSwallowed | Bug::NoRowsIsFine) => {
            ledger.bug.checkpoints.push((origin.clone(), from, to));
            ledger.inner.advance(origin, from, to).await
        }
        _ => ledger.inner.advance(origin, from, to).await,
    }
}

/// Where a checkpoint stands, whatever the poster believes.
fn stands(ledger: &SimLedger, origin: &Origin) -> Posted {
    ledger.site.posted().get(origin).copied().unwrap_or_default()
}

/// Commits as the bug has it.
pub(crate) async fn commit(ledger: &mut SimLedger) -> Result<(), LedgerError> {
    match (ledger.inner.commit().await, ledger.bug.bug) {
        (Ok(()), Some(Bug::CheckpointApart)) => {
            for (origin, from, to) in std::mem::take(&mut ledger.bug.checkpoints) {
                ledger.inner.begin().await?;
                ledger.inner.advance(&origin, from, to).await?;
                ledger.inner.commit().await?;
            }
            Ok(())
        }
        (Err(LedgerError::Store(error)), Some(Bug::BlindCommit)) if error.class == SqlClass::Lost => {
            ledger.inner = ledger.site.ledger();
            ledger.inner.begin().await?;
            ledger.inner.apply(&ledger.bug.changes).await?;
            for run in &ledger.bug.seals {
                // The seal may be there: then that much is known to be done.
                if ledger.inner.seal(run).await.is_err() {
                    return Err(LedgerError::Store(error));
                }
            }
            for (origin, _, to) in &ledger.bug.checkpoints {
                let found = stands(ledger, origin);
                ledger.inner.advance(origin, found, found.max(*to)).await?;
            }
            ledger.inner.commit().await
        }
        (committed, _) => committed,
    }
}

/// An acknowledgement of what was not kept.
pub(crate) fn made_up(batch: &[NewTransaction]) -> Vec<Appended> {
    batch.iter().map(|_| Appended { trans_nr: TransNr(1), repeated: false }).collect()
}

/// The life under which own rows come back.
const AGAIN: Epoch = Epoch(99);

pub(crate) fn show_own_as_foreign(own: &Origin, heads: &mut Vec<Head>) {
    let own: Vec<Head> = heads.iter().filter(|head| head.origin == *own).cloned().collect();
    heads.extend(own.into_iter().map(|head| Head { origin: Origin { epoch: AGAIN, ..head.origin }, ..head }));
}

/// Where the rows really began.
pub(crate) fn real_origin(origin: &Origin) -> Origin {
    let epoch = if origin.epoch == AGAIN { Epoch(1) } else { origin.epoch };
    Origin { epoch, ..origin.clone() }
}

/// A seal that claims to have seen all of the reader's own transactions.
pub(crate) fn know_everything(seal: &mut Seal, own: &Origin) {
    seal.seen.insert(own.clone(), SealNr(i64::MAX));
}

/// Damaged runs with seals to match.
pub(crate) fn made_to_fit(runs: &[SealedRun]) -> Vec<SealedRun> {
    let mut prev_hash = runs.first().map_or([0; 32], |run| run.seal.prev_hash);
    let made = runs.iter().map(|run| {
        let seal = run.seal.clone();
        let draft = SealDraft {
            origin: seal.origin,
            seal_nr: seal.seal_nr,
            first_nr: seal.first_nr,
            last_nr: seal.last_nr,
            hlc: seal.hlc,
            seen: seal.seen,
            schema: seal.schema,
            prev_hash,
            sealed_at: seal.sealed_at,
        };
        let made = chain::seal(draft, run.transactions.clone(), run.rejections.clone());
        prev_hash = made.seal.hash;
        made
    });
    made.collect()
}
