//! Reading heads, and transactions that stand as rows.

use crate::journal::{Head, ReadError, ReadLimit};
use crate::model::seal::Hash;
use crate::model::{
    Epoch, Hlc, Origin, Rejection, SealNr, SiteName, StoredTransaction, TransNr, TransactionId,
};
use crate::sql::{ConnRef, Param, Record, SqlClass, SqlError};

use super::assemble::{TailRows, assemble, sealed};
use super::{packs, text};

/// What a row weighs at least, as [`text::WEIGHTS_OF_ROWS`] and `StoredTransaction::weight` reckon.
const ROW_BYTES: usize = 96;

/// Most rows of a tail that is read without being weighed.
const SHORT_TAIL_ROWS: i64 = 64;
/// Most bytes of a key or payload that is read without being weighed.
pub(super) const LIGHT_BYTES: i64 = 16 * 1024;
/// Places in a row of [`text::SHORT_TAIL`], and where a head begins behind it.
const ROW_KEY: usize = 6;
const PAYLOAD: usize = 8;
const HEAD: usize = 11;

/// How far an origin's seals stand here; `None` before its first.
pub async fn load_head(mut conn: ConnRef<'_>, origin: &Origin) -> Result<Option<Head>, SqlError> {
    let found = conn.fetch_optional(text::HEAD, origin_params(origin)).await?;
    found.map(|record| read_head(&record, 0)).transpose()
}

/// The same by a locking read, inside a transaction that will write: it waits for whoever is moving the head, and then
/// tells the truth about an earlier commit whose answer was lost. Before the first seal there is no row to lock; the
/// guard of [`super::write_seal`] holds then.
pub async fn lock_head(mut conn: ConnRef<'_>, origin: &Origin) -> Result<Option<Head>, SqlError> {
    let found = conn.fetch_optional(text::LOCK_HEAD, origin_params(origin)).await?;
    found.map(|record| read_head(&record, 0)).transpose()
}

/// All heads, by origin.
pub async fn load_heads(mut conn: ConnRef<'_>) -> Result<Vec<Head>, SqlError> {
    conn.fetch(text::HEADS, Vec::new()).await?.iter().map(|record| read_head(record, 0)).collect()
}

/// The visible transactions of an origin after a number, in order, within the limit. Knows nothing of holes: for the
/// site's own unsealed ones ask [`crate::journal::JournalStore::read_tail`].
pub async fn read_tail_rows(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    limit: ReadLimit,
) -> Result<TailRows, ReadError> {
    let weights = weigh(&mut conn, origin, after, TransNr(i64::MAX), limit).await?;
    let Some((first, _)) = weights.first() else { return Ok(TailRows::default()) };
    let until = match too_much(&weights, limit) {
        Some(first_over) => TransNr(first_over.0 - 1),
        None => weights.last().map_or(*first, |(trans_nr, _)| *trans_nr),
    };
    let records = conn.fetch(text::TRANSACTIONS, range_params(origin, after, until)).await?;
    Ok(TailRows::of(assemble(origin, &records)?))
}

/// As [`read_tail_rows`] by one statement, if the tail is short and light; `None` if it is not, or is more than the limit.
pub(super) async fn read_short_tail(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    limit: ReadLimit,
) -> Result<Option<TailRows>, ReadError> {
    let records = conn.fetch(text::SHORT_TAIL, short_tail_params(origin, after)).await?;
    short_tail(origin, &records, limit)
}

/// All heads, by origin, and what [`read_short_tail`] gives of the own tail, by one statement. `None` also where nothing is
/// sealed yet.
pub(super) async fn read_heads_and_short_tail(
    mut conn: ConnRef<'_>,
    own: &Origin,
    after: TransNr,
    limit: ReadLimit,
) -> Result<(Vec<Head>, Option<TailRows>), ReadError> {
    let (mut heads, mut rows): (Vec<Head>, Vec<Record>) = Default::default();
    for record in conn.fetch(&text::HEADS_AND_SHORT_TAIL, short_tail_params(own, after)).await? {
        let head = read_head(&record, HEAD)?;
        if heads.last().is_none_or(|last| last.origin != head.origin) {
            heads.push(head);
        }
        if !record.is_null(0)? {
            rows.push(record);
        }
    }
    let stands = heads.iter().any(|head| head.origin == *own);
    let short = if stands { short_tail(own, &rows, limit)? } else { None };
    Ok((heads, short))
}

fn short_tail_params(origin: &Origin, after: TransNr) -> Vec<Param> {
    let mut params = origin_params(origin);
    // One more than a short tail has, so that the last row is seen to be the last.
    params.extend([after.0.into(), (SHORT_TAIL_ROWS + 1).into(), Param::from(LIGHT_BYTES)]);
    params
}

