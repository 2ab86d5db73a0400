//! The upgrade of one site as a table of states and events: what comes next, from what is on record. Pure: it reads no
//! database and no clock. Every state has a way on after a crash and, until contract, a way back.

use std::fmt;
use std::str::FromStr;

/// Which way a site goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the new version.
    Forward,
    /// Back to the version before.
    Back,
}

/// The step that a site has before it. Persisted; the order is that of the way forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Another site comes first.
    Waiting,
    /// Look whether all that is needed is there.
    Preflight,
    /// The site says that it is leaving, so that traffic goes elsewhere.
    Leave,
    /// What is queued is posted.
    Drain,
    /// Posting stops.
    Pause,
    /// The new tables are made beside the old ones.
    Expand,
    /// The rows go through the mapping.
    Move,
    /// The new tables take the place of the old ones.
    Switch,
    /// Every view is read once.
    Views,
    /// New tables that were not switched to are dropped. On the way back only.
    Discard,
    /// Posting goes on.
    Resume,
    /// What was appended meanwhile is posted.
    CatchUp,
    /// The ledger is compared with that of the other sites.
    Verify,
    /// The site is at the new version; the old one can still come back.
    Done,
    /// The old version is gone.
    Contracted,
    /// The site is at the version before.
    Returned,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 16] = [
        Self::Waiting,
        Self::Preflight,
        Self::Leave,
        Self::Drain,
        Self::Pause,
        Self::Expand,
        Self::Move,
        Self::Switch,
        Self::Views,
        Self::Discard,
        Self::Resume,
        Self::CatchUp,
        Self::Verify,
        Self::Done,
        Self::Contracted,
        Self::Returned,
    ];

    /// Its name on record and in arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preflight => "preflight",
            Self::Leave => "leave",
            Self::Drain => "drain",
            Self::Pause => "pause",
            Self::Expand => "expand",
            Self::Move => "move",
            Self::Switch => "switch",
            Self::Views => "views",
            Self::Discard => "discard",
            Self::Resume => "resume",
            Self::CatchUp => "catch_up",
            Self::Verify => "verify",
            Self::Done => "done",
            Self::Contracted => "contracted",
            Self::Returned => "returned",
        }
    }

    /// Whether an application is to stay away from the site: from the moment it says so until it has caught up.
    pub fn is_leaving(self) -> bool {
        match self {
            Self::Leave
            | Self::Drain
            | Self::Pause
            | Self::Expand
            | Self::Move
            | Self::Switch
            | Self::Views
            | Self::Discard
            | Self::Resume
            | Self::CatchUp => true,
            Self::Waiting
            | Self::Preflight
            | Self::Verify
            | Self::Done
            | Self::Contracted
            | Self::Returned => false,
        }
    }

    /// Whether nothing is left to do for it but what an operator asks.
    pub fn is_rest(self) -> bool {
        matches!(self, Self::Done | Self::Contracted | Self::Returned)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no step; there are {}", step_names())]
pub struct UnknownStep {
    /// The text.
    pub text: String,
}

fn step_names() -> String {
    Step::ALL.map(Step::name).join(", ")
}

impl FromStr for Step {
    type Err = UnknownStep;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|step| step.name() == text)
            .ok_or_else(|| UnknownStep { text: text.to_owned() })
    }
}

/// Where a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// Which way it goes.
    pub direction: Direction,
    /// The step before it.
    pub step: Step,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The step was carried out, or had been before a crash: there is evidence.
    Passed,
    /// Somebody resumed the site while it was to be paused: what was moved may be stale.
    PauseLost,
    /// An operator asks for the version before.
    AbortAsked,
    /// An operator asks for the old version's end.
    ContractAsked,
}

/// What a site does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go there.
    To(Place),
    /// Change ends: the version to return to becomes the one to lead to. Then go there.
    TurnTo(Place),
    /// It cannot be asked here, for this reason.
    Refused(&'static str),
}

/// What comes after an event. Total: every state has an answer to every event.
pub fn next(at: Place, event: Event) -> Next {
    match event {
        Event::Passed => passed(at),
        Event::PauseLost => pause_lost(at),
        Event::AbortAsked => abort(at),
        Event::ContractAsked => match (at.direction, at.step) {
            (Direction::Forward, Step::Done) => to(Direction::Forward, Step::Contracted),
            (Direction::Forward, Step::Contracted) => Next::Refused("the old version is gone here already"),
            (Direction::Back, Step::Returned) => Next::Refused("the site went back to the version before"),
            _ => Next::Refused("the site has not come to the new version yet"),
        },
    }
}

fn to(direction: Direction, step: Step) -> Next {
    Next::To(Place { direction, step })
}

fn passed(at: Place) -> Next {
    let step = match (at.step, at.direction) {
        (Step::Waiting, _) => Step::Preflight,
        (Step::Preflight, _) => Step::Leave,
        (Step::Leave, _) => Step::Drain,
        (Step::Drain, _) => Step::Pause,
        (Step::Pause, _) => Step::Expand,
        (Step::Expand, _) => Step::Move,
        (Step::Move, _) => Step::Switch,
        (Step::Switch, _) => Step::Views,
        (Step::Views | Step::Discard, _) => Step::Resume,
        (Step::Resume, _) => Step::CatchUp,
        (Step::CatchUp, _) => Step::Verify,
        (Step::Verify, Direction::Forward) => Step::Done,
        (Step::Verify, Direction::Back) => Step::Returned,
        (Step::Done | Step::Contracted | Step::Returned, _) => {
            return Next::Refused("nothing is left to do here");
        }
    };
    to(at.direction, step)
}

