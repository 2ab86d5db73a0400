//! Time zones: when a zone's clocks show what. Read once from the tables that are built in, so that every site, and an
//! auditor years later, reckons the same; a server's own tables may be of another year.

use std::fmt;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// From before the first zone to beyond what the tables know: 1840-01-01 to 2110-01-01. Outside, the nearest offset holds.
const KNOWN: std::ops::Range<i64> = -4_102_444_800..4_417_977_600;

/// A zone of the IANA database.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    name: String,
    /// Seconds east of UTC before the first change.
    first: i64,
    /// Instants, in seconds since 1970, and the offset from then on; in order.
    changes: Vec<(i64, i64)>,
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

/// Which of two instants a time means that the clocks showed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ambiguous {
    Earlier,
    Later,
}

impl Zone {
    /// The zone of that name, such as `Europe/Berlin`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let tz: Tz = name.parse().ok()?;
        let at = |second: i64| offset(tz, second);
        let first = at(KNOWN.start);
        let mut changes = Vec::new();
        let (mut from, mut before) = (KNOWN.start, first);
        while from < KNOWN.end {
            let to = from + DAY;
            if at(to) != before {
                let instant = first_after(from, to, |second| at(second) != before);
                before = at(instant);
                changes.push((instant, before));
                from = instant;
            } else {
                from = to;
            }
        }
        Some(Self { name: name.to_owned(), first, changes })
    }

    /// The offset before the first change.
    pub(crate) fn first(&self) -> i64 {
        self.first
    }

    /// Instants in seconds since 1970, each with the seconds east of UTC from then on.
    pub(crate) fn changes(&self) -> &[(i64, i64)] {
        &self.changes
    }

    /// Seconds east of UTC at an instant.
    pub(crate) fn offset(&self, second: i64) -> i64 {
        let passed = self.changes.partition_point(|(instant, _)| *instant <= second);
        passed.checked_sub(1).map_or(self.first, |at| self.changes[at].1)
    }

    /// The instant at which the clocks show a time, both in seconds. A time that they showed twice is the one asked for;
    /// one that they skipped is as long after the skip's beginning as it would have been without.
    pub(crate) fn instant(&self, local: i64, ambiguous: Ambiguous) -> i64 {
        let shown: Vec<i64> =
            self.around(local).into_iter().filter(|at| at + self.offset(*at) == local).collect();
        let found = match ambiguous {
            Ambiguous::Earlier => shown.iter().min(),
            Ambiguous::Later => shown.iter().max(),
        };
        found.copied().unwrap_or_else(|| {
            let before = |(instant, after): &(i64, i64)| {
                let before = self.offset(instant - 1);
                (instant + before <= local && local < instant + after).then_some(before)
            };
            local - self.changes.iter().find_map(before).unwrap_or(self.first)
        })
    }

    /// The instants that a time can mean, by every offset in force within two days.
    fn around(&self, local: i64) -> Vec<i64> {
        let near = self.changes.iter().filter(|(instant, _)| (instant - local).abs() < 2 * DAY);
        let offsets = near.map(|(_, offset)| *offset).chain([self.offset(local - 2 * DAY)]);
        offsets.map(|offset| local - offset).collect()
    }
}

fn offset(tz: Tz, second: i64) -> i64 {
    let utc = DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc();
    tz.offset_from_utc_datetime(&utc).fix().local_minus_utc().into()
}

/// The first second in (from, to] for which something holds that holds at `to` and not at `from`.
fn first_after(mut from: i64, mut to: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while to - from > 1 {
        let middle = from + (to - from) / 2;
        if holds(middle) { to = middle } else { from = middle }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> i64 {
        journal_core::model::time::parse_timestamp(text).unwrap() / 1_000_000
    }

    #[test]
    fn clocks_are_put_forward_and_back() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let local = |text: &str, ambiguous| berlin.instant(second(text), ambiguous);
        let both = |text: &str| (local(text, Ambiguous::Earlier), local(text, Ambiguous::Later));
        let summer = second("2024-07-01T10:00:00Z");
        assert_eq!(both("2024-07-01T12:00:00Z"), (summer, summer));
        // Shown twice.
        assert_eq!(
            both("2024-10-27T02:30:00Z"),
            (second("2024-10-27T00:30:00Z"), second("2024-10-27T01:30:00Z"))
        );
        // Never shown.
        let skipped = second("2024-03-31T01:30:00Z");
        assert_eq!(both("2024-03-31T02:30:00Z"), (skipped, skipped));
        assert_eq!(berlin.offset(second("1800-01-01T00:00:00Z")), berlin.first());
        assert_eq!(berlin.offset(second("2024-01-01T00:00:00Z")), 3600);
    }

    #[test]
    fn a_name_that_is_no_zone_has_none() {
        assert_eq!(Zone::named("Europe/Atlantis"), None);
        assert!(Zone::named("UTC").is_some_and(|zone| zone.changes().is_empty() && zone.first() == 0));
    }
}