fn short_tail(origin: &Origin, records: &[Record], limit: ReadLimit) -> Result<Option<TailRows>, ReadError> {
    if sql_limit(records.len()) > SHORT_TAIL_ROWS {
        return Ok(None);
    }
    for record in records {
        if record.is_null(ROW_KEY)? || record.is_null(PAYLOAD)? {
            return Ok(None);
        }
    }
    let rows = TailRows::of(assemble(origin, records)?);
    let bytes: usize = rows.transactions.iter().map(StoredTransaction::weight).sum();
    let within = rows.transactions.len() <= limit.transactions && bytes <= limit.bytes;
    Ok(within.then_some(rows))
}

/// One transaction, of whatever origin.
pub async fn read_transaction(
    mut conn: ConnRef<'_>,
    id: &TransactionId,
) -> Result<Option<StoredTransaction>, ReadError> {
    match load_transaction(&mut conn, id).await? {
        None => packs::load_one(&mut conn, &id.origin, id.trans_nr).await,
        found => Ok(found),
    }
}

/// Sealed transactions with `after < number <= until` that stand as rows.
pub(super) async fn load_transactions(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
    rejections: &[Rejection],
) -> Result<Vec<StoredTransaction>, ReadError> {
    let records = conn.fetch(text::TRANSACTIONS, range_params(origin, after, until)).await?;
    sealed(assemble(origin, &records)?, rejections)
}

/// One transaction that stands as rows, with the header of the first.
pub(super) async fn load_transaction(
    conn: &mut ConnRef<'_>,
    id: &TransactionId,
) -> Result<Option<StoredTransaction>, SqlError> {
    let params = range_params(&id.origin, TransNr(id.trans_nr.0 - 1), id.trans_nr);
    let records = conn.fetch(text::TRANSACTIONS, params).await?;
    Ok(assemble(&id.origin, &records)?.pop().map(|assembled| assembled.transaction))
}

pub(super) fn origin_params(origin: &Origin) -> Vec<Param> {
    vec![origin.site.as_str().into(), origin.epoch.0.into()]
}

/// Numbers of an origin behind one and up to another.
pub(super) fn range_params(origin: &Origin, after: TransNr, until: TransNr) -> Vec<Param> {
    let mut params = origin_params(origin);
    params.extend([after.0.into(), Param::from(until.0)]);
    params
}

pub(super) fn read_hash(bytes: Vec<u8>) -> Result<Hash, SqlError> {
    let wrong =
        |bytes: Vec<u8>| SqlError::new(SqlClass::Broken, format!("a hash has {} bytes, not 32", bytes.len()));
    Hash::try_from(bytes).map_err(wrong)
}

/// A head that begins at a place of a row.
fn read_head(record: &Record, at: usize) -> Result<Head, SqlError> {
    let name = record.text(at)?;
    let site = SiteName::new(&name).map_err(|error| SqlError::new(SqlClass::Broken, error.to_string()))?;
    Ok(Head {
        origin: Origin { site, epoch: Epoch(record.i64(at + 1)?) },
        seal_nr: SealNr(record.i64(at + 2)?),
        last_nr: TransNr(record.i64(at + 3)?),
        hash: read_hash(record.bytes(at + 4)?)?,
        hlc: Hlc(record.i64(at + 5)?),
    })
}

/// The next transactions that stand as rows, and what each weighs, so that a read can be bounded before it is made.
pub(super) async fn weigh(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
    limit: ReadLimit,
) -> Result<Vec<(TransNr, usize)>, SqlError> {
    let mut params = range_params(origin, after, until);
    let enough = sql_limit((limit.bytes / ROW_BYTES).saturating_add(1));
    params.extend([sql_limit(limit.transactions).into(), Param::from(enough)]);
    let (mut weights, mut weighed) = (Vec::new(), 0);
    for record in conn.fetch(text::WEIGHTS_OF_ROWS, params).await? {
        weights.push((TransNr(record.i64(0)?), usize::try_from(record.i64(1)?).unwrap_or(usize::MAX)));
        weighed += record.i64(2)?;
    }
    // The last one was not weighed whole, and all before it together are too much with it: nothing behind it fits.
    if weighed >= enough
        && let Some((last, _)) = weights.last()
    {
        weights.push((last.next(), usize::MAX));
    }
    Ok(weights)
}

/// The first transaction that the byte limit leaves out. Never the first of all.
pub(super) fn too_much(weights: &[(TransNr, usize)], limit: ReadLimit) -> Option<TransNr> {
    let mut bytes: usize = 0;
    weights.iter().enumerate().find_map(|(at, (trans_nr, weight))| {
        bytes = bytes.saturating_add(*weight);
        (at > 0 && bytes > limit.bytes).then_some(*trans_nr)
    })
}

pub(super) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit.max(1)).unwrap_or(i64::MAX)
}
