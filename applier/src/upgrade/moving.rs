//! Existing rows into the new tables, chunk by chunk. Each chunk and the record of how far it brought the table are one
//! short transaction, so that the move goes on where it was cut off, by whoever asks next. Holds no lock between chunks.

use std::time::{Duration, Instant};

use journal_core::codec::payload::{decode_row, encode_row};
use journal_core::model::{Name, Row, Table, Value};
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, SqlClass, SqlError, quote};
use schema_mappers::{Feed, Registry};

use super::chunk::{Chunk, Walk};
use super::layout::{Layout, NEW, NEW_SCHEMA};
use super::references;
use super::reshape::{Moved, ReshapeError};
use super::staging::{Staging, keep_references, no, yes};
use super::switch_stages;
use crate::audit::ask::{Counter, Waiting};
use crate::audit::{Progress, Watch};
use crate::control::sql::switch_begun;
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, LedgerError};

/// Rows of one transaction: some milliseconds, so that whoever appends to the same database hardly waits.
pub const CHUNK_ROWS: usize = 1000;

/// Put new complements where the switch finds them: what the ledger writes beside a new row carries the name that the
/// table has meanwhile.
const COPY_COMPLEMENTS: &str =
    "INSERT INTO {d}complement_new SELECT * FROM {d}complement WHERE entity LIKE $1 || '%'";
const NAME_COMPLEMENTS: &str =
    "UPDATE {d}complement_new SET entity = replace(entity, $1, '') WHERE entity LIKE $1 || '%'";
const CLEAR_COMPLEMENTS: &str = "DELETE FROM {d}complement WHERE entity LIKE $1 || '%'";

const PLACES: &str = "SELECT table_name, last_key, moved_rows, total_rows, ended FROM {d}staging_move \
                      ORDER BY position";
const FAR: &str = "SELECT CAST(coalesce(sum(moved_rows), 0) AS {bigint}), CAST(coalesce(sum(total_rows), 0) AS {bigint}), \
                   count(*) FROM {d}staging_move";
const ADVANCE: &str = "UPDATE {d}staging_move SET last_key = $2, moved_rows = $3, ended = $4 \
                       WHERE table_name = $1 AND moved_rows = $5 AND ended = $6";

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Far {
    /// Rows moved.
    pub moved: i64,
    /// Rows there were when it began.
    pub total: i64,
}

/// How far the move under way is; `None` when no rows are on their way.
pub(crate) async fn far(mut conn: ConnRef<'_>) -> Result<Option<Far>, SqlError> {
    let record = conn.fetch_one(FAR, Vec::new()).await?;
    Ok((record.i64(2)? > 0).then_some(Far { moved: record.i64(0)?, total: record.i64(1)? }))
}

/// How fast rows may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Rows of one transaction, but for the last root row's, which go together; at least 1.
    pub chunk_rows: usize,
    /// Most rows a second; `None` for as fast as it goes.
    pub rows_per_second: Option<u32>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { chunk_rows: CHUNK_ROWS, rows_per_second: None }
    }
}

/// What a move did.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct MoveReport {
    /// Each old table with all its rows, also those moved before a crash.
    pub(crate) tables: Vec<Moved>,
    /// Rows of the new tables that keep something.
    pub(crate) complements: u64,
    /// Rows that hold an ask code; `None` when a part of the rows was moved by an earlier process.
    pub(crate) asks: Option<Vec<Waiting>>,
}

/// How far the rows of one old table are.
#[derive(Debug, Clone)]
struct Standing {
    table: Name,
    last: Option<Vec<u8>>,
    moved: i64,
    total: i64,
    ended: bool,
}

struct Mover<'m> {
    ledger: SqlLedger,
    registry: &'m Registry,
    staging: &'m Staging,
    pace: Pace,
    started: Instant,
    progress: Progress,
    moved_here: u64,
}

