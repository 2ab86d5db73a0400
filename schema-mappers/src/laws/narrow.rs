//! From a broken law to the smallest case that still breaks it, and to the operations that may be at fault.

use std::collections::BTreeSet;

use journal_core::model::{Change, Name, SchemaVersion};

use super::Laws;
use super::book::Book;
use super::check::{Finding, Stop, steps};
use super::ledger::carry;
use super::report::Break;
use super::suspects::suspects;
use crate::mapped::MappedRow;

impl Laws {
    /// The break that a finding is, with as few rows and cells as it takes.
    pub(super) fn narrowed(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        book: &Book,
        change: Option<&Change>,
        finding: &Finding,
    ) -> Break {
        let mut small = Small { book: book.clone(), change: change.cloned() };
        let law = finding.law;
        let again = |small: &Small| self.again(from, to, small).filter(|found| found.law == law);
        for place in book.places() {
            let mut less = small.clone();
            less.book.remove_at(&place);
            if again(&less).is_some() {
                small = less;
            }
        }
        for name in change.into_iter().flat_map(|change| change.cells.names()) {
            let mut less = small.clone();
            if let Some(change) = &mut less.change {
                change.cells.remove(name);
            }
            if again(&less).is_some() {
                small = less;
            }
        }
        let narrowed = again(&small);
        self.told(from, to, small, narrowed.as_deref().unwrap_or(finding))
    }

    fn told(&self, from: SchemaVersion, to: SchemaVersion, small: Small, finding: &Finding) -> Break {
        let Finding { law, expected, found } = finding;
        let nothing = Book::default();
        let (wanted, came) = (expected.as_ref().unwrap_or(&nothing), found.as_ref().unwrap_or(&nothing));
        let (wanted, came) = (wanted.beyond(came), came.beyond(wanted));
        let step = self.first_broken(from, to, &small).unwrap_or(from.max(to));
        let tables: BTreeSet<&Name> = wanted.iter().chain(&came).map(|row| &row.table).collect();
        let tables: Vec<Name> = tables.into_iter().cloned().collect();
        let suspects = suspects(self.registry.set(), step, &tables, &differing(&wanted, &came));
        Break {
            law: *law,
            seed: None,
            from,
            to,
            rows: small.book.rows().collect(),
            change: small.change,
            expected: expected.as_ref().map(|_| wanted).map_err(ToString::to_string),
            found: found.as_ref().map(|_| came).map_err(ToString::to_string),
            suspects,
        }
    }

    /// The newer version of the first step on the way that breaks a law by itself.
    fn first_broken(&self, from: SchemaVersion, to: SchemaVersion, small: &Small) -> Option<SchemaVersion> {
        let step = steps(from, to).find(|(before, after)| match &small.change {
            Some(_) => self.again(from, *after, small).is_some(),
            None => carry(&self.registry, from, *before, &small.book)
                .is_ok_and(|book| self.again(*before, *after, &Small { book, change: None }).is_some()),
        });
        step.map(|(before, after)| before.max(after))
    }

    fn again(&self, from: SchemaVersion, to: SchemaVersion, small: &Small) -> Option<Box<Finding>> {
        let stop = match &small.change {
            Some(change) => self.square(from, to, &small.book, change).err(),
            None => self.ways(from, to, &small.book).err(),
        };
        match stop {
            Some(Stop::Broken(finding)) => Some(finding),
            Some(Stop::Refused) | None => None,
        }
    }
}

/// A case that is made smaller.
#[derive(Debug, Clone)]
struct Small {
    book: Book,
    change: Option<Change>,
}

/// The columns in which rows differ, and those of kept cells.
pub(super) fn differing(expected: &[MappedRow], found: &[MappedRow]) -> Vec<Name> {
    let mut columns = BTreeSet::new();
    for (one, other) in expected.iter().zip(found) {
        for (one, other) in [(&one.row, &other.row), (&one.complement, &other.complement)] {
            for name in one.names().chain(other.names()).filter(|name| one.get(name) != other.get(name)) {
                let column = name.split_once(':').map_or(&**name, |(_, column)| column);
                columns.insert(Name::from(column));
            }
        }
    }
    columns.into_iter().collect()
}
