//! What is on record of upgrades at a site: where it stands, what was done, how far its schema has gone. A place changes
//! only from the place it was read at, so that two commands cannot both take a step.

use journal_core::model::{SchemaVersion, SiteName};
use journal_core::sql::{ConnRef, Dialect, Param, Record, SqlClass, SqlError};
use serde::{Deserialize, Serialize};

use super::machine::{Direction, Place, Step};
use crate::control::sql::now;

const READ: &str = "SELECT operation, sites, version_from, version_to, direction, step, options, checksum, trouble, \
                    who, why, started_at, changed_at FROM {d}upgrade";
const CLEAR: &str = "DELETE FROM {d}upgrade";
const TROUBLE: &str = "UPDATE {d}upgrade SET trouble = $2 WHERE operation = $1 AND trouble <> $2";
const STEPS: &str = "SELECT direction, step, outcome, detail, moved_rows, who, started_at, ended_at FROM {d}upgrade_step \
                     WHERE operation = $1 ORDER BY step_nr";
const LAST_MOVE: &str = "SELECT moved_rows, ended_at - started_at FROM {d}upgrade_step \
     WHERE step = 'move' AND outcome = 'done' AND moved_rows > 0 AND ended_at > started_at ORDER BY step_nr DESC LIMIT 1";
const RECORDS: &str = "SELECT operation, kind, version_from, version_to, checksum, waived, who, why, done_at \
                       FROM {d}upgrade_record ORDER BY record_nr";

/// How an upgrade is carried out; the same for whoever goes on with it. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Root rows moved in one transaction.
    pub chunk_rows: usize,
    /// Most rows moved in a second.
    pub rows_per_second: Option<u32>,
    /// How long one try of the switch waits for a lock.
    pub lock_timeout_ms: u64,
    /// How long the switch tries.
    pub lock_within_ms: u64,
    /// How long a site that says it is leaving is given before it is drained.
    pub leave_ms: u64,
    /// How long a site may take to post what is queued.
    pub drain_ms: u64,
    /// How long it may take to catch up, and to find a moment at which it can be compared.
    pub catch_up_ms: u64,
}

/// Where a site stands in an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Which upgrade: the same at all its sites.
    pub operation: String,
    /// Its sites, in the order they go.
    pub sites: Vec<SiteName>,
    /// The version to leave.
    pub from: SchemaVersion,
    /// The version to lead to; on the way back the one before.
    pub to: SchemaVersion,
    /// Where it is.
    pub place: Place,
    /// How it is carried out.
    pub options: Options,
    /// The schema set it goes by.
    pub checksum: String,
    /// Why it stopped last; empty when it did not.
    pub trouble: String,
    /// Who began it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When, microseconds since 1970 UTC. For people.
    pub started_at: i64,
    /// When the place changed last.
    pub changed_at: i64,
}

/// A step that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepDone {
    /// Which way the site went.
    pub direction: String,
    /// The step.
    pub step: String,
    /// `done` or `failed`.
    pub outcome: String,
    /// What was found or went wrong.
    pub detail: String,
    /// Rows moved.
    pub rows: i64,
    /// Who asked.
    pub who: String,
    /// When it began, microseconds since 1970 UTC.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
}

/// What a step is written down with.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepNote {
    pub(crate) outcome: &'static str,
    pub(crate) detail: String,
    pub(crate) statements: Vec<String>,
    pub(crate) rows: u64,
    pub(crate) started_at: i64,
}

/// How far a schema has gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Which upgrade.
    pub operation: String,
    /// `expansion`, `contraction` or `return`.
    pub kind: String,
    /// The version before; for a contraction the oldest version that is still served.
    pub from: i64,
    /// The ledger's version.
    pub to: i64,
    /// The schema set, as a hash over the hashes of its versions.
    pub checksum: String,
    /// What was waived, with reasons; empty for nothing.
    pub waived: String,
    /// Who asked.
    pub who: String,
    /// Why.
    pub why: String,
    /// When, microseconds since 1970 UTC.
    pub done_us: i64,
}

/// Kinds of [`Gone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Expansion,
    Contraction,
    Return,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Expansion => "expansion",
            Self::Contraction => "contraction",
            Self::Return => "return",
        }
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Back => "back",
    }
}

/// The upgrade on record; `None` when the site never was in one.
pub async fn read(mut conn: ConnRef<'_>) -> Result<Option<Upgrade>, SqlError> {
    let record = conn.fetch_optional(READ, Vec::new()).await?;
    record.map(|record| read_upgrade(&record)).transpose()
}