/// Moves all rows that are not moved yet, then checks the references between the new tables.
pub(super) async fn move_rows(
    url: &DbUrl,
    registry: &Registry,
    layout: &Layout,
    staging: &Staging,
    pace: Pace,
    watch: &mut Watch<'_>,
) -> Result<MoveReport, ReshapeError> {
    let mut conn = Conn::open(url, Access::Write, "move rows").await?;
    keep_references(conn.lend(), false).await?;
    if conn.dialect() == Dialect::Postgres {
        let path = format!(
            "SELECT set_config('search_path', current_setting('search_path') || ', {NEW_SCHEMA}', false)"
        );
        conn.lend().ddl(&path).await?;
    }
    let mut mover = Mover {
        ledger: SqlLedger::over(conn, layout.staged().into()),
        registry,
        staging,
        pace,
        started: Instant::now(),
        progress: Progress { done: 0, total: None },
        moved_here: 0,
    };
    let report = mover.all(watch).await?;
    let mut conn = mover.ledger.into_conn();
    analyse(&mut conn, layout).await?;
    conn.begin().await?;
    let checked = match staging.insist_staged(conn.lend()).await {
        Ok(()) => references::put_back(conn.lend(), layout).await,
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => conn.commit().await?,
        Err(error) => {
            // A failed rollback changes nothing: the connection ends here.
            drop(conn.rollback().await);
            return Err(error);
        }
    }
    conn.close().await;
    Ok(report)
}

/// Rows from which on the planner is told of a new table.
const ANALYSED_FROM: i64 = 1_000;

/// PostgreSQL: lets the planner know the new tables before anybody reads them. Not those with few rows: sessions keep the
/// plans that suit them, and read whole tables for each reference once they have grown. Of a table that it does not know,
/// the planner expects more.
async fn analyse(conn: &mut Conn, layout: &Layout) -> Result<(), SqlError> {
    if conn.dialect() == Dialect::Postgres {
        for table in layout.staged().tables.keys() {
            let name = format!("{NEW_SCHEMA}.{}", quote(table));
            let some = format!("SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {ANALYSED_FROM}) AS first");
            if conn.lend().fetch_one(&some, Vec::new()).await?.i64(0)? == ANALYSED_FROM {
                conn.lend().ddl(&format!("ANALYZE {name}")).await?;
            }
        }
    }
    Ok(())
}

