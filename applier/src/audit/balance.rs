//! The trial balance of a journal: what came in must be accounted for, one way or another. Two independent sums meet
//! here: rows counted as they stand, and what seals and quarantine say became of them.

use std::collections::BTreeMap;

use journal_core::model::{Epoch, Origin, SealNr, SealedRun, SiteName, TransNr};
use journal_core::sql::{ConnRef, Param, SqlError};
use journal_core::store::sql::count_packed;

use crate::ledger::Posted;

const COUNT_ROWS: &str = "SELECT count(*), CAST(coalesce(sum(entries), 0) AS {bigint}) FROM (SELECT trans_nr, count(*) AS entries \
     FROM {d}journal WHERE origin = $1 AND epoch = $2 GROUP BY trans_nr) AS transactions";
const COUNT_UNSEALED: &str =
    "SELECT count(DISTINCT trans_nr) FROM {d}journal WHERE origin = $1 AND epoch = $2 AND trans_nr > $3";
const POSTED: &str = "SELECT origin, epoch, seal_nr, trans_nr FROM {d}posted";
const QUARANTINE: &str =
    "SELECT origin, epoch, trans_nr, state FROM {d}quarantine ORDER BY origin, epoch, trans_nr";

/// What became of an origin's transactions, as one site's journal and ledger have it.
///
/// At the origin: `transactions = accepted + rejected + undecided`. At a peer: `accepted = posted + quarantined +
/// discarded + not_posted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Balance {
    /// Transactions in the journal: appended here, or received.
    pub transactions: u64,
    /// Their entries.
    pub entries: u64,
    /// Accepted by their origin, as the seals say.
    pub accepted: u64,
    /// Rejected by their origin, as the seals say.
    pub rejected: u64,
    /// Appended and under no seal yet.
    pub undecided: u64,
    /// Accepted, and their effect is in the ledger here.
    pub posted: u64,
    /// Accepted, and in quarantine here.
    pub quarantined: u64,
    /// Accepted, and left out here for good by somebody's decision.
    pub discarded: u64,
    /// Accepted, and still before the ledger here.
    pub not_posted: u64,
}

impl Balance {
    /// Whether both sums agree.
    pub fn is_even(&self) -> bool {
        self.transactions == self.accepted + self.rejected + self.undecided
            && self.accepted == self.posted + self.quarantined + self.discarded + self.not_posted
    }
}

/// What a site's applier tables say of transactions, read once.
#[derive(Debug, Default)]
pub(super) struct Standings {
    pub(super) posted: BTreeMap<Origin, Posted>,
    /// Transactions put aside here that did not come to be posted after all.
    pub(super) aside: BTreeMap<Origin, BTreeMap<TransNr, Aside>>,
}

/// How a transaction stands aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aside {
    /// In quarantine.
    Held,
    /// Left out for good.
    Discarded,
    /// Posted after all, behind others: not aside any more.
    Late,
}

impl Standings {
    /// Reads them.
    pub(super) async fn load(mut conn: ConnRef<'_>) -> Result<Self, SqlError> {
        let mut standings = Self::default();
        for record in conn.fetch(POSTED, Vec::new()).await? {
            let posted = Posted { seal_nr: SealNr(record.i64(2)?), trans_nr: TransNr(record.i64(3)?) };
            if let Some(origin) = origin(&record.text(0)?, record.i64(1)?) {
                standings.posted.insert(origin, posted);
            }
        }
        for record in conn.fetch(QUARANTINE, Vec::new()).await? {
            let aside = match record.text(3)?.as_str() {
                "posted" => Aside::Late,
                "discarded" => Aside::Discarded,
                _ => Aside::Held,
            };
            if let Some(origin) = origin(&record.text(0)?, record.i64(1)?) {
                standings.aside.entry(origin).or_default().insert(TransNr(record.i64(2)?), aside);
            }
        }
        Ok(standings)
    }

    pub(super) fn aside(&self, origin: &Origin, trans_nr: TransNr) -> Option<Aside> {
        self.aside.get(origin)?.get(&trans_nr).copied()
    }
}

/// An origin out of its two columns; `None` when the name cannot be one.
pub(super) fn origin(site: &str, epoch: i64) -> Option<Origin> {
    Some(Origin { site: SiteName::new(site).ok()?, epoch: Epoch(epoch) })
}

/// Adds up one origin while its seals pass by.
#[derive(Debug)]
pub(super) struct Adding<'s> {
    balance: Balance,
    passed: TransNr,
    aside: Option<&'s BTreeMap<TransNr, Aside>>,
    /// Transactions aside whose acceptance no seal has confirmed yet.
    unconfirmed: BTreeMap<TransNr, Aside>,
}

impl<'s> Adding<'s> {
    pub(super) fn new(standings: &'s Standings, origin: &Origin) -> Self {
        let aside = standings.aside.get(origin);
        let passed = standings.posted.get(origin).copied().unwrap_or_default().trans_nr;
        Self { balance: Balance::default(), passed, aside, unconfirmed: aside.cloned().unwrap_or_default() }
    }

    /// Takes in a run as its seal tells it. Counts come from the seal, so that they can disagree with the rows.
    pub(super) fn run(&mut self, run: &SealedRun) {
        let (all, rejected) = (count(run.seal.tx_count), count(run.seal.rejected_count));
        self.balance.accepted += all.saturating_sub(rejected);
        self.balance.rejected += rejected;
        for transaction in run.accepted() {
            let trans_nr = transaction.id.trans_nr;
            if trans_nr > self.passed {
                self.balance.not_posted += 1;
                continue;
            }
            self.unconfirmed.remove(&trans_nr);
            match self.aside.and_then(|aside| aside.get(&trans_nr)) {
                Some(Aside::Held) => self.balance.quarantined += 1,
                Some(Aside::Discarded) => self.balance.discarded += 1,
                Some(Aside::Late) | None => self.balance.posted += 1,
            }
        }
    }

    /// The sums, with the rows as they stand counted, and the first transaction that is aside without being an accepted
    /// one that the checkpoint has passed.
    pub(super) async fn finish(
        mut self,
        mut conn: ConnRef<'_>,
        origin: &Origin,
        sealed_to: TransNr,
    ) -> Result<(Balance, Option<TransNr>), SqlError> {
        let params = || vec![Param::from(origin.site.as_str()), origin.epoch.0.into()];
        let rows = conn.fetch_one(COUNT_ROWS, params()).await?;
        let mut unsealed = params();
        unsealed.push(sealed_to.0.into());
        let unsealed = conn.fetch_one(COUNT_UNSEALED, unsealed).await?;
        let packed = count_packed(conn.lend(), origin).await?;
        self.balance.transactions = count(rows.i64(0)?) + packed.transactions;
        self.balance.entries = count(rows.i64(1)?) + packed.entries;
        self.balance.undecided = count(unsealed.i64(0)?);
        Ok((self.balance, self.unconfirmed.keys().next().copied()))
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
