//! How a site stands, read from its control row and its lease: under the locks of a posting transaction, or without one.

use journal_core::model::SchemaVersion;
use journal_core::sql::{ConnRef, Param, Record, SqlError};

use super::text::{self, STANDING, STANDING_COLUMNS};
use super::{Control, Desired, Lease, Standing};
use crate::ledger::LedgerError;

/// What a standing query found: the contract's [`Standing`], and whether any row has a complement.
#[derive(Debug)]
pub(crate) struct Stood {
    pub(crate) standing: Standing,
    pub(crate) complemented: bool,
}

/// Reads the standing under the locks of a posting transaction, in one statement.
pub(crate) async fn lock_standing(mut conn: ConnRef<'_>) -> Result<Stood, LedgerError> {
    let locks = text::posting_locks(conn.dialect());
    read_standing(&mut conn, &format!("{STANDING}{locks}")).await
}

/// PostgreSQL: the same, and where the site is to run, an UPDATE behind the locks, by one statement. The UPDATE (a template)
/// ends with conditions that AND holds together. Whether it touched a row.
pub(crate) async fn lock_standing_and_update(
    mut conn: ConnRef<'_>,
    update: &str,
    params: Vec<Param>,
) -> Result<(Stood, bool), LedgerError> {
    let locks = text::posting_locks(conn.dialect());
    // The condition makes the standing be read, and its locks be taken, before any row is looked for.
    let template = format!(
        "WITH stood AS MATERIALIZED ({STANDING}{locks}), \
         touched AS ({update} AND EXISTS (SELECT 1 FROM stood WHERE desired = 'running') RETURNING 1) \
         SELECT stood.*, EXISTS (SELECT 1 FROM touched) FROM stood"
    );
    let record = conn.fetch_optional(&template, params).await?.ok_or_else(no_standing)?;
    Ok((read_stood(&record)?, record.bool(STANDING_COLUMNS)?))
}

/// Reads the standing and the lease without a lock.
pub(crate) async fn read_state(mut conn: ConnRef<'_>) -> Result<(Standing, Lease), LedgerError> {
    let stood = read_standing(&mut conn, STANDING).await?;
    let lease = read_lease(&conn.fetch_one(text::lease(conn.dialect()), Vec::new()).await?)?;
    Ok((stood.standing, lease))
}

pub(super) async fn read_standing(conn: &mut ConnRef<'_>, template: &str) -> Result<Stood, LedgerError> {
    read_stood(&conn.fetch_optional(template, Vec::new()).await?.ok_or_else(no_standing)?)
}

fn no_standing() -> LedgerError {
    let message = "the database is not made a site yet, or its control or lease row is missing";
    LedgerError::Damaged(message.to_owned())
}

fn read_stood(record: &Record) -> Result<Stood, LedgerError> {
    let standing = Standing {
        control: read_control(record)?,
        fence: record.i64(5)?,
        ledger_version: SchemaVersion(record.i64(6)?),
    };
    Ok(Stood { standing, complemented: record.bool(7)? })
}

pub(super) fn read_control(record: &Record) -> Result<Control, LedgerError> {
    let desired = match record.text(1)?.as_str() {
        "running" => Desired::Running,
        "paused" => Desired::Paused,
        other => return Err(LedgerError::Damaged(format!("the control row desires {other:?}"))),
    };
    let (generation, since) = (record.i64(0)?, record.i64(4)?);
    Ok(Control { generation, desired, who: record.text(2)?, why: record.text(3)?, since })
}

pub(super) fn read_lease(record: &Record) -> Result<Lease, SqlError> {
    Ok(Lease { fence: record.i64(0)?, holder: record.text(1)?, beat: record.i64(2)? })
}
