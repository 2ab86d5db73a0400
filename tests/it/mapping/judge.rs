//! What came of each writing, compared: the same rows must be seen at a version, wherever and whenever they were written,
//! and whichever way they are looked at.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::codec::json::value_to_json;
use journal_core::model::{Name, Row};

use super::case::Case;
use super::world::Tables;

/// A writing's mark: what stands for `@`.
pub(super) fn mark(writing: usize) -> String {
    format!("{}", 17_100 + writing)
}

/// The rows of one writing, told as text without its mark.
pub(super) type Shown = BTreeSet<String>;

/// Rows of one look, by case and writing. Rows without a mark are under `None`.
pub(super) type Look = BTreeMap<(usize, Option<usize>), Shown>;

pub(super) fn text_of(table: &Name, row: &Row, suffix: &str) -> String {
    let cells: Vec<String> =
        row.iter().map(|(name, value)| format!("{name}={}", value_to_json(value))).collect();
    format!("{} {}", table.strip_suffix(suffix).unwrap_or(table), cells.join(" "))
}

/// Sorts what was looked at by case and writing.
pub(super) fn sort(cases: &[Case], tables: &Tables, writings: usize) -> Look {
    let mut look = Look::new();
    for (table, rows) in tables {
        let owner = |case: &Case| cases.len() == 1 || table.ends_with(&case.suffix);
        let Some(case) = cases.iter().position(owner) else { panic!("no case has a table {table}") };
        for row in rows {
            let text = text_of(table, row, &cases[case].suffix);
            let writing = (0..writings).find(|writing| text.contains(&mark(*writing)));
            let text = writing.map_or(text.clone(), |writing| text.replace(&mark(writing), "@"));
            look.entry((case, writing)).or_default().insert(text);
        }
    }
    look
}

/// What a suite has done, by operation and by what was done; and what did not hold.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Checks that held: operation, what was done, how many.
    pub(crate) held: BTreeMap<(String, &'static str), usize>,
    /// Variants, by operation.
    pub(crate) variants: BTreeMap<String, usize>,
    /// What did not hold.
    pub(crate) faults: Vec<String>,
    /// Whether something stopped the run before all was checked, such as a row that could not be moved.
    pub(crate) ended_early: bool,
}

impl Report {
    pub(super) fn check(&mut self, case: &Case, what: &'static str, fault: Option<String>) {
        match fault {
            None => *self.held.entry((case.op.clone(), what)).or_default() += 1,
            Some(fault) => self.faults.push(format!("{}: {}: {what}: {fault}", case.op, case.name)),
        }
    }

    /// Adds another report.
    pub(crate) fn take(&mut self, other: Self) {
        for (key, count) in other.held {
            *self.held.entry(key).or_default() += count;
        }
        for (op, count) in other.variants {
            *self.variants.entry(op).or_default() += count;
        }
        self.faults.extend(other.faults);
        self.ended_early |= other.ended_early;
    }

    /// How many checks held.
    pub(crate) fn total(&self) -> usize {
        self.held.values().sum()
    }

    /// The counts as a table.
    pub(crate) fn table(&self) -> String {
        let done: BTreeSet<&str> = self.held.keys().map(|(_, what)| *what).collect();
        let mut text = format!("{:<20} {:>8}", "operation", "variants");
        done.iter().for_each(|what| text += &format!(" {what:>9}"));
        for (op, variants) in &self.variants {
            text += &format!("\n{op:<20} {variants:>8}");
            for what in &done {
                let count = self.held.iter().find(|((own, done), _)| own == op && done == what);
                text += &format!(" {:>9}", count.map_or(0, |(_, count)| *count));
            }
        }
        text + &format!("\n{} variants, {} checks held", self.variants.values().sum::<usize>(), self.total())
    }
}

/// What two looks see differently.
pub(super) fn difference(one: &Shown, other: &Shown, names: (&str, &str)) -> Option<String> {
    if one == other {
        return None;
    }
    let only = |a: &Shown, b: &Shown| a.difference(b).cloned().collect::<Vec<_>>().join("; ");
    Some(format!("\n    {}: {}\n    {}: {}", names.0, only(one, other), names.1, only(other, one)))
}
