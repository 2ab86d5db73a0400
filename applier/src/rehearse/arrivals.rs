//! How fast transactions arrive, from the clock readings of their seals, and how long a site that was paused needs to catch
//! up. Pure.

use std::collections::BTreeMap;

use journal_core::model::SealedRun;

/// Over which the busiest time is looked for, microseconds: shorter than any pause worth planning.
const MINUTE_US: i64 = 60 * 1_000_000;

/// Transactions by minute.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    minutes: BTreeMap<i64, u64>,
    first_us: Option<i64>,
    last_us: i64,
}

/// Transactions a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate(pub(super) f64);

impl Arrivals {
    /// Takes a run in: it stands for the moment of its seal.
    pub(super) fn count(&mut self, run: &SealedRun) {
        self.at(run.seal.hlc.0, run.transactions.len() as u64);
    }

    fn at(&mut self, micros: i64, transactions: u64) {
        *self.minutes.entry(micros.div_euclid(MINUTE_US)).or_default() += transactions;
        self.first_us = Some(self.first_us.map_or(micros, |first| first.min(micros)));
        self.last_us = self.last_us.max(micros);
    }

    /// From the first to the last, milliseconds.
    pub(super) fn span_ms(&self) -> u64 {
        self.first_us.map_or(0, |first| u64::try_from((self.last_us - first) / 1000).unwrap_or(0))
    }

    /// Over the whole span; `None` where it is shorter than a second and says nothing.
    pub(super) fn mean(&self) -> Option<Rate> {
        let span_ms = self.span_ms();
        let all: u64 = self.minutes.values().sum();
        (span_ms >= 1000).then(|| Rate(as_f64(all) * 1000.0 / as_f64(span_ms)))
    }

    /// In the busiest minute; never less than the mean.
    pub(super) fn busiest(&self) -> Option<Rate> {
        let mean = self.mean()?;
        let most = self.minutes.values().max().copied().unwrap_or(0);
        Some(Rate(mean.0.max(as_f64(most) / 60.0)))
    }
}

/// How long a site needs to catch up after a pause, milliseconds: what arrived meanwhile, and what goes on arriving, against
/// what it posts. `None` when it never does.
pub(super) fn catch_up_ms(pause_ms: u64, arriving: Rate, posting: Rate) -> Option<u64> {
    let gain = posting.0 - arriving.0;
    if gain <= 0.0 {
        return None;
    }
    let millis = as_f64(pause_ms) * arriving.0 / gain;
    Some(
        std::time::Duration::try_from_secs_f64(millis / 1000.0)
            .map_or(u64::MAX, |waited| u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)),
    )
}

/// Counts are far below what a float holds exactly.
#[allow(clippy::cast_precision_loss, reason = "estimates in three digits")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_the_span_and_the_busiest_minute_over_a_minute() {
        let mut arrivals = Arrivals::default();
        assert_eq!((arrivals.mean(), arrivals.busiest()), (None, None));
        arrivals.at(0, 100);
        assert_eq!(arrivals.mean(), None, "one moment says nothing");
        arrivals.at(30 * 1_000_000, 500);
        assert_eq!((arrivals.mean(), arrivals.busiest()), (Some(Rate(20.0)), Some(Rate(20.0))));
        arrivals.at(600 * 1_000_000, 600);
        assert_eq!((arrivals.mean(), arrivals.busiest()), (Some(Rate(2.0)), Some(Rate(10.0))));
        assert_eq!(arrivals.span_ms(), 600_000);
    }

    #[test]
    fn a_site_catches_up_by_what_it_posts_more_than_arrives() {
        assert_eq!(catch_up_ms(60_000, Rate(100.0), Rate(1100.0)), Some(6000));
        assert_eq!(catch_up_ms(0, Rate(100.0), Rate(1100.0)), Some(0));
        assert_eq!(catch_up_ms(60_000, Rate(100.0), Rate(100.0)), None);
        assert_eq!(catch_up_ms(60_000, Rate(0.0), Rate(1.0)), Some(0));
    }
}
