//! The laws of mapping, tried on random rows and changes or on those that a caller brings. Pure: a seed gives the same
//! case for ever, and what is broken comes back as data, also when a mapping panics. Never a judge of a set's meaning:
//! a mapping may keep every law and still say the wrong thing.
//!
//! Read `check` for the laws themselves, `ledger` for what a ledger does with a mapped change, `draft` and `values` for
//! what is tried.

mod book;
mod check;
mod dice;
mod draft;
mod ledger;
mod narrow;
mod refusal;
mod report;
mod suspects;
#[cfg(test)]
mod tests;
mod values;
mod views;

use journal_core::model::{Change, SchemaVersion};

pub use dice::Dice;
pub use report::{BREAKS_MAX, Break, Law, Outcome, Report, Suspect, Tally};

use crate::error::MapError;
use crate::mapped::MappedRow;
use crate::registry::Registry;
use book::Book;
use check::Stop;
use refusal::Refusal;
use values::Values;

/// Rows a case begins with, at most.
const ROWS_MAX: usize = 6;
/// Changes a case posts, one after the other.
const CHANGES: usize = 6;

/// Tries the laws on one registry. Where a mapping panics, the panic's own message still goes to the standard error
/// stream; the check goes on.
#[derive(Debug, Clone)]
pub struct Laws {
    registry: Registry,
    values: Values,
}

impl Laws {
    /// Ready to try.
    pub fn new(registry: Registry) -> Self {
        let values = Values::of(registry.set());
        Self { registry, values }
    }

    /// Tries so many random cases. Stops early once [`BREAKS_MAX`] breaks are found.
    pub fn generated(&self, seed: u64, cases: u32) -> Report {
        let mut dice = Dice::new(seed);
        let mut report = Report::default();
        for _ in 0..cases {
            report.absorb(self.case(dice.bits()));
            if report.breaks.len() == BREAKS_MAX {
                break;
            }
        }
        report
    }

    /// One random case, by its seed: a few rows born at one version, on a ledger of a second, and changes written at any
    /// version posted there. Ends at its first break.
    pub fn case(&self, seed: u64) -> Report {
        let mut report = Report { cases: 1, ..Report::default() };
        let mut dice = Dice::new(seed);
        if let Err(found) = self.try_case(&mut dice, &mut report) {
            report.breaks.push(Break { seed: Some(seed), ..*found });
        }
        report
    }

    /// Tries the laws on rows of a ledger, with their complements, between their version and every other. Bring rows that
    /// refer to one another together.
    ///
    /// # Errors
    /// [`MapError::UnknownVersion`]. Rows that do not fit their version are a break of [`Law::Fits`].
    pub fn rows(&self, version: SchemaVersion, rows: Vec<MappedRow>) -> Result<Report, MapError> {
        self.brought(version, rows, None)
    }

    /// Tries [`Law::Square`] with a change on rows of a ledger, from their version to every other.
    ///
    /// # Errors
    /// As for [`Laws::rows`].
    pub fn change(
        &self,
        version: SchemaVersion,
        rows: Vec<MappedRow>,
        change: &Change,
    ) -> Result<Report, MapError> {
        self.brought(version, rows, Some(change))
    }

    fn brought(
        &self,
        from: SchemaVersion,
        rows: Vec<MappedRow>,
        change: Option<&Change>,
    ) -> Result<Report, MapError> {
        let mut report = Report { cases: 1, ..Report::default() };
        let book = match Book::of(self.registry.ledger(from)?, rows.clone()) {
            Ok(book) => book,
            Err(refusal) => {
                report.breaks.push(unfit(from, rows, &refusal));
                return Ok(report);
            }
        };
        for version in self.registry.set().versions() {
            let to = version.number();
            let tally = report.tried.entry((from, to)).or_default();
            let tried = match change {
                Some(change) => self.square(from, to, &book, change).map(|_| tally.changes += 1),
                None => self.ways(from, to, &book).map(|_| tally.rows += book.len() as u64),
            };
            match tried {
                Ok(()) => {}
                Err(Stop::Refused) => tally.refused += 1,
                Err(Stop::Broken(finding)) => {
                    report.breaks.push(self.narrowed(from, to, &book, change, &finding));
                }
            }
        }
        report.breaks.truncate(BREAKS_MAX);
        Ok(report)
    }
}

fn unfit(from: SchemaVersion, rows: Vec<MappedRow>, refusal: &Refusal) -> Break {
    Break {
        law: Law::Fits,
        seed: None,
        from,
        to: from,
        expected: Ok(rows.clone()),
        rows,
        change: None,
        found: Err(refusal.to_string()),
        suspects: Vec::new(),
    }
}
