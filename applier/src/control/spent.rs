//! Where a poster's time goes: each stretch of a turn is put down to what the poster was at.

/// What a poster may be at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reading journals, or taking what was handed over.
    Reading,
    /// Decoding, checking and mapping, or waiting until another thread has.
    Preparing,
    /// Beginning, folding, and the ledger's statements up to the commit.
    Applying,
    /// The commit, flush included.
    Committing,
}

/// Microseconds of a poster, by what it was at. Time without work is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Transactions that came through: decided, posted or put aside.
    pub transactions: u64,
    /// Reading journals, or taking what was handed over.
    pub reading: i64,
    /// Decoding, checking and mapping, or waiting until another thread has.
    pub preparing: i64,
    /// Beginning, folding, and the ledger's statements up to the commit.
    pub applying: i64,
    /// Commits, flushes included.
    pub committing: i64,
    /// When the stretch began that is not put down to anything yet.
    pub(crate) last: i64,
}

impl Spent {
    /// Begins a stretch; what was before it counts for nothing.
    pub(crate) fn begin(&mut self, now: i64) {
        self.last = now;
    }

    /// Puts the stretch that ends now down to some work, and begins the next. A clock that jumped back adds nothing.
    pub(crate) fn lap(&mut self, now: i64, work: Work) {
        let sum = match work {
            Work::Reading => &mut self.reading,
            Work::Preparing => &mut self.preparing,
            Work::Applying => &mut self.applying,
            Work::Committing => &mut self.committing,
        };
        *sum = sum.saturating_add(now.saturating_sub(self.last).max(0));
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_counts_for_what_was_done_in_it() {
        let mut spent = Spent::default();
        spent.begin(1000);
        for (now, work) in [
            (1003, Work::Reading),
            (1010, Work::Preparing),
            (1030, Work::Applying),
            (1031, Work::Committing),
            (900, Work::Committing),
            (905, Work::Reading),
        ] {
            spent.lap(now, work);
        }
        spent.begin(5000);
        spent.lap(5001, Work::Applying);
        let sums = [spent.reading, spent.preparing, spent.applying, spent.committing];
        assert_eq!(sums, [8, 7, 21, 1]);
    }
}