/// Whether applications are to stay away from the site, as its upgrade says.
pub async fn is_leaving(conn: ConnRef<'_>) -> Result<bool, SqlError> {
    Ok(read(conn).await?.is_some_and(|upgrade| upgrade.place.step.is_leaving()))
}

fn read_upgrade(record: &Record) -> Result<Upgrade, SqlError> {
    let broken = |detail: String| SqlError::new(SqlClass::Broken, format!("the upgrade on record: {detail}"));
    let direction = match record.text(4)?.as_str() {
        "forward" => Direction::Forward,
        "back" => Direction::Back,
        other => return Err(broken(format!("{other:?} is no direction"))),
    };
    let step: Step = record.text(5)?.parse().map_err(|error| broken(format!("{error}")))?;
    let names: Vec<String> =
        serde_json::from_str(&record.text(1)?).map_err(|error| broken(error.to_string()))?;
    let sites = names.iter().map(|name| SiteName::new(name)).collect::<Result<_, _>>();
    Ok(Upgrade {
        operation: record.text(0)?,
        sites: sites.map_err(|error| broken(error.to_string()))?,
        from: SchemaVersion(record.i64(2)?),
        to: SchemaVersion(record.i64(3)?),
        place: Place { direction, step },
        options: serde_json::from_str(&record.text(6)?).map_err(|error| broken(error.to_string()))?,
        checksum: record.text(7)?,
        trouble: record.text(8)?,
        who: record.text(9)?,
        why: record.text(10)?,
        started_at: record.i64(11)?,
        changed_at: record.i64(12)?,
    })
}

/// Puts an upgrade in the place of the one before, in the caller's transaction. The caller has looked that the one before
/// is over.
pub(crate) async fn begin(mut conn: ConnRef<'_>, upgrade: &Upgrade) -> Result<(), SqlError> {
    let json = |error: serde_json::Error| SqlError::new(SqlClass::Data, error.to_string());
    let sites: Vec<&str> = upgrade.sites.iter().map(SiteName::as_str).collect();
    conn.execute(CLEAR, Vec::new()).await?;
    let now = now(conn.dialect());
    let insert = format!(
        "INSERT INTO {{d}}upgrade (operation, sites, version_from, version_to, direction, step, options, checksum, \
         trouble, who, why, started_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', $9, $10, {now}, {now})"
    );
    let params = vec![
        upgrade.operation.as_str().into(),
        serde_json::to_string(&sites).map_err(json)?.into(),
        upgrade.from.0.into(),
        upgrade.to.0.into(),
        direction_name(upgrade.place.direction).into(),
        upgrade.place.step.name().into(),
        serde_json::to_string(&upgrade.options).map_err(json)?.into(),
        upgrade.checksum.as_str().into(),
        upgrade.who.as_str().into(),
        Param::from(upgrade.why.as_str()),
    ];
    conn.execute(&insert, params).await.map(|_| ())
}

/// The statement that brings a site from one place to another, for the transaction that does the step; with `turn` its
/// versions change ends. It must touch one row: none means that another command was faster.
pub(crate) fn advance(upgrade: &Upgrade, to: Place, turn: bool, dialect: Dialect) -> (String, Vec<Param>) {
    let (version_from, version_to) =
        if turn { (upgrade.to, upgrade.from) } else { (upgrade.from, upgrade.to) };
    let statement = format!(
        "UPDATE {{d}}upgrade SET version_from = $6, version_to = $7, direction = $4, step = $5, trouble = '', \
         changed_at = {} WHERE operation = $1 AND direction = $2 AND step = $3",
        now(dialect)
    );
    let params = vec![
        upgrade.operation.as_str().into(),
        direction_name(upgrade.place.direction).into(),
        upgrade.place.step.name().into(),
        direction_name(to.direction).into(),
        to.step.name().into(),
        version_from.0.into(),
        Param::from(version_to.0),
    ];
    (statement, params)
}

/// Brings a site from one place to another, in the caller's transaction. `false`: another command was faster.
pub(crate) async fn go(
    mut conn: ConnRef<'_>,
    upgrade: &Upgrade,
    to: Place,
    turn: bool,
) -> Result<bool, SqlError> {
    let (statement, params) = advance(upgrade, to, turn, conn.dialect());
    Ok(conn.execute(&statement, params).await? == 1)
}

