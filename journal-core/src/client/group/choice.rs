//! Which site of a group is in service for this client. Pure: looks go in, a site comes out.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::SchemaVersion;
use crate::store::sql::Serving;

/// What the last look at a site found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    /// When that was.
    pub(super) at: Instant,
    /// What the site can do for applications, or why it cannot be asked.
    pub(super) found: Result<Serving, String>,
    /// It is paused, nobody asked applications to leave, and it has not been so for long: a comparison of ledgers pauses a
    /// site for a moment, which is no reason to move.
    pub(super) momentary: bool,
}

/// How good a site is for writing, the best last. Whoever is worse than leaving takes appends only if nobody is better:
/// they would wait there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fitness {
    /// It does not answer, or has not been asked yet.
    Gone,
    /// It is paused: appends are durable and wait.
    Paused,
    /// Applications are asked to leave.
    Leaving,
    /// It takes appends and posts them.
    Serving,
}

pub(super) fn fitness(sight: Option<&Sight>) -> Fitness {
    if sight.is_some_and(|sight| sight.momentary) {
        return Fitness::Serving;
    }
    match sight.map(|sight| &sight.found) {
        None | Some(Err(_)) => Fitness::Gone,
        Some(Ok(Serving { paused: Some(_), .. })) => Fitness::Paused,
        Some(Ok(Serving { away: Some(_), .. })) => Fitness::Leaving,
        Some(Ok(_)) => Fitness::Serving,
    }
}

/// The site to write at: the present one as long as none is better, so that a site that comes back draws nobody away;
/// else the first of the best, in the order they were given. `taken` marks the sites a transaction may not go to.
pub(super) fn choose(current: usize, fitness: &[Fitness], taken: &[bool]) -> Option<usize> {
    let free = |at: usize| !taken.get(at).copied().unwrap_or_default();
    let best = (0..fitness.len()).filter(|at| free(*at)).map(|at| fitness[at]).max()?;
    if free(current) && fitness.get(current) == Some(&best) {
        return Some(current);
    }
    (0..fitness.len()).find(|at| free(*at) && fitness[*at] == best)
}

/// Whether every site was seen lately to serve readers of a version. In doubt, no.
pub(super) fn supports(
    sights: &[Option<Sight>],
    version: SchemaVersion,
    now: Instant,
    age_max: Duration,
) -> bool {
    !sights.is_empty()
        && sights.iter().all(|sight| match sight {
            Some(Sight { at, found: Ok(serving), .. }) => {
                now.duration_since(*at) <= age_max && serving.reads(version)
            }
            Some(Sight { found: Err(_), .. }) | None => false,
        })
}

/// The site to read at: the one that is written at if it serves the version, else the first of the best that do. A site
/// that is paused still shows what it had posted, so it comes last and before none.
pub(super) fn reader(current: usize, sights: &[Option<Sight>], version: SchemaVersion) -> Option<usize> {
    let reads = |sight: &Option<Sight>| {
        sight.as_ref().is_some_and(|sight| sight.found.as_ref().is_ok_and(|serving| serving.reads(version)))
    };
    let fitness: Vec<Fitness> = sights.iter().map(|sight| fitness(sight.as_ref())).collect();
    let taken: Vec<bool> = sights.iter().map(|sight| !reads(sight)).collect();
    choose(current, &fitness, &taken)
}

#[cfg(test)]
mod tests {
    use super::Fitness::{Gone, Leaving, Paused, Serving as Serves};
    use super::*;

    #[test]
    fn a_client_stays_where_it_is_while_nobody_is_better() {
        assert_eq!(choose(1, &[Serves, Serves], &[false; 2]), Some(1));
        assert_eq!(choose(1, &[Paused, Leaving], &[false; 2]), Some(1));
        assert_eq!(choose(0, &[Gone, Gone], &[false; 2]), Some(0));
    }

    #[test]
    fn it_leaves_for_the_first_of_the_best() {
        for bad in [Gone, Paused, Leaving] {
            assert_eq!(choose(0, &[bad, Serves, Serves], &[false; 3]), Some(1), "{bad:?}");
        }
        assert_eq!(choose(0, &[Gone, Paused], &[false; 2]), Some(1), "there an append is durable");
    }

    #[test]
    fn a_site_where_the_transaction_is_void_is_passed_over() {
        assert_eq!(choose(0, &[Serves, Paused], &[true, false]), Some(1));
        assert_eq!(choose(0, &[Serves, Serves], &[true, true]), None);
    }

    fn sight(at: Instant, versions: &[i64]) -> Option<Sight> {
        let readable: Vec<SchemaVersion> = versions.iter().copied().map(SchemaVersion).collect();
        let ledger_version = readable.last().copied().unwrap_or(SchemaVersion(1));
        let found = Ok(Serving { paused: None, away: None, ledger_version, readable });
        Some(Sight { at, found, momentary: false })
    }

    #[test]
    fn a_version_is_supported_when_every_site_was_seen_to_serve_it_a_moment_ago() {
        let now = Instant::now() + Duration::from_secs(60);
        let (age, two) = (Duration::from_secs(2), SchemaVersion(2));
        assert!(supports(&[sight(now, &[1, 2]), sight(now, &[2])], two, now, age));
        assert!(!supports(&[sight(now, &[1, 2]), sight(now, &[1])], two, now, age), "one is older");
        let old = now - Duration::from_secs(3);
        assert!(!supports(&[sight(now, &[2]), sight(old, &[2])], two, now, age), "one may have changed");
        assert!(!supports(&[sight(now, &[2]), None], two, now, age), "one was never seen");
        let gone = Some(Sight { at: now, found: Err("no route".to_owned()), momentary: false });
        assert!(!supports(&[sight(now, &[2]), gone], two, now, age), "one is away");
        assert!(!supports(&[], two, now, age));
    }

    #[test]
    fn readers_go_where_their_version_is() {
        let now = Instant::now();
        let sights = [sight(now, &[1]), sight(now, &[1, 2])];
        assert_eq!(reader(0, &sights, SchemaVersion(1)), Some(0));
        assert_eq!(reader(0, &sights, SchemaVersion(2)), Some(1));
        assert_eq!(reader(0, &sights, SchemaVersion(3)), None);
    }
}
