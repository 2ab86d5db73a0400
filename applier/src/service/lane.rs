//! A puller: brings one peer's sealed runs into this site's journal. Goes on while the site is paused: receiving
//! touches no ledger.

use std::sync::Arc;
use std::time::Duration;

use journal_core::journal::ReadLimit;
use journal_core::model::SiteName;
use journal_core::sql::Access;
use journal_core::store::sql::SqlJournal;
use tokio::time::Instant;

use super::notices::Waker;
use super::{Backoff, Context};
use crate::engine::poster::{BATCH_BYTES, BATCH_GROWTH, BATCH_TRANSACTIONS};
use crate::engine::reaction::{self, Reaction};
use crate::ship::pull::{PullError, Puller};

/// As much as a poster takes at once when it is behind: each read is followed by a flush.
const LIMIT: ReadLimit =
    ReadLimit { transactions: BATCH_TRANSACTIONS * BATCH_GROWTH, bytes: BATCH_BYTES * BATCH_GROWTH };

/// How many times as long a puller rests whose peer's database was heard to tell it of seals.
const TOLD_RESTS: u32 = 10;
/// But no longer than this, unless it rests so long in any case.
const TOLD_REST_MAX: Duration = Duration::from_secs(1);

/// Pulls until shutdown.
pub(super) async fn run(context: Context, peer: SiteName, waker: Arc<Waker>) {
    let mut backoff = Backoff::new();
    while !context.shutdown.is_cancelled() {
        match open(&context, &peer).await {
            Ok((mut from, mut into)) => {
                if serve(&context, &mut from, &mut into, &mut backoff, &peer, &waker).await == Reaction::Stop
                {
                    // Evidence of damage or of two histories: nothing more is taken from there until a restart.
                    return;
                }
            }
            Err(error) => tracing::warn!(site = %context.site, %peer, %error, "cannot pull yet"),
        }
        rest(&context, &mut backoff).await;
    }
}

async fn open(context: &Context, peer: &SiteName) -> anyhow::Result<(SqlJournal, SqlJournal)> {
    let url = |name: &SiteName| {
        let site = context.config.site(name);
        site.map(|site| site.url.clone())
            .ok_or_else(|| anyhow::anyhow!("site {name} is not in the configuration"))
    };
    let from = SqlJournal::open(&url(peer)?, Access::Read, &format!("pull for {}", context.site))
        .await?
        .with_packs();
    let into = SqlJournal::open(&url(&context.site)?, Access::Write, &format!("receive from {peer}")).await?;
    Ok((from, into))
}

async fn serve(
    context: &Context,
    from: &mut SqlJournal,
    into: &mut SqlJournal,
    backoff: &mut Backoff,
    peer: &SiteName,
    waker: &Waker,
) -> Reaction {
    let mut puller = Puller::new(LIMIT).handing_over(context.hand_over.clone());
    let every = context.config.look_every;
    let longer = every.saturating_mul(TOLD_RESTS).min(TOLD_REST_MAX).max(every);
    let (mut told, mut looked) = (false, Instant::now());
    while !context.shutdown.is_cancelled() {
        // Of what a third site wrote nobody tells here, so who is told again and again looks all the same.
        let pulled = if std::mem::take(&mut told) && looked.elapsed() < 2 * longer {
            puller.pull_told(from, into).await
        } else {
            looked = Instant::now();
            puller.pull(from, into).await
        };
        match pulled {
            Ok(pulled) => {
                backoff.reset();
                if pulled.runs > 0 {
                    context.wake();
                }
                if !pulled.more {
                    let wait = if waker.is_told() {
                        longer.saturating_sub(looked.elapsed()).max(every)
                    } else {
                        every
                    };
                    told = context.rest_unless(waker, wait).await;
                }
            }
            Err(error) => {
                let reaction = react(&error);
                tracing::warn!(site = %context.site, %peer, error = %anyhow::Error::new(error), ?reaction, "pull failed");
                return reaction;
            }
        }
    }
    Reaction::Reopen
}

fn react(error: &PullError) -> Reaction {
    use journal_core::journal::ReadError;
    match error {
        PullError::Peer(ReadError::Store(error)) | PullError::Own(ReadError::Store(error)) => {
            reaction::store(error)
        }
        PullError::Peer(ReadError::Corrupt { .. }) | PullError::Own(ReadError::Corrupt { .. }) => {
            Reaction::Stop
        }
        PullError::Receive(error) => reaction::receive_reaction(error),
    }
}

async fn rest(context: &Context, backoff: &mut Backoff) {
    sleep(context, backoff.next()).await;
}

/// Sleeps without taking the poster's notices.
async fn sleep(context: &Context, wait: Duration) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = context.shutdown.cancelled() => {}
    }
}
