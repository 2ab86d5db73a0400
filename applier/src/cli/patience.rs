//! How long a command waits, and how it looks again meanwhile. Only sleeps between looks; no look is ever cut short.

use std::str::FromStr;
use std::time::{Duration, Instant};

/// Between two looks: short against what people notice, long against what a look costs.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A duration in an argument: a whole number with `ms`, `s`, `m` or `h`; without a unit, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Duration);

/// A text that is no duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: a whole number with ms, s, m or h, such as 30s")]
pub(crate) struct InvalidTimeout(String);

impl FromStr for Timeout {
    type Err = InvalidTimeout;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidTimeout(text.to_owned());
        let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
        let count: u64 = digits.parse().map_err(|_| invalid())?;
        let milliseconds = match &text[digits.len()..] {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(invalid()),
        };
        count.checked_mul(milliseconds).map(|all| Self(Duration::from_millis(all))).ok_or_else(invalid)
    }
}

impl std::fmt::Display for Timeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_millis() {
            all if all % 1_000 == 0 => write!(f, "{}s", all / 1_000),
            all => write!(f, "{all}ms"),
        }
    }
}

/// The end of a wait, from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    started: Instant,
    timeout: Timeout,
}

impl Patience {
    pub(crate) fn start(timeout: Timeout) -> Self {
        Self { started: Instant::now(), timeout }
    }

    /// Rests before the next look; `false` when there is none because the time is over.
    pub(crate) async fn again(self) -> bool {
        let left = self.left();
        tokio::time::sleep(LOOK_AGAIN.min(left)).await;
        !left.is_zero()
    }

    /// What is left of the time.
    pub(crate) fn left(self) -> Duration {
        self.timeout.0.saturating_sub(self.started.elapsed())
    }

    pub(crate) fn waited_ms(self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_with_their_units() {
        for (text, milliseconds) in
            [("250ms", 250), ("30s", 30_000), ("30", 30_000), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(text.parse(), Ok(Timeout(Duration::from_millis(milliseconds))));
        }
        for text in ["", "s", "-1s", "1.5s", "3 days", "99999999999999999999h", "18446744073709551615h"] {
            assert_eq!(text.parse::<Timeout>(), Err(InvalidTimeout(text.to_owned())));
        }
        assert_eq!((Timeout(Duration::from_secs(30)).to_string()), "30s");
    }
}
