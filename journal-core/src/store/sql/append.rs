//! Appending: numbers, rows, and what a repeated idempotency key gives. Commits nothing.

use crate::journal::{AppendError, Appended};
use crate::model::{NewTransaction, Origin, TransNr, TransactionId};
use crate::sql::{ConnRef, Constraint, Dialect, Param, SqlClass, SqlError};
use crate::store::{check_batch, same_content, wall_clock};

use super::chunks::chunked;
use super::row::{JournalRow, copy_all};
use super::text;

/// Appends transactions inside the database transaction that is open on `conn`; they are durable when, and only when,
/// that one commits. Returns a number each, rising; a `tx_id` that is there already with the same content gives its
/// first number.
///
/// After any error the caller rolls its transaction back: part of the batch may be in it. On PostgreSQL the journal's
/// table lock is taken before the numbers, so readers wait for this transaction's end before they pass its numbers; on
/// MariaDB other appends wait for it: keep it short.
pub async fn append_in(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    batch: &[NewTransaction],
) -> Result<Vec<Appended>, AppendError> {
    check_batch(batch)?;
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = take_numbers(&mut conn, batch.len()).await?;
    let appended_at = wall_clock();
    let rows: Vec<JournalRow<'_>> =
        batch.iter().zip(&numbers).map(|(new, nr)| JournalRow::of_new(*nr, new, appended_at)).collect();
    let fresh = insert_first_entries(&mut conn, origin, &rows).await?;
    insert_rest(&mut conn, origin, &rows, &fresh).await?;
    let mut appended = Vec::with_capacity(batch.len());
    for ((new, trans_nr), fresh) in batch.iter().zip(numbers).zip(fresh) {
        appended.push(match fresh {
            true => Appended { trans_nr, repeated: false },
            false => Appended { trans_nr: first_number(&mut conn, origin, new).await?, repeated: true },
        });
    }
    Ok(appended)
}

/// Begins a database transaction on a server and appends to it, taking every key for new: fewer round trips. A key that is
/// there already is an error ([`Constraint::Unique`]): roll back, and ask [`append_in`], which knows what a repetition
/// gives.
pub(super) async fn begin_and_append_new(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    batch: &[NewTransaction],
) -> Result<Vec<Appended>, AppendError> {
    if conn.dialect() == Dialect::MariaDb {
        return begin_and_append_dense(conn, origin, batch).await;
    }
    conn.script(text::BEGIN_AND_LOCK_JOURNAL).await?;
    let numbers = next_numbers(&mut conn, batch.len()).await?;
    let appended_at = wall_clock();
    let firsts = batch.iter().zip(&numbers).map(|(new, nr)| JournalRow::of_new(*nr, new, appended_at));
    copy_all(&mut conn, origin, firsts).await?;
    Ok(numbers.into_iter().map(|trans_nr| Appended { trans_nr, repeated: false }).collect())
}

/// MariaDB: the beginning and the numbers in one message, then the rows.
async fn begin_and_append_dense(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    batch: &[NewTransaction],
) -> Result<Vec<Appended>, AppendError> {
    let wanted = i64::try_from(batch.len()).unwrap_or(i64::MAX);
    let taken = conn.script_for_number(&text::begin_and_take_numbers(wanted)).await?;
    let numbers = dense_numbers(taken, wanted)?;
    let appended_at = wall_clock();
    let firsts = batch.iter().zip(&numbers).map(|(new, nr)| JournalRow::of_new(*nr, new, appended_at));
    let rows: Vec<JournalRow<'_>> = firsts.flat_map(JournalRow::with_rest).collect();
    insert(&mut conn, &text::INSERT_ENTRIES, origin, &rows).await?;
    Ok(numbers.into_iter().map(|trans_nr| Appended { trans_nr, repeated: false }).collect())
}

/// The numbers up to the one to which the counter was moved, if it is there.
fn dense_numbers((rows, last): (u64, i64), wanted: i64) -> Result<Vec<TransNr>, SqlError> {
    match rows {
        1 => Ok((last - wanted + 1..=last).map(TransNr).collect()),
        _ => Err(SqlError::new(SqlClass::Schema, "the counter of transaction numbers has no row")),
    }
}

/// Whether an append met a key that is there already, or something else that is.
pub(super) fn met_a_repetition(error: &AppendError) -> bool {
    matches!(error, AppendError::Store(error) if is_repetition(error))
}

fn is_repetition(error: &SqlError) -> bool {
    error.class == SqlClass::Constraint(Constraint::Unique)
}

/// Takes `count` numbers, rising. PostgreSQL: a sequence, after the table lock that shows readers that numbers are on
/// their way. SQLite and MariaDB: the counter row, locked until the transaction ends, so that numbers are in commit
/// order; only repeated keys leave holes.
async fn take_numbers(conn: &mut ConnRef<'_>, count: usize) -> Result<Vec<TransNr>, SqlError> {
    let wanted = i64::try_from(count).unwrap_or(i64::MAX);
    match conn.dialect() {
        Dialect::Sqlite => {
            let last = conn.fetch_one(text::TAKE_NUMBERS_SQLITE, vec![wanted.into()]).await?.i64(0)?;
            Ok((last - wanted + 1..=last).map(TransNr).collect())
        }
        Dialect::MariaDb => {
            let taken = conn.execute_for_number(text::TAKE_NUMBERS_MARIADB, vec![wanted.into()]).await?;
            dense_numbers(taken, wanted)
        }
        Dialect::Postgres => {
            conn.execute(text::LOCK_JOURNAL, Vec::new()).await?;
            next_numbers(conn, count).await
        }
    }
}

