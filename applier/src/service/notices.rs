//! Word from the databases, so that an idle poster or puller looks at once. Where there is none (SQLite, a connection that
//! was lost, an append in plain SQL) they look every [`look_every`](crate::config::Config::look_every) all the same; a puller
//! that was told, less often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journal_core::model::SiteName;
use journal_core::store::sql::Notice;
use tokio::sync::Notify;

use super::{Backoff, Context};
use crate::control::sql::SqlControl;
use crate::ledger::LedgerError;

/// How a task at rest is woken.
#[derive(Debug, Default)]
pub(super) struct Waker {
    come: Notify,
    /// Whether a database was heard to tell it what comes in.
    told: AtomicBool,
}

impl Waker {
    pub(super) fn wake(&self) {
        self.come.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.come.notified().await;
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    fn set_told(&self, told: bool) {
        self.told.store(told, Ordering::Relaxed);
    }
}

/// Turns without a rest after which a poster is busy.
const BUSY_TURNS: u32 = 16;

/// Passes word from a site's database on, until shutdown.
pub(super) async fn run(context: Context, at: SiteName, notice: Notice, waker: Arc<Waker>) {
    let Some(url) = context.config.site(&at).map(|site| site.url.clone()) else { return };
    let mut backoff = Backoff::new();
    while !context.shutdown.is_cancelled() {
        match notice.listen(&url, &format!("listen for {}", context.site)).await {
            Ok(None) => return,
            Ok(Some(mut notices)) => {
                backoff.reset();
                // Nobody was told of what came in before.
                waker.wake();
                // This session writes nothing and holds no transaction: it may be dropped in the middle of a call.
                while let Some(Ok(())) = context.shutdown.run_until_cancelled(notices.wait()).await {
                    // Not before: behind a pooler one listens and is told nothing.
                    waker.set_told(true);
                    waker.wake();
                }
                waker.set_told(false);
            }
            Err(error) => tracing::debug!(site = %context.site, %at, %error, "cannot listen yet"),
        }
        let _cancelled = context.shutdown.run_until_cancelled(tokio::time::sleep(backoff.next())).await;
    }
}

/// When a poster asks to be told of appends: before it rests. One that is busy finds them without, and telling costs.
#[derive(Debug, Default)]
pub(super) struct Ear {
    asked: Option<bool>,
    turns: u32,
}

impl Ear {
    /// After a turn that got on.
    pub(super) async fn busy(&mut self, control: &mut SqlControl) -> Result<(), LedgerError> {
        self.turns = self.turns.saturating_add(1);
        if self.turns >= BUSY_TURNS {
            self.shut(control).await?;
        }
        Ok(())
    }

    /// Whether appends are told.
    pub(super) fn is_open(&self) -> bool {
        self.asked == Some(true)
    }

    /// After a turn that got on, and a rest.
    pub(super) fn rested(&mut self) {
        self.turns = 0;
    }

    /// Before a rest. `true`: look once more first, since what was appended a moment ago was not told.
    pub(super) async fn idle(&mut self, control: &mut SqlControl) -> Result<bool, LedgerError> {
        self.turns = 0;
        self.ask(control, true).await
    }

    /// While appends change nothing: the site is paused, or waits for something else.
    pub(super) async fn shut(&mut self, control: &mut SqlControl) -> Result<(), LedgerError> {
        self.ask(control, false).await?;
        Ok(())
    }

    async fn ask(&mut self, control: &mut SqlControl, told: bool) -> Result<bool, LedgerError> {
        let new = self.asked != Some(told);
        if new {
            control.listen_to_appends(told).await?;
            self.asked = Some(told);
        }
        Ok(new)
    }
}
