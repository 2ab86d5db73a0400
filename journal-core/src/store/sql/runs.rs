//! Reading sealed runs as they are stored: packed where they are, and else as rows. Verifies no hash (the reader does, see
//! [`crate::codec::chain::verify`]), but refuses what cannot be put together.

use crate::codec::vector;
use crate::journal::{ReadError, ReadLimit};
use crate::model::{Hlc, Origin, Pack, Rejection, Seal, SealNr, SealedRun, StoredTransaction, TransNr};
use crate::sql::{ConnRef, Param, Record, SqlClass, SqlError};

use super::packs::{self, Keep};
use super::read::{
    LIGHT_BYTES, load_transactions, origin_params, range_params, read_hash, sql_limit, too_much, weigh,
};
use super::text;

/// Seals may be of no transactions, so that many at once are bounded too.
const SEALS_MAX: usize = 512;
/// The number of none.
const NO_SEAL: SealNr = SealNr(0);
/// The place in a row of [`text::SEALS`] where a pack begins.
const PACK: usize = 16;

/// The sealed runs of an origin after a seal, in seal order without a gap, within the limit, not verified.
pub async fn read_runs(
    conn: ConnRef<'_>,
    origin: &Origin,
    after: SealNr,
    limit: ReadLimit,
) -> Result<Vec<SealedRun>, ReadError> {
    read(conn, origin, after, limit, Keep::Transactions).await
}

/// The same, with the packs where they are wanted and there are any.
pub(super) async fn read(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    after: SealNr,
    limit: ReadLimit,
    keep: Keep,
) -> Result<Vec<SealedRun>, ReadError> {
    let Seals { mut seals, rejected, pack } = load_seals(&mut conn, origin, after, limit, keep).await?;
    if keep == Keep::Packs
        && let ([seal], false) = (seals.as_slice(), rejected)
        && let Some(run) = alone(seal, pack)
    {
        return Ok(vec![run]);
    }
    cut_by_count(&mut seals, limit.transactions);
    let Some((from, until)) = range(&seals) else { return Ok(Vec::new()) };
    // A run that exceeds the limit alone still comes whole, as the first: one alone need not be weighed.
    let mut packed = true;
    if seals.len() > 1 {
        let packs = packs::weigh(&mut conn, origin, from, until).await?;
        packed = keep_one_form(&mut seals, &packs);
        let weights = if packed { packs } else { weigh(&mut conn, origin, from, until, limit).await? };
        if let Some(first_over) = too_much(&weights, limit) {
            let fit = seals.iter().take_while(|seal| seal.last_nr < first_over).count();
            seals.truncate(fit.max(1));
        }
    }
    let until = seals.last().map_or(until, |seal| seal.last_nr);
    let keep = packed.then_some(keep);
    let rejections = match rejected {
        true => load_rejections(&mut conn, origin, from, until).await?,
        false => Vec::new(),
    };
    let loaded = load(&mut conn, origin, (from, until), keep, &rejections).await;
    let (transactions, mut packs) = loaded.map_err(|error| name(error, &seals))?;
    if !say_just_this(&packs, &transactions, &seals) {
        packs.clear();
    }
    Ok(split(seals, transactions, rejections, packs))
}

/// The run of a seal that covers what came with it, if it is no more. Whoever takes it in verifies it.
fn alone(seal: &Seal, pack: Option<Pack>) -> Option<SealedRun> {
    let packs: Vec<Pack> = pack.into_iter().collect();
    let transactions = packs.first().map_or(Some(Vec::new()), |pack| packs::unpack(&seal.origin, pack))?;
    let whole = i64::try_from(transactions.len()) == Ok(seal.tx_count);
    let fits = whole && say_just_this(&packs, &transactions, std::slice::from_ref(seal));
    fits.then(|| SealedRun { seal: seal.clone(), transactions, rejections: Vec::new(), packs })
}

/// Transactions behind one number and up to another: packed ones where they are or may be packed, and rows where they are
/// not.
async fn load(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    (from, until): (TransNr, TransNr),
    packed: Option<Keep>,
    rejections: &[Rejection],
) -> Result<(Vec<StoredTransaction>, Vec<Pack>), ReadError> {
    if let Some(keep) = packed {
        let found = packs::load(conn, origin, from, until, keep).await?;
        if !found.0.is_empty() {
            return Ok(found);
        }
    }
    Ok((load_transactions(conn, origin, from, until, rejections).await?, Vec::new()))
}

