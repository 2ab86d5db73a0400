//! Reading transactions, seals and heads as they are stored. Verifies no hash (the reader does, see
//! [`crate::codec::chain::verify`]), but refuses rows that cannot be put together.

use crate::codec::vector;
use crate::journal::{Head, ReadError, ReadLimit};
use crate::model::seal::Hash;
use crate::model::{
    Epoch, Hlc, Origin, Rejection, Seal, SealNr, SealedRun, SiteName, StoredTransaction, TransNr,
    TransactionId,
};
use crate::sql::{ConnRef, Param, Record, SqlClass, SqlError};

use super::assemble::group;
use super::{run, text};

/// Seals may be of no transactions, so that many at once are bounded too.
const SEALS_MAX: usize = 512;

/// What a row weighs at least, as [`text::WEIGHTS`] and `StoredTransaction::weight` reckon.
const ROW_BYTES: usize = 96;

/// How far an origin's seals stand here; `None` before its first.
pub async fn load_head(mut conn: ConnRef<'_>, origin: &Origin) -> Result<Option<Head>, SqlError> {
    conn.fetch_optional(text::HEAD, origin_params(origin)).await?.map(|record| read_head(&record)).transpose()
}

/// The same by a locking read, inside a transaction that will write: it waits for whoever is moving the head, and then
/// tells the truth about an earlier commit whose answer was lost. Before the first seal there is no row to lock; the
/// guard of [`super::write_seal`] holds then.
pub async fn lock_head(mut conn: ConnRef<'_>, origin: &Origin) -> Result<Option<Head>, SqlError> {
    conn.fetch_optional(text::LOCK_HEAD, origin_params(origin))
        .await?
        .map(|record| read_head(&record))
        .transpose()
}

/// All heads, by origin.
pub async fn load_heads(mut conn: ConnRef<'_>) -> Result<Vec<Head>, SqlError> {
    conn.fetch(text::HEADS, Vec::new()).await?.iter().map(read_head).collect()
}

/// The visible transactions of an origin after a number, in order, within the limit. Knows nothing of holes: for the
/// site's own unsealed ones ask [`crate::journal::JournalStore::read_tail`].
pub async fn read_tail_rows(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    limit: ReadLimit,
) -> Result<Vec<StoredTransaction>, ReadError> {
    let weights = weigh(&mut conn, origin, after, TransNr(i64::MAX), limit).await?;
    let Some((first, _)) = weights.first() else { return Ok(Vec::new()) };
    let until = match too_much(&weights, limit) {
        Some(first_over) => TransNr(first_over.0 - 1),
        None => weights.last().map_or(*first, |(trans_nr, _)| *trans_nr),
    };
    load_transactions(&mut conn, origin, after, until).await
}

/// One transaction, of whatever origin.
pub async fn read_transaction(
    mut conn: ConnRef<'_>,
    id: &TransactionId,
) -> Result<Option<StoredTransaction>, ReadError> {
    match load_transaction(&mut conn, id).await? {
        None => run::load_one(&mut conn, &id.origin, id.trans_nr).await,
        found => Ok(found),
    }
}

/// The sealed runs of an origin after a seal, in seal order without a gap, within the limit, not verified.
pub async fn read_runs(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    after: SealNr,
    limit: ReadLimit,
) -> Result<Vec<SealedRun>, ReadError> {
    let (mut seals, rejected) = load_seals(&mut conn, origin, after, limit.transactions).await?;
    cut_by_count(&mut seals, limit.transactions);
    let (Some(first), Some(last)) = (seals.first(), seals.last()) else { return Ok(Vec::new()) };
    let (from, mut until) = (TransNr(first.first_nr.0 - 1), last.last_nr);
    // A run whose own rows exceed the limit still comes whole, as the first: one alone need not be weighed.
    if seals.len() > 1
        && let Some(first_over) = too_much(&weigh(&mut conn, origin, from, until, limit).await?, limit)
    {
        let fit = seals.iter().take_while(|seal| seal.last_nr < first_over).count();
        seals.truncate(fit.max(1));
        until = seals.last().map_or(until, |seal| seal.last_nr);
    }
    let transactions =
        load_sealed(&mut conn, origin, from, until, &seals).await.map_err(|error| name(error, &seals))?;
    let rejections = match rejected {
        true => load_rejections(&mut conn, origin, from, until).await?,
        false => Vec::new(),
    };
    Ok(split(seals, transactions, rejections))
}

/// The transactions of these seals. The site's own stand as rows, and so do those that an older release received.
async fn load_sealed(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
    seals: &[Seal],
) -> Result<Vec<StoredTransaction>, ReadError> {
    let mut found = load_transactions(conn, origin, after, until).await?;
    let sealed: i64 = seals.iter().map(|seal| seal.tx_count).sum();
    if i64::try_from(found.len()) != Ok(sealed) {
        found.append(&mut run::load(conn, origin, after, until).await?);
        found.sort_by_key(|transaction| transaction.id.trans_nr);
    }
    Ok(found)
}

/// Transactions with `after < number <= until` that stand as rows.
async fn load_transactions(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
) -> Result<Vec<StoredTransaction>, ReadError> {
    let records = conn.fetch(text::TRANSACTIONS, range_params(origin, after, until)).await?;
    group(origin, &records)
}

