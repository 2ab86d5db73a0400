//! What a rehearsal found, and what is to be expected of the upgrade by it. Holds no text for people: the command writes it.

use std::collections::BTreeMap;

use journal_core::model::{Origin, SchemaVersion};
use journal_core::sql::Dialect;
use serde::Serialize;

use super::arrivals::{Arrivals, Rate, as_f64, catch_up_ms};
use super::look::{Looked, Stuck};
use crate::audit::ask::Waiting;
use crate::audit::replay::Listed;
use crate::laws::Lost;

/// What a rehearsal found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The site, as `a/1`.
    pub site: String,
    /// The version it has.
    pub from: SchemaVersion,
    /// The version rehearsed.
    pub to: SchemaVersion,
    /// The scratch database's kind: rates are those of this one, on this machine.
    pub dialect: String,
    /// Transactions replayed before the move.
    pub copied: u64,
    /// Rows of tables that the mapping changes.
    pub rows: u64,
    /// Of these, rows without an image at the new version. They would stop the move, so it was not tried.
    pub stuck_rows: u64,
    /// The same by table and reason.
    pub stuck: Vec<Stuck>,
    /// What the versions on the way give up for good, by the set's own word.
    pub losses: Vec<Lost>,
    /// Why the data stopped the move, such as two rows of one key under a new unique key.
    pub move_failed: Option<String>,
    /// The move; absent when it was not tried or failed.
    pub moved: Option<Moved>,
    /// The rest of the journal; absent without the move.
    pub tail: Option<Tail>,
    /// How fast transactions arrive, as the journal's seals say; absent when they span less than a second.
    pub arriving: Option<Arriving>,
    /// What to expect after the pause of the move; absent with `arriving` or `tail`.
    pub catch_up: Option<CatchUp>,
    /// How long the rehearsal took, in milliseconds.
    pub duration_ms: u64,
}

/// The upgrade's own move, on the copy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// Rows moved.
    pub rows: u64,
    /// Rows that keep something the new version has no place for.
    pub complements: u64,
    /// Rows that wait for a user's answer, by column.
    pub asks: Vec<Waiting>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Rows a second.
    pub rows_per_s: u64,
    /// Disk that the new tables take while the old ones still stand, in bytes.
    pub extra_bytes: u64,
}

/// The rest of the journal, posted at the new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tail {
    /// Transactions posted.
    pub posted: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Transactions a second.
    pub per_s: u64,
    /// Transactions left out because they are in quarantine at the site, or discarded.
    pub left_out: u64,
    /// Transactions that the new version cannot take. After the upgrade they would be in quarantine.
    pub refused: Listed,
    /// The same, counted by code.
    pub refused_by: BTreeMap<String, u64>,
}

/// Transactions a second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arriving {
    /// Over the whole journal that was read.
    pub mean_per_s: f64,
    /// In its busiest minute.
    pub busiest_per_s: f64,
    /// How much time it spans, in milliseconds.
    pub span_ms: u64,
}

/// What to expect after the site was paused for as long as the move took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatchUp {
    /// The pause, in milliseconds.
    pub pause_ms: u64,
    /// Until it is caught up when as much arrives as in the mean, in milliseconds; absent when it never is.
    pub mean_ms: Option<u64>,
    /// The same in the busiest minute.
    pub busiest_ms: Option<u64>,
}

impl Report {
    pub(super) fn new(
        site: &Origin,
        from: SchemaVersion,
        to: SchemaVersion,
        dialect: Dialect,
        copied: u64,
    ) -> Self {
        Self {
            site: site.to_string(),
            from,
            to,
            dialect: dialect.to_string(),
            copied,
            rows: 0,
            stuck_rows: 0,
            stuck: Vec::new(),
            losses: Vec::new(),
            move_failed: None,
            moved: None,
            tail: None,
            arriving: None,
            catch_up: None,
            duration_ms: 0,
        }
    }

    /// Whether the upgrade would carry everything.
    pub fn is_good(&self) -> bool {
        let moves = self.stuck_rows == 0 && self.move_failed.is_none();
        moves && self.tail.as_ref().is_none_or(|tail| tail.refused.count == 0)
    }

    pub(super) fn looked(&mut self, looked: Looked) {
        (self.rows, self.stuck_rows, self.stuck) = (looked.rows, looked.stuck_rows, looked.stuck);
    }

    /// Fills in what follows from the rates.
    pub(super) fn estimate(&mut self, arrivals: &Arrivals) {
        let (Some(mean), Some(busiest)) = (arrivals.mean(), arrivals.busiest()) else { return };
        let span_ms = arrivals.span_ms();
        self.arriving = Some(Arriving { mean_per_s: mean.0, busiest_per_s: busiest.0, span_ms });
        let (Some(moved), Some(tail)) = (&self.moved, &self.tail) else { return };
        let posting = Rate(as_f64(tail.per_s));
        self.catch_up = (tail.posted > 0).then(|| CatchUp {
            pause_ms: moved.duration_ms,
            mean_ms: catch_up_ms(moved.duration_ms, mean, posting),
            busiest_ms: catch_up_ms(moved.duration_ms, busiest, posting),
        });
    }
}