/// For each of the runs, which follow each other, the same run with the transactions that stand as rows. `None` for one
/// that was received: it stands packed alone, and has no rows. What an origin sealed itself stands in both forms.
pub async fn read_rows(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    runs: &[SealedRun],
) -> Result<Vec<Option<SealedRun>>, ReadError> {
    let seals: Vec<Seal> = runs.iter().map(|run| run.seal.clone()).collect();
    let Some((from, until)) = range(&seals) else { return Ok(Vec::new()) };
    let in_both = packs::in_both_forms(&mut conn, origin, from, until).await?;
    let rejections: Vec<Rejection> = runs.iter().flat_map(|run| run.rejections.clone()).collect();
    let loaded = load_transactions(&mut conn, origin, from, until, &rejections).await;
    let transactions = loaded.map_err(|error| name(error, &seals))?;
    let as_rows = split(seals, transactions, rejections, Vec::new()).into_iter();
    Ok(as_rows
        .map(|run| (!run.transactions.is_empty() || has_any(&run.seal, &in_both)).then_some(run))
        .collect())
}

/// Whether what each seal covers is just what its packs hold, so that verifying the one verifies the other: each pack is of
/// one seal, and nothing in them is out of order, twice, or beside what the packs' bounds say. Else they are not passed on.
fn say_just_this(packs: &[Pack], transactions: &[StoredTransaction], seals: &[Seal]) -> bool {
    let of_one_seal = |pack: &Pack| {
        let at = seals.partition_point(|seal| seal.last_nr < pack.last_nr);
        seals.get(at).is_some_and(|seal| seal.first_nr <= pack.first_nr)
    };
    packs.iter().all(of_one_seal) && transactions.is_sorted_by(|a, b| a.id.trans_nr < b.id.trans_nr)
}

/// The numbers that seals cover: behind the first, up to the second.
fn range(seals: &[Seal]) -> Option<(TransNr, TransNr)> {
    Some((TransNr(seals.first()?.first_nr.0 - 1), seals.last()?.last_nr))
}

/// Whether one of the numbers, which are in order, is one that the seal covers.
fn has_any(seal: &Seal, numbers: &[TransNr]) -> bool {
    let at = numbers.partition_point(|number| *number < seal.first_nr);
    numbers.get(at).is_some_and(|number| *number <= seal.last_nr)
}

/// Keeps the first seals whose transactions stand in one form; whether they are packed.
fn keep_one_form(seals: &mut Vec<Seal>, packs: &[(TransNr, usize)]) -> bool {
    let ends: Vec<TransNr> = packs.iter().map(|(last_nr, _)| *last_nr).collect();
    let full = |seal: &&Seal| seal.tx_count > 0;
    let packed = seals.iter().find(full).is_some_and(|seal| has_any(seal, &ends));
    let same = seals.iter().take_while(|seal| !full(seal) || has_any(seal, &ends) == packed).count();
    seals.truncate(same);
    packed
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

struct Seals {
    seals: Vec<Seal>,
    /// Whether rejections stand in the range of any.
    rejected: bool,
    /// What the first one covers, if packs are wanted and it is light and in one.
    pack: Option<Pack>,
}

/// With the pack of the first one, a peer that keeps up is told all by one statement.
async fn load_seals(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: SealNr,
    ReadLimit { transactions, .. }: ReadLimit,
    keep: Keep,
) -> Result<Seals, ReadError> {
    let first = if keep == Keep::Packs { after.next() } else { NO_SEAL };
    let mut params = origin_params(origin);
    params.extend([
        after.0.into(),
        sql_limit(transactions.min(SEALS_MAX)).into(),
        sql_limit(transactions).into(),
        first.0.into(),
        Param::from(LIGHT_BYTES),
    ]);
    let (mut seals, mut rejected, mut pack) = (Vec::new(), false, None);
    let mut expected = after.next();
    for record in conn.fetch(&text::SEALS, params).await? {
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
        if !record.is_null(PACK)? {
            pack = Some(read_pack(&record)?);
        }
        expected = expected.next();
    }
    Ok(Seals { seals, rejected, pack })
}

fn read_pack(record: &Record) -> Result<Pack, SqlError> {
    let (first_nr, last_nr) = (TransNr(record.i64(PACK)?), TransNr(record.i64(2)?));
    let (heads, payloads) = (record.text(PACK + 1)?, record.bytes(PACK + 2)?);
    Ok(Pack { first_nr, last_nr, piece: 1, heads, payloads })
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

/// Deals transactions, rejections and packs out to the seals whose numbers they have. No pack has transactions of two.
fn split(
    seals: Vec<Seal>,
    transactions: Vec<StoredTransaction>,
    rejections: Vec<Rejection>,
    packs: Vec<Pack>,
) -> Vec<SealedRun> {
    let mut packs = packs.into_iter().peekable();
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
            packs: std::iter::from_fn(|| packs.next_if(|next| next.last_nr <= seal.last_nr)).collect(),
            seal,
        })
        .collect()
}
