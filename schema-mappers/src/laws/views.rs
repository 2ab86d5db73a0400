//! Rows for a database that tries a set's views, and the judgement of what the views showed. The database is the
//! caller's.

use journal_core::model::{Row, SchemaVersion};

use super::book::Book;
use super::check::Stop;
use super::narrow::differing;
use super::report::{Break, Law, Outcome, Report};
use super::suspects::suspects;
use super::{Dice, Laws};
use crate::mapped::MappedRow;

impl Laws {
    /// Some random rows of a ledger at version `at`, born at any version, with their complements; by seed. None where the
    /// mapping refuses what was drawn.
    ///
    /// # Errors
    /// A law that broke on the way.
    pub fn ledger_rows(&self, seed: u64, at: SchemaVersion) -> Result<Vec<MappedRow>, Box<Break>> {
        let mut dice = Dice::new(seed);
        let home = self.version(&mut dice);
        let born = self.grow(&mut dice, home, at, &mut Report::default())?;
        match self.ways(home, at, &born) {
            Ok(book) => Ok(book.rows().collect()),
            Err(Stop::Refused) => Ok(Vec::new()),
            Err(Stop::Broken(finding)) => Err(Box::new(self.narrowed(home, at, &born, None, &finding))),
        }
    }

    /// Holds what the views of version `to` showed of a ledger at version `at` against the mapper: `rows` are all that the
    /// ledger has, `shown` what the views had, or why they could not be read. `None` where they agree, and where the mapper
    /// refuses the rows: then views show NULLs, and nothing is promised.
    pub fn views(
        &self,
        at: SchemaVersion,
        to: SchemaVersion,
        rows: &[MappedRow],
        shown: Outcome,
    ) -> Option<Break> {
        let mapped = self.registry.map_rows(at, to, rows.to_vec()).ok()?;
        let schema = self.registry.schema(to).ok()?;
        let visible = mapped.into_iter().filter(|row| schema.tables.contains_key(&row.table));
        let book = |rows: Vec<MappedRow>| {
            let bare = rows.into_iter().map(|row| MappedRow { complement: Row::new(), ..row });
            Book::of(schema, bare).map_err(|refusal| refusal.to_string())
        };
        let (expected, found) = (book(visible.collect()), shown.and_then(book));
        if expected == found {
            return None;
        }
        let nothing = Book::default();
        let (wanted, came) = (expected.as_ref().unwrap_or(&nothing), found.as_ref().unwrap_or(&nothing));
        let (wanted, came) = (wanted.beyond(came), came.beyond(wanted));
        let tables: Vec<_> = wanted.iter().chain(&came).map(|row| row.table.clone()).collect();
        let columns = differing(&wanted, &came);
        let between = (to.0 + 1..=at.0).map(SchemaVersion);
        let steps = between.flat_map(|step| suspects(self.registry.set(), step, &tables, &columns));
        Some(Break {
            law: Law::Views,
            seed: None,
            from: at,
            to,
            rows: rows.to_vec(),
            change: None,
            expected: expected.map(|_| wanted),
            found: found.map(|_| came),
            suspects: steps.collect(),
        })
    }
}