/// One transaction that stands as rows.
pub(super) async fn load_transaction(
    conn: &mut ConnRef<'_>,
    id: &TransactionId,
) -> Result<Option<StoredTransaction>, ReadError> {
    let found = load_transactions(conn, &id.origin, TransNr(id.trans_nr.0 - 1), id.trans_nr).await?;
    Ok(found.into_iter().next())
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

fn read_head(record: &Record) -> Result<Head, SqlError> {
    let name = record.text(0)?;
    let site = SiteName::new(&name).map_err(|error| SqlError::new(SqlClass::Broken, error.to_string()))?;
    Ok(Head {
        origin: Origin { site, epoch: Epoch(record.i64(1)?) },
        seal_nr: SealNr(record.i64(2)?),
        last_nr: TransNr(record.i64(3)?),
        hash: read_hash(record.bytes(4)?)?,
        hlc: Hlc(record.i64(5)?),
    })
}

/// The next transactions and what each weighs, so that a read can be bounded before it is made.
async fn weigh(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
    limit: ReadLimit,
) -> Result<Vec<(TransNr, usize)>, SqlError> {
    let mut params = range_params(origin, after, until);
    let enough = rows((limit.bytes / ROW_BYTES).saturating_add(1));
    params.extend([rows(limit.transactions).into(), Param::from(enough)]);
    let (mut weights, mut weighed) = (Vec::new(), 0);
    for record in conn.fetch(text::WEIGHTS, params).await? {
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
fn too_much(weights: &[(TransNr, usize)], limit: ReadLimit) -> Option<TransNr> {
    let mut bytes: usize = 0;
    weights.iter().enumerate().find_map(|(at, (trans_nr, weight))| {
        bytes = bytes.saturating_add(*weight);
        (at > 0 && bytes > limit.bytes).then_some(*trans_nr)
    })
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit.max(1)).unwrap_or(i64::MAX)
}

fn name(error: ReadError, seals: &[Seal]) -> ReadError {
    match error {
        ReadError::Corrupt { origin, detail, .. } => {
            let seal_nr = seals.first().map_or(SealNr(0), |seal| seal.seal_nr);
            ReadError::Corrupt { origin, seal_nr, detail }
        }
        ReadError::Store(error) => ReadError::Store(error),
    }
}

/// Seals, and whether rejections stand in the range of any.
async fn load_seals(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: SealNr,
    transactions: usize,
) -> Result<(Vec<Seal>, bool), ReadError> {
    let mut params = origin_params(origin);
    params.extend([
        after.0.into(),
        rows(transactions.min(SEALS_MAX)).into(),
        Param::from(rows(transactions)),
    ]);
    let (mut seals, mut rejected) = (Vec::new(), false);
    let mut expected = after.next();
    for record in conn.fetch(text::SEALS, params).await? {
        let seal_nr = SealNr(record.i64(0)?);
        let corrupt =
            |detail: String| ReadError::Corrupt { origin: origin.clone(), seal_nr: expected, detail };
        if seal_nr != expected {
            return Err(corrupt(format!("the seal is missing; the next one here is {seal_nr}")));
        }
        seals.push(read_seal(origin, &record).map_err(|error| match error.class {
            SqlClass::Broken => corrupt(error.message),
            _ => ReadError::Store(error),
        })?);
        rejected |= record.i64(15)? > 0;
        expected = expected.next();
    }
    Ok((seals, rejected))
}

fn read_seal(origin: &Origin, record: &Record) -> Result<Seal, SqlError> {
    let seen = record.text(7)?;
    let unreadable = || SqlError::new(SqlClass::Broken, format!("its seen vector {seen:?} cannot be read"));
    Ok(Seal {
        origin: origin.clone(),
        seal_nr: SealNr(record.i64(0)?),
        first_nr: TransNr(record.i64(1)?),
        last_nr: TransNr(record.i64(2)?),
        tx_count: record.i64(3)?,
        entry_count: record.i64(4)?,
        rejected_count: record.i64(5)?,
        hlc: Hlc(record.i64(6)?),
        seen: vector::read(&seen).ok_or_else(unreadable)?,
        schema: record.i64(8)?,
        algorithm: record.i64(9)?,
        prev_hash: read_hash(record.bytes(10)?)?,
        hash: read_hash(record.bytes(11)?)?,
        leaves: record.bytes(12)?,
        signature: record.bytes(13)?,
        sealed_at: record.i64(14)?,
    })
}

pub(super) async fn load_rejections(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
) -> Result<Vec<Rejection>, SqlError> {
    let records = conn.fetch(text::REJECTIONS, range_params(origin, after, until)).await?;
    let read = |record: &Record| {
        Ok(Rejection { trans_nr: TransNr(record.i64(0)?), code: record.text(1)?, detail: record.text(2)? })
    };
    records.iter().map(read).collect()
}

/// Keeps as many seals as the limit allows transactions, at least one.
fn cut_by_count(seals: &mut Vec<Seal>, limit: usize) {
    let mut transactions: usize = 0;
    let fits = seals.iter().take_while(|seal| {
        transactions = transactions.saturating_add(usize::try_from(seal.tx_count).unwrap_or(0));
        transactions <= limit
    });
    let keep = fits.count().max(1);
    seals.truncate(keep);
}

/// Deals transactions and rejections out to the seals whose numbers they have.
fn split(
    seals: Vec<Seal>,
    transactions: Vec<StoredTransaction>,
    rejections: Vec<Rejection>,
) -> Vec<SealedRun> {
    let mut transactions = transactions.into_iter().peekable();
    let mut rejections = rejections.into_iter().peekable();
    seals
        .into_iter()
        .map(|seal| SealedRun {
            transactions: std::iter::from_fn(|| {
                transactions.next_if(|next| next.id.trans_nr <= seal.last_nr)
            })
            .collect(),
            rejections: std::iter::from_fn(|| rejections.next_if(|next| next.trans_nr <= seal.last_nr))
                .collect(),
            seal,
        })
        .collect()
}
