//! Writing seals and moving heads. Begins and commits nothing: a seal shares its database transaction with the ledger
//! rows it stands for, a received run with its entries.

use crate::codec::packed::pack;
use crate::codec::vector;
use crate::model::seal::GENESIS;
use crate::model::{Origin, Pack, Rejection, Seal, SealNr, SealedRun};
use crate::sql::{ConnRef, Dialect, Param, SqlClass, SqlError};

use super::packs::{Rows, insert_packs};
use super::{chunks::chunked, read::origin_params, text};

/// Writes the seal of a run of the site's own transactions, with its rejections, and moves the own head to it, inside
/// the database transaction open on `conn`. The transactions are in the journal already; packed they are written here.
///
/// Refuses a seal that does not follow the head (in number, hash and range): the row counts guard it, so that of two
/// appliers that decided the same run only one commits. That refusal is [`SqlClass::Transient`]: roll back, read the
/// head again, decide again.
pub async fn write_seal(mut conn: ConnRef<'_>, run: &SealedRun) -> Result<(), SqlError> {
    let mut packs = pack(&run.transactions);
    if conn.dialect() == Dialect::Postgres && run.seal.seal_nr.0 > 1 && packs.len() < 2 {
        return match write_at_once(&mut conn, &run.seal, packs.pop(), Rows::Kept).await? {
            true => insert_rejections(&mut conn, &[run]).await,
            false => Err(misplaced(&run.seal)),
        };
    }
    // The head first: a second applier waits on its row rather than failing on the seal's key.
    advance_head(&mut conn, &run.seal).await?;
    insert_packs(&mut conn, &run.seal.origin, &packs.iter().collect::<Vec<_>>(), Rows::Kept).await?;
    insert_seals(&mut conn, &[run]).await
}

/// PostgreSQL: moves a head to the seal after it and writes that seal, with what is packed of its run, in one statement.
/// `false`: the head is elsewhere, and nothing was written.
pub(super) async fn write_at_once(
    conn: &mut ConnRef<'_>,
    seal: &Seal,
    pack: Option<Pack>,
    rows: Rows,
) -> Result<bool, SqlError> {
    let (first_nr, last_nr) = pack.as_ref().map_or((0, 0), |pack| (pack.first_nr.0, pack.last_nr.0));
    let (heads, payloads) = pack.map(|pack| (pack.heads, pack.payloads)).unwrap_or_default();
    let mut params = origin_params(&seal.origin);
    params.extend(head_params(seal));
    params.extend(from_params(SealNr(seal.seal_nr.0 - 1), &seal.prev_hash, seal.first_nr.0 - 1));
    params.extend([last_nr.into(), first_nr.into(), heads.into(), Param::from(payloads)]);
    params.extend([
        seal.first_nr.0.into(),
        seal.tx_count.into(),
        seal.entry_count.into(),
        seal.rejected_count.into(),
        vector::write(&seal.seen).into(),
        seal.schema.into(),
        seal.algorithm.into(),
        seal.leaves.as_slice().into(),
        seal.signature.as_slice().into(),
        seal.sealed_at.into(),
        rows.param(),
    ]);
    Ok(conn.execute(text::MOVE_AND_SEAL, params).await? == 1)
}

/// Writes seals and rejections.
pub(super) async fn insert_seals(conn: &mut ConnRef<'_>, runs: &[&SealedRun]) -> Result<(), SqlError> {
    for (chunk, template) in chunked(runs, &text::INSERT_SEALS, |run| run.seal.leaves.len()) {
        let mut params = Vec::with_capacity(chunk.len() * text::SEAL_COLUMNS);
        chunk.iter().for_each(|run| bind_seal(&run.seal, &mut params));
        conn.execute(template, params).await?;
    }
    insert_rejections(conn, runs).await
}