/// PostgreSQL: the sequence's next numbers, for who holds the journal's lock.
async fn next_numbers(conn: &mut ConnRef<'_>, count: usize) -> Result<Vec<TransNr>, SqlError> {
    let wanted = i64::try_from(count).unwrap_or(i64::MAX);
    let records = conn.fetch(text::TAKE_NUMBERS_POSTGRES, vec![wanted.into()]).await?;
    let mut numbers =
        records.iter().map(|record| record.i64(0).map(TransNr)).collect::<Result<Vec<_>, _>>()?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// Writes the first entries and says of each whether it was new. A repeated key is skipped rather than refused: the
/// database transaction stays usable, which an application's own needs.
async fn insert_first_entries(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    rows: &[JournalRow<'_>],
) -> Result<Vec<bool>, SqlError> {
    let mut fresh = Vec::with_capacity(rows.len());
    let templates = match conn.dialect() {
        Dialect::MariaDb => &text::INSERT_ENTRIES,
        Dialect::Sqlite | Dialect::Postgres => &text::INSERT_FIRST_ENTRIES,
    };
    for (chunk, template) in chunked(rows, templates, JournalRow::bytes) {
        match conn.execute(template, bind(origin, chunk)).await {
            Ok(written) if usize::try_from(written) == Ok(chunk.len()) => {
                fresh.extend(std::iter::repeat_n(true, chunk.len()));
            }
            Ok(_) => {
                for row in chunk {
                    fresh.push(find(conn, origin, row.tx_id).await? == Some(row.trans_nr));
                }
            }
            Err(error) if conn.dialect() == Dialect::MariaDb && is_repetition(&error) => {
                fresh.extend(insert_each(conn, origin, chunk).await?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(fresh)
}

/// MariaDB, where a repeated key takes back its whole statement and nothing else: row by row.
async fn insert_each(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    rows: &[JournalRow<'_>],
) -> Result<Vec<bool>, SqlError> {
    let mut fresh = Vec::with_capacity(rows.len());
    for row in rows {
        fresh.push(match insert(conn, &text::INSERT_ENTRIES, origin, &[*row]).await {
            Ok(()) => true,
            // Only a look shows whether it met this key or its number's.
            Err(error) if is_repetition(&error) => match find(conn, origin, row.tx_id).await? {
                Some(_) => false,
                None => return Err(error),
            },
            Err(error) => return Err(error),
        });
    }
    Ok(fresh)
}

async fn insert_rest(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    rows: &[JournalRow<'_>],
    fresh: &[bool],
) -> Result<(), SqlError> {
    let rest: Vec<JournalRow<'_>> =
        rows.iter().zip(fresh).filter(|(_, fresh)| **fresh).flat_map(|(row, _)| row.rest()).collect();
    insert(conn, &text::INSERT_ENTRIES, origin, &rest).await
}

async fn insert(
    conn: &mut ConnRef<'_>,
    templates: &'static text::Inserts,
    origin: &Origin,
    rows: &[JournalRow<'_>],
) -> Result<(), SqlError> {
    for (chunk, template) in chunked(rows, templates, JournalRow::bytes) {
        conn.execute(template, bind(origin, chunk)).await?;
    }
    Ok(())
}

fn bind(origin: &Origin, rows: &[JournalRow<'_>]) -> Vec<Param> {
    let mut params = Vec::with_capacity(rows.len() * text::JOURNAL_COLUMNS);
    rows.iter().for_each(|row| row.bind(origin, &mut params));
    params
}

async fn find(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    tx_id: uuid::Uuid,
) -> Result<Option<TransNr>, SqlError> {
    let params = vec![origin.site.as_str().into(), origin.epoch.0.into(), tx_id.into()];
    let template = match conn.dialect() {
        Dialect::MariaDb => text::FIND_TX_ID_MARIADB,
        Dialect::Sqlite | Dialect::Postgres => text::FIND_TX_ID,
    };
    let record = conn.fetch_optional(template, params).await?;
    record.map(|record| record.i64(0).map(TransNr)).transpose()
}

/// The number a key has had since its first append, after checking that this is the same transaction again.
async fn first_number(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    new: &NewTransaction,
) -> Result<TransNr, AppendError> {
    // The INSERT met the row, so it is committed or our own; a snapshot taken before it was cannot see it.
    let unseen =
        || SqlError::new(SqlClass::Transient, format!("tx_id {} was appended a moment ago", new.tx_id));
    let trans_nr = find(conn, origin, new.tx_id).await?.ok_or_else(unseen)?;
    let id = TransactionId { origin: origin.clone(), trans_nr };
    let stored = super::read::load_transaction(conn, &id).await?.ok_or_else(unseen)?;
    if same_content(&stored, new) {
        Ok(trans_nr)
    } else {
        Err(AppendError::OtherContent { tx_id: new.tx_id, trans_nr })
    }
}