impl Mover<'_> {
    async fn all(&mut self, watch: &mut Watch<'_>) -> Result<MoveReport, ReshapeError> {
        let places = self.places().await?;
        let moved_before: i64 = places.iter().map(|place| place.moved).sum();
        let total: i64 = places.iter().map(|place| place.total).sum();
        self.progress = Progress { done: count(moved_before), total: Some(count(total)) };
        watch(self.progress);
        let (from, to) = (self.staging.from, self.staging.to);
        let feeds = self.registry.feeds(from, to)?;
        let mut asks = Asks { counter: Counter::new(self.registry, to), whole: moved_before == 0 };
        for place in places.into_iter().filter(|place| !place.ended) {
            let Some(feed) = feeds.iter().find(|feed| feed.root.table == place.table) else { continue };
            self.feed(feed, place, &mut asks, watch).await?;
        }
        let tables = self.places().await?;
        let complement = match switch_begun(self.ledger.conn()).await? {
            true => switch_stages::complement(self.ledger.conn()).await?,
            false => "{d}complement_new",
        };
        let complements = format!("SELECT count(*) FROM {complement}");
        let complements = self.ledger.conn().fetch_one(&complements, Vec::new()).await?.i64(0)?;
        let moved = |place: Standing| Moved { table: place.table, rows: count(place.moved) };
        Ok(MoveReport {
            tables: tables.into_iter().map(moved).collect(),
            complements: count(complements),
            asks: asks.whole.then(|| asks.counter.finish()),
        })
    }

    async fn places(&mut self) -> Result<Vec<Standing>, SqlError> {
        let dialect = self.ledger.conn().dialect();
        let records = self.ledger.conn().fetch(PLACES, Vec::new()).await?;
        let place = |record: &journal_core::sql::Record| -> Result<Standing, SqlError> {
            let last = if record.is_null(1)? { None } else { Some(record.bytes(1)?) };
            let ended = match dialect {
                Dialect::Postgres => record.bool(4)?,
                Dialect::Sqlite | Dialect::MariaDb => record.i64(4)? == 1,
            };
            let (moved, total) = (record.i64(2)?, record.i64(3)?);
            Ok(Standing { table: record.text(0)?.into(), last, moved, total, ended })
        };
        records.iter().map(place).collect()
    }

    async fn feed(
        &mut self,
        feed: &Feed,
        mut place: Standing,
        asks: &mut Asks,
        watch: &mut Watch<'_>,
    ) -> Result<(), ReshapeError> {
        let (from, to) = (self.staging.from, self.staging.to);
        let Some(table) = self.registry.ledger(from)?.tables.get(&feed.root.table).cloned() else {
            return Ok(());
        };
        let after = place.last.as_deref().map(|bytes| key_of(&table, bytes)).transpose()?;
        let mut walk = Walk::new(self.registry, (from, to), feed, after.as_deref());
        while !place.ended {
            let chunk = walk.next(&mut self.ledger, self.pace.chunk_rows.max(1)).await?;
            let rows = chunk.as_ref().map_or(0, |chunk| chunk.rows);
            for image in chunk.iter().flat_map(|chunk| &chunk.images) {
                let name = image.change.entity.strip_prefix(NEW).unwrap_or(&image.change.entity);
                asks.counter.row(&name.into(), &image.change.cells);
            }
            place = self.take(&table, place, chunk).await?;
            self.progress.done += rows;
            self.moved_here += rows;
            watch(self.progress);
            self.rest().await;
        }
        Ok(())
    }

    /// One chunk and where it leads, in one transaction. Rows that the database refuses together are tried one by one, so
    /// that the error names the row.
    async fn take(
        &mut self,
        table: &Table,
        place: Standing,
        chunk: Option<Chunk>,
    ) -> Result<Standing, ReshapeError> {
        let after = match &chunk {
            None => Standing { ended: true, ..place.clone() },
            Some(chunk) => {
                let key: Row = table.key.iter().cloned().zip(chunk.last.iter().cloned()).collect();
                let last = encode_row(&key).map_err(|error| LedgerError::Damaged(error.to_string()))?;
                let rows = i64::try_from(chunk.rows).unwrap_or(i64::MAX);
                Standing { last: Some(last), moved: place.moved + rows, ..place.clone() }
            }
        };
        let images = chunk.map(|chunk| chunk.images).unwrap_or_default();
        for one_by_one in [false, true] {
            self.ledger.begin().await?;
            match self.write(&place, &after, &images, one_by_one).await {
                Ok(()) => {
                    self.ledger.commit().await?;
                    return Ok(after);
                }
                Err(ReshapeError::Ledger(LedgerError::Store(error)) | ReshapeError::Store(error))
                    if !one_by_one && matches!(error.class, SqlClass::Constraint(_) | SqlClass::Data) =>
                {
                    self.ledger.rollback().await?;
                }
                Err(error) => {
                    // A failed rollback changes nothing: the connection ends with this error.
                    drop(self.ledger.rollback().await);
                    return Err(error);
                }
            }
        }
        Err(ReshapeError::Unsure { table: place.table })
    }

    async fn write(
        &mut self,
        place: &Standing,
        after: &Standing,
        images: &[schema_mappers::Image],
        one_by_one: bool,
    ) -> Result<(), ReshapeError> {
        self.staging.insist_staged(self.ledger.conn()).await?;
        match one_by_one {
            true => self.ledger.apply(images).await?,
            false => self.ledger.load(images).await?,
        }
        let mut conn = self.ledger.conn();
        if images.iter().any(|image| !image.complement.set.is_empty()) {
            conn.execute(COPY_COMPLEMENTS, vec![NEW.into()]).await?;
            conn.execute(NAME_COMPLEMENTS, vec![NEW.into()]).await?;
            conn.execute(CLEAR_COMPLEMENTS, vec![NEW.into()]).await?;
        }
        let truth = |value: bool| if value { yes(conn.dialect()) } else { no(conn.dialect()) };
        let params = vec![
            after.table.as_ref().into(),
            journal_core::sql::Param::Bytes(after.last.clone()),
            after.moved.into(),
            truth(after.ended),
            place.moved.into(),
            truth(place.ended),
        ];
        match conn.execute(ADVANCE, params).await? {
            1 => Ok(()),
            _ => Err(ReshapeError::TwoMovers { table: place.table.clone() }),
        }
    }

    /// Keeps to the pace asked for.
    async fn rest(&self) {
        let Some(rate) = self.pace.rows_per_second else { return };
        let due = Duration::from_secs_f64(lossless(self.moved_here) / f64::from(rate.max(1)));
        let spent = self.started.elapsed();
        if let Some(early) = due.checked_sub(spent) {
            tokio::time::sleep(early).await;
        }
    }
}

struct Asks {
    counter: Counter,
    whole: bool,
}

/// The key that was read last, as it was kept.
fn key_of(table: &Table, bytes: &[u8]) -> Result<Vec<Value>, ReshapeError> {
    let damaged = |detail: String| LedgerError::Damaged(format!("how far {} is moved: {detail}", table.name));
    let row = decode_row(bytes).map_err(|error| damaged(error.to_string()))?;
    Ok(table.key_values(&row).ok_or_else(|| damaged("the key is not whole".to_owned()))?)
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "a pace for people")]
fn lossless(rows: u64) -> f64 {
    rows as f64
}