/// Writes down why an upgrade stopped; empty: it goes on.
pub(crate) async fn note_trouble(
    mut conn: ConnRef<'_>,
    operation: &str,
    trouble: &str,
) -> Result<(), SqlError> {
    conn.execute(TROUBLE, vec![operation.into(), trouble.into()]).await.map(|_| ())
}

/// The database's clock, for the times of steps.
pub(crate) async fn clock(mut conn: ConnRef<'_>) -> Result<i64, SqlError> {
    let query = format!("SELECT {}", now(conn.dialect()));
    conn.fetch_one(&query, Vec::new()).await?.i64(0)
}

/// The statement that writes down a step which was carried out or failed. It touches one row.
pub(crate) fn step_note(
    upgrade: &Upgrade,
    who: &str,
    note: &StepNote,
    dialect: Dialect,
) -> (String, Vec<Param>) {
    let insert = format!(
        "INSERT INTO {{d}}upgrade_step (operation, direction, step, outcome, detail, statements, moved_rows, who, \
         started_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, {})",
        now(dialect)
    );
    let params = vec![
        upgrade.operation.as_str().into(),
        direction_name(upgrade.place.direction).into(),
        upgrade.place.step.name().into(),
        note.outcome.into(),
        note.detail.as_str().into(),
        note.statements.join(";\n").into(),
        i64::try_from(note.rows).unwrap_or(i64::MAX).into(),
        who.into(),
        Param::from(note.started_at),
    ];
    (insert, params)
}

/// Writes it down, in the caller's transaction.
pub(crate) async fn note_step(
    mut conn: ConnRef<'_>,
    upgrade: &Upgrade,
    who: &str,
    note: &StepNote,
) -> Result<(), SqlError> {
    let (insert, params) = step_note(upgrade, who, note, conn.dialect());
    conn.execute(&insert, params).await.map(|_| ())
}

/// Writes down how far the schema has gone, in the caller's transaction.
pub(crate) async fn note_gone(
    mut conn: ConnRef<'_>,
    upgrade: &Upgrade,
    kind: Kind,
    (from, to): (SchemaVersion, SchemaVersion),
    who: &str,
    waived: &str,
) -> Result<(), SqlError> {
    let insert = format!(
        "INSERT INTO {{d}}upgrade_record (operation, kind, version_from, version_to, checksum, waived, who, why, done_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, {})",
        now(conn.dialect())
    );
    let params = vec![
        upgrade.operation.as_str().into(),
        kind.name().into(),
        from.0.into(),
        to.0.into(),
        upgrade.checksum.as_str().into(),
        waived.into(),
        who.into(),
        Param::from(upgrade.why.as_str()),
    ];
    conn.execute(&insert, params).await.map(|_| ())
}

/// The steps of an upgrade at this site, in their order.
pub async fn steps(mut conn: ConnRef<'_>, operation: &str) -> Result<Vec<StepDone>, SqlError> {
    let records = conn.fetch(STEPS, vec![operation.into()]).await?;
    let step = |record: &Record| {
        Ok(StepDone {
            direction: record.text(0)?,
            step: record.text(1)?,
            outcome: record.text(2)?,
            detail: record.text(3)?,
            rows: record.i64(4)?,
            who: record.text(5)?,
            started_us: record.i64(6)?,
            ended_us: record.i64(7)?,
        })
    };
    records.iter().map(step).collect()
}

/// Rows a second of the last move here; `None` when none is on record that took a measurable time.
pub(crate) async fn move_rate(mut conn: ConnRef<'_>) -> Result<Option<u64>, SqlError> {
    let Some(record) = conn.fetch_optional(LAST_MOVE, Vec::new()).await? else { return Ok(None) };
    let (rows, micros) = (record.i64(0)?, record.i64(1)?);
    Ok(u64::try_from(rows.saturating_mul(1_000_000) / micros.max(1)).ok().filter(|rate| *rate > 0))
}

/// How far this site's schema has gone, oldest first.
pub async fn records(mut conn: ConnRef<'_>) -> Result<Vec<Gone>, SqlError> {
    let records = conn.fetch(RECORDS, Vec::new()).await?;
    let gone = |record: &Record| {
        Ok(Gone {
            operation: record.text(0)?,
            kind: record.text(1)?,
            from: record.i64(2)?,
            to: record.i64(3)?,
            checksum: record.text(4)?,
            waived: record.text(5)?,
            who: record.text(6)?,
            why: record.text(7)?,
            done_us: record.i64(8)?,
        })
    };
    records.iter().map(gone).collect()
}
