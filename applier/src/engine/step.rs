//! What a poster does next. Every case visible; no clock, no await.

/// What the poster knows of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Whether own transactions wait to be decided.
    pub undecided: bool,
    /// Whether each peer lane has runs that may be posted now.
    pub lanes: Vec<bool>,
    /// The peer lane served last.
    pub last_lane: Option<usize>,
    /// Whether own transactions were decided last.
    pub decided_last: bool,
    /// The peer lane of which a run was begun in an earlier life of the poster, and not finished.
    pub begun: Option<usize>,
    /// Whether something of a peer was posted that no own seal acknowledges yet.
    pub unacknowledged: bool,
}

/// One unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Decide, post and seal own transactions.
    Decide,
    /// Post what a peer lane brought.
    Post(usize),
    /// Seal nothing, so that the peers learn what is posted here.
    Acknowledge,
    /// Nothing to do.
    Wait,
}

/// Own decisions and peer lanes take turns, so that neither starves; acknowledging comes when all are quiet or have to wait. A run that
/// was begun comes first: a seal tells what was seen by whole runs only, so what is decided on top of half a run would
/// look concurrent with it.
pub fn next_step(view: &View) -> Step {
    if let Some(lane) = view.begun.filter(|lane| view.lanes.get(*lane) == Some(&true)) {
        return Step::Post(lane);
    }
    let lanes = view.lanes.len();
    let after = view.last_lane.map_or(0, |lane| lane + 1);
    let lane = (0..lanes).map(|step| (after + step) % lanes).find(|lane| view.lanes[*lane]);
    match (view.undecided, lane) {
        (true, None) => Step::Decide,
        (true, Some(lane)) if view.decided_last => Step::Post(lane),
        (true, Some(_)) => Step::Decide,
        (false, Some(lane)) => Step::Post(lane),
        (false, None) if view.unacknowledged => Step::Acknowledge,
        (false, None) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_decisions_and_every_lane_get_their_turn() {
        let mut view = View {
            undecided: true,
            lanes: vec![true, false, true],
            last_lane: None,
            decided_last: false,
            begun: None,
            unacknowledged: true,
        };
        let mut steps = Vec::new();
        for _ in 0..6 {
            let step = next_step(&view);
            match step {
                Step::Decide => view.decided_last = true,
                Step::Post(lane) => (view.decided_last, view.last_lane) = (false, Some(lane)),
                Step::Acknowledge | Step::Wait => unreachable!(),
            }
            steps.push(step);
        }
        use Step::{Decide, Post};
        assert_eq!(steps, [Decide, Post(0), Decide, Post(2), Decide, Post(0)]);
    }

    #[test]
    fn a_run_that_was_begun_is_finished_before_anything_is_decided() {
        let mut view = View {
            undecided: true,
            lanes: vec![true, true],
            last_lane: None,
            decided_last: false,
            begun: Some(1),
            unacknowledged: true,
        };
        assert_eq!(next_step(&view), Step::Post(1));
        view.lanes[1] = false; // It cannot go on: nothing else waits for it.
        assert_eq!(next_step(&view), Step::Decide);
    }

    #[test]
    fn acknowledging_waits_until_all_is_quiet() {
        let quiet = View {
            undecided: false,
            lanes: vec![false],
            last_lane: None,
            decided_last: false,
            begun: None,
            unacknowledged: true,
        };
        assert_eq!(next_step(&quiet), Step::Acknowledge);
        assert_eq!(next_step(&View { unacknowledged: false, ..quiet }), Step::Wait);
    }
}
