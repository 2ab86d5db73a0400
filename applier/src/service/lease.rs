//! Taking and keeping a site's lease. Time is measured on this machine's monotonic clock only; the fence number, checked
//! in every posting transaction, is what makes a mistake here harmless.

use std::time::{Duration, Instant};

use journal_core::sql::DbUrl;
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::control::lease::{Decision, LeaseWatch};
use crate::control::sql::SqlControl;
use crate::control::{ControlStore, Lease};
use crate::ledger::LedgerError;

/// Signs of life within one time to live: two may be lost before anyone takes over.
const BEATS_PER_TTL: u32 = 3;

/// Waits until the lease is this instance's. `None` when shutdown came first.
pub(super) async fn take(context: &Context, control: &mut SqlControl) -> Result<Option<Lease>, LedgerError> {
    let start = Instant::now();
    let mut watch = LeaseWatch::new();
    while !context.shutdown.is_cancelled() {
        let lease = control.lease().await?;
        let ours = lease.holder == context.instance;
        if ours || watch.observe(&lease, start.elapsed(), context.config.lease_ttl) == Decision::Take {
            if let Some(taken) = control.take_lease(&lease, &context.instance).await? {
                return Ok(Some(taken));
            }
        } else {
            tokio::select! {
                () = tokio::time::sleep(context.config.lease_ttl / BEATS_PER_TTL) => {}
                () = context.shutdown.cancelled() => {}
            }
        }
    }
    // A life of the poster that ended to begin afresh has kept it.
    let lease = control.lease().await?;
    if lease.holder == context.instance {
        control.release_lease(lease.fence).await?;
    }
    Ok(None)
}

/// Gives signs of life until told to end, or until another holds the lease; then tells the poster to end.
pub(super) async fn keep(url: DbUrl, fence: i64, ttl: Duration, end: CancellationToken) {
    let mut control: Option<SqlControl> = None;
    while !end.is_cancelled() {
        match beat(&url, &mut control, fence).await {
            Ok(true) => {}
            Ok(false) => {
                end.cancel();
                return;
            }
            Err(error) => {
                // The poster meets the same trouble and reacts; here only the connection is renewed.
                tracing::debug!(%error, "no sign of life given");
                control = None;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ttl / BEATS_PER_TTL) => {}
            () = end.cancelled() => {}
        }
    }
}

async fn beat(url: &DbUrl, control: &mut Option<SqlControl>, fence: i64) -> Result<bool, LedgerError> {
    let control = match control {
        Some(control) => control,
        None => control.insert(SqlControl::open(url).await?),
    };
    control.beat(fence).await
}
