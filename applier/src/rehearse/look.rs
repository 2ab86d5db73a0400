//! Every row of the copy, mapped and forgotten, so that a rehearsal tells all rows that would stop the move and not only the
//! first. Reads only.

use std::collections::BTreeMap;

use journal_core::codec::payload::key_text;
use journal_core::model::{Name, SchemaVersion};
use journal_core::sql::DbUrl;
use schema_mappers::{Feed, MapError, Registry};

use super::{Phase, PhaseWatch};
use crate::audit::{Progress, RowsError};
use crate::ledger::LedgerReader as _;
use crate::ledger::groups::Groups;
use crate::ledger::sql::SqlLedger;

/// Most reasons told apart in a table; the rest are counted together.
const REASONS_MAX: usize = 20;
/// Most keys told of one reason.
const KEYS_MAX: usize = 5;
/// What rows are counted under past [`REASONS_MAX`].
const OTHER_REASONS: &str = "other reasons";
/// Rows between two notes of progress.
const NOTE_EVERY: u64 = 1000;

/// Rows of one table that the new version cannot hold, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stuck {
    /// The table, as the site names it.
    pub table: Name,
    /// Why.
    pub reason: String,
    /// How many rows.
    pub rows: u64,
    /// The first keys, as JSON arrays.
    pub keys: Vec<String>,
}

/// What the look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Looked {
    pub(super) rows: u64,
    pub(super) stuck_rows: u64,
    pub(super) stuck: Vec<Stuck>,
}

/// Looks through the ledger at `url`.
pub(super) async fn through(
    url: &DbUrl,
    registry: &Registry,
    to: SchemaVersion,
    watch: &mut PhaseWatch<'_>,
) -> Result<Looked, RowsError> {
    let mut ledger = SqlLedger::open_reader(url, "rehearse").await?;
    ledger.begin_snapshot().await?;
    let looked = within(&mut ledger, registry, to, watch).await;
    let ended = ledger.end_snapshot().await;
    let looked = looked?;
    ended?;
    ledger.into_conn().close().await;
    Ok(looked)
}

async fn within(
    ledger: &mut SqlLedger,
    registry: &Registry,
    to: SchemaVersion,
    watch: &mut PhaseWatch<'_>,
) -> Result<Looked, RowsError> {
    let from = ledger.version().await?;
    let schema = registry.ledger(from)?;
    let mut tally = Tally::default();
    for feed in registry.feeds(from, to)?.into_iter().filter(|feed| !feed.identity) {
        let mut groups = Groups::new(&feed, None);
        while let Some(group) = groups.next(ledger, schema).await? {
            let before = tally.looked.rows;
            tally.looked.rows += group.rows.len() as u64;
            match registry.map_rows(from, to, group.rows) {
                Ok(_) => {}
                Err(MapError::CannotMap { reason, .. }) => {
                    tally.stuck(&feed, reason.to_string(), key_text(&group.key));
                }
                Err(error) => return Err(error.into()),
            }
            if before / NOTE_EVERY != tally.looked.rows / NOTE_EVERY {
                watch(Phase::Look, Progress { done: tally.looked.rows, total: None });
            }
        }
    }
    Ok(tally.finish())
}

/// Rows by table and reason, within bounds.
#[derive(Debug, Default)]
struct Tally {
    looked: Looked,
    reasons: BTreeMap<Name, BTreeMap<String, (u64, Vec<String>)>>,
}

impl Tally {
    fn stuck(&mut self, feed: &Feed, reason: String, key: String) {
        self.looked.stuck_rows += 1;
        let reasons = self.reasons.entry(feed.root.table.clone()).or_default();
        let known = reasons.contains_key(&reason) || reasons.len() < REASONS_MAX;
        let reason = if known { reason } else { OTHER_REASONS.to_owned() };
        let (rows, keys) = reasons.entry(reason).or_default();
        *rows += 1;
        if keys.len() < KEYS_MAX {
            keys.push(key);
        }
    }

    fn finish(self) -> Looked {
        let Self { mut looked, reasons } = self;
        for (table, reasons) in reasons {
            let stuck = |(reason, (rows, keys))| Stuck { table: table.clone(), reason, rows, keys };
            looked.stuck.extend(reasons.into_iter().map(stuck));
        }
        looked
    }
}
