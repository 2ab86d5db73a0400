//! How far site b is behind the callers at site a, looked at while they append; and what keeps them from running ahead.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::servers::connect;

/// Between two looks at site b; a lag is told too long by at most this.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Transactions that are acknowledged and not posted at b yet: with more the callers wait, as an application does whose
/// users want to find their writes at the other site.
const AHEAD_MAX: i64 = 10_000;
/// The last transaction of site a that is posted here, in the database transaction that made it visible.
const POSTED: &str = "SELECT trans_nr FROM {d}posted WHERE origin = 'a'";

/// What the callers share.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// The last transaction that a caller was told to be durable. Batches are durable in order, so all before it are too.
    acknowledged: Arc<AtomicI64>,
    posted: watch::Receiver<i64>,
}

/// The look at site b.
#[derive(Debug)]
pub(crate) struct Looking {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<Duration>>,
}

impl Pace {
    /// Waits until b is near enough.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        let acknowledged = &self.acknowledged;
        let near = |posted: &i64| acknowledged.load(Ordering::Relaxed) - posted < AHEAD_MAX;
        self.posted.wait_for(near).await.context("nobody looks at site b any more")?;
        Ok(())
    }

    pub(crate) fn acknowledge(&self, trans_nr: i64) {
        self.acknowledged.fetch_max(trans_nr, Ordering::Relaxed);
    }
}

impl Looking {
    /// Begins to look at the database of site b.
    pub(crate) fn begin(url: &str) -> (Self, Pace) {
        let (acknowledged, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let (sender, posted) = watch::channel(0);
        let task = tokio::spawn(look(url.to_owned(), acknowledged.clone(), sender, stop.clone()));
        (Self { stop, task }, Pace { acknowledged, posted })
    }

    /// Ends; the largest lag.
    pub(crate) async fn end(self) -> Result<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("look at site b")?
    }
}

async fn look(
    url: String,
    acknowledged: Arc<AtomicI64>,
    sender: watch::Sender<i64>,
    stop: Arc<AtomicBool>,
) -> Result<Duration> {
    let mut conn = connect(&url).await?;
    let mut lag = Lag::new(Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let (now, told) = (Instant::now(), acknowledged.load(Ordering::Relaxed));
        let row = conn.lend().fetch_optional(POSTED, Vec::new()).await?;
        let posted = row.map_or(Ok(0), |row| row.i64(0))?;
        lag.note(now, told, posted);
        sender.send_replace(posted);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    conn.close().await;
    Ok(lag.largest)
}

/// Reckons the lag: how long ago the first transaction that is not posted yet was acknowledged, at most.
#[derive(Debug)]
struct Lag {
    /// Looks at which more was acknowledged than is posted now.
    ahead: VecDeque<(Instant, i64)>,
    /// The last look at which no more was acknowledged than is posted now.
    level: Instant,
    largest: Duration,
}

impl Lag {
    fn new(now: Instant) -> Self {
        Self { ahead: VecDeque::new(), level: now, largest: Duration::ZERO }
    }

    fn note(&mut self, now: Instant, acknowledged: i64, posted: i64) {
        self.ahead.push_back((now, acknowledged));
        while let Some((then, _)) = self.ahead.pop_front_if(|(_, told)| *told <= posted) {
            self.level = then;
        }
        if !self.ahead.is_empty() {
            self.largest = self.largest.max(now - self.level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_the_first_transaction_that_is_not_posted() {
        let start = Instant::now();
        let mut lag = Lag::new(start);
        for (millis, acknowledged, posted) in
            [(0, 0, 0), (20, 10, 0), (40, 20, 0), (60, 20, 10), (80, 20, 20), (500, 20, 20), (520, 30, 20)]
        {
            lag.note(start + Duration::from_millis(millis), acknowledged, posted);
        }
        // At 40 ms the first ten, which were acknowledged after the look at 0 ms, were not posted.
        assert_eq!(lag.largest, Duration::from_millis(40));
    }
}
