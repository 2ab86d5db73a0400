//! What the new site's journal gets, and what the other journals get of it. By the ordinary way of sealed runs, checked against
//! their seals, so that a service which brings the same at the same time is in nobody's way.

use journal_core::journal::{JournalStore as _, ReadLimit};
use journal_core::model::SealNr;
use journal_core::sql::Access;
use journal_core::store::sql::SqlJournal;

use super::{JoinError, Order, Stage, Tell};
use crate::audit::Progress;
use crate::engine::poster::{BATCH_BYTES, BATCH_GROWTH, BATCH_TRANSACTIONS};
use crate::ship::pull::Puller;

/// As a service takes at once.
const LIMIT: ReadLimit =
    ReadLimit { transactions: BATCH_TRANSACTIONS * BATCH_GROWTH, bytes: BATCH_BYTES * BATCH_GROWTH };
const FIRST: ReadLimit = ReadLimit { transactions: 1, bytes: 1 };

/// Copies everything that is sealed in the source's journal, of all origins, from the first seal on: so the new site can be
/// audited and replayed by itself. How many transactions came.
pub(super) async fn journal(order: &Order, tell: &mut Tell<'_>) -> Result<u64, JoinError> {
    let mut from = SqlJournal::open(&order.from.url, Access::Read, "add a site").await?;
    let mut into = SqlJournal::open(&order.new.url, Access::Write, "add a site").await?;
    let have: i64 = into.heads().await?.iter().map(|head| head.last_nr.0).sum();
    let there: i64 = from.heads().await?.iter().map(|head| head.last_nr.0).sum();
    let total = u64::try_from(there - have).ok();
    let mut puller = Puller::new(LIMIT);
    let mut done = 0;
    loop {
        tell(&Stage::Journal, Progress { done, total });
        let pulled = puller.pull(&mut from, &mut into).await?;
        if pulled.runs == 0 {
            return Ok(done);
        }
        done += pulled.transactions;
    }
}

/// Gives the new site's first seal to every other site. It tells them what the new one has seen, so that a service which
/// hears of it looks no further back for what may be concurrent with its writes. Nobody is told while anybody has another
/// first seal of that name, from a database that was lost.
pub(super) async fn introduce(order: &Order) -> Result<(), JoinError> {
    let mut new = SqlJournal::open(&order.new.url, Access::Read, "add a site").await?;
    let origin = new.origin().clone();
    let first = new.read_runs(&origin, SealNr(0), FIRST).await?;
    let Some(hash) = first.first().map(|run| run.seal.hash) else { return Ok(()) };
    let mut strangers = Vec::new();
    for other in &order.others {
        let mut journal = SqlJournal::open(&other.url, Access::Write, "add a site").await?;
        match journal.read_runs(&origin, SealNr(0), FIRST).await?.first() {
            None => strangers.push((other, journal)),
            Some(run) if run.seal.hash == hash => {}
            Some(_) => return Err(JoinError::NameTaken { site: origin.site }),
        }
    }
    for (other, mut journal) in strangers {
        let told = journal.receive(&first).await;
        told.map_err(|source| JoinError::Told { site: other.site.clone(), source })?;
    }
    Ok(())
}
