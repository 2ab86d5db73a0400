//! The hybrid logical clock, and the only place that reads the wall clock for it. No time decides what is visible: it
//! only places seals in the canonical order, and there it never runs backwards.

use std::time::{SystemTime, UNIX_EPOCH};

use journal_core::journal::Head;
use journal_core::model::Hlc;

/// A source of wall-clock time.
pub trait Clock: Send {
    /// Microseconds since 1970 UTC. May jump either way; callers do not rely on it.
    fn now(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock for seals")]
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// The reading for the next seal: the wall clock, or one more than any seal here, own or received, if that is larger.
pub fn next_hlc(now: i64, heads: &[Head]) -> Hlc {
    let known = heads.iter().map(|head| head.hlc.0).max().unwrap_or(0);
    Hlc(now.max(known.saturating_add(1)))
}
