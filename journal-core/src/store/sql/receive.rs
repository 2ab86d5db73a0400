//! Taking a peer's sealed runs: entries, seals, rejections and the received head in one database transaction.

use crate::codec::chain::ChainFault;
use crate::journal::{Head, ReceiveError};
use crate::model::seal::GENESIS;
use crate::model::{Origin, Seal, SealNr, SealedRun, TransNr};
use crate::sql::{ConnRef, Dialect, Param, SqlClass, SqlError};

use super::packs::{self, Rows};
use super::read::{lock_head, origin_params, read_hash};
use super::{seal, text};

/// Writes what is new of `runs` (not empty, of one origin, checked each by itself) and returns the head as it then is.
/// Begins and commits nothing.
pub(super) async fn take(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    runs: &[SealedRun],
) -> Result<Head, ReceiveError> {
    match try_take(conn.lend(), origin, runs).await {
        // Before an origin's first run there is no head to lock, so another session could write it meanwhile. It is
        // there now, and nothing was written here.
        Err(ReceiveError::Store(error)) if error.class == SqlClass::Transient && error.code.is_empty() => {
            try_take(conn, origin, runs).await
        }
        taken => taken,
    }
}

async fn try_take(mut conn: ConnRef<'_>, origin: &Origin, runs: &[SealedRun]) -> Result<Head, ReceiveError> {
    // The answer to an earlier commit may have been lost, so these runs may be here. The locking read waits for that
    // older session to end; a plain one could still see the head from before its commit.
    let head = lock_head(conn.lend(), origin).await?;
    let head = head.unwrap_or_else(|| before_the_first(origin));
    let new = runs.iter().position(|run| run.seal.seal_nr > head.seal_nr).unwrap_or(runs.len());
    let (old, new) = runs.split_at(new);
    for run in old {
        refuse_fork(&mut conn, &run.seal).await?;
    }
    let (Some(first), Some(last)) = (new.first(), new.last()) else { return Ok(head) };
    check_follows(&head, &first.seal)?;
    // The head before the rows: of two that receive an origin's first runs at once, with no row to lock yet, the second
    // waits here and is told, instead of failing on rows that are there.
    seal::move_head_over(&mut conn, &first.seal, &last.seal).await?;
    packs::insert_runs(&mut conn, origin, new).await?;
    seal::insert_seals(&mut conn, &new.iter().collect::<Vec<_>>()).await?;
    Ok(Head::at(&last.seal))
}

/// A small run on PostgreSQL, in one statement that is a database transaction by itself. `None` when it has to go the
/// longer way, which tells why: it is no small one, or the head is elsewhere. Nothing was written then.
pub(super) async fn take_small(mut conn: ConnRef<'_>, runs: &[SealedRun]) -> Result<Option<Head>, SqlError> {
    let [run] = runs else { return Ok(None) };
    let seal = &run.seal;
    if conn.dialect() != Dialect::Postgres || seal.seal_nr.0 < 2 || !run.rejections.is_empty() {
        return Ok(None);
    }
    let mut packs = packs::of(run).into_owned();
    if packs.len() > 1 {
        return Ok(None);
    }
    let written = seal::write_at_once(&mut conn, seal, packs.pop(), Rows::None).await?;
    Ok(written.then(|| Head::at(seal)))
}

pub(crate) fn before_the_first(origin: &Origin) -> Head {
    Head {
        origin: origin.clone(),
        seal_nr: SealNr(0),
        last_nr: TransNr(0),
        hash: GENESIS,
        hlc: crate::model::Hlc(0),
    }
}

/// Whether the first new seal follows the head without a gap in seals, hashes or numbers.
pub(crate) fn check_follows(head: &Head, seal: &Seal) -> Result<(), ReceiveError> {
    let (origin, seal_nr) = (seal.origin.clone(), seal.seal_nr);
    if seal.seal_nr != head.seal_nr.next() {
        return Err(ReceiveError::Gap { origin, seal_nr, have: head.seal_nr });
    }
    if seal.prev_hash != head.hash || seal.first_nr != head.last_nr.next() {
        return Err(ReceiveError::Chain { origin, seal_nr, fault: ChainFault::Unlinked });
    }
    Ok(())
}

async fn refuse_fork(conn: &mut ConnRef<'_>, seal: &Seal) -> Result<(), ReceiveError> {
    let mut params = origin_params(&seal.origin);
    params.push(Param::from(seal.seal_nr.0));
    let record = conn.fetch_one(text::SEAL_HASH, params).await?;
    if read_hash(record.bytes(0)?)? == seal.hash {
        Ok(())
    } else {
        Err(ReceiveError::Fork { origin: seal.origin.clone(), seal_nr: seal.seal_nr })
    }
}
