//! Sealed transactions as they are packed, a few values for a run: a peer's, and beside their rows the site's own, as
//! peers read them. Begins and commits nothing.

use std::borrow::Cow;

use crate::codec::packed::{Unpacking, count, pack};
use crate::journal::ReadError;
use crate::model::{Origin, Pack, SealNr, SealedRun, StoredTransaction, TransNr};
use crate::sql::{ConnRef, Dialect, Param, Record, SqlError};

use super::chunks::chunked;
use super::read::{origin_params, range_params};
use super::text;

/// Packs that a read weighs at most; what follows is weighed by the next one.
const WEIGHED_MAX: i64 = 1024;

/// Bytes from which on packs are copied: a statement lays its parameters out several times, which for many bytes costs more
/// than the round trip that a COPY takes besides.
const COPIED_FROM: usize = 128 * 1024;

/// Whether transactions stand as rows, too; of a run whose do, the seal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The site's own do.
    Kept,
    /// Received ones do not.
    None,
}

/// What is kept of packs that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The transactions in them.
    Transactions,
    /// Themselves, too.
    Packs,
}

impl Rows {
    pub(super) fn param(self) -> Param {
        Param::from(self == Self::Kept)
    }
}

/// Writes the transactions of received runs, which were checked.
pub(super) async fn insert_runs(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    runs: &[SealedRun],
) -> Result<(), SqlError> {
    let packs: Vec<Cow<'_, [Pack]>> = runs.iter().map(of).collect();
    let packs: Vec<&Pack> = packs.iter().flat_map(|packs| packs.iter()).collect();
    insert_packs(conn, origin, &packs, Rows::None).await
}

/// The packs of a run: those that it came in, else new ones.
pub(super) fn of(run: &SealedRun) -> Cow<'_, [Pack]> {
    match run.packs.is_empty() {
        true => pack(&run.transactions).into(),
        false => run.packs.as_slice().into(),
    }
}

/// Writes packs; copies many bytes of them, on PostgreSQL.
pub(super) async fn insert_packs(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    packs: &[&Pack],
    rows: Rows,
) -> Result<(), SqlError> {
    let bytes = |pack: &&Pack| pack.heads.len() + pack.payloads.len();
    if conn.dialect() == Dialect::Postgres && packs.iter().map(bytes).sum::<usize>() >= COPIED_FROM {
        return copy_packs(conn, origin, packs, rows).await;
    }
    for (chunk, template) in chunked(packs, &text::INSERT_PACKS, bytes) {
        let mut params = Vec::with_capacity(chunk.len() * text::PACK_COLUMNS);
        for pack in chunk {
            params.extend(origin_params(origin));
            params.extend([
                pack.last_nr.0.into(),
                pack.piece.into(),
                pack.first_nr.0.into(),
                pack.heads.as_str().into(),
                pack.payloads.as_slice().into(),
                rows.param(),
            ]);
        }
        conn.execute(template, params).await?;
    }
    Ok(())
}

async fn copy_packs(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    packs: &[&Pack],
    rows: Rows,
) -> Result<(), SqlError> {
    let mut copy = conn.copy_in(text::COPY_PACKS).await?;
    for pack in packs {
        copy.row(text::PACK_CELLS)
            .await?
            .text(origin.site.as_str())
            .i64(origin.epoch.0)
            .i64(pack.last_nr.0)
            .i64(pack.piece)
            .i64(pack.first_nr.0)
            .text(&pack.heads)
            .bytes(&pack.payloads)
            .bool(rows == Rows::Kept);
    }
    copy.finish().await.map(drop)
}

/// The last transactions of packs, and what each pack weighs. As many as one read weighs.
pub(super) async fn weigh(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
) -> Result<Vec<(TransNr, usize)>, SqlError> {
    let mut params = range_params(origin, after, until);
    params.push(WEIGHED_MAX.into());
    let records = conn.fetch(text::WEIGHTS_OF_PACKS, params).await?;
    let read = |record: &Record| {
        Ok((TransNr(record.i64(0)?), usize::try_from(record.i64(1)?).unwrap_or(usize::MAX)))
    };
    records.iter().map(read).collect()
}

