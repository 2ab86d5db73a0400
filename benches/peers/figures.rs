//! What the rounds of a case give, and what they come to together.

use std::time::Duration;

use serde_json::{Value, json};

/// What a case gives.
#[derive(Debug)]
pub(crate) enum Figures {
    /// Transactions a second, a round each.
    Rates(Vec<Run>),
    /// Times until a transaction is visible, a round each.
    Latencies(Vec<Latency>),
    /// Resident memory.
    Memory(Memory),
}

/// The rates of one round, in transactions a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) daybook: f64,
    pub(crate) peer: f64,
    pub(crate) ratio: f64,
    /// By how much the posting at the other end was behind at most, where that is looked at.
    pub(crate) lag: Option<Duration>,
}

/// A round's times of both, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) daybook: Percentiles,
    pub(crate) peer: Percentiles,
}

/// In milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// The most memory that the service of a site had, in MB of 1,024 kB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Of the site that catches up.
    pub(crate) peer_site: f64,
    /// Of the site that was written.
    pub(crate) origin_site: f64,
}

impl Run {
    /// The more transactions a second beside the peer, the better.
    pub(crate) fn of_rates(daybook: f64, peer: f64) -> Self {
        Self { daybook, peer, ratio: daybook / peer, lag: None }
    }

    /// The less time a transaction beside the peer, the better.
    pub(crate) fn of_times(daybook: f64, peer: f64) -> Self {
        Self { daybook, peer, ratio: peer / daybook, lag: None }
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = json!({
            "daybook_per_s": self.daybook.round(),
            "peer_per_s": self.peer.round(),
            "ratio": two_digits(self.ratio),
        });
        if let Some(lag) = self.lag {
            json["lag_ms"] = json!(millis(lag).round());
        }
        json
    }

    pub(crate) fn text(&self) -> String {
        let lag = self.lag.map(|lag| format!(" (lag {:.0} ms)", millis(lag))).unwrap_or_default();
        format!("{:.0}/{:.0}{lag}", self.daybook, self.peer)
    }
}

impl Latency {
    pub(crate) fn ratio(&self) -> f64 {
        self.daybook.p50 / self.peer.p50
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "daybook_ms_p50": two_digits(self.daybook.p50),
            "daybook_ms_p99": two_digits(self.daybook.p99),
            "peer_ms_p50": two_digits(self.peer.p50),
            "peer_ms_p99": two_digits(self.peer.p99),
            "ratio": two_digits(self.ratio()),
        })
    }

    /// The median of each figure over the rounds.
    pub(crate) fn middle(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure));
        Self {
            daybook: Percentiles { p50: of(|round| round.daybook.p50), p99: of(|round| round.daybook.p99) },
            peer: Percentiles { p50: of(|round| round.peer.p50), p99: of(|round| round.peer.p99) },
        }
    }
}

impl Percentiles {
    /// Of some samples, at least one.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort();
        let at = |percent: usize| {
            let place = (samples.len() * percent).div_ceil(100).max(1) - 1;
            samples.get(place).map_or(f64::NAN, |sample| millis(*sample))
        };
        Self { p50: at(50), p99: at(99) }
    }
}

pub(crate) fn two_digits(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The middle one; of an even number the lower of the two in the middle, so that it is one that was measured.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// So many transactions in that time, as a rate.
pub(crate) fn rate(transactions: i64, took: Duration) -> f64 {
    // Counts are far below what a float holds exactly.
    u32::try_from(transactions).map_or(f64::NAN, f64::from) / took.as_secs_f64()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 1.0);
    }

    #[test]
    fn a_percentile_is_the_least_sample_that_so_many_do_not_exceed() {
        let samples = |count: u64| (1..=count).rev().map(Duration::from_millis).collect();
        let hundred = Percentiles::of(samples(100));
        assert_eq!((hundred.p50, hundred.p99), (50.0, 99.0));
        let one = Percentiles::of(samples(1));
        assert_eq!((one.p50, one.p99), (1.0, 1.0));
    }
}
