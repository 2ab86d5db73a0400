//! The laws themselves, on books. What the data is refused for is no break; what the mapping gets wrong is.

use journal_core::model::{Change, Op, SchemaVersion};

use super::book::Book;
use super::draft::Drafts;
use super::refusal::Refusal;
use super::report::{Break, Law, Report};
use super::{CHANGES, Dice, Laws, ROWS_MAX, ledger};
use crate::ddl::order::parents_first;
use crate::error::MapError;
use crate::mapped::MappedRow;

/// Why a law was not tried to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The mapping refuses the data, or the versions' own rules do. No break.
    Refused,
    /// A law is broken.
    Broken(Box<Finding>),
}

/// A broken law.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) law: Law,
    pub(super) expected: Result<Book, Refusal>,
    pub(super) found: Result<Book, Refusal>,
}

impl Stop {
    fn broken(law: Law, expected: Result<Book, Refusal>, found: Result<Book, Refusal>) -> Self {
        Self::Broken(Box::new(Finding { law, expected, found }))
    }

    /// A refusal, or the law that it breaks by itself.
    fn of(refusal: Refusal, expected: &Book) -> Self {
        match refusal {
            Refusal::Panicked(_) => Self::broken(Law::Total, Ok(expected.clone()), Err(refusal)),
            refusal if refusal.is_fault() => Self::broken(Law::Fits, Ok(expected.clone()), Err(refusal)),
            _ => Self::Refused,
        }
    }
}

impl Laws {
    /// A few random rows of a ledger at a version, with their complements, by their seed: born at any version and carried
    /// there. They keep the versions' constraints. For those who hold something else against the mapper, such as views.
    ///
    /// # Errors
    /// [`MapError::UnknownVersion`].
    pub fn sample(&self, seed: u64, at: SchemaVersion) -> Result<Vec<MappedRow>, MapError> {
        self.registry.ledger(at)?;
        let mut dice = Dice::new(seed);
        let home = self.version(&mut dice);
        let born = self.grow(&mut dice, home, at, &mut Report::default()).unwrap_or_default();
        let there = self.ways(home, at, &born).unwrap_or_default();
        Ok(there.rows().collect())
    }

    /// A random case, to its first break.
    pub(super) fn try_case(&self, dice: &mut Dice, report: &mut Report) -> Result<(), Box<Break>> {
        let (home, at) = (self.version(dice), self.version(dice));
        let born = self.grow(dice, home, at, report)?;
        let mut book = match self.ways(home, at, &born) {
            Ok(book) => book,
            Err(Stop::Refused) => return Ok(()),
            Err(Stop::Broken(finding)) => {
                return Err(Box::new(self.narrowed(home, at, &born, None, &finding)));
            }
        };
        for _ in 0..CHANGES {
            if let Some(after) = self.try_change(dice, at, &book, report)? {
                book = after;
            }
        }
        Ok(())
    }

    /// A change written at any version, posted to the book of a ledger at version `at`.
    fn try_change(
        &self,
        dice: &mut Dice,
        at: SchemaVersion,
        book: &Book,
        report: &mut Report,
    ) -> Result<Option<Book>, Box<Break>> {
        let from = self.version(dice);
        let here = match self.ways(at, from, book) {
            Ok(here) => here,
            Err(Stop::Refused) => {
                report.tried.entry((at, from)).or_default().refused += 1;
                return Ok(None);
            }
            Err(Stop::Broken(finding)) => {
                return Err(Box::new(self.narrowed(at, from, book, None, &finding)));
            }
        };
        report.tried.entry((at, from)).or_default().rows += book.len() as u64;
        let Ok(schema) = ledger::schema(&self.registry, from) else { return Ok(None) };
        let Some(change) = (Drafts { values: &self.values, schema, dice }).change(&here) else {
            return Ok(None);
        };
        let tally = report.tried.entry((from, at)).or_default();
        match self.square(from, at, &here, &change) {
            Ok(after) => {
                tally.changes += u64::from(after.is_some());
                Ok(after)
            }
            Err(Stop::Refused) => {
                tally.refused += 1;
                Ok(None)
            }
            Err(Stop::Broken(finding)) => {
                Err(Box::new(self.narrowed(from, at, &here, Some(&change), &finding)))
            }
        }
    }

    /// Some rows of version `home` that a ledger at version `at` can hold.
    pub(super) fn grow(
        &self,
        dice: &mut Dice,
        home: SchemaVersion,
        at: SchemaVersion,
        report: &mut Report,
    ) -> Result<Book, Box<Break>> {
        let mut book = Book::default();
        let Ok(schema) = ledger::schema(&self.registry, home) else { return Ok(book) };
        let tables = parents_first(schema);
        let each = (ROWS_MAX / tables.len().max(1)).clamp(1, 3);
        for table in tables {
            for _ in 0..(1 + dice.below(each)) * 4 {
                if book.table(&table.name).count() == each {
                    break;
                }
                let mut drafts = Drafts { values: &self.values, schema, dice };
                let Some(row) = drafts.row(table, &book) else { break };
                let mut more = book.clone();
                if more.insert(table, row, journal_core::model::Row::new()).is_err() || !more.is_sound(schema)
                {
                    continue;
                }
                match self.ways(home, at, &more) {
                    Ok(_) => book = more,
                    Err(Stop::Refused) => report.tried.entry((home, at)).or_default().refused += 1,
                    Err(Stop::Broken(finding)) => {
                        return Err(Box::new(self.narrowed(home, at, &more, None, &finding)));
                    }
                }
            }
        }
        report.tried.entry((home, at)).or_default().rows += book.len() as u64;
        Ok(book)
    }