/// The last transactions of packs whose transactions stand as rows, too.
pub(super) async fn in_both_forms(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
) -> Result<Vec<TransNr>, SqlError> {
    let records = conn.fetch(text::PACKS_BESIDE_ROWS, range_params(origin, after, until)).await?;
    records.iter().map(|record| record.i64(0).map(TransNr)).collect()
}

/// Packed transactions with `after < number <= until`, where both are ends of seals; and the packs, if they are wanted.
pub(super) async fn load(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    after: TransNr,
    until: TransNr,
    keep: Keep,
) -> Result<(Vec<StoredTransaction>, Vec<Pack>), ReadError> {
    fetch(conn, origin, text::PACKS, range_params(origin, after, until), keep).await
}

/// The transactions of a pack; `None` for one that cannot be taken apart, as who loads it is told.
pub(super) fn unpack(origin: &Origin, pack: &Pack) -> Option<Vec<StoredTransaction>> {
    let mut unpacking = Unpacking::new(origin);
    unpacking.add(pack.first_nr.0, pack.last_nr.0, &pack.heads, &pack.payloads).ok()?;
    Some(unpacking.finish())
}

/// One packed transaction, if it is here.
pub(super) async fn load_one(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    trans_nr: TransNr,
) -> Result<Option<StoredTransaction>, ReadError> {
    let mut params = origin_params(origin);
    params.push(trans_nr.0.into());
    let (mut packed, _) = fetch(conn, origin, text::PACKS_OF, params, Keep::Transactions).await?;
    packed.retain(|transaction| transaction.id.trans_nr == trans_nr);
    Ok(packed.into_iter().next())
}

/// What the packs of an origin hold that stands nowhere else, counted as they stand, whatever their seals say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packed {
    /// Transactions.
    pub transactions: u64,
    /// Their entries.
    pub entries: u64,
}

/// Counts an origin's packed transactions. Packs that cannot be read count for nothing.
pub async fn count_packed(mut conn: ConnRef<'_>, origin: &Origin) -> Result<Packed, SqlError> {
    let mut packed = Packed::default();
    let (mut last_nr, mut piece) = (i64::MIN, 0);
    loop {
        let mut params = origin_params(origin);
        params.extend([last_nr.into(), Param::from(piece)]);
        let records = conn.fetch(text::HEADS_OF_PACKS, params).await?;
        let Some(last) = records.last() else { return Ok(packed) };
        (last_nr, piece) = (last.i64(0)?, last.i64(1)?);
        for record in &records {
            let (transactions, entries) = count(record.text_ref(2)?).unwrap_or_default();
            packed.transactions += transactions;
            packed.entries += entries;
        }
    }
}

async fn fetch(
    conn: &mut ConnRef<'_>,
    origin: &Origin,
    template: &'static str,
    params: Vec<Param>,
    keep: Keep,
) -> Result<(Vec<StoredTransaction>, Vec<Pack>), ReadError> {
    let mut unpacking = Unpacking::new(origin);
    let mut kept = Vec::new();
    for record in conn.fetch(template, params).await? {
        let (first_nr, last_nr) = (record.i64(0)?, record.i64(1)?);
        // Seal 0 stands for "not looked for"; who knows the seal puts it in.
        unpacking
            .add(first_nr, last_nr, record.text_ref(2)?, record.bytes_ref(3)?)
            .map_err(|detail| ReadError::Corrupt { origin: origin.clone(), seal_nr: SealNr(0), detail })?;
        if keep == Keep::Packs {
            let (first_nr, last_nr) = (TransNr(first_nr), TransNr(last_nr));
            let before = kept.last().filter(|before: &&Pack| before.last_nr == last_nr);
            let piece = before.map_or(1, |before| before.piece + 1);
            kept.push(Pack { first_nr, last_nr, piece, heads: record.text(2)?, payloads: record.bytes(3)? });
        }
    }
    Ok((unpacking.finish(), kept))
}
