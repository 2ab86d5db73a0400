//! How much a poster takes at once: little, until it is behind and large batches go quickly. A pause waits for a batch.

use journal_core::journal::ReadLimit;

/// A full batch that took less than this, in microseconds, may be twice as large the next time.
const QUICK: i64 = 200_000;
/// One that took more than this has to be half as large.
const SLOW: i64 = 500_000;

/// The size of a poster's batches.
#[derive(Debug)]
pub(super) struct Pace {
    least: ReadLimit,
    most: ReadLimit,
    factor: usize,
}

impl Pace {
    pub(super) fn new(least: ReadLimit, most: ReadLimit) -> Self {
        Self { least, most, factor: 1 }
    }

    /// Most of the next batch.
    pub(super) fn limit(&self) -> ReadLimit {
        let grown = |least: usize, most: usize| least.saturating_mul(self.factor).min(most).max(least);
        ReadLimit {
            transactions: grown(self.least.transactions, self.most.transactions),
            bytes: grown(self.least.bytes, self.most.bytes),
        }
    }

    /// Takes note of a batch: whether more had been there than it took, and for how long it was at work. A clock that
    /// jumped says nothing.
    pub(super) fn took(&mut self, full: bool, micros: i64) {
        let limit = self.limit();
        let largest = limit.transactions >= self.most.transactions && limit.bytes >= self.most.bytes;
        if full && !largest && (0..QUICK).contains(&micros) {
            self.factor *= 2;
        } else if micros > SLOW {
            self.factor = (self.factor / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: ReadLimit = ReadLimit { transactions: 10, bytes: 100 };
    const MOST: ReadLimit = ReadLimit { transactions: 30, bytes: 1000 };

    fn sizes(pace: &Pace) -> (usize, usize) {
        (pace.limit().transactions, pace.limit().bytes)
    }

    #[test]
    fn batches_grow_while_they_are_full_and_quick_and_no_further_than_they_may() {
        let mut pace = Pace::new(LEAST, MOST);
        pace.took(false, 1);
        assert_eq!(sizes(&pace), (10, 100));
        for size in [(20, 200), (30, 400), (30, 800), (30, 1000), (30, 1000)] {
            pace.took(true, 1);
            assert_eq!(sizes(&pace), size);
        }
    }

    #[test]
    fn batches_shrink_when_they_are_slow_and_no_further_than_to_their_least() {
        let mut pace = Pace::new(LEAST, MOST);
        pace.took(true, 1);
        pace.took(true, QUICK);
        pace.took(true, -1);
        assert_eq!(sizes(&pace), (20, 200));
        pace.took(true, SLOW + 1);
        pace.took(false, SLOW + 1);
        assert_eq!(sizes(&pace), (10, 100));
        let fixed = Pace::new(LEAST, LEAST);
        assert_eq!(sizes(&fixed), (10, 100));
    }
}