    /// [`Law::Back`], [`Law::Steps`], [`Law::Fits`] and [`Law::Total`]: the book at the other version.
    pub(super) fn ways(&self, from: SchemaVersion, to: SchemaVersion, book: &Book) -> Result<Book, Stop> {
        let there = match ledger::carry(&self.registry, from, to, book) {
            Ok(there) => there,
            Err(refusal @ Refusal::Duplicate { .. }) if self.stays_sound(from, to, book) => {
                return Err(Stop::broken(Law::Back, Ok(book.clone()), Err(refusal)));
            }
            Err(refusal) => return Err(Stop::of(refusal, book)),
        };
        let back = ledger::carry(&self.registry, to, from, &there);
        let given_up = back.is_ok() && self.gives_up(from, to);
        if !given_up && back.as_ref() != Ok(book) {
            return Err(match back {
                Err(refusal) if refusal.is_fault() => Stop::of(refusal, book),
                back => Stop::broken(Law::Back, Ok(book.clone()), back),
            });
        }
        let mut stepped = book.clone();
        for (from, to) in steps(from, to) {
            match ledger::carry(&self.registry, from, to, &stepped) {
                Ok(next) => stepped = next,
                refused => return Err(Stop::broken(Law::Steps, Ok(there), refused)),
            }
        }
        if stepped != there {
            return Err(Stop::broken(Law::Steps, Ok(there), Ok(stepped)));
        }
        Ok(there)
    }

    /// Whether a step on the way up gives something up for good, by the set's own word: then nothing is promised of the
    /// way back but that there is one.
    fn gives_up(&self, from: SchemaVersion, to: SchemaVersion) -> bool {
        (from.0 + 1..=to.0).any(|version| !self.registry.losses(SchemaVersion(version)).is_empty())
    }

    /// Whether a step between two versions gives a table another primary key.
    fn rekeys(&self, from: SchemaVersion, to: SchemaVersion) -> bool {
        let between = (from.min(to).0 + 1..=from.max(to).0).map(SchemaVersion);
        let steps = between.filter_map(|version| self.registry.set().version(version)?.step());
        steps.flat_map(|step| step.groups()).any(|group| group.rekeys())
    }

    /// [`Law::Square`] for a change on a book of its version: the other version's book after it. `None` when an origin
    /// at the change's own version would not accept it, or the other version's own rules do not.
    pub(super) fn square(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        here: &Book,
        change: &Change,
    ) -> Result<Option<Book>, Stop> {
        let registry = &self.registry;
        let refused = |_| Stop::Refused;
        let schema = ledger::schema(registry, from).map_err(refused)?;
        if schema.check(change).is_err() {
            return Ok(None);
        }
        let there = ledger::carry(registry, from, to, here).map_err(refused)?;
        let found = ledger::post(registry, from, to, &there, change);
        if let Err(refusal) = &found
            && refusal.is_fault()
        {
            return Err(Stop::of(refusal.clone(), &there));
        }
        let after = match ledger::post(registry, from, from, here, change) {
            Ok(after) if self.is_sound(from, &after) => after,
            // What the rows refuse here they refuse there, whatever the mapping makes of it.
            Err(refusal)
                if refusal.is_of_rows() && found.as_ref().is_ok_and(|found| self.is_sound(to, found)) =>
            {
                // What is the key here need not even be unique there; then the rows there have no way back.
                let lost = |found: &Book| ledger::carry(registry, to, from, found).is_err();
                if self.rekeys(from, to) && found.as_ref().is_ok_and(lost) {
                    return Err(Stop::Refused);
                }
                return Err(Stop::broken(Law::Square, Err(refusal), found));
            }
            _ => return Ok(None),
        };
        let expected = ledger::carry(registry, from, to, &after);
        match (expected, found) {
            (Err(_), Err(_)) => Err(Stop::Refused),
            (Ok(expected), Ok(found)) if expected == found => Ok(self.is_sound(to, &found).then_some(found)),
            // Whether a sum has a form at the other version is not seen from the delta.
            (Err(_), Ok(_)) | (Ok(_), Err(Refusal::Cannot(_))) if change.op == Op::Add => Err(Stop::Refused),
            _ if !self.stays_sound(from, to, &after) => Err(Stop::Refused),
            (expected, found) => Err(Stop::broken(Law::Square, expected, found)),
        }
    }

    /// Whether a book keeps the unique keys and parents of every version on the way, as far as it gets. Rows that break
    /// those of a version are refused there, and nothing is promised of them beyond it.
    fn stays_sound(&self, from: SchemaVersion, to: SchemaVersion, book: &Book) -> bool {
        let mut at = book.clone();
        for (from, to) in steps(from, to) {
            if !self.is_sound(from, &at) {
                return false;
            }
            match ledger::carry(&self.registry, from, to, &at) {
                Ok(next) => at = next,
                Err(_) => return true,
            }
        }
        self.is_sound(to, &at)
    }

    fn is_sound(&self, version: SchemaVersion, book: &Book) -> bool {
        ledger::ledger(&self.registry, version).is_ok_and(|schema| book.is_sound(schema))
    }

    pub(super) fn version(&self, dice: &mut Dice) -> SchemaVersion {
        dice.pick(self.registry.set().versions()).map_or(SchemaVersion(1), |version| version.number())
    }
}

/// The neighbours on the way from one version to another.
pub(super) fn steps(
    from: SchemaVersion,
    to: SchemaVersion,
) -> impl Iterator<Item = (SchemaVersion, SchemaVersion)> {
    let step = if from < to { 1 } else { -1 };
    let count = (to.0 - from.0).unsigned_abs();
    (0..count).scan(from.0, move |at, _| {
        let here = *at;
        *at += step;
        Some((SchemaVersion(here), SchemaVersion(*at)))
    })
}
