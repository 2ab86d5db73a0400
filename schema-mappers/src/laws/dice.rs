//! Chance that a seed replays: the same seed gives the same throws on every machine and in every release. Never for
//! anything that must not be guessed.

/// Throws out of a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.bits() % end).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included; `low` when they are the wrong way round.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let Some(span) = high.checked_sub(low).and_then(|span| u64::try_from(span).ok()) else { return low };
        let step = if span == u64::MAX { self.bits() } else { self.bits() % (span + 1) };
        low.wrapping_add_unsigned(step)
    }

    /// True in so many throws of a hundred.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of some; `None` when there are none.
    pub fn pick<'a, T>(&mut self, some: &'a [T]) -> Option<&'a T> {
        some.get(self.below(some.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_throws_for_ever() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            (dice.bits(), dice.below(10), dice.between(-5, 5))
        };
        assert_eq!(throws(1), throws(1));
        assert_ne!(throws(1), throws(2));
        assert_eq!(Dice::new(0).bits(), 0xE220_A839_7B1D_CDAF, "as SplitMix64 is published");
    }

    #[test]
    fn throws_stay_within_their_ends() {
        let mut dice = Dice::new(7);
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert!((0..1000).all(|_| dice.below(3) < 3 && (-2..=2).contains(&dice.between(-2, 2))));
        assert!((i64::MIN..=i64::MAX).contains(&dice.between(i64::MIN, i64::MAX)));
    }
}