/// The new tables are made anew from the next pause on.
fn pause_lost(at: Place) -> Next {
    match at.step {
        Step::Pause | Step::Expand | Step::Move | Step::Switch => to(at.direction, Step::Drain),
        Step::Views | Step::Discard | Step::Resume => to(at.direction, at.step),
        Step::Waiting
        | Step::Preflight
        | Step::Leave
        | Step::Drain
        | Step::CatchUp
        | Step::Verify
        | Step::Done
        | Step::Contracted
        | Step::Returned => Next::Refused("the site is not to be paused here"),
    }
}

fn abort(at: Place) -> Next {
    if at.direction == Direction::Back {
        return match at.step {
            Step::Returned => Next::Refused("the site is at the version before already"),
            _ => Next::Refused("the site is on its way back; `upgrade resume` goes on with it"),
        };
    }
    match at.step {
        // Nothing has happened here.
        Step::Waiting | Step::Preflight => to(Direction::Back, Step::Returned),
        // The ledger stands as it did.
        Step::Leave | Step::Drain | Step::Pause | Step::Expand | Step::Move | Step::Switch => {
            to(Direction::Back, Step::Discard)
        }
        // The new version is in force: the same way with the ends changed, from the pause if that still holds.
        Step::Views | Step::Resume => Next::TurnTo(Place { direction: Direction::Back, step: Step::Pause }),
        Step::CatchUp | Step::Verify | Step::Done => {
            Next::TurnTo(Place { direction: Direction::Back, step: Step::Preflight })
        }
        Step::Contracted => Next::Refused("the old version is gone here; only a new version leads on"),
        Step::Discard | Step::Returned => Next::Refused("no upgrade is under way here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_places() -> impl Iterator<Item = Place> {
        let forward = Step::ALL.into_iter().filter(|step| !matches!(step, Step::Discard | Step::Returned));
        let back = Step::ALL
            .into_iter()
            .filter(|step| !matches!(step, Step::Waiting | Step::Done | Step::Contracted));
        let forward = forward.map(|step| Place { direction: Direction::Forward, step });
        forward.chain(back.map(|step| Place { direction: Direction::Back, step }))
    }

    /// Follows `Passed` to a rest; the steps on the way.
    fn way(mut at: Place) -> Vec<Step> {
        let mut steps = vec![at.step];
        while !at.step.is_rest() {
            let Next::To(place) = next(at, Event::Passed) else { panic!("{at:?} has no way on") };
            assert_eq!(place.direction, at.direction, "{at:?}");
            at = place;
            steps.push(at.step);
            assert!(steps.len() < 20, "{steps:?}");
        }
        steps
    }

    #[test]
    fn the_way_forward_is_the_one_the_manual_tells() {
        let names: Vec<&str> = way(Place { direction: Direction::Forward, step: Step::Waiting })
            .into_iter()
            .map(Step::name)
            .collect();
        let told = "waiting preflight leave drain pause expand move switch views resume catch_up verify done";
        assert_eq!(names.join(" "), told);
    }

    #[test]
    fn every_state_has_a_way_on_that_ends() {
        for place in all_places() {
            let last = way(place).pop();
            let end = match (place.direction, place.step) {
                (_, Step::Contracted) => Step::Contracted,
                (Direction::Forward, _) => Step::Done,
                (Direction::Back, _) => Step::Returned,
            };
            assert_eq!(last, Some(end), "{place:?}");
        }
    }

    #[test]
    fn every_state_before_contract_has_a_way_back() {
        for place in all_places().filter(|place| place.direction == Direction::Forward) {
            let switched = place.step > Step::Switch;
            match next(place, Event::AbortAsked) {
                Next::To(back) => {
                    assert!(!switched, "{place:?}: the new version is in force");
                    assert_eq!(way(back).pop(), Some(Step::Returned), "{place:?}");
                }
                Next::TurnTo(back) => {
                    assert!(switched, "{place:?}: the old version is in force");
                    let way = way(back);
                    assert_eq!(way.last(), Some(&Step::Returned), "{place:?}");
                    for needed in [Step::Pause, Step::Expand, Step::Move, Step::Switch] {
                        assert!(way.contains(&needed), "{place:?}: {way:?}");
                    }
                }
                Next::Refused(_) => assert_eq!(place.step, Step::Contracted, "{place:?}"),
            }
        }
    }

    #[test]
    fn a_site_that_was_paused_is_resumed_on_every_way() {
        for place in all_places().filter(|place| (Step::Pause..Step::Resume).contains(&place.step)) {
            assert!(way(place).contains(&Step::Resume), "{place:?}");
            if let Next::To(back) | Next::TurnTo(back) = next(place, Event::AbortAsked) {
                assert!(way(back).contains(&Step::Resume), "{place:?}");
            }
        }
    }

    #[test]
    fn what_was_moved_under_a_pause_that_was_lost_is_moved_again() {
        for step in [Step::Pause, Step::Expand, Step::Move, Step::Switch] {
            for direction in [Direction::Forward, Direction::Back] {
                let at = Place { direction, step };
                let again = Place { direction, step: Step::Drain };
                assert_eq!(next(at, Event::PauseLost), Next::To(again), "{at:?}");
                assert!(way(again).contains(&Step::Expand));
            }
        }
    }

    #[test]
    fn only_a_site_at_the_new_version_is_contracted() {
        for place in all_places() {
            let contracted = next(place, Event::ContractAsked);
            let done = place == Place { direction: Direction::Forward, step: Step::Done };
            assert_eq!(matches!(contracted, Next::To(_)), done, "{place:?}");
        }
    }

    #[test]
    fn names_of_steps_read_back() {
        for step in Step::ALL {
            assert_eq!(step.name().parse(), Ok(step));
        }
        assert!("reshape".parse::<Step>().is_err());
    }
}
