//! Narrowing a batch down to the transactions at fault. The slow path is the definition: a transaction's verdict is
//! what happens when it is posted after everything before it.

use std::ops::Range;

/// How a part of a batch is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By sets: fast, and a fault is nobody's.
    Together,
    /// One after the other: the definition. So a part is tried again that was refused together.
    OneByOne,
}

/// Walks a batch: which part to try next, given how the tries went.
#[derive(Debug)]
pub struct Narrow<V> {
    verdicts: Vec<Option<V>>,
    range: Range<usize>,
    /// Where the parts ended that failed and were halved, the smallest last: after a first half comes its second.
    ends: Vec<usize>,
    way: Way,
    one_by_one_max: usize,
}

impl<V> Narrow<V> {
    /// A batch whose members may have a verdict against them already. A part of more than `one_by_one_max` is halved before
    /// anything of it goes one by one: that would be a long database transaction, for which a pause has to wait.
    pub fn new(verdicts: Vec<Option<V>>, one_by_one_max: usize) -> Self {
        let range = 0..verdicts.len();
        Self { verdicts, range, ends: Vec::new(), way: Way::Together, one_by_one_max: one_by_one_max.max(1) }
    }

    /// The part to try next, in one database transaction, leaving out those with a verdict. `None` when all is done.
    pub fn next(&self) -> Option<Range<usize>> {
        (!self.range.is_empty()).then(|| self.range.clone())
    }

    /// How to try it.
    pub fn way(&self) -> Way {
        self.way
    }

    /// The verdict against a member, if there is one.
    pub fn verdict(&self, at: usize) -> Option<&V> {
        self.verdicts[at].as_ref()
    }

    /// A verdict found without posting.
    pub fn condemn(&mut self, at: usize, verdict: V) {
        self.verdicts[at] = Some(verdict);
    }

    /// The part was committed.
    pub fn posted(&mut self) {
        self.way = Way::Together;
        let start = self.range.end;
        while self.ends.pop_if(|end| *end <= start).is_some() {}
        self.range = start..self.ends.last().copied().unwrap_or(self.verdicts.len());
    }

    /// The part failed, at a known member or, where it was tried together or the database tells only at commit, somewhere.
    pub fn failed(&mut self, at: Option<usize>, verdict: V) {
        if at.is_none() && self.way == Way::Together {
            match self.range.len() > self.one_by_one_max {
                true => self.halve(),
                false => self.way = Way::OneByOne,
            }
            return;
        }
        self.way = Way::Together;
        let mut open = self.range.clone().filter(|index| self.verdicts[*index].is_none());
        let first = open.next();
        match (at, first) {
            // Nothing was posted before it in this transaction: that is the verdict.
            (Some(at), Some(first)) if first == at => self.verdicts[at] = Some(verdict),
            // What stands before it goes first, so that it is judged on top of it.
            (Some(at), _) => self.range.end = at,
            (None, Some(first)) if open.next().is_none() => self.verdicts[first] = Some(verdict),
            (None, _) => self.halve(),
        }
    }

    fn halve(&mut self) {
        self.ends.push(self.range.end);
        self.range.end -= self.range.len() / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Posts a batch in which some members always fail, and tells what was posted, in order, and in how many tries.
    fn run(len: usize, bad: &[usize], tells: bool) -> (Vec<usize>, Vec<usize>, usize) {
        run_halving(len, len, bad, tells)
    }

    fn run_halving(len: usize, max: usize, bad: &[usize], tells: bool) -> (Vec<usize>, Vec<usize>, usize) {
        let mut narrow = Narrow::new((0..len).map(|_| None).collect(), max);
        let (mut posted, mut tries) = (Vec::new(), 0);
        while let Some(range) = narrow.next() {
            tries += 1;
            assert!(narrow.way() == Way::Together || range.len() <= max, "{range:?} one by one");
            let open: Vec<usize> = range.filter(|at| narrow.verdict(*at).is_none()).collect();
            match open.iter().find(|at| bad.contains(at)) {
                Some(at) => narrow.failed((tells && narrow.way() == Way::OneByOne).then_some(*at), ()),
                None => {
                    posted.extend(open);
                    narrow.posted();
                }
            }
        }
        let condemned = (0..len).filter(|at| narrow.verdict(*at).is_some()).collect();
        (posted, condemned, tries)
    }

    #[test]
    fn exactly_the_faulty_are_condemned_and_the_rest_goes_in_order() {
        for (tells, max) in [(true, 10), (false, 10), (true, 3), (false, 3), (true, 1), (false, 1)] {
            for bad in [vec![], vec![0], vec![9], vec![3, 4, 5], (0..10).collect::<Vec<_>>(), vec![0, 2, 9]] {
                let (posted, condemned, _) = run_halving(10, max, &bad, tells);
                assert_eq!(condemned, bad, "tells {tells}, max {max}");
                let good: Vec<usize> = (0..10).filter(|at| !bad.contains(at)).collect();
                assert_eq!(posted, good, "tells {tells}, max {max}");
            }
        }
    }

    #[test]
    fn one_fault_in_a_thousand_costs_few_tries() {
        assert!(run(1000, &[617], true).2 <= 6);
        assert!(run(1000, &[617], false).2 <= 36);
        assert!(run_halving(32_000, 1000, &[20_617], true).2 <= 24);
    }
}