async fn insert_rejections(conn: &mut ConnRef<'_>, runs: &[&SealedRun]) -> Result<(), SqlError> {
    let rejections: Vec<(&Origin, &Rejection)> = runs
        .iter()
        .flat_map(|run| run.rejections.iter().map(|rejection| (&run.seal.origin, rejection)))
        .collect();
    for (chunk, template) in
        chunked(&rejections, &text::INSERT_REJECTIONS, |(_, rejection)| rejection.detail.len())
    {
        let mut params = Vec::with_capacity(chunk.len() * text::REJECTION_COLUMNS);
        for (origin, rejection) in chunk {
            params.extend(origin_params(origin));
            params.extend([
                rejection.trans_nr.0.into(),
                rejection.code.as_str().into(),
                Param::from(rejection.detail.as_str()),
            ]);
        }
        conn.execute(template, params).await?;
    }
    Ok(())
}

/// Moves the head of the site's own origin to a seal from the one before, and tells whoever pulls from here. Exactly one row
/// moves, or it is refused.
pub(super) async fn advance_head(conn: &mut ConnRef<'_>, seal: &Seal) -> Result<(), SqlError> {
    move_head(conn, seal, seal, Rows::Kept).await
}

/// Moves a head over several received seals at once: from before `first` to `last`. Nobody is told: their origin knows them, and
/// who pulls them from here because the origin is down looks from time to time.
pub(super) async fn move_head_over(
    conn: &mut ConnRef<'_>,
    first: &Seal,
    last: &Seal,
) -> Result<(), SqlError> {
    move_head(conn, first, last, Rows::None).await
}

async fn move_head(conn: &mut ConnRef<'_>, first: &Seal, to: &Seal, rows: Rows) -> Result<(), SqlError> {
    let (from, from_last_nr, from_hash) =
        (SealNr(first.seal_nr.0 - 1), first.first_nr.0 - 1, &first.prev_hash);
    let mut params = origin_params(&to.origin);
    params.extend(head_params(to));
    let tells = conn.dialect() == Dialect::Postgres;
    let moved = if from.0 == 0 {
        if *from_hash != GENESIS || from_last_nr != 0 {
            return Err(misplaced(to));
        }
        match tells {
            true => {
                params.push(rows.param());
                conn.execute(text::FIRST_HEAD_TELLING, params).await?
            }
            false => conn.insert_new(text::FIRST_HEAD, params).await?,
        }
    } else {
        params.extend(from_params(from, from_hash, from_last_nr));
        params.extend(tells.then(|| rows.param()));
        conn.execute(if tells { text::ADVANCE_HEAD_TELLING } else { text::ADVANCE_HEAD }, params).await?
    };
    if moved == 1 { Ok(()) } else { Err(misplaced(to)) }
}

/// A head's cells behind its origin.
fn head_params(seal: &Seal) -> [Param; 4] {
    [seal.seal_nr.0.into(), seal.last_nr.0.into(), seal.hash.as_slice().into(), Param::from(seal.hlc.0)]
}

/// Where a head has to stand before it moves.
fn from_params(seal_nr: SealNr, hash: &[u8], last_nr: i64) -> [Param; 3] {
    [seal_nr.0.into(), hash.into(), Param::from(last_nr)]
}

fn misplaced(seal: &Seal) -> SqlError {
    let message =
        format!("seal {} of {} does not follow the head: another writer moved it", seal.seal_nr, seal.origin);
    SqlError::new(SqlClass::Transient, message)
}

fn bind_seal(seal: &Seal, params: &mut Vec<Param>) {
    params.extend(origin_params(&seal.origin));
    params.extend([
        seal.seal_nr.0.into(),
        seal.first_nr.0.into(),
        seal.last_nr.0.into(),
        seal.tx_count.into(),
        seal.entry_count.into(),
        seal.rejected_count.into(),
        seal.hlc.0.into(),
        vector::write(&seal.seen).into(),
        seal.schema.into(),
        seal.algorithm.into(),
        seal.prev_hash.as_slice().into(),
        seal.hash.as_slice().into(),
        seal.leaves.as_slice().into(),
        seal.signature.as_slice().into(),
        Param::from(seal.sealed_at),
    ]);
}
