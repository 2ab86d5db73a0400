//! When a standby may take the lease over. Pure: it watches the holder's sign of life for change over its own monotonic
//! clock and compares no two machines' clocks. A wrong guess costs a change of holder, never a double posting: the
//! fence, checked in every posting transaction, keeps the old holder out.

use std::time::Duration;

use super::Lease;

/// What a standby does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The holder may be alive: look again later.
    Wait,
    /// The lease is free, or its holder gave no sign for the whole time to live: take it from the state just seen.
    Take,
}

/// What a standby has seen of the lease so far.
#[derive(Debug, Clone, Default)]
pub struct LeaseWatch {
    /// The last state that differed from the one before, and when it was first seen.
    last: Option<(Lease, Duration)>,
}

impl LeaseWatch {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a look at the lease in. `now` is a reading of one monotonic clock, from any fixed start, rising from call
    /// to call; `ttl` is how long a holder may go without a sign of life.
    ///
    /// A free lease may be taken at once. A held one never at the first look: how old its state is cannot be known.
    pub fn observe(&mut self, lease: &Lease, now: Duration, ttl: Duration) -> Decision {
        if lease.holder.is_empty() {
            return Decision::Take;
        }
        match &self.last {
            Some((seen, since)) if seen == lease => {
                if now.saturating_sub(*since) >= ttl {
                    Decision::Take
                } else {
                    Decision::Wait
                }
            }
            _ => {
                self.last = Some((lease.clone(), now));
                Decision::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn held(fence: i64, beat: i64) -> Lease {
        Lease { fence, holder: "one".to_owned(), beat }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_free_lease_is_taken_at_the_first_look() {
        let free = Lease { fence: 3, holder: String::new(), beat: 9 };
        assert_eq!(LeaseWatch::new().observe(&free, at(0), TTL), Decision::Take);
    }

    #[test]
    fn a_held_lease_is_never_taken_at_the_first_look_however_late_it_is() {
        assert_eq!(LeaseWatch::new().observe(&held(1, 1), at(1_000_000), TTL), Decision::Wait);
    }

    #[test]
    fn a_holder_without_a_sign_for_the_time_to_live_loses_it_and_not_before() {
        let mut watch = LeaseWatch::new();
        assert_eq!(watch.observe(&held(1, 1), at(100), TTL), Decision::Wait);
        assert_eq!(watch.observe(&held(1, 1), at(109), TTL), Decision::Wait);
        assert_eq!(watch.observe(&held(1, 1), at(110), TTL), Decision::Take);
    }

    #[test]
    fn each_sign_of_life_starts_the_time_anew() {
        let mut watch = LeaseWatch::new();
        for (beat, second) in [(1, 0), (2, 9), (3, 18), (4, 27)] {
            assert_eq!(watch.observe(&held(1, beat), at(second), TTL), Decision::Wait);
        }
        assert_eq!(watch.observe(&held(1, 4), at(36), TTL), Decision::Wait);
        assert_eq!(watch.observe(&held(1, 4), at(37), TTL), Decision::Take);
    }

    #[test]
    fn another_holder_starts_the_time_anew_even_at_the_same_beat() {
        let mut watch = LeaseWatch::new();
        assert_eq!(watch.observe(&held(1, 5), at(0), TTL), Decision::Wait);
        assert_eq!(watch.observe(&held(2, 5), at(10), TTL), Decision::Wait);
        assert_eq!(watch.observe(&held(2, 5), at(20), TTL), Decision::Take);
    }

    #[test]
    fn a_clock_that_does_not_move_takes_nothing() {
        let mut watch = LeaseWatch::new();
        for _ in 0..1000 {
            assert_eq!(watch.observe(&held(1, 1), at(7), TTL), Decision::Wait);
        }
    }
}
