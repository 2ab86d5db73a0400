//! The one transaction that makes a new site whole: the checkpoints of the snapshot, what stands beside the rows, the site's
//! first seal, and the end of its being added. Before it nobody posts there, after it everybody may.

use std::collections::BTreeMap;

use journal_core::codec::chain::{self, SealDraft};
use journal_core::journal::{Head, JournalStore as _};
use journal_core::model::seal::GENESIS;
use journal_core::model::{Origin, SchemaVersion, SealNr, SealedRun, TransNr};
use journal_core::sql::{Access, Conn};
use journal_core::store::sql::SqlJournal;

use super::beside::Beside;
use super::rows::Copier;
use super::{JoinError, Order};
use crate::control::adding;
use crate::engine::clock::{Clock as _, WallClock, next_hlc};
use crate::ledger::sql::SqlLedger;
use crate::ledger::{Ledger as _, Posted};

/// Makes it whole. For each origin the last seal of the snapshot.
pub(super) async fn make_whole(
    order: &Order,
    copier: Copier,
    posted: &[(Origin, Posted)],
    beside: &Beside,
) -> Result<BTreeMap<String, SealNr>, JoinError> {
    let (hold, schema) = copier.end().await?;
    let version = schema.version;
    // A connection whose commit is flushed, and with it what was written before it on any.
    let conn = Conn::open(&order.new.url, Access::Write, "add a site").await?;
    let mut ledger = SqlLedger::over(conn, schema);
    let mut journal = SqlJournal::open(&order.new.url, Access::Read, "add a site").await?;
    let (origin, heads) = (journal.origin().clone(), journal.heads().await?);
    covers(order, &heads, posted)?;
    let first = first_seal(&origin, version, posted, &heads);
    hold.begin(&mut ledger).await?;
    beside.write(ledger.conn(), order.stripe).await?;
    for (origin, posted) in posted {
        ledger.advance(origin, Posted::default(), *posted).await?;
    }
    let sealed = Posted { seal_nr: first.seal.seal_nr, trans_nr: first.seal.last_nr };
    ledger.seal(&first).await?;
    ledger.advance(&origin, Posted::default(), sealed).await?;
    adding::end(ledger.conn(), &order.from.site, &order.who).await?;
    ledger.commit().await?;
    ledger.into_conn().close().await;
    Ok(posted.iter().map(|(origin, posted)| (origin.to_string(), posted.seal_nr)).collect())
}

/// Insists that everything the snapshot had posted stands in the new site's journal.
fn covers(order: &Order, heads: &[Head], posted: &[(Origin, Posted)]) -> Result<(), JoinError> {
    let here = |origin: &Origin| heads.iter().find(|head| head.origin == *origin).map(|head| head.seal_nr);
    match posted.iter().find(|(origin, posted)| here(origin).unwrap_or_default() < posted.seal_nr) {
        None => Ok(()),
        Some((origin, posted)) => Err(JoinError::Lacking {
            site: order.from.site.clone(),
            origin: origin.to_string(),
            seal_nr: posted.seal_nr,
        }),
    }
}

/// A seal of nothing. It tells the others what the new site has seen, so that what it writes later is concurrent with
/// nothing of that.
fn first_seal(
    origin: &Origin,
    version: SchemaVersion,
    posted: &[(Origin, Posted)],
    heads: &[Head],
) -> SealedRun {
    let whole = posted.iter().filter(|(_, posted)| posted.seal_nr.0 > 0);
    let now = WallClock.now();
    let draft = SealDraft {
        origin: origin.clone(),
        seal_nr: SealNr(1),
        first_nr: TransNr(1),
        last_nr: TransNr(0),
        hlc: next_hlc(now, heads),
        seen: whole.map(|(origin, posted)| (origin.clone(), posted.seal_nr)).collect(),
        schema: version.0,
        prev_hash: GENESIS,
        sealed_at: now,
    };
    chain::seal(draft, Vec::new(), Vec::new())
}
